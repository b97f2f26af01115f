"""What the scene is drawn of: tiles of pictures and of latents, encoders and decoders, frames."""

from __future__ import annotations

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, Group, Mobject, Polygon, Rectangle, Typst, VGroup

from scenes.stage.fitting import NARROW_GAP, mosaic_of, tile_of
from scenes.stage.frames import States
from scenes.stage.layout import px
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.seen import REACH, columns
from scenes.stage.tiles import Frames, Panel, Tile

WIDE, NARROW = 224, 168
"""Pixels at 720p across a picture: where one process is watched, and where rows are compared."""
LONG, SHORT, DEEP = 156, 92, 132
"""The sides of an encoder, and how far it is from one to the other."""


def cell_of(side: int, pixels: int) -> int:
    """Screen pixels a cell, even, so that ``side`` cells take about so many pixels."""
    return max(2, 2 * round(pixels / side / 2))


class Drawing:
    """Makes the parts, in the colours of a theme.

    Parameters
    ----------
    lettering
        Sets the words, and has the theme.
    within
        Whether no tile may be larger than it is asked to be; else the nearest size will do.
    """

    def __init__(self, lettering: Lettering, *, within: bool = False) -> None:
        self.lettering, self.theme, self.within = lettering, lettering.theme, within

    def label(self, symbol: str, colour: str, words: str = "") -> VGroup:
        """A symbol, and words in the same line; either may be empty."""
        parts: list[Typst] = []
        if symbol:
            parts.append(self.lettering.maths(symbol, colour=colour, size=HEADING_SIZE))
        if words:
            parts.append(self.lettering.words(words, colour=colour, size=SMALL_SIZE))
        return VGroup(*parts).arrange(RIGHT, buff=px(14))

    def picture(self, states: States, pixels: int, colour: str, label: Mobject | None) -> Panel:
        """States (N, C, H, W) of pictures, in a tile about so many pixels wide."""
        if self.within or 2 * states.shape[-1] > pixels:
            tile = tile_of(states, pixels)
        else:
            tile = Tile(Frames.of(states), cell_of(states.shape[-1], pixels))
        return Panel(tile, colour=colour, label=label)

    def latent(self, states: States, pixels: int, colour: str, label: Mobject | None) -> Panel:
        """States (N, c, h, w) of latents, all c maps in one tile about so many pixels wide."""
        maps = states[:, :, None] / REACH
        side, ground = columns(maps.shape[1]), self.theme.background
        frames = Frames.mosaic(maps, side, 1, ground)
        if self.within or 2 * frames.size[1] > pixels:
            tile = mosaic_of(maps, side, (pixels + NARROW_GAP, pixels + NARROW_GAP), ground, gap=1)
        else:
            tile = Tile(frames, cell_of(frames.size[1], pixels))
        return Panel(tile, colour=colour, label=label)

    def machine(self, words: str, *, narrows: bool) -> VGroup:
        """An encoder, which narrows to the right, or a decoder."""
        left, right = (LONG / 2, SHORT / 2) if narrows else (SHORT / 2, LONG / 2)
        across = DEEP / 2
        corners = ((-across, left), (across, right), (across, -right), (-across, -left))
        body = Polygon(
            *(np.array([px(x), px(y), 0]) for x, y in corners),
            color=self.theme.quiet,
            stroke_width=4,
        )
        return VGroup(body, self.lettering.words(words, size=SMALL_SIZE))

    def row(self, *things: Mobject, gap: float = 22) -> Group:
        """Things side by side, panels by their tiles."""
        group = Group(*things).arrange(RIGHT, buff=px(gap))
        line = group.get_y()
        for thing in things:
            middle = thing.tile.get_y() if isinstance(thing, Panel) else thing.get_y()
            thing.shift(UP * (line - middle))
        return group

    def off(self, panel: Panel, share: str) -> VGroup:
        """How far a picture is off, to its right."""
        said = VGroup(self.lettering.words(f"{share} off", size=WORDS_SIZE))
        return said.next_to(panel.border, RIGHT, buff=px(24))

    def cell_frames(self, panel: Panel, maps: int, row: int, column: int) -> VGroup:
        """A frame round one cell in each map of a latent."""
        height, width = panel.tile.frames.states.shape[-2:]
        corners = [divmod(number, columns(maps)) for number in range(maps)]
        return VGroup(
            *(
                self.frame(panel, down * (height + 1) + row, across * (width + 1) + column, 1, 1)
                for down, across in corners
            )
        )

    def frame(self, panel: Panel, top: int, left: int, height: int, width: int) -> VGroup:
        """A frame round some pixels of a tile: light and dark, to be seen on either."""
        tile = panel.tile
        cell = tile.width / tile.frames.size[1]
        across, down = (left + width / 2) * cell, (top + height / 2) * cell
        middle = tile.get_corner(UP + LEFT) + RIGHT * across + DOWN * down
        lines = VGroup()
        for colour, stroke in ((self.theme.background, 7), (self.theme.text, 3)):
            line = Rectangle(
                color=colour, stroke_width=stroke, width=width * cell, height=height * cell
            )
            lines.add(line.move_to(middle))
        return lines
