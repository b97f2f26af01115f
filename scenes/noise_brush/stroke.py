"""A brush that moves over a tile: what it has covered, its tip, and the edge of its trace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from manim import LEFT, UP, Circle, Line, VGroup, VMobject
from numpy.typing import ArrayLike, NDArray

from scenes.stage.layout import px
from scenes.stage.tiles import Tile

Floats = NDArray[np.float64]
SAMPLED = 400
"""Points along a path at which it is looked what the brush covers."""


HELD = np.array([np.cos(0.35), np.sin(0.35), 0.0])
"""Where the handle points: flat to the right, so that it stays clear of what stands above."""


class Stroke:
    """The way of a brush over a picture.

    Parameters
    ----------
    path
        Points (row, column) in shares of the picture's sides, joined by straight lines.
    radius
        Of the brush, in shares of the larger side.
    mask
        (H, W), what the stroke covers in the end: above 0.  It is taken as
        recorded; the path only says in which order.
    """

    def __init__(self, path: Sequence[Sequence[float]], radius: float, mask: ArrayLike) -> None:
        self.path, self.radius = np.asarray(path, float), radius
        self.mask = np.asarray(mask, float)
        lengths = [float(np.linalg.norm(b - a)) for a, b in pairwise(self.path)]
        self.reached = np.concatenate([[0.0], np.cumsum(lengths)])
        self.when = self._when()

    def point(self, share: float) -> Floats:
        """Where the brush is (row, column) after a share of its way, 0 … 1."""
        at = share * self.reached[-1]
        return np.array([np.interp(at, self.reached, self.path[:, axis]) for axis in (0, 1)])

    def _when(self) -> Floats:
        """(H, W): after which share of the way a pixel is covered; infinite for those never."""
        height, width = self.mask.shape
        rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        centres = np.stack([rows, columns], axis=-1) + 0.5
        shares = np.linspace(0, 1, SAMPLED)
        tips = np.array([self.point(share) for share in shares]) * (height, width)
        away = np.linalg.norm(centres[:, :, None] - tips, axis=-1)  # (H, W, SAMPLED)
        near = away <= self.radius * max(height, width)
        # A pixel that the samples just miss is covered when the brush is nearest.
        first = np.where(near.any(axis=-1), near.argmax(axis=-1), away.argmin(axis=-1))
        return np.where(self.mask > 0, shares[first], np.inf)

    def covered(self, share: float) -> NDArray[np.bool_]:
        """(H, W): what is covered after a share of the way."""
        return self.when <= share

    def frames(self, clean: Floats, painted: Floats, count: int) -> Floats:
        """(count + 1, C, H, W): the clean picture, then ``painted`` where the brush was so far."""
        covered = [self.covered(share) for share in np.linspace(0, 1, count)]
        return np.where(np.stack([np.zeros_like(covered[0]), *covered])[:, None], painted, clean)


class Tip(VGroup):
    """The brush itself: a ring of its width on the picture, and a handle.

    Parameters
    ----------
    stroke, tile
        Whose way it goes, over what.
    colour
        Of the ring; the handle has that of ``handle``.
    """

    def __init__(self, stroke: Stroke, tile: Tile, *, colour: str, handle: str) -> None:
        super().__init__()
        self.stroke, self.tile = stroke, tile
        radius = stroke.radius * max(tile.width, tile.height)
        self.ring = Circle(radius, color=colour, stroke_width=6)
        self.handle = Line(radius * HELD, (radius + px(90)) * HELD, color=handle)
        self.handle.set_stroke(width=12)
        self.add(self.handle, self.ring)
        self.show(0)

    def show(self, share: float) -> Tip:
        """Stand where the brush is after a share of its way."""
        self.shift(place_over(self.tile, self.stroke.point(share)) - self.ring.get_center())
        return self


def place_over(tile: Tile, point: Floats) -> Floats:
    """Where (row, column), in shares of a picture's sides, lies over its tile."""
    row, column = point
    at: Floats = tile.get_corner(UP + LEFT) + np.array([column * tile.width, -row * tile.height, 0])
    return at


def edge_of(mask: ArrayLike, tile: Tile, *, colour: str, halo: str, width: float = 4) -> VMobject:
    """The edge of what is above 0 in ``mask`` (H, W), along the pixels of ``tile``.

    A line of the colour ``halo`` under it sets it off from light and dark pixels.
    """
    inside = np.pad(np.asarray(mask) > 0, 1)
    height, wide = inside.shape[0] - 2, inside.shape[1] - 2
    corner = tile.get_corner(UP + LEFT)
    size = np.array([tile.width / wide, -tile.height / height, 0])
    edge = VMobject(color=colour, stroke_width=width)
    pieces = [((r, c), (r, c + 1)) for r, c in np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])]
    pieces += [((r, c), (r + 1, c)) for r, c in np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])]
    for ends in pieces:
        start, end = (corner + np.array([column, row, 0]) * size for row, column in ends)
        edge.start_new_path(start)
        edge.add_line_to(end)
    return edge.set_stroke(halo, width=width + 4, background=True)
