"""The frame, kept between pictures: only where something has changed it is painted again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from scenes.stage.camera import StageCamera
from scenes.stage.compositing import Rect
from scenes.stage.looks import Item, Look

BLOCK = 16
"""Screen pixels of a side of the squares in which changes are counted."""
MOST = 0.6
"""Share of the frame from which on all of it is painted."""

Blocks = NDArray[np.bool_]


class Painter:
    """Paints lists of mobjects on the frame of a camera, one after the other.

    The frame is always what the camera draws of the whole list, to the bit.

    Parameters
    ----------
    camera
        Its ``pixel_array`` is the frame.
    """

    def __init__(self, camera: StageCamera) -> None:
        self.camera = camera
        self.shown: list[Look] | None = None

    def paint(self, items: Sequence[Item]) -> None:
        """Make the frame show ``items``, the first of them lowest."""
        looks = [look for _, look in items]
        dirty = self._changed(looks)
        if dirty is None:
            self._paint_all(items)
        elif dirty.any():
            self._paint_part(items, dirty)
        self.shown = looks

    def forget(self) -> None:
        """Take nothing for granted: the next list is painted whole."""
        self.shown = None

    def _changed(self, looks: list[Look]) -> Blocks | None:
        """The blocks that look different now; None when that is most of them."""
        if self.shown is None or not all(look.bounded for look in looks):
            return None
        width, height = self.camera.pixel_width, self.camera.pixel_height
        dirty = np.zeros((-(-height // BLOCK), -(-width // BLOCK)), np.bool_)
        for look in differences(self.shown, looks):
            dirty[blocks_of(look.box)] = True
        return None if dirty.mean() > MOST else dirty

    def _paint_all(self, items: Sequence[Item]) -> None:
        self.camera.reset()
        self.camera.capture_mobjects([m for m, _ in items], include_submobjects=False)

    def _paint_part(self, items: Sequence[Item], dirty: Blocks) -> None:
        touched = [m for m, look in items if dirty[blocks_of(look.box)].any()]
        with self.camera.limited_to(list(rectangles(dirty))):
            self.camera.capture_mobjects(touched, include_submobjects=False)


def blocks_of(box: Rect) -> tuple[slice, slice]:
    """The rows and columns of blocks that ``box`` lies in."""
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        return slice(0, 0), slice(0, 0)
    return slice(top // BLOCK, -(-bottom // BLOCK)), slice(left // BLOCK, -(-right // BLOCK))


def differences(before: Sequence[Look], after: Sequence[Look]) -> Iterator[Look]:
    """The looks that one list has and the other has not at that place.

    Those left over are the same, in the same order.
    """
    if len(before) == len(after):
        for old, new in zip(before, after, strict=True):
            if old.digest != new.digest:
                yield old
                yield new
        return
    # Something has come or gone: the longest run of equals is found from both ends first.
    digests = [look.digest for look in before], [look.digest for look in after]
    for kind, i, j, k, n in SequenceMatcher(None, *digests, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from before[i:j]
            yield from after[k:n]


def rectangles(blocks: Blocks) -> Iterator[Rect]:
    """The marked blocks as rectangles of pixels, none of which overlap."""
    rows = [row.tobytes() for row in blocks]
    top = 0
    for row in range(1, len(rows) + 1):
        if row < len(rows) and rows[row] == rows[top]:
            continue
        steps = np.diff(blocks[top].astype(np.int8), prepend=0, append=0)
        ends = np.flatnonzero(steps).tolist()
        for left, right in zip(ends[::2], ends[1::2], strict=True):
            yield left * BLOCK, top * BLOCK, right * BLOCK, row * BLOCK
        top = row
