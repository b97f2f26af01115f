"""How a picture comes onto the frame: within its own box, not on a sheet of the frame's size.

What manim's camera draws is drawn here pixel for pixel.  It lays every picture
on a transparent image of the size of the frame and blends all of that; here a
picture costs the area that it covers.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

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


class Placement:
    """Where a picture stands on the frame.

    Parameters
    ----------
    corners
        (4, 2) in screen pixels: upper left, upper right, lower left, lower right.
        What misses a whole pixel by rounding is set on it.
    size
        Height and width of the picture, in its own pixels.
    settle
        Whether an upright picture whose pixels are whole numbers of screen
        pixels is set on whole ones: between them its outermost row would be
        lost, and all would look less crisp.
    """

    def __init__(
        self, corners: NDArray[np.float64], size: tuple[int, int], *, settle: bool = False
    ) -> None:
        near = np.rint(corners)
        self.corners: NDArray[np.float64] = np.where(np.abs(corners - near) < WHOLE, near, corners)
        self.size = size
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = self.corners
        self.upright = max(abs(y0 - y1), abs(y2 - y3), abs(x0 - x2), abs(x1 - x3)) <= STRAIGHT
        """Whether its sides are the frame's."""
        if settle and self.upright:
            self._settle()
        whole = self.corners.astype(np.int64)  # as manim does, towards zero
        (left, top), (right, bottom) = whole.min(axis=0).tolist(), whole.max(axis=0).tolist()
        self.box: Rect = (left, top, right, bottom)
        """The pixels that may be touched."""
        self._cells: dict[Rect, Cells | None] = {}

    def _settle(self) -> None:
        height, width = self.size
        across, down = self.corners[1] - self.corners[0], self.corners[2] - self.corners[0]
        factors = np.array([across[0] / width, down[1] / height])
        if (np.abs(factors - np.rint(factors)) * max(self.size) > STRAIGHT).any():
            return
        own = np.array([[0, 0], [width, 0], [0, height], [width, height]])
        self.corners = np.rint(self.corners[0]) + own * np.rint(factors)

    @cached_property
    def visible(self) -> bool:
        """Whether it is thick enough to show anything."""
        first, second = self.corners[1] - self.corners[0], self.corners[2] - self.corners[0]
        third = self.corners[3] - self.corners[1]
        longest = max(np.hypot(*side) for side in (first, second, third))
        if longest == 0:
            return False
        area = abs(first[0] * second[1] - first[1] * second[0])
        return bool(area / longest >= THINNEST)

    def cells(self, within: Rect) -> Cells | None:
        """For an upright picture: what each of its screen pixels shows; None for nothing."""
        if within not in self._cells:
            self._cells[within] = self._find_cells(within)
        return self._cells[within]

    def _find_cells(self, within: Rect) -> Cells | None:
        part = overlap(self.box, within)
        if part is None:
            return None
        (x0, y0), (x1, _), (_, y2), _ = self.corners
        height, width = self.size
        top, rows = _shown(part[1], part[3], y0, y2, height)
        left, columns = _shown(part[0], part[2], x0, x1, width)
        if not len(rows) or not len(columns):
            return None
        return Cells((left, top, left + len(columns), top + len(rows)), rows, columns)

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


class Cells(NamedTuple):
    """The pixels of a picture that a part of the frame shows: one for each row and column."""

    part: Rect
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def _shown(
    start: int, stop: int, first: float, last: float, cells: int
) -> tuple[int, NDArray[np.intp]]:
    """Which of ``cells``, spread from ``first`` to ``last``, lies at the middle of each pixel.

    From the first pixel that shows one: where the edges lie between pixels, the
    outermost may show none.
    """
    at = (np.arange(start, stop) + 0.5 - first) * (cells / (last - first))
    found = np.floor(at).astype(np.intp)
    inside = np.flatnonzero((found >= 0) & (found < cells))
    if not len(inside):
        return start, found[:0]
    return start + int(inside[0]), found[inside[0] : inside[-1] + 1]


class Compositor:
    """Lays pictures on frames; keeps the memory that it needs for that."""

    def __init__(self) -> None:
        self._strip = np.empty(0, np.uint32)
        self._patch = np.empty(0, np.uint32)

    def lay(
        self, screen: Screen, picture: Screen, placement: Placement, resampling: Resampling
    ) -> None:
        """Lay an RGBA ``picture`` on ``screen``."""
        if not placement.visible:
            return
        whole = (0, 0, screen.shape[1], screen.shape[0])
        if placement.upright and resampling == Resampling.NEAREST:
            cells = placement.cells(whole)
            if cells is not None:
                self._lay_crisp(screen, picture, cells)
        elif (box := overlap(placement.box, whole)) is not None:
            self._lay_transformed(screen, picture, placement, box, resampling)

    def _lay_crisp(self, screen: Screen, picture: Screen, cells: Cells) -> None:
        part, rows, columns = cells
        packed = np.ascontiguousarray(picture).view(np.uint32)[..., 0]
        self._strip = _at_least(self._strip, len(packed) * len(columns))
        strip = self._strip[: len(packed) * len(columns)].reshape(len(packed), -1)
        packed.take(columns, axis=1, out=strip, mode="clip")
        self._patch = _at_least(self._patch, len(rows) * len(columns))
        patch = self._patch[: len(rows) * len(columns)].reshape(len(rows), -1)
        strip.take(rows, axis=0, out=patch, mode="clip")
        _blend(screen, patch.view(np.uint8).reshape(*patch.shape, 4), part, picture)

    @staticmethod
    def _lay_transformed(
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
        _blend(screen, pixels, box, pixels)


def _blend(screen: Screen, patch: Screen, part: Rect, levels: Screen) -> None:
    """Blend ``patch`` in at ``part``; ``levels`` has every alpha that occurs in it."""
    left, top, right, bottom = part
    target = screen[top:bottom, left:right]
    alpha = levels[..., 3]
    if alpha.min() == 255:
        target[:] = patch
    elif alpha.max() > 0:
        below = Image.fromarray(target)
        target[:] = np.asarray(Image.alpha_composite(below, Image.fromarray(patch)))


def _at_least(memory: NDArray[Any], length: int) -> NDArray[Any]:
    return memory if len(memory) >= length else np.empty(length, memory.dtype)
