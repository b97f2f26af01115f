"""The stage's camera: tiles are copied into their box instead of the whole frame."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from manim import Camera
from manim.mobject.types.image_mobject import AbstractImageMobject
from numpy.typing import NDArray

from scenes.stage.tiles import Tile

STRAIGHT = 0.01
"""Pixels by which a corner may be off before a tile counts as turned."""


@lru_cache(maxsize=256)
def _sources(length: int, cells: int) -> NDArray[np.intp]:
    """Which of ``cells`` picture pixels each of ``length`` screen pixels shows."""
    return np.asarray((np.arange(length) + 0.5) * cells / length, np.intp)


class StageCamera(Camera):
    """Manim's camera with a shorter way for upright tiles.

    The stock camera lays every picture on a transparent image of the size of
    the frame and composites that; here an upright tile costs its own area.
    """

    def display_image_mobject(
        self, image_mobject: AbstractImageMobject, pixel_array: NDArray[Any]
    ) -> None:
        """Draw a picture into ``pixel_array`` (height, width, 4)."""
        if not isinstance(image_mobject, Tile):
            super().display_image_mobject(image_mobject, pixel_array)
            return
        corners = self.points_to_subpixel_coords(image_mobject, image_mobject.points)
        (left, top), (right, top2), (left2, bottom), _ = corners
        if abs(top - top2) > STRAIGHT or abs(left - left2) > STRAIGHT:
            super().display_image_mobject(image_mobject, pixel_array)
            return
        self._copy_upright(image_mobject, pixel_array, (left, top, right, bottom))

    @staticmethod
    def _copy_upright(
        tile: Tile, pixel_array: NDArray[Any], box: tuple[float, float, float, float]
    ) -> None:
        left, top = round(box[0]), round(box[1])
        width, height = round(box[2] - box[0]), round(box[3] - box[1])
        x0, x1 = max(left, 0), min(left + width, pixel_array.shape[1])
        y0, y1 = max(top, 0), min(top + height, pixel_array.shape[0])
        if x0 >= x1 or y0 >= y1 or tile.opacity <= 0:
            return
        picture = tile.picture
        rows = _sources(height, picture.shape[0])[y0 - top : y1 - top]
        columns = _sources(width, picture.shape[1])[x0 - left : x1 - left]
        shown = picture[rows[:, None], columns]
        target = pixel_array[y0:y1, x0:x1, :3]
        if tile.opacity < 1:
            blended = target + (shown.astype(np.float32) - target) * tile.opacity
            shown = np.rint(blended).astype(np.uint8)
        target[:] = shown
