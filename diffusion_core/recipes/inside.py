"""The recipe of a look into the network."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from diffusion_core.errors import UsageError
from diffusion_core.recipes.checks import (
    VP_SCHEDULES,
    check_name,
    check_range,
    check_seed,
    check_whole,
    seeds_from,
    settle,
)
from diffusion_core.recipes.own import check_ours
from diffusion_core.recipes.sampling import Sampling

WHOLE, WITHOUT_SKIPS, WITHOUT_DEPTHS = "whole", "without skips", "without depths"
OTHER_WORDS = "other words"
"""What is asked: the network as it is, with a part of it cut, and as it is for another prompt."""


def at_place(place: str, variant: str = WHOLE) -> str:
    """What the run is called that holds what stood at a place of the network in a ``variant``."""
    return place if variant == WHOLE else f"{place}, {variant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InsideRecipe(Sampling):
    """Pictures are noised, and the network looked into while it answers (``inside_unet``).

    The runs are "whole", "without skips", "without depths" and, where the
    prompts differ, "other words": x_t at each time and the network's answers.
    Of each of them there is one more for every place of the network ("down 1",
    …), called as ``at_place`` says, with what stood there.  The
    pictures are the model's own; the fields of ``Sampling`` are how they are
    drawn (the network that is looked into is asked once, for the prompt), and:

    Parameters
    ----------
    seed, samples
        Of the first picture, 0 … 2³² − 1, and how many there are, 1 … 1000: the
        others follow it, and the noise that they are given has the seeds after
        theirs.
    alpha_bars
        How much of the variance is picture, falling, above 0 and below 1: each
        is looked at at the first t at which ᾱ_t has fallen to it, which is the
        same picture under every schedule.
    other
        The prompt of "other words"; "" for none.
    channels
        How many channels of each place are kept, 1 … 64: those that vary most.
    """

    seed: int = 0
    samples: int = 12
    alpha_bars: tuple[float, ...] = (0.8, 0.1)
    other: str = ""
    channels: int = 3

    def __post_init__(self) -> None:
        check_ours("this looks into", self.model)
        Sampling.__post_init__(self)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        for share in self.alpha_bars:
            check_range("one of alpha_bars", share, math.ulp(0), math.nextafter(1, 0))
        falls = all(a > b for a, b in itertools.pairwise(self.alpha_bars))
        if not self.alpha_bars or not falls:
            raise UsageError(
                f"alpha_bars = {tuple(self.alpha_bars)} must fall and hold at least one number"
            )
        settle(
            self,
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 1000),
            alpha_bars=tuple(float(share) for share in self.alpha_bars),
            channels=check_whole("channels", self.channels, 1, 64),
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the pictures."""
        return seeds_from(self.seed, self.samples)

    @property
    def new_seeds(self) -> tuple[int, ...]:
        """Of the noise that they are given: never that which a picture came from."""
        return seeds_from(self.seed + self.samples, self.samples)
