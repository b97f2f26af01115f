"""Recipes of experiments that only add noise: no network is asked."""

from __future__ import annotations

from dataclasses import dataclass

from diffusion_core.files import Facts
from diffusion_core.pictures import DEFAULT_PICTURE, picture_digest
from diffusion_core.recipes.checks import (
    VP_SCHEDULES,
    check_name,
    check_schedule,
    check_seed,
    check_whole,
    seeds_from,
    settle,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutesRecipe:
    """A picture becomes noise by every step, and by one jump, many times over.

    The runs are "steps" and "jump" (``experiments.routes``): x_0 and x at the
    kept times, with each its ε, one sample a seed.

    Parameters
    ----------
    image
        A bundled picture's name or the path of one.
    size
        Height and width that the picture is brought to, 8 … 512.
    seed
        Of the first sample, 0 … 2³² − 1; the others follow it.
    samples
        How often both routes are gone, 1 … 10,000: enough for histograms.
    schedule, T
        The noise schedule and its number of levels, 10 … 100,000.
    keep
        Times that are kept besides x_0, evenly spaced in t; all T are stepped
        through.  The time at which picture and noise weigh the same is kept as well.
    """

    image: str = DEFAULT_PICTURE
    size: int = 16
    seed: int = 0
    samples: int = 200
    schedule: str = "cosine"
    T: int = 1000
    keep: int = 10

    def __post_init__(self) -> None:
        check_name("schedule", self.schedule, VP_SCHEDULES)
        settle(
            self,
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 10_000),
            T=check_schedule(self.schedule, self.T),
            keep=check_whole("keep", self.keep, 1, self.T),
            size=check_whole("size", self.size, 8, 512),
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a sample, from ``seed`` on."""
        return seeds_from(self.seed, self.samples)

    def inputs(self) -> Facts:
        """Digests of what the recipe names."""
        return {"picture": picture_digest(self.image, self.size)}
