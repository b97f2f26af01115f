"""Recipes of experiments that begin with a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from diffusion_core.errors import UsageError
from diffusion_core.recipes.checks import (
    VP_SCHEDULES,
    check_name,
    check_range,
    check_whole,
    settle,
)
from diffusion_core.recipes.own import check_ours
from diffusion_core.recipes.sampling import FromPicture, checked_patch, checked_times

OUTSIDES = ("kept", "free")
MOST_DABS = 20_000
LEAST_STRENGTH = 0.001
"""Of a dab: the square of much less is no noise at all."""
ENOUGH_NOISE, TOO_MUCH_NOISE = 0.9, 1.1
"""Shares of σ_t between which the noise on a canvas fits t."""
MISTAKES = ("no_rescaling", "no_noise_weight", "no_time_embedding", "noise_at_the_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class UTurnRecipe(FromPicture):
    """A picture is noised to each t of a row, and led back (``experiments.u_turn``).

    The runs are "forward", and "from t" for each t.  Where the model draws
    digits, the facts of each way back hold "final_class" as the judge that
    ships reads it, and those of "forward" "class" of the picture.  The fields
    of ``FromPicture``, and:

    Parameters
    ----------
    turns
        Rising times in 0 … T − 1 at which is turned back.
    erase
        (top, left, height, width) in pixels of what is blacked out first
        (``experiments.repair``); empty for nothing.
    shared
        Whether all jumps of a sample take one ε, or each its own.
    """

    turns: tuple[int, ...] = (100, 200, 300, 400, 500, 600, 700, 800, 900)
    erase: tuple[int, ...] = ()
    shared: bool = True

    def __post_init__(self) -> None:
        FromPicture.__post_init__(self)
        settle(
            self,
            turns=checked_times("turns", self.turns, self.T),
            erase=checked_patch("erase", self.erase),
            shared=bool(self.shared),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrushRecipe(FromPicture):
    """Noise is painted along a stroke, and removed (``experiments.noise_brush``).

    The runs are "painted" and "removed".  Where the model draws digits, the facts
    of "painted" hold "class" and those of "removed" "final_class", as the judge
    that ships reads them.  The fields of ``FromPicture``, and:

    Parameters
    ----------
    path
        Where the brush goes: points (row, column) in shares of the picture's
        side, 0 … 1, joined by straight lines; one point is a dab.
    radius
        Of the brush, in shares of the side, above 0 … 1.
    t
        How much noise is painted, 0 … T − 1.
    outside
        "kept": what is not painted is put back at every step; "free": it is not.
    """

    path: tuple[tuple[float, float], ...] = ((0.5, 0.25), (0.5, 0.75))
    radius: float = 0.2
    t: int = 600
    outside: str = "kept"

    def __post_init__(self) -> None:
        FromPicture.__post_init__(self)
        if not self.path:
            raise UsageError("path is empty; give at least one point (row, column)")
        for point in self.path:
            if len(point) != 2:
                raise UsageError(f"a point of path is {tuple(point)}; it must be (row, column)")
            for value in point:
                check_range("a coordinate of path", value, 0, 1)
        check_range("radius", self.radius, math.ulp(0), 1)
        check_name("outside", self.outside, OUTSIDES)
        settle(
            self,
            path=tuple((float(row), float(column)) for row, column in self.path),
            radius=float(self.radius),
            t=check_whole("t", self.t, 0, self.T - 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CanvasRecipe(FromPicture):
    """Noise is dabbed onto a picture, and taken for that of t (``experiments.noise_canvas``).

    The runs are "painted" and "removed".  Where the model draws digits, the facts
    of "painted" hold "class" and those of "removed" "final_class", as the judge
    that ships reads them.  The fields of ``FromPicture``, with a schedule that
    preserves variance, and:

    Parameters
    ----------
    dabs
        Where the brush dabs: points (row, column) in shares of the picture's
        side, 0 … 1; at most 20,000.
    radius
        Of the brush, in shares of the side, above 0 … 1.
    strength
        Standard deviation of the noise of one dab, 0.001 … 1.
    t
        How noisy the denoiser is told that the canvas is, 0 … T − 1.
    outside
        "kept": what has no noise is put back at every step; "free": it is not.
    """

    dabs: tuple[tuple[float, float], ...] = ((0.5, 0.5),)
    radius: float = 0.15
    strength: float = 0.3
    t: int = 600
    outside: str = "kept"

    def __post_init__(self) -> None:
        FromPicture.__post_init__(self)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        check_range("the number of dabs", len(self.dabs), 1, MOST_DABS)
        for dab in self.dabs:
            if len(dab) != 2:
                raise UsageError(f"a dab is {tuple(dab)}; it must be (row, column)")
            for value in dab:
                check_range("a coordinate of a dab", value, 0, 1)
        check_range("radius", self.radius, math.ulp(0), 1)
        check_range("strength", self.strength, LEAST_STRENGTH, 1)
        check_name("outside", self.outside, OUTSIDES)
        settle(
            self,
            dabs=tuple((float(row), float(column)) for row, column in self.dabs),
            radius=float(self.radius),
            strength=float(self.strength),
            t=check_whole("t", self.t, 0, self.T - 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InpaintingRecipe(FromPicture):
    """A part of a picture is unknown, and made to fit the rest (``experiments.inpainting``).

    The run is "inpainting".  The fields of ``FromPicture``, and:

    Parameters
    ----------
    hole
        (top, left, height, width) in pixels of what is unknown.
    resample
        How often each step is taken, 1 … 100.
    """

    hole: tuple[int, ...] = (14, 0, 14, 28)
    resample: int = 1

    def __post_init__(self) -> None:
        FromPicture.__post_init__(self)
        if not self.hole:
            raise UsageError("hole is empty; give (top, left, height, width)")
        settle(
            self,
            hole=checked_patch("hole", self.hole),
            resample=check_whole("resample", self.resample, 1, 100),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MistakesRecipe(FromPicture):
    """One MISTAKE beside a run without it (``experiments.mistake_…``).

    The runs are "right" and "mistake", and for the mistakes of the forward
    process "right_forward" and "mistake_forward".  The fields of
    ``FromPicture``; only the forward mistakes use its picture, and the steps
    and the sampler are not used by "no_rescaling", which is DDIM through all T.

    Parameters
    ----------
    mistake
        "no_rescaling": few levels with the betas of a thousand, linear, T of
        10 … 500; "no_noise_weight": noise is added without √(1 − ᾱ_t);
        "no_time_embedding": the network is told one t all along;
        "noise_at_the_end": the last step adds noise too.
    t
        Of "no_noise_weight" the last time of the forward process, of
        "no_time_embedding" what the network is told; 0 … T − 1.
    """

    mistake: str = "noise_at_the_end"
    t: int = 500

    def __post_init__(self) -> None:
        check_ours("the mistakes are made with", self.model)
        FromPicture.__post_init__(self)
        check_name("mistake", self.mistake, MISTAKES)
        if self.mistake == "no_rescaling":
            check_whole("T", self.T, 10, 500)
            check_name("schedule", self.schedule, ("linear",))
        elif self.mistake == "no_noise_weight":
            check_name("schedule", self.schedule, VP_SCHEDULES)
        uses_t = self.mistake in ("no_noise_weight", "no_time_embedding")
        settle(self, t=check_whole("t", self.t, 0, self.T - 1 if uses_t else 100_000))
