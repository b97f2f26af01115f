"""What is said of a stroke: the sentences of the lecture, and what they are read off."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory
from scenes.digits import a

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def what_came_back(before: int | None, after: int | None) -> str:
    """The sentence that compares what was read in the picture with what is read now."""
    said = "Under the brush, the strokes are new"
    if before is None or after is None:
        return said + "."
    if before == after:
        return f"{said}. A second network still reads {a(after)}."
    return f"{said}: what was {a(before)} now reads as {a(after)}."


def how_many(before: int, after: list[int]) -> str:
    """The sentence that counts what is read in the other answers."""
    same = after.count(before)
    if same == len(after):
        return f"All {same} fit what was left, and all are read as {a(before)}."
    verb = "is" if same == 1 else "are"
    return f"Each fits what was left: {same or 'none'} of {len(after)} {verb} read as {a(before)}."


class Telling:
    """What is said of a stroke that lays all the noise of one t, and is removed.

    Parameters
    ----------
    bundle
        The recording: "painted" and "removed".
    """

    start = "noise"
    """What the way back begins with."""
    at_work = 5.0
    """Seconds that the brush takes at least."""
    measured = False
    """Whether it is said what the network takes for noise under the brush."""

    def __init__(self, bundle: Bundle) -> None:
        self.painted, self.removed = bundle["painted"], bundle["removed"]
        self.recipe = bundle.facts["recipe"]

    # -- what was recorded ---------------------------------------------------------

    @cached_property
    def mask(self) -> Mask:
        """(H, W): where there is noise."""
        return np.asarray(self.removed.facts["mask"]) > 0

    @cached_property
    def held(self) -> bool:
        """Whether there is anything beside the brush, and it is put back."""
        return True

    @cached_property
    def picture(self) -> Floats:
        """x_0, (C, H, W)."""
        return np.asarray(self.painted.states[0, 0])

    @cached_property
    def before(self) -> int | None:
        """What is read in the picture; None where it need not be a digit."""
        read: int | None = self.painted.facts.get("class")
        return read

    @cached_property
    def after(self) -> list[int]:
        """What is read in what came of it, of each sample; none where nothing is."""
        return list(self.removed.facts.get("final_class", []))

    @cached_property
    def differences(self) -> tuple[float | None, float]:
        """How far the first answer is from the picture, beside the brush (if anywhere) and under.

        Root mean squares, of a range of 2.
        """
        facts = self.removed.facts
        return facts["rms_outside"][0], facts["rms_inside"][0]

    @cached_property
    def named(self) -> str:
        """What the canvas is called."""
        return "the picture"

    @cached_property
    def first_steps(self) -> tuple[int, int]:
        """How far the way back goes while a step is told of, and then what is put back in it."""
        return 1, 2

    @cached_property
    def seen(self) -> NDArray[Any]:
        """What is seen of the way back, (N + 1, B, C, H, W): what is put back is the picture."""
        return seen_of(self.removed, self.picture, self.mask if self.held else None)

    # -- what is said of it --------------------------------------------------------

    @property
    def asks(self) -> str:
        """The question."""
        drawn = "picture" if self.before is None else "digit"
        prompt = self.recipe["prompt"]
        asked = f", drawn for “{prompt}”" if prompt else ""
        return f"Here is a {drawn}{asked}. What if noise falls onto only a part of it?"

    @property
    def paints(self) -> str:
        """Of the brush that moves."""
        return "A brush moves over it. Under the brush, the picture drowns in noise."

    @property
    def weighs(self) -> str:
        """How much noise there is."""
        signal, noise = self.painted.signal_weight[1], self.painted.noise_weight[1]
        pixels = int(self.mask.sum())
        return f"In these {pixels} pixels, the noise weighs {noise:.2f}, the picture {signal:.2f}."

    @property
    def given(self) -> str:
        """What the network is shown."""
        return (
            "The network expects one noise level. So it is shown the whole picture just as noisy."
        )

    @property
    def guessed(self) -> str:
        """What the network answers."""
        return "From that, it guesses the whole picture."

    @property
    def counts(self) -> str:
        """Of one step."""
        return "One small step. Under the brush, it counts."

    @property
    def beside(self) -> str:
        """Of what lies beside the brush in that step."""
        return "Beside the brush we know better: the picture is put back, with less noise."

    @property
    def way_back(self) -> str:
        """Of all steps."""
        return (
            "Step by step, strokes grow under the brush. They have to fit what stands around them."
        )

    @property
    def unchanged(self) -> str:
        """Of what lies beside the brush in the end; empty where nothing does."""
        return "Beside the brush, not one pixel has changed."

    @property
    def came_back(self) -> str:
        """Of what lies under it."""
        return what_came_back(self.before, self.after[0] if self.after else None)

    @property
    def again(self) -> str:
        """Of the other answers, before they are there."""
        others = self.removed.states.shape[1] - 1
        return f"The same stroke again, {others} times over, each with other noise."

    @property
    def grown(self) -> str:
        """Of the other answers as they come."""
        return "Every answer grows from the same rest, and no two are alike."

    @property
    def counted(self) -> str:
        """How many are read as what it was; empty where nothing is read."""
        return "" if self.before is None else how_many(self.before, self.after[1:])

    @property
    def last(self) -> str:
        """What to remember."""
        return "The network does not remember what was there. It paints what could have been."


def seen_of(run: Trajectory, picture: Floats, mask: Mask | None) -> NDArray[Any]:
    """The states of a way back, (N + 1, B, C, H, W), and where ``mask`` is not, the picture."""
    return run.states if mask is None else np.where(mask, run.states, picture)
