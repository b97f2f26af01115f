"""Tiles: recorded states as pictures with crisp pixels."""

from __future__ import annotations

import numpy as np
from manim import DOWN, LEFT, UP, Group, Mobject, Square, ValueTracker
from manim.mobject.types.image_mobject import AbstractImageMobject
from PIL.Image import Resampling

from scenes.stage.frames import Frames, Mosaic, Pixels
from scenes.stage.layout import FRAME_HEIGHT, px

__all__ = ["Frames", "Mosaic", "Panel", "Pixels", "Tile"]


class Tile(AbstractImageMobject):
    """A recorded picture; each of its pixels is a whole number of screen pixels.

    Parameters
    ----------
    frames
        What can be shown.
    cell
        Screen pixels a picture's pixel at 720p; even, so that it is whole at
        every quality, or what is whole at this one (``scenes.stage.fitting``).
    """

    def __init__(self, frames: Frames, cell: float) -> None:
        self.frames, self.index, self.opacity = frames, 0, 1.0
        self._rgba: Pixels = np.empty((*frames.size, 4), np.uint8)
        self._painted = -1
        frames.prepare(self._rgba[..., :3])
        super().__init__(FRAME_HEIGHT, resampling_algorithm=Resampling.NEAREST)
        self.scale(cell)

    @property
    def picture(self) -> Pixels:
        """What is shown now, (H, W, 3); the next picture takes its place in memory."""
        if self._painted != self.index:
            self.frames.paint(self.index, self._rgba[..., :3])
            self._painted = self.index
        return self._rgba[..., :3]

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
        _ = self.picture
        self._rgba[..., 3] = round(255 * self.opacity)
        return self._rgba

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
        if (told := label or words) is not None:
            tile.name = f"tile {told.name}"
        self.border = Square(color=colour, stroke_width=3).stretch_to_fit_width(tile.width + px(6))
        self.border.stretch_to_fit_height(tile.height + px(6))
        self.border.move_to(tile)
        self.border.name = f"border of {tile.name}"
        if label is not None:
            label.next_to(self.border, UP, buff=px(12))
        if words is not None:
            words.next_to(self.border, DOWN, buff=px(12))
        super().__init__(tile, self.border, *(m for m in (label, words) if m is not None))

    def level_with(self, other: Panel) -> Panel:
        """Move so that the two tiles stand on one line."""
        return self.shift((0, other.tile.get_y() - self.tile.get_y(), 0))

    def settle(self) -> Panel:
        """Move by a pixel at most, so that the tile begins at a whole one at every quality.

        A picture between pixels loses a row or a column of them at its edge.
        """
        corner = self.tile.get_corner(UP + LEFT)
        return self.shift(np.rint(corner / px(2)) * px(2) - corner)
