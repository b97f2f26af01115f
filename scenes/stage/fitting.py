"""How large a picture is shown: whole screen pixels for each of its own, at every quality.

A picture of 28 pixels a side is enlarged ten times, one of 256 stands as it is.
Where a pixel of the picture would get less than a whole one of the screen, whole
blocks of the picture's are shown by their mean, one for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from manim import config
from numpy.typing import NDArray

from scenes.stage.frames import Frames, States
from scenes.stage.layout import FRAME_HEIGHT
from scenes.stage.tiles import Tile

GAP = 2
"""Of its own pixels, between the samples of a mosaic that is enlarged."""
NARROW_GAP = 4
"""Pixels at 720p between the samples of one that is not."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How a picture becomes a tile.

    Parameters
    ----------
    cell
        Pixels at 720p that a shown pixel takes; whole ones of the screen.
    block
        Pixels a side of the picture that a shown one is the mean of.
    """

    cell: float
    block: int = 1


def fitted(size: tuple[int, int], room: tuple[float, float]) -> Scale:
    """The largest scale at which a picture is not larger than its room, at any quality.

    The tile takes the same part of the frame at every quality; how many of the
    picture's pixels it shows depends on how many the screen has for it.

    Parameters
    ----------
    size
        Height and width of the picture, in its own pixels.
    room
        Height and width for it, in pixels at 720p.
    """
    largest = min(space / side for space, side in zip(room, size, strict=True))
    if largest >= 2:
        return Scale(int(largest) // 2 * 2)
    times = max(1, math.ceil(1 / largest)) if largest > 0 else min(size)
    # Half of it must be whole as well: the coarsest screen has half a pixel for one at 720p.
    while any(side % (2 * times) for side in size) and times < min(size) // 2:
        times += 1
    screen = config.pixel_height / FRAME_HEIGHT
    for block in range(1, 2 * times):
        whole = float(block * screen / times)
        if whole.is_integer() and not any(side % block for side in size):
            return Scale(block / times, block)
    return Scale(2.0, 2 * times)


def tile_of(states: States, room: float, weights: NDArray[np.floating[Any]] | None = None) -> Tile:
    """Recorded pictures (N, C, H, W), each times its weight, in a tile of at most ``room``.

    That is in pixels at 720p a side.
    """
    height, width = states.shape[-2:]
    scale = fitted((height, width), (room, room))
    return Tile(Frames.of(states, weights, block=scale.block), scale.cell)


def mosaic_of(
    states: States, columns: int, room: tuple[float, float], background: str, gap: int = GAP
) -> Tile:
    """Samples (N, B, C, H, W) side by side, in a tile not larger than its room.

    Parameters
    ----------
    states
        What was recorded.
    columns
        Samples in a row.
    room
        Height and width for all of them, in pixels at 720p.
    background
        What is seen between them, "#rrggbb".
    gap
        Of their own pixels, between two that are enlarged.
    """
    whole = Frames.mosaic(states, columns, gap, background)
    scale = fitted(whole.size, room)
    if scale.cell >= 2 and scale.block == 1:
        return Tile(whole, scale.cell)
    rows = math.ceil(states.shape[1] / columns)
    own = (room[0] + NARROW_GAP) / rows - NARROW_GAP, (room[1] + NARROW_GAP) / columns - NARROW_GAP
    height, width = states.shape[-2:]
    scale = fitted((height, width), own)
    frames = Frames.mosaic(
        states, columns, round(NARROW_GAP / scale.cell), background, block=scale.block
    )
    return Tile(frames, scale.cell)


def most_columns(states: States, most: int, rows: int, room: tuple[float, float]) -> int:
    """In how many columns, ``most`` at most, the samples (N, B, C, H, W) are shown largest.

    Those that have no place in so many ``rows`` are left out.  Of numbers that show
    them as large it is the one that leaves out the fewest, and fills its rows.
    """

    def side(number: int) -> float:
        tile = mosaic_of(states[:, : rows * number], number, room, "#000000")
        scale = tile.width / tile.frames.size[1]
        return round(scale * (states.shape[-1] // tile.frames.block), 6)

    def worth(number: int) -> tuple[float, int, bool, int]:
        shown = min(rows * number, states.shape[1])
        return side(number), shown, shown % number == 0, number

    return max(range(1, min(most, states.shape[1]) + 1), key=worth)
