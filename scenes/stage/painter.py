"""The frame, kept between pictures: painted again are what has changed and what that touches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenes.stage.camera import StageCamera
from scenes.stage.compositing import Rect, Screen
from scenes.stage.looks import Item, Look

MOST = 0.7
"""Share of the mobjects from which on all of them are painted."""

Boxes = NDArray[np.int64]
"""(n, 4): left, top, right, bottom of each."""


class Painted(NamedTuple):
    """The frame as it is now; drawn on again for the next picture.

    ``changed`` is where it is not as it was before; None where it may be anywhere.
    """

    screen: Screen
    changed: Rect | None


class Painter:
    """Paints lists of mobjects on the frame of a camera, one after the other.

    The frame is always what the camera draws of the whole list, to the bit:
    what is painted again is painted whole, with everything that it overlaps.
    Cutting shapes at an edge would be cheaper, but Cairo smooths a shape that
    is cut a little differently.

    Parameters
    ----------
    camera
        Its ``pixel_array`` is the frame.
    """

    def __init__(self, camera: StageCamera) -> None:
        self.camera = camera
        self.shown: list[Look] | None = None

    def paint(self, items: Sequence[Item]) -> Painted:
        """Make the frame show ``items``, the first of them lowest."""
        looks = [look for _, look in items]
        touched = self._touched(looks)
        if touched is None:
            self.camera.reset()
            self.camera.capture_mobjects([m for m, _ in items], include_submobjects=False)
        else:
            for left, top, right, bottom in touched.tolist():
                ground = self.camera.background[top:bottom, left:right]
                self.camera.pixel_array[top:bottom, left:right] = ground
            again = overlapping(touched, _boxes(looks))
            painted = [mobject for (mobject, _), due in zip(items, again, strict=True) if due]
            self.camera.capture_mobjects(painted, include_submobjects=False)
        self.shown = looks
        return Painted(self.camera.pixel_array, None if touched is None else _around(touched))

    def forget(self) -> None:
        """Take nothing for granted: the next list is painted whole."""
        self.shown = None

    def _touched(self, looks: list[Look]) -> Boxes | None:
        """The boxes to be painted again, closed under overlap; None for the whole frame."""
        if self.shown is None or not all(look.bounded for look in looks):
            return None
        edge = found = _boxes(list(differences(self.shown, looks)))
        boxes = _boxes(looks)
        reached = np.zeros(len(boxes), np.bool_)
        while len(edge):
            new = overlapping(edge, boxes) & ~reached
            reached |= new
            edge = boxes[new]
            found = np.concatenate([found, edge])
        return None if reached.sum() > MOST * len(boxes) else found


def _around(boxes: Boxes) -> Rect:
    """The smallest rectangle around ``boxes``; an empty one around none."""
    shown = boxes[(boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])]
    if not len(shown):
        return (0, 0, 0, 0)
    (left, top), (right, bottom) = shown[:, :2].min(axis=0), shown[:, 2:].max(axis=0)
    return (int(left), int(top), int(right), int(bottom))


def _boxes(looks: Sequence[Look]) -> Boxes:
    return np.array([look.box for look in looks], np.int64).reshape(-1, 4)


def overlapping(some: Boxes, boxes: Boxes) -> NDArray[np.bool_]:
    """Which of ``boxes`` share a pixel with any of ``some``."""
    left, top, right, bottom = boxes.T
    x0, y0, x1, y1 = some.T[..., None]
    shared = (x0 < right) & (left < x1) & (y0 < bottom) & (top < y1)
    return np.asarray((shared & (x0 < x1) & (left < right)).any(axis=0))


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
    digests = [look.digest for look in before], [look.digest for look in after]
    for kind, i, j, k, n in SequenceMatcher(None, *digests, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from before[i:j]
            yield from after[k:n]
