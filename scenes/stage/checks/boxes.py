"""Boxes and lines in pixels of a 1280×720 frame, many at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenes.stage.layout import FRAME_HEIGHT, FRAME_WIDTH, UNIT

Boxes = NDArray[np.float64]
"""(…, 4): left, top, right, bottom."""
Points = NDArray[np.float64]
"""(…, 2): across from the left, down from the top."""

SAMPLES = np.linspace(0, 1, 5)
_WEIGHTS = np.stack(
    [
        (1 - SAMPLES) ** 3,
        3 * SAMPLES * (1 - SAMPLES) ** 2,
        3 * SAMPLES**2 * (1 - SAMPLES),
        SAMPLES**3,
    ],
    axis=1,
)
"""Of the four points of a cubic curve, at five points of it."""


def to_pixels(points: NDArray[np.float64]) -> Points:
    """manim's points (n, 3) as pixels (n, 2)."""
    x, y = points[:, 0] / UNIT, points[:, 1] / UNIT
    return np.stack([FRAME_WIDTH / 2 + x, FRAME_HEIGHT / 2 - y], axis=1)


def traced(points: Points) -> NDArray[np.float64]:
    """Five points (n, 5, 2) of each cubic curve of an outline (4 n, 2)."""
    curves = points[: len(points) // 4 * 4].reshape(-1, 4, 2)
    return np.einsum("sp,cpd->csd", _WEIGHTS, curves)


def segments(points: Points) -> NDArray[np.float64]:
    """An outline (4 n, 2) as straight pieces (4 n, 2, 2), near enough for words."""
    found = traced(points)
    return np.stack([found[:, :-1], found[:, 1:]], axis=2).reshape(-1, 2, 2)


def boxes_of(outlines: Sequence[NDArray[np.float64]]) -> Boxes:
    """The box (n, 4) of each of manim's outlines, cubic curves (4 k, 3)."""
    if not outlines:
        return np.empty((0, 4))
    found = traced(to_pixels(np.concatenate(outlines)))
    starts = np.cumsum([0, *(len(outline) // 4 for outline in outlines[:-1])])
    low = np.minimum.reduceat(found.min(axis=1), starts)
    high = np.maximum.reduceat(found.max(axis=1), starts)
    return np.concatenate([low, high], axis=1)


def bounds(points: Points) -> Boxes:
    """The box of points (n, 2)."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def union(boxes: Boxes) -> Boxes:
    """The box of boxes (n, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def grown(boxes: Boxes, by: float) -> Boxes:
    """Boxes with an edge of ``by`` pixels, or without one where that is negative."""
    return boxes + np.array([-by, -by, by, by])


def shared(some: Boxes, others: Boxes) -> NDArray[np.float64]:
    """How far boxes (n, 4) and (m, 4) lie over one another: (n, m, 2), across and down.

    Where they do not, minus the gap between them.
    """
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    return high - low


def close_to(some: Boxes, others: Boxes, gap: float = 0) -> NDArray[np.bool_]:
    """Which boxes (n, 4) lie over which (m, 4), or less than ``gap`` pixels from them: (n, m)."""
    over = shared(some, others)
    return (over[..., 0] > -gap) & (over[..., 1] > -gap)


def crossed(pieces: NDArray[np.float64], boxes: Boxes) -> NDArray[np.bool_]:
    """Which of the boxes (m, 4) any of the straight pieces (n, 2, 2) runs through."""
    start, way = pieces[:, None, 0], (pieces[:, 1] - pieces[:, 0])[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        one = (boxes[None, :, :2] - start) / way
        other = (boxes[None, :, 2:] - start) / way
    # A piece that is level or upright lies between two sides, or beside them.
    within = (boxes[None, :, :2] < start) & (start < boxes[None, :, 2:])
    flat = np.broadcast_to(way == 0, one.shape)
    enter = np.where(flat, np.where(within, -np.inf, np.inf), np.minimum(one, other)).max(axis=2)
    leave = np.where(flat, np.where(within, np.inf, -np.inf), np.maximum(one, other)).min(axis=2)
    through = (np.maximum(enter, 0) < np.minimum(leave, 1)).any(axis=0)
    return np.asarray(through)


def encloses(pieces: NDArray[np.float64], point: Points) -> bool:
    """Whether a closed outline of straight pieces (n, 2, 2) has ``point`` inside."""
    (x0, y0), (x1, y1) = pieces[:, 0].T, pieces[:, 1].T
    spans = (y0 <= point[1]) != (y1 <= point[1])
    x0, y0, x1, y1 = x0[spans], y0[spans], x1[spans], y1[spans]
    across = x0 + (point[1] - y0) / (y1 - y0) * (x1 - x0)
    return bool((across > point[0]).sum() % 2)
