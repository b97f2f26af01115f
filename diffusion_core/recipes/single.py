"""Recipes of one run: a picture dissolves, and noise becomes pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.pictures import DEFAULT_PICTURE, picture_digest
from diffusion_core.recipes.checks import (
    LATER,
    VP_SCHEDULES,
    check_name,
    check_schedule,
    check_seed,
    check_whole,
    settle,
)
from diffusion_core.recipes.sampling import Sampling

NOISES = ("fresh", "one")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardRecipe:
    """A picture dissolves: all T steps of q(x_t | x_{t−1}), or one jump to each t.

    Parameters
    ----------
    image
        A bundled picture's name or the path of one.
    size
        Height and width that the picture is brought to.
    seed
        Of the noise, 0 … 2³² − 1.
    schedule, T
        The noise schedule and its number of levels, 10 … 100,000.
    keep
        States that are kept besides x_0, evenly spaced in t; all T are run.
        The state at which picture and noise weigh the same is kept as well.
    noise
        "fresh": every step adds noise of its own; "one": each t is one jump from
        the picture, √ᾱ_t x_0 + √(1 − ᾱ_t) ε, with the same ε (``dissolving``).
    """

    image: str = DEFAULT_PICTURE
    size: int = 64
    seed: int = 0
    schedule: str = "cosine"
    T: int = 1000
    keep: int = 250
    noise: str = field(default="fresh", metadata=LATER)

    def __post_init__(self) -> None:
        check_name("schedule", self.schedule, VP_SCHEDULES)
        check_name("noise", self.noise, NOISES)
        settle(
            self,
            seed=check_seed(self.seed),
            T=check_schedule(self.schedule, self.T),
            keep=check_whole("keep", self.keep, 1, self.T),
            size=check_whole("size", self.size, 8, 512),
        )

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {"picture": picture_digest(self.image, self.size)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseRecipe(Sampling):
    """Noise becomes pictures: every step of a sampler, one sample a seed.

    The fields of ``Sampling``, and:

    Parameters
    ----------
    seeds
        One a sample, each 0 … 2³² − 1; a sample is the same in any company.
    keep
        States that are kept besides x_T, evenly spaced in ln SNR; all by default.
    """

    seeds: tuple[int, ...] = (0,)
    keep: int | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise UsageError("seeds is empty; give at least one")
        Sampling.__post_init__(self)
        settle(self, seeds=tuple(check_seed(seed) for seed in self.seeds))
        if self.keep is not None:
            settle(self, keep=check_whole("keep", self.keep, 1, self.steps))
