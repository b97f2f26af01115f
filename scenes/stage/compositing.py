"""How a picture comes onto the frame: within its own box, not on a sheet of the frame's size.

What manim's camera draws is drawn here pixel for pixel.  It lays every picture
on a transparent image of the size of the frame and blends all of that; here a
picture costs the area that it covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling, Transform

STRAIGHT = 0.01
"""Screen pixels by which a corner may be off before a picture counts as turned."""
WHOLE = 1e-3
"""Screen pixels by which an edge may miss a whole one and still be meant to be there.

manim cuts off the fraction: an edge at 599.9999999 costs it a column.
"""
THINNEST = 0.5
"""Screen pixels; what is thinner shows nothing."""

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in screen pixels; right and bottom are outside."""
Screen = NDArray[np.uint8]
"""The frame as RGBA, (height, width, 4)."""


def overlap(one: Rect, other: Rect) -> Rect | None:
    """What two rectangles share; None where that is nothing."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right, bottom = min(one[2], other[2]), min(one[3], other[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture of (height, width) ``size`` stands on the frame.

    Parameters
    ----------
    corners
        (4, 2) in screen pixels: upper left, upper right, lower left, lower right.
    size
        Of the picture, in its own pixels.
    """

    corners: NDArray[np.float64]
    size: tuple[int, int]

    @classmethod
    def of(cls, corners: NDArray[np.float64], size: tuple[int, int]) -> Placement:
        """The placement at ``corners``, set on whole pixels where it is meant to be."""
        near = np.rint(corners)
        return cls(np.where(np.abs(corners - near) < WHOLE, near, corners), size)

    @property
    def box(self) -> Rect:
        """The pixels that may be touched."""
        whole = self.corners.astype(np.int64)  # as manim does, towards zero
        (left, top), (right, bottom) = whole.min(axis=0), whole.max(axis=0)
        return int(left), int(top), int(right), int(bottom)

    @property
    def upright(self) -> bool:
        """Whether its sides are the frame's."""
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = self.corners
        off = (y0 - y1, y2 - y3, x0 - x2, x1 - x3)
        return max(abs(value) for value in off) <= STRAIGHT

    @property
    def visible(self) -> bool:
        """Whether it is thick enough to show anything."""
        first, second = self.corners[1] - self.corners[0], self.corners[2] - self.corners[0]
        third = self.corners[3] - self.corners[1]
        longest = max(np.hypot(*side) for side in (first, second, third))
        if longest == 0:
            return False
        area = abs(first[0] * second[1] - first[1] * second[0])
        return bool(area / longest >= THINNEST)

    def sources(self, part: Rect) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which row and which column of the picture each of the pixels of ``part`` shows.

        For an upright placement; −1 where the picture does not reach.
        """
        (x0, y0), (x1, _), (_, y2), _ = self.corners
        height, width = self.size
        rows = _sources(part[1], part[3], float(y0), float(y2), height)
        return rows, _sources(part[0], part[2], float(x0), float(x1), width)

    def coefficients(self, origin: tuple[int, int]) -> tuple[float, ...] | None:
        """Pillow's perspective transform for an image that begins at ``origin``.

        None where the corners stand in a line.
        """
        height, width = self.size
        own = ((0, 0), (width, 0), (0, height), (width, height))
        equations = []
        for (x, y), (X, Y) in zip(self.corners - origin, own, strict=True):
            equations.append([x, y, 1, 0, 0, 0, -X * x, -X * y])
            equations.append([0, 0, 0, x, y, 1, -Y * x, -Y * y])
        try:
            solved = np.linalg.solve(np.array(equations), np.array(own, np.float64).ravel())
        except np.linalg.LinAlgError:
            return None
        return tuple(float(value) for value in solved)


@lru_cache(maxsize=1024)
def _sources(start: int, stop: int, first: float, last: float, cells: int) -> NDArray[np.intp]:
    """Which of ``cells``, spread from ``first`` to ``last``, lies at the middle of each pixel."""
    at = (np.arange(start, stop) + 0.5 - first) * (cells / (last - first))
    found = np.floor(at).astype(np.intp)
    found[(found < 0) | (found >= cells)] = -1
    found.setflags(write=False)
    return found


class Compositor:
    """Lays pictures on frames; keeps the memory that it needs for that."""

    def __init__(self) -> None:
        self._strip = np.empty(0, np.uint32)
        self._patch = np.empty(0, np.uint32)

    def lay(
        self, screen: Screen, picture: Screen, placement: Placement, resampling: Resampling
    ) -> None:
        """Lay an RGBA ``picture`` on ``screen``."""
        height, width = screen.shape[:2]
        box = overlap(placement.box, (0, 0, width, height))
        if box is None or not placement.visible:
            return
        if placement.upright and resampling == Resampling.NEAREST:
            self._lay_crisp(screen, picture, placement, box)
        else:
            self._lay_transformed(screen, picture, placement, box, resampling)

    def _lay_crisp(self, screen: Screen, picture: Screen, placement: Placement, part: Rect) -> None:
        rows, columns = placement.sources(part)
        # Where the edges lie between pixels the picture may miss the outermost ones.
        down, across = _inside(rows), _inside(columns)
        rows, columns = rows[down], columns[across]
        if not rows.size or not columns.size:
            return
        whole = np.ascontiguousarray(picture).view(np.uint32)[..., 0]
        self._strip = _at_least(self._strip, len(whole) * len(columns))
        strip = self._strip[: len(whole) * len(columns)].reshape(len(whole), -1)
        np.take(whole, columns, axis=1, out=strip, mode="clip")
        self._patch = _at_least(self._patch, len(rows) * len(columns))
        patch = self._patch[: len(rows) * len(columns)].reshape(len(rows), -1)
        np.take(strip, rows, axis=0, out=patch, mode="clip")
        left, top = part[0] + across.start, part[1] + down.start
        part = (left, top, left + len(columns), top + len(rows))
        self._blend(screen, patch.view(np.uint8).reshape(*patch.shape, 4), part, picture)

    def _lay_transformed(
        self,
        screen: Screen,
        picture: Screen,
        placement: Placement,
        box: Rect,
        resampling: Resampling,
    ) -> None:
        left, top, right, bottom = box
        coefficients = placement.coefficients((left, top))
        if coefficients is None:
            return
        transformed = Image.fromarray(picture).transform(
            (right - left, bottom - top), Transform.PERSPECTIVE, coefficients, resample=resampling
        )
        pixels = np.asarray(transformed)
        self._blend(screen, pixels, box, pixels)

    @staticmethod
    def _blend(screen: Screen, patch: Screen, part: Rect, levels: Screen) -> None:
        """Blend ``patch`` in; ``levels`` has every alpha that occurs in it."""
        left, top, right, bottom = part
        target = screen[top:bottom, left:right]
        alpha = levels[..., 3]
        if alpha.min() == 255:
            target[:] = patch
        elif alpha.max() > 0:
            below = Image.fromarray(target)
            target[:] = np.asarray(Image.alpha_composite(below, Image.fromarray(patch)))


def _inside(sources: NDArray[np.intp]) -> slice:
    """The stretch of ``sources`` in which there is something to show."""
    found = np.flatnonzero(sources >= 0)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def _at_least(memory: NDArray[Any], length: int) -> NDArray[Any]:
    return memory if len(memory) >= length else np.empty(length, memory.dtype)
