"""Many numbers as a row of stripes: the more of the colour, the larger the number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenes.stage.frames import Frames
from scenes.stage.theme import channels

Floats = NDArray[np.float64]
MOMENTS = 60
"""Pictures of the stripes while they are put into another order, and one."""
USUAL_SHARE = 98
"""Percent of the numbers whose stripes are not cut off at either end of the colours."""


def reach(values: ArrayLike) -> float:
    """The size at which stripes of ``values`` have all of the colour, or nothing of it."""
    return float(np.percentile(np.abs(np.asarray(values, float)), USUAL_SHARE))


def stripes(values: ArrayLike, most: float, background: str, colour: str) -> Floats:
    """A colour for each number (n,): (3, n) in −1 … 1, as tiles take them.

    ``background`` at −``most`` and below, ``colour`` at ``most`` and above, and
    evenly blended between.
    """
    shares = np.clip(np.asarray(values, float) / most, -1, 1) / 2 + 0.5
    low, high = channels(background)[:, None], channels(colour)[:, None]
    return np.asarray(2 * (low + shares * (high - low)) - 1)


def barcode(colours: Floats, height: int) -> Frames:
    """Stripes (3, n), ``height`` pixels high and one pixel wide each, as one picture."""
    return Frames.of(np.broadcast_to(colours[None, :, None, :], (1, 3, height, colours.shape[1])))


def sorting(values: ArrayLike, colours: Floats, background: str, height: int) -> Frames:
    """The stripes on their way into the order of their numbers, the largest first.

    Each goes straight from its place to its new one; the first picture is
    ``barcode`` as it was, the last one sorted.
    """
    order = np.argsort(-np.asarray(values, float), kind="stable")
    start = np.arange(len(order))
    end = np.empty_like(start)
    end[order] = start
    ground = 2 * channels(background) - 1
    moments = np.empty((MOMENTS + 1, 3, 1, len(order)))
    moments[:] = ground[:, None, None]
    for i, picture in enumerate(moments):
        at = np.rint(start + i / MOMENTS * (end - start)).astype(int)
        # Where several meet, the largest is seen: it comes last.
        picture[:, 0, at[order[::-1]]] = colours[:, order[::-1]]
    return Frames.of(np.broadcast_to(moments, (MOMENTS + 1, 3, height, len(order))))
