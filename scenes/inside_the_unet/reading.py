"""What the recording says of the network's parts: numbers, and the words that fit them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.recipes.inside import (
    OTHER_WORDS,
    WHOLE,
    WITHOUT_DEPTHS,
    WITHOUT_SKIPS,
    at_place,
)
from diffusion_core.trajectory import Trajectory

Floats = NDArray[np.float64]

SAME = 1.25
"""An error that grows by less than this factor has hardly changed."""


def coarse(pictures: NDArray[np.floating], count: int) -> Floats:
    """Pictures (…, H, W) with each of ``count`` × ``count`` squares replaced by its mean."""
    side = pictures.shape[-1]
    step = side // count
    squares = pictures.astype(np.float64).reshape(*pictures.shape[:-2], count, step, count, step)
    means = squares.mean((-3, -1))
    return np.asarray(means.repeat(step, -2).repeat(step, -1))


def rms(values: NDArray[np.floating]) -> float:
    """Root mean square."""
    return float(np.sqrt((values.astype(np.float64) ** 2).mean()))


@dataclass(frozen=True)
class Inside:
    """The recording of a look into the network; states run from the most noise to the least.

    Parameters
    ----------
    bundle
        Of an ``InsideRecipe``.
    """

    bundle: Bundle

    @property
    def whole(self) -> Trajectory:
        """x_t, ε and the answers of the network as it is."""
        return self.bundle[WHOLE]

    @property
    def looks(self) -> int:
        """K, at how many times the network was looked into."""
        return self.whole.steps

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """What was asked, the network as it is first."""
        known = (WHOLE, WITHOUT_SKIPS, WITHOUT_DEPTHS, OTHER_WORDS)
        return tuple(name for name in known if name in self.bundle)

    @property
    def prompt(self) -> str:
        """What is asked for; "" for nothing."""
        return str(self.bundle.common["recipe"]["prompt"])

    @property
    def other(self) -> str:
        """What is asked for instead; "" for nothing."""
        return str(self.bundle.common["recipe"]["other"])

    @cached_property
    def places(self) -> tuple[Trajectory, ...]:
        """What stands at each place of the network as it is, in the order of passing."""
        return tuple(run for name, run in self.bundle.items() if name == run.facts.get("name"))

    def at(self, place: Trajectory, variant: str) -> Trajectory:
        """What stands at the same place in a variant."""
        return self.bundle[at_place(place.facts["name"], variant)]

    def factor(self, variant: str) -> Floats:
        """How many times as large the error of ε̂ is as the whole network's, (K,)."""
        errors = [self.bundle[name].facts["eps_error"] for name in (variant, WHOLE)]
        return np.asarray(errors[0]) / np.asarray(errors[1])

    def change(self, place: Trajectory, variant: str) -> Floats:
        """By which share of itself what stands at a place changes in a variant, (K,)."""
        return np.asarray(self.at(place, variant).facts["change"])

    def guesses(self, variant: str, look: int) -> NDArray[np.floating]:
        """x̂_0 of all samples at a look, (B, C, H, W)."""
        guessed = self.bundle[variant].x0_hat
        assert guessed is not None
        return guessed[look]

    def lost(self, variant: str, look: int) -> tuple[float, float]:
        """How much a variant changes the guesses: their shape, and their detail (RMS).

        The shape is what one place at the bottom of the network can tell: the
        means of as many squares as there are places.
        """
        change = self.guesses(variant, look).astype(np.float64) - self.guesses(WHOLE, look)
        bottom = min(int(place.facts["size"]) for place in self.places)
        shape = coarse(change, bottom)
        return rms(shape), rms(change - shape)

    @property
    def deepest(self) -> int:
        """The number of the coarsest level."""
        return max(int(place.facts["level"]) for place in self.places)

    def change_of_level(self, level: int, look: int) -> float:
        """By how much other words change the places of a level, on average."""
        shares = [
            self.change(place, OTHER_WORDS)[look]
            for place in self.places
            if place.facts["level"] == level
        ]
        return float(np.mean(shares))

    # -- sentences -----------------------------------------------------------------

    def shrinking(self) -> str:
        """How small the picture becomes on the way down."""
        sizes = [p.facts["size"] for p in self.places if p.facts["side"] == "down"]
        steps = [f"to {size} × {size} places" for size in sizes]
        said = f"first {steps[0]}, then {', then '.join(steps[1:]).replace(' places', '')}"
        return f"On the way down, the picture shrinks: {said}."

    def numbers_held(self) -> str:
        """How many numbers a place has, and which are shown."""
        widths = [p.facts["channels"] for p in self.places if p.facts["side"] == "down"]
        shown = len(self.places[0].facts["channels_kept"])
        counts = ", then ".join(map(str, widths))
        return f"Each place holds {counts} numbers; shown are the {shown} that vary most."

    def without_skips(self, look: int) -> str:
        """What the first cut does."""
        factor = float(self.factor(WITHOUT_SKIPS)[look])
        return f"The error of the answer is {only(factor)}{factor:.1f} times as large."

    def without_depths(self, look: int) -> str:
        """What the second cut does, and that the first is mended."""
        factor = float(self.factor(WITHOUT_DEPTHS)[look])
        return (
            "We mend them, and cut off the depths instead: "
            f"the error is {only(factor)}{factor:.1f} times as large."
        )

    def straight(self, look: int) -> str:
        """Which of the two the answer comes through."""
        skips, depths = (self.factor(name)[look] for name in (WITHOUT_SKIPS, WITHOUT_DEPTHS))
        if skips > depths:
            return "With so little noise, the answer comes straight across."
        return "Even with so little noise, the answer comes from the depths."

    def suffers(self, variant: str, look: int) -> str:
        """What of the guess a cut harms most."""
        cut = "Cut the skip connections" if variant == WITHOUT_SKIPS else "Cut off the depths"
        shape, detail = self.lost(variant, look)
        return f"{cut}: what suffers most is the {'shape' if shape > detail else 'detail'}."

    def heard(self, look: int) -> str:
        """Where the words change most."""
        top, bottom = (100 * self.change_of_level(n, look) for n in (1, self.deepest))
        said = f"At the bottom it changes by {bottom:.0f} %, at the top by {top:.0f} %"
        where = "words are heard in the depths" if bottom > top else "words are heard at the top"
        return f"{said}: {where}."


def only(factor: float) -> str:
    """ "only " where an error has hardly grown."""
    return "only " if factor < SAME else ""


def aloud(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace(" × ", " by ").replace(" %", " percent")
