"""The recipe of the experiment in the plane, where the score is known exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.recipes.checks import (
    LATER,
    VP_SCHEDULES,
    check_name,
    check_range,
    check_schedule,
    check_seed,
    check_whole,
    seeds_from,
    settle,
)
from diffusion_core.recipes.sampling import checked_times

POINTS = ("spiral", "two_moons", "letters", "ring")
"""The sets of points that have a name; those of ``points.POINT_SETS``."""

MOST_DRAWN = 2000
FARTHEST_DRAWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFieldRecipe:
    """Points in the plane, their score, and particles that follow it (``experiments.score_field``).

    The runs are "field", "ode" and "sde" with the exact score, and the same
    with " learned" behind them where a network is trained.

    Parameters
    ----------
    points
        The data: "ring" is eight Gaussians, the others a Gaussian on each of
        ``count`` points.
    count, std
        Points of the data, 2 … 10,000, and the standard deviation of each
        Gaussian, 0.001 … 0.9, in units of the data's.
    training_steps
        Of the network that learns the score; 0 for no network, at most 100,000.
    seed, samples
        Of the first particle, 0 … 2³² − 1, and how many there are, 1 … 10,000;
        the others follow it.  The data and the network have the seed as well.
    steps, schedule, T
        Of the particles' ways, DDIM for the ODE and DDPM for the SDE.
    times
        Rising times in 0 … T − 1 at which the field is drawn; none for those that
        the particles visit, whatever their steps, and these are what it holds then.
    side, reach
        Arrows a side of the field, 2 … 200, and half its side, above 0 … 10.
    density_side
        Places a side at which the density is known as well, 2 … 1000, in the
        run "density"; 0 for none.
    drawn
        Points (x, y) drawn by hand, 1 … 2000, each coordinate within ±10, with a
        Gaussian of ``std`` on each, where they were drawn; they take the place of
        the set that has a name, and ``points`` and ``count`` say nothing then.
    """

    points: str = "ring"
    count: int = 400
    std: float = 0.15
    training_steps: int = 2000
    seed: int = 0
    samples: int = 400
    steps: int = 100
    schedule: str = "cosine"
    T: int = 1000
    times: tuple[int, ...] = (50, 150, 250, 350, 450, 550, 650, 750, 850, 950)
    side: int = 21
    reach: float = 2.5
    density_side: int = 0
    drawn: tuple[tuple[float, float], ...] = field(default=(), metadata=LATER)

    def __post_init__(self) -> None:
        check_name("points", self.points, POINTS)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        check_range("std", self.std, 0.001, 0.9)
        check_range("reach", self.reach, math.ulp(0), 10)
        settle(
            self,
            T=check_schedule(self.schedule, self.T),
            count=check_whole("count", self.count, 2, 10_000),
            std=float(self.std),
            training_steps=check_whole("training_steps", self.training_steps, 0, 100_000),
            seed=check_seed(self.seed),
            samples=check_whole("samples", self.samples, 1, 10_000),
            side=check_whole("side", self.side, 2, 200),
            reach=float(self.reach),
        )
        if self.density_side:
            check_whole("density_side", self.density_side, 2, 1000)
        settle(
            self,
            density_side=int(self.density_side),
            steps=check_whole("steps", self.steps, 1, self.T),
        )
        settle(
            self,
            times=checked_times("times", self.times or self._visited(), self.T),
            drawn=self._checked_drawn(),
        )

    def _checked_drawn(self) -> tuple[tuple[float, float], ...]:
        if len(self.drawn) > MOST_DRAWN:
            raise UsageError(f"{len(self.drawn)} points are drawn; at most {MOST_DRAWN} are taken")
        for point in self.drawn:
            if len(point) != 2:
                raise UsageError(f"a drawn point is {tuple(point)}; it must be (x, y)")
            for value in point:
                check_range("a coordinate of a drawn point", value, -FARTHEST_DRAWN, FARTHEST_DRAWN)
        return tuple((float(x), float(y)) for x, y in self.drawn)

    def _visited(self) -> tuple[int, ...]:
        """Times of the particles' steps: those of ``timesteps.sampling_times``, without torch."""
        every = Fraction(self.T, self.steps)
        return tuple(round(k * every) - 1 for k in range(1, self.steps + 1))

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a particle, from ``seed`` on."""
        return seeds_from(self.seed, self.samples)

    def inputs(self) -> Facts:
        """Nothing outside of the recipe has a say."""
        return {}
