"""The stage's camera: manim's, with pictures laid into their boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from manim import Camera, PMobject
from manim.mobject.types.image_mobject import AbstractImageMobject
from numpy.typing import NDArray

from scenes.stage.compositing import Compositor, Placement
from scenes.stage.tiles import Tile

REMEMBERED = 1000
"""Placements of pictures that a camera remembers."""


class StageCamera(Camera):
    """Manim's camera, to the pixel, with a shorter way for pictures.

    The stock camera lays every picture on a transparent image of the size of
    the frame and blends that; here a picture costs the area that it covers.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.compositor = Compositor()
        self._placements: dict[Any, Placement] = {}
        super().__init__(*args, **options)

    def place(self, image_mobject: AbstractImageMobject, size: tuple[int, int]) -> Placement:
        """Where a picture of (height, width) ``size`` stands on the frame.

        Tiles stand on whole pixels.  A picture that stays where it is, which is
        the rule, is placed once.
        """
        settle = isinstance(image_mobject, Tile)
        view = (self.frame_width, self.frame_height, *self.frame_center)
        key = (image_mobject.points.tobytes(), size, settle, view)
        found = self._placements.get(key)
        if found is None:
            corners = self.points_to_subpixel_coords(image_mobject, image_mobject.points)
            if len(self._placements) >= REMEMBERED:
                self._placements.clear()
            found = self._placements[key] = Placement(corners, size, settle=settle)
        return found

    def display_image_mobject(
        self, image_mobject: AbstractImageMobject, pixel_array: NDArray[np.uint8]
    ) -> None:
        """Draw a picture into ``pixel_array`` (height, width, 4)."""
        picture = image_mobject.get_pixel_array()
        placement = self.place(image_mobject, picture.shape[:2])
        self.compositor.lay(pixel_array, picture, placement, image_mobject.resampling_algorithm)

    def display_point_cloud(
        self,
        pmobject: PMobject,
        points: NDArray[np.float64],
        rgbas: NDArray[np.float64],
        thickness: float,
        pixel_array: NDArray[np.uint8],
    ) -> None:
        """Set the pixels of points; the stock camera's way, without its copies of the frame."""
        if len(points) == 0:
            return
        nudges = self.get_thickening_nudges(thickness)
        pixels = (self.points_to_pixel_coords(pmobject, points) + nudges[:, None]).reshape(-1, 2)
        colours = np.tile((self.rgb_max_val * rgbas).astype(np.uint8), (len(nudges), 1))
        x, y = pixels[:, 0], pixels[:, 1]
        height, width = pixel_array.shape[:2]
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        pixel_array[y[inside], x[inside]] = colours[inside]
