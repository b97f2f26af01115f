"""What a recording bears out: measures by which a scene chooses what it says.

Each holds for pictures of any model, a network with random weights among them.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.frames import States
from scenes.stage.seen import guesses_of, unit

BLURRED = 2.0
"""A guess with so many times as many grey pixels as the last one is called a blur."""
ALIKE = 0.5
"""Correlation from which on two pictures are said to have one shape."""
COARSE = 4
"""Blocks a side whose means are a picture's coarsest traits."""


def grey(pictures: NDArray[np.floating]) -> float:
    """The share of pixels that are neither nearly black nor nearly white."""
    return float((np.abs(pictures) < 0.8).mean())


def sharpness(picture: States) -> float:
    """How much neighbouring pixels (…, H, W) differ: RMS."""
    values = unit(picture)
    across, down = (np.diff(values, axis=axis) for axis in (-1, -2))
    return float(np.sqrt(((across**2).mean() + (down**2).mean()) / 2))


def begins_blurred(run: Trajectory, sample: int = 0) -> bool:
    """Whether the first guess of ``sample`` is a blur beside the last one.

    Of strokes, which are black and white when they are sharp, by its grey; of
    pictures in colour by how much less its pixels differ from their neighbours.
    """
    guesses = guesses_of(run)
    first, last = guesses[0, sample], guesses[-1, sample]
    if len(first) == 1:
        return grey(unit(first)) >= BLURRED * grey(unit(last))
    return sharpness(first) * BLURRED <= sharpness(last)


def begins_shaped(run: Trajectory, sample: int = 0) -> bool:
    """Whether the first guess of ``sample`` has the last one's shape, roughly, and is no noise.

    Of noise neighbouring pixels differ by more than all of them do from their mean.
    """
    guesses = guesses_of(run)
    first, last = guesses[0, sample], guesses[-1, sample]
    return correlation(first, last) >= ALIKE and sharpness(first) < float(unit(first).std())


def correlation(one: States, other: States) -> float:
    """Of two pictures, −1 … 1; 0 where one of them is all of one colour."""
    values = [unit(picture).ravel() for picture in (one, other)]
    spread = [v - v.mean() for v in values]
    sizes = [float(np.linalg.norm(s)) for s in spread]
    return float(spread[0] @ spread[1]) / (sizes[0] * sizes[1]) if all(sizes) else 0.0


def distance(one: States, other: States) -> float:
    """Of two pictures: RMS."""
    return float(np.sqrt(((unit(one) - unit(other)) ** 2).mean()))


def settles(run: Trajectory, sample: int = 0) -> bool:
    """Whether the guess of ``sample`` changes less from step to step at the end than at first."""
    guesses = guesses_of(run)
    if len(guesses) < 3:
        return False
    first, last = (distance(guesses[i, sample], guesses[i + 1, sample]) for i in (0, -2))
    return last < first


def apart(pictures: States) -> float:
    """How far pictures (B, C, H, W) are from one another: RMS, averaged over all pairs."""
    found = [distance(a, b) for a, b in combinations(pictures, 2)]
    return float(np.mean(found)) if found else 0.0


def coarse(picture: States) -> NDArray[np.float64]:
    """The coarsest traits of a picture (C, H, W): the means of a few blocks."""
    values = unit(picture)
    rows = np.array_split(values, COARSE, axis=-2)
    return np.stack(
        [part.mean((-2, -1)) for row in rows for part in np.array_split(row, COARSE, axis=-1)], -1
    )
