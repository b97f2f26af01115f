"""Dabs of a brush: the canvas after each of them, and the brush over it."""

from __future__ import annotations

import math

import numpy as np
from manim import DOWN, LEFT, ORIGIN, RIGHT, UP, Line, VGroup, VMobject

from scenes.noise_brush.canvas import CanvasTelling, level
from scenes.noise_brush.stroke import HELD, place_over
from scenes.noise_brush.telling import Floats
from scenes.stage.layout import px
from scenes.stage.tiles import Tile

CORNERS = 160
"""Of the ring, as it is drawn."""
DOWNWARDS = HELD * (1, -1, 1)
"""Where the handle points: what stands above and beside the canvas stays clear of it."""


class Dabs:
    """Dabs of a brush over a picture, in the order in which they were made.

    Parameters
    ----------
    told
        What was recorded of them.
    moments
        How many pictures are taken on the way, the last of them after the last dab.
    """

    def __init__(self, told: CanvasTelling, moments: int) -> None:
        recipe = told.recipe
        self.told, self.moments, self.path = told, moments, np.asarray(recipe["dabs"], float)
        height, width = told.mask.shape
        # Half a pixel's diagonal: what no dab falls below.
        self.radius = max(float(recipe["radius"]), math.sqrt(0.5) / max(height, width))
        ways = (len(self.path) - 1) * np.arange(moments) / max(1, moments - 1)
        self.laid = np.concatenate([[0], 1 + np.floor(ways + 1e-9)]).astype(int)
        """How many dabs there are before the first moment and at each of them."""
        painted = told.painted
        assert painted.eps is not None
        noise = np.asarray(painted.eps[1, 0], np.float64)  # s · ε, (C, H, W)
        eps = np.divide(noise, told.std, out=np.zeros_like(noise), where=told.mask)
        std = self._stds(told, float(recipe["strength"]))
        self.measured = np.array([level((s * eps)[:, s > 0]) for s in std])
        """The noise where there is any, at the same moments: root mean squares."""
        self.measured[-1] = told.laid
        s = std[:, None]
        frames = np.sqrt(1 - s**2) * told.picture + s * eps
        # The last picture is the recorded one, and so is the first.
        self.frames = np.concatenate([frames[:-1], painted.states[1:, 0]]).astype(np.float32)
        """(moments + 1, C, H, W): the canvas."""
        self.frames[0] = told.picture

    def _stds(self, told: CanvasTelling, strength: float) -> Floats:
        """(moments + 1, H, W): s, whose square grows with every dab; the last as recorded."""
        height, width = told.mask.shape
        rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        centres = np.stack([rows, columns], axis=-1)[..., None, :] + 0.5  # (H, W, 1, 2)
        reach, count = self.radius * max(height, width), np.zeros((height, width))
        found = [count]
        for first, last in zip(self.laid[:-1], self.laid[1:], strict=True):
            at = self.path[first:last] * (height, width)
            near = np.linalg.norm(centres - at, axis=-1) <= reach
            count = count + near.sum(axis=-1)
            found.append(count)
        std = np.sqrt(np.minimum(1, np.stack(found) * strength**2))
        std = np.minimum(std, told.std)
        std[-1] = told.std
        return std

    def moment(self, share: float) -> int:
        """Which of the pictures is shown after a share of the way; 0 before it."""
        return 1 + int(share * (self.moments - 1) + 1e-6) if share > 0 else 0

    def point(self, share: float) -> Floats:
        """Where the brush is (row, column) after a share of its way; dabs take equal times."""
        at, order = share * (len(self.path) - 1), np.arange(len(self.path))
        return np.array([np.interp(at, order, self.path[:, axis]) for axis in (0, 1)])


class DabbingTip(VGroup):
    """The brush: its ring, of which only what is over the picture is drawn, and a handle.

    A large brush at the edge would lie over what stands around the picture.

    Parameters
    ----------
    dabs, tile
        Whose way it goes, over what.
    colour
        Of the ring; the handle has that of ``handle``.
    """

    def __init__(self, dabs: Dabs, tile: Tile, *, colour: str, handle: str) -> None:
        super().__init__()
        self.dabs, self.tile = dabs, tile
        self.radius = dabs.radius * max(tile.width, tile.height)
        self.ring = VMobject(color=colour, stroke_width=6)
        self.handle = Line(ORIGIN, px(90) * DOWNWARDS, color=handle)
        self.handle.set_stroke(width=12)
        self.add(self.handle, self.ring)
        self.show(0)

    def show(self, share: float) -> DabbingTip:
        """Stand where the brush is after a share of its way."""
        at = place_over(self.tile, self.dabs.point(share))
        # It is fixed to the ring, or where the picture ends before it.
        low, high = self.tile.get_corner(DOWN + LEFT), self.tile.get_corner(UP + RIGHT)
        rooms = (high[0] - at[0], at[1] - low[1]) / np.abs(DOWNWARDS[:2])
        near = max(0.0, min(self.radius, *rooms))
        self.handle.shift(at + near * DOWNWARDS - self.handle.get_start())
        angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        circle = at + self.radius * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
        away = np.abs(circle - self.tile.get_center())
        inside = (away[:, 0] <= self.tile.width / 2) & (away[:, 1] <= self.tile.height / 2)
        self.ring.clear_points()
        if inside.all():
            self.ring.set_points_as_corners([*circle, circle[0]])
            return self
        # From a corner outside on, so that no stretch goes over the end of the list.
        turned = -int(np.argmin(inside))
        circle, inside = np.roll(circle, turned, axis=0), np.roll(inside, turned)
        ends = np.flatnonzero(np.diff(np.concatenate([inside, [False]]).astype(int)))
        for first, last in ends.reshape(-1, 2) + 1:
            if last - first > 1:
                self.ring.start_new_path(circle[first])
                self.ring.add_points_as_corners(circle[first + 1 : last])
        return self
