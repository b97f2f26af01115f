"""Tiles: recorded states as pictures with crisp pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from manim import DOWN, UP, Group, Mobject, Square, ValueTracker
from manim.mobject.types.image_mobject import AbstractImageMobject
from numpy.typing import NDArray
from PIL.Image import Resampling

from diffusion_core.grids import to_pixels
from scenes.stage.layout import FRAME_HEIGHT, px

Pixels = NDArray[np.uint8]


class Frames:
    """Pictures in a row in time, shared by every copy of a tile.

    Parameters
    ----------
    pixels
        (N, H, W, 3), uint8.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def __deepcopy__(self, memo: dict[int, Any]) -> Frames:
        return self  # manim copies mobjects freely; recordings are not copied with them

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def of(cls, states: NDArray[np.floating[Any]]) -> Frames:
        """Recorded states (N, C, H, W) in −1 … 1, one or three channels."""
        pixels = to_pixels(states).transpose(0, 2, 3, 1)
        return cls(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3))))

    @classmethod
    def mosaic(
        cls, states: NDArray[np.floating[Any]], columns: int, gap: int, background: str
    ) -> Frames:
        """Recorded states (N, B, C, H, W): the samples of each moment side by side."""
        N, B, _, H, W = states.shape
        rows = math.ceil(B / columns)
        rgb = [int(background[i : i + 2], 16) for i in (1, 3, 5)]
        size = (N, rows * (H + gap) - gap, columns * (W + gap) - gap, 3)
        sheet = np.empty(size, np.uint8)
        sheet[:] = rgb
        for i in range(B):
            top, left = (i // columns) * (H + gap), (i % columns) * (W + gap)
            sheet[:, top : top + H, left : left + W] = cls.of(states[:, i]).pixels
        return cls(sheet)


class Tile(AbstractImageMobject):
    """A recorded picture; each of its pixels is a whole number of screen pixels.

    Parameters
    ----------
    frames
        What can be shown.
    cell
        Screen pixels a picture's pixel at 720p; even, so that it is whole at
        every quality.
    """

    def __init__(self, frames: Frames, cell: int) -> None:
        self.frames, self.index, self.opacity = frames, 0, 1.0
        super().__init__(FRAME_HEIGHT, resampling_algorithm=Resampling.NEAREST)
        self.scale(cell)

    @property
    def picture(self) -> Pixels:
        """What is shown now, (H, W, 3)."""
        return self.frames.pixels[self.index]

    def show(self, index: float) -> Tile:
        """Show the picture at ``index``, rounded down and kept within the recording."""
        self.index = int(min(max(index + 1e-6, 0), len(self.frames) - 1))
        return self

    def follow(self, playhead: ValueTracker) -> Tile:
        """Show what was recorded at the playhead from now on."""
        self.add_updater(lambda tile: tile.show(playhead.get_value()), call_updater=True)
        return self

    # -- what manim asks of a picture ----------------------------------------

    def get_pixel_array(self) -> Pixels:
        """The picture as RGBA, as manim's own camera wants it."""
        alpha = np.full((*self.picture.shape[:2], 1), round(255 * self.opacity), np.uint8)
        return np.concatenate([self.picture, alpha], axis=2)

    def set_opacity(self, alpha: float, family: bool = True) -> Tile:
        """0 invisible, 1 solid."""
        self.opacity = alpha
        return self

    def fade(self, darkness: float = 0.5, family: bool = True) -> Tile:
        """1 invisible, 0 as it was."""
        self.opacity *= 1 - darkness
        return self

    def set_color(self, color: object = None, alpha: object = None, family: bool = True) -> Tile:
        """Pictures keep the colours that were recorded."""
        return self

    def interpolate_color(self, mobject1: Mobject, mobject2: Mobject, alpha: float) -> Tile:
        """Blend the opacities; pictures are never blended into one another."""
        assert isinstance(mobject1, Tile)
        assert isinstance(mobject2, Tile)
        self.opacity = (1 - alpha) * mobject1.opacity + alpha * mobject2.opacity
        return self


class Panel(Group):
    """A tile in a frame of the colour of its meaning, maths above, words below.

    Parameters
    ----------
    tile
        The picture.
    colour
        Of the frame.
    label, words
        Set above and below; either may be absent.
    """

    def __init__(
        self,
        tile: Tile,
        *,
        colour: str,
        label: Mobject | None = None,
        words: Mobject | None = None,
    ) -> None:
        self.tile, self.label, self.words = tile, label, words
        self.border = Square(color=colour, stroke_width=3).stretch_to_fit_width(tile.width + px(6))
        self.border.stretch_to_fit_height(tile.height + px(6))
        self.border.move_to(tile)
        if label is not None:
            label.next_to(self.border, UP, buff=px(12))
        if words is not None:
            words.next_to(self.border, DOWN, buff=px(12))
        super().__init__(tile, self.border, *(m for m in (label, words) if m is not None))

    def level_with(self, other: Panel) -> Panel:
        """Move so that the two tiles stand on one line."""
        return self.shift((0, other.tile.get_y() - self.tile.get_y(), 0))
