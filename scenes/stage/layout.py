"""The zones of the picture, and a unit to measure in: the pixel of a 1280×720 frame.

Scenes place things into zones and beside one another; they name no coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from manim import Mobject

FRAME_HEIGHT = 720
FRAME_WIDTH = 1280
UNIT = 8 / FRAME_HEIGHT
"""One pixel at 720p, in manim's units; every offered quality shows it as whole pixels."""

Placed = TypeVar("Placed", bound=Mobject)


def px(pixels: float) -> float:
    """A length given in pixels at 720p, in manim's units."""
    return pixels * UNIT


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of the frame, in pixels at 720p from the top left."""

    left: float
    top: float
    right: float
    bottom: float

    def point(self, across: float = 0.5, down: float = 0.5) -> np.ndarray:
        """The point at a share of the width and of the height, in manim's units."""
        x = self.left + across * (self.right - self.left) - FRAME_WIDTH / 2
        y = FRAME_HEIGHT / 2 - (self.top + down * (self.bottom - self.top))
        return np.array([px(x), px(y), 0.0])

    @property
    def width(self) -> float:
        """In manim's units."""
        return px(self.right - self.left)

    @property
    def height(self) -> float:
        """In manim's units."""
        return px(self.bottom - self.top)

    def put(self, mobject: Mobject, across: float = 0.5, down: float = 0.5) -> None:
        """Move ``mobject`` so that its own point at these shares meets the zone's."""
        box = Zone(0, 0, mobject.width / UNIT, mobject.height / UNIT)
        own = mobject.get_center() + box.point(across, down) - box.point(0.5, 0.5)
        mobject.shift(self.point(across, down) - own)


def on_purpose(mobject: Placed) -> Placed:
    """Say that ``mobject`` lies where it lies on purpose, whatever it overlaps.

    It is still found when it leaves the frame or cannot be read.
    """
    mobject.on_purpose = True
    return mobject


MARGIN = 40
TITLE = Zone(MARGIN, 26, FRAME_WIDTH - MARGIN, 116)
STAGE = Zone(MARGIN, 124, FRAME_WIDTH - MARGIN, 472)
AXIS = Zone(MARGIN + 110, 484, FRAME_WIDTH - MARGIN - 110, 636)
TALL_STAGE = Zone(MARGIN, 124, FRAME_WIDTH - MARGIN, 560)
"""The stage of scenes that draw no curves over the time axis."""

CAPTIONS = Zone(MARGIN, 640, FRAME_WIDTH - MARGIN, 720)
FRAME = Zone(0, 0, FRAME_WIDTH, FRAME_HEIGHT)
