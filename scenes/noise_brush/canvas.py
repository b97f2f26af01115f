"""What is said of a canvas: of noise that was dabbed on it, and taken for that of t."""

from __future__ import annotations

from functools import cached_property
from itertools import combinations

import numpy as np

from diffusion_core.bundle import Bundle
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import ENOUGH_NOISE, TOO_MUCH_NOISE
from scenes.digits import a
from scenes.measures import distance
from scenes.noise_brush.telling import Floats, Mask, Telling

NEW = 0.2
"""Difference to the picture from which on what is under the brush is another (RMS, of 2)."""
ALIKE = 0.1
"""Difference up to which two answers are alike."""
SEEN = 0.05
"""Noise that the network sees where none was painted, from which on it is spoken of."""

TIMES = {1: "once", 2: "twice"}


def is_canvas(bundle: Bundle) -> bool:
    """Whether noise was dabbed, as much as somebody liked, or stroked, as much as t has."""
    return "std" in bundle["removed"].facts


def telling_of(bundle: Bundle) -> Telling:
    """What is said of a recording of either."""
    return CanvasTelling(bundle) if is_canvas(bundle) else Telling(bundle)


def aloud(sentence: str) -> str:
    """The sentence as it is said: "t = 600" is "t equals 600"."""
    return sentence.replace("t = ", "t equals ")


def level(values: Floats) -> float:
    """The root mean square of ``values``; 0 of none."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


class CanvasTelling(Telling):
    """What is said of dabs of noise, too few or too many of them perhaps."""

    start = "canvas"
    at_work, measured = 2.0, True

    # -- what was recorded ---------------------------------------------------------

    @cached_property
    def std(self) -> Floats:
        """(H, W): s, the standard deviation of the noise that was laid on a pixel."""
        return np.asarray(self.removed.facts["std"], np.float64)

    @cached_property
    def mask(self) -> Mask:
        """(H, W): where there is noise."""
        return self.std > 0

    @cached_property
    def pixels(self) -> tuple[int, int]:
        """How many have noise, and how many have none."""
        return int(self.mask.sum()), int((~self.mask).sum())

    @cached_property
    def held(self) -> bool:
        """Whether there is anything beside the brush, and it is put back."""
        return self.recipe["outside"] == "kept" and self.pixels[1] > 0

    @cached_property
    def named(self) -> str:
        """What the canvas is called: where x_t shows the picture, it stays what was painted."""
        return "the picture" if self.held else "the canvas"

    @cached_property
    def first_steps(self) -> tuple[int, int]:
        """None where there are so few that the whole way is gone while it is told of."""
        return (1, 2) if self.removed.steps > 2 else (0, 0)

    @cached_property
    def laid(self) -> float:
        """The noise of the first sample as it was measured, where there is any."""
        return float(self.removed.facts["painted_std"][0])

    @cached_property
    def expected(self) -> float:
        """σ_t: what t stands for."""
        return float(self.removed.facts["sigma"])

    @cached_property
    def verdict(self) -> str:
        """What was laid beside what t stands for: "too little", "enough" or "too much"."""
        if self.laid < ENOUGH_NOISE * self.expected:
            return "too little"
        return "too much" if self.laid > TOO_MUCH_NOISE * self.expected else "enough"

    @cached_property
    def taken(self) -> tuple[float, float]:
        """What the network takes for noise at first sight, σ_t · ε̂: beside the brush, and under it.

        Root mean squares over the pixels of the first sample.
        """
        run = self.removed
        assert run.x0_hat is not None
        # Of the guess, because ε̂ is kept less exactly and a sampler may ask for it again.
        guess = np.asarray(run.x0_hat[0, 0], np.float64)
        noise = np.asarray(run.states[0, 0], np.float64) - run.signal_weight[0] * guess
        return level(noise[:, ~self.mask]), level(noise[:, self.mask])

    @cached_property
    def before(self) -> int | None:
        """What is read in the picture; None where it need not be a digit."""
        own = self.recipe["image"] or self.recipe["dataset"] not in ("", "mnist")
        return None if own else super().before

    @cached_property
    def after(self) -> list[int]:
        """What is read in what came of it, of each sample; none where nothing is."""
        return [] if self.before is None else super().after

    @cached_property
    def differences(self) -> tuple[float | None, float]:
        """How far the first answer is from the picture, beside the brush (if anywhere) and under.

        Root mean squares, of a range of 2.
        """
        away = np.asarray(self.removed.states[-1, 0], np.float64) - self.picture
        beside = level(away[:, ~self.mask]) if self.pixels[1] else None
        return beside, level(away[:, self.mask])

    @cached_property
    def changed(self) -> int:
        """How many pixels beside the brush are seen to be others in the first answer."""
        end = np.asarray(self.removed.states[-1, 0])
        other = (to_pixels(end) != to_pixels(self.picture)).any(axis=0)
        return int((other & ~self.mask).sum())

    @cached_property
    def nearest(self) -> tuple[float, float]:
        """How far apart the two most alike of the other answers are, and the two least alike."""
        ends = self.removed.states[-1, 1:]
        # Beside the brush they are one picture, where that was put back.
        where = self.mask if self.held else np.ones_like(self.mask)
        away = [distance(one[:, where], other[:, where]) for one, other in combinations(ends, 2)]
        return min(away), max(away)

    # -- what is said of it --------------------------------------------------------

    @property
    def asks(self) -> str:
        """The question."""
        asked = super().asks
        return asked if self.pixels[1] else asked.replace("only a part", "all")

    @property
    def paints(self) -> str:
        """Of the brush that moves."""
        dabs = len(self.recipe["dabs"])
        said = f"A brush dabs noise onto it, {TIMES.get(dabs, f'{dabs:,} times')}."
        grows = self.std.max() > 1.001 * self.recipe["strength"]
        return f"{said} Where dabs overlap, there is more." if grows else said

    @property
    def weighs(self) -> str:
        """How much noise there is."""
        count = self.pixels[0]
        where = f"these {count:,} pixels" if count > 1 else "this pixel"
        verdict = {
            "too little": "that is too little",
            "enough": "that fits",
            "too much": "that is too much",
        }[self.verdict]
        return (
            f"In {where}, the noise measures {self.laid:.2f}. At t = {self.removed.facts['turn']}, "
            f"the network expects {self.expected:.2f}: {verdict}."
        )

    @property
    def given(self) -> str:
        """What the network is shown."""
        said = "The network expects one noise level everywhere."
        if self.held:
            return f"{said} So beside the brush, noise of {self.expected:.2f} is added for it."
        rest = ", without noise beside the brush" if self.pixels[1] else ""
        return f"{said} It is given the canvas as it is{rest}."

    @property
    def guessed(self) -> str:
        """What the network answers."""
        return (
            f"From that, it guesses the whole picture. Under the brush, it takes "
            f"{self.taken[1]:.2f} for noise."
        )

    @property
    def counts(self) -> str:
        """Of one step."""
        step = "One small step." if self.removed.steps > 2 else "The way back is short."
        return f"{step} {'Under the brush, it counts.' if self.held else 'It counts everywhere.'}"

    @property
    def beside(self) -> str:
        """Of what lies beside the brush in that step."""
        if self.held:
            return "Beside the brush we know better: the picture is put back, with less noise."
        if self.pixels[1]:
            return "Beside the brush, too: the network looks for noise where none was painted."
        return "The brush was everywhere, so there is nothing that could be put back."

    @property
    def way_back(self) -> str:
        """Of all steps."""
        said = "Step by step, the network takes away what it takes for noise"
        if self.held:
            return f"{said}. What lies beside the brush is put back every time."
        if self.pixels[1]:
            return f"{said}, under the brush and beside it."
        return f"{said}. Here, it does so in every pixel."

    @property
    def unchanged(self) -> str:
        """Of what lies beside the brush in the end; empty where nothing does."""
        rest = self.pixels[1]
        if not rest:
            return ""
        if not self.changed:
            return "Beside the brush, not one pixel has changed."
        if self.changed == rest > 1:
            return f"Beside the brush, all {rest:,} pixels have changed as well."
        verb = "has" if self.changed == 1 else "have"
        return f"Beside the brush, {self.changed:,} of {rest:,} pixels {verb} changed as well."

    @property
    def came_back(self) -> str:
        """Of what lies under it."""
        _, away = self.differences
        said = f"Under the brush, it is {away:.2f} away from what it was."
        if self.before is None:
            return said
        if self.before == self.after[0]:
            return f"{said} A second network still reads {a(self.before)}."
        return f"{said} What was {a(self.before)} now reads as {a(self.after[0])}."

    @property
    def again(self) -> str:
        """Of the other answers, before they are there."""
        others = self.removed.states.shape[1] - 1
        what = "dabs" if len(self.recipe["dabs"]) > 1 else "dab"
        return f"The same {what} again, {others} times over, each with other noise."

    @property
    def grown(self) -> str:
        """Of the other answers as they come."""
        least, most = self.nearest
        said = f"Every answer has the same {'rest' if self.held else 'picture'} to go by"
        if least > ALIKE:
            return f"{said}, and no two are alike."
        return f"{said}, and {'all are alike' if most <= ALIKE else 'some are alike'}."

    @property
    def counted(self) -> str:
        """How many are read as what it was; empty where nothing is read."""
        if self.before is None:
            return ""
        others = self.after[1:]
        same = others.count(self.before)
        if same == len(others):
            return f"All {same} are read as {a(self.before)}."
        verb = "is" if same == 1 else "are"
        return f"Of these {len(others)}, {same or 'none'} {verb} read as {a(self.before)}."

    @property
    def last(self) -> str:
        """What to remember."""
        beside, under = self.taken
        if not self.held and self.pixels[1] and beside > SEEN:
            return "Told that there is noise, the network finds some, even where there is none."
        if self.verdict == "too little" and under > self.laid:
            return "Told of more noise than there is, the network takes some of the picture for it."
        if self.verdict == "too much" and under < self.laid:
            return "Told of less noise than there is, the network takes some of it for the picture."
        if self.differences[1] > NEW:
            return super().last
        return "Noise does not hide everything: what comes back is close to what was there."
