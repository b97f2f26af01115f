"""What a mobject looks like, in a few bytes: all that decides what is drawn of it.

Two mobjects with one look are drawn alike, so what has kept its look need not
be drawn again, and pictures that were drawn of the same looks are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from manim import Camera, Mobject, PMobject, VMobject
from manim.constants import LineJointType
from manim.mobject.types.image_mobject import AbstractImageMobject
from numpy.typing import NDArray

from scenes.stage.camera import StageCamera
from scenes.stage.compositing import Rect

MARGIN = 2
"""Screen pixels around a shape that smoothing may touch."""
MITER = 10.0
"""How much further than half a line's width its sharpest corner reaches (Cairo's limit)."""
SQUARE = 1.5
"""The same of a square end."""
NOWHERE: Rect = (0, 0, 0, 0)
FINEST = 2.0**20
"""Steps to manim's unit in which places are told apart, each 1/10,000 of a pixel at 720p.

The last bits of a place depend on the way to it, which is shorter where
animations are skipped.
"""
ONE_COLOUR = 4 * 8
"""Bytes of one colour; more of them make a gradient."""

State = tuple[Any, ...]


class Look(NamedTuple):
    """A digest of what is drawn, and the screen pixels that it may touch.

    ``bounded`` is False for what can only be drawn on the whole frame.
    """

    digest: bytes
    box: Rect
    bounded: bool = True


Item = tuple[Mobject, Look]


def digest_of_looks(parts: Iterable[bytes]) -> bytes:
    """One digest of many, 20 bytes."""
    return hashlib.blake2b(b"".join(parts), digest_size=20).digest()


class LookBook:
    """The looks of mobjects, frame by frame; what has not changed is not worked out again.

    Parameters
    ----------
    camera
        Knows where on the frame a place is.
    """

    def __init__(self, camera: StageCamera) -> None:
        self.camera = camera
        self._known: dict[int, tuple[Mobject, State, Look]] = {}

    def items(self, mobjects: Iterable[Mobject]) -> list[Item]:
        """Those of ``mobjects`` that show something, each with its look, members aside."""
        known, self._known = self._known, {}
        found: list[Item] = []
        for mobject in mobjects:
            look = None
            if isinstance(mobject, VMobject):
                state = _state(mobject)
                _, before, look = known.get(id(mobject), (None, None, None))
                if look is None or before != state or _is_gradient(state):
                    look = _shape(mobject, state, self.camera)
                self._known[id(mobject)] = mobject, state, look
            elif isinstance(mobject, AbstractImageMobject):
                look = _picture(mobject, self.camera)
            elif isinstance(mobject, PMobject):
                look = _points(mobject, self.camera)
            if look is not None:
                found.append((mobject, look))
        return found


def _digest(kind: bytes, *parts: bytes) -> bytes:
    digest = hashlib.blake2b(kind, digest_size=20)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()


def _places(points: NDArray[np.float64]) -> bytes:
    with np.errstate(invalid="ignore"):  # what is not finite has no place, and shows nothing
        return np.rint(points * FINEST).astype(np.int64).tobytes()


def _box(points: NDArray[np.float64], reach: float, camera: Camera) -> Rect:
    """The pixels within ``reach`` (manim's units) of ``points``."""
    if not len(points) or not np.isfinite(points).all():
        return NOWHERE  # manim draws nothing of it
    across = camera.pixel_width / camera.frame_width
    down = camera.pixel_height / camera.frame_height
    x, y, _ = camera.frame_center
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = camera.pixel_width, camera.pixel_height
    return (
        _level((low[0] - reach - x) * across + width / 2 - MARGIN, width),
        _level((y - high[1] - reach) * down + height / 2 - MARGIN, height),
        _level((high[0] + reach - x) * across + width / 2 + MARGIN + 1, width),
        _level((y - low[1] + reach) * down + height / 2 + MARGIN + 1, height),
    )


def _level(value: float, most: int) -> int:
    return int(min(max(value, 0), most))


def _state(mobject: VMobject) -> State:
    """All that decides what is drawn of a shape, as it lies in memory."""
    return (
        mobject.points.tobytes(),
        mobject.get_fill_rgbas().tobytes(),
        mobject.get_stroke_rgbas().tobytes(),
        mobject.get_stroke_rgbas(background=True).tobytes(),
        mobject.get_stroke_width(),
        mobject.get_stroke_width(background=True),
        mobject.joint_type,
        mobject.cap_style,
        mobject.get_background_image(),
    )


def _sharpest(points: NDArray[np.float64]) -> float:
    """How many times half a line's width the sharpest corner of a path reaches."""
    curves = points[: len(points) // 4 * 4, :2].reshape(-1, 4, 2)
    if len(curves) < 2 or not np.isfinite(curves).all():
        return 1.0
    comes, goes = curves[:, 3] - curves[:, 2], np.roll(curves[:, 1] - curves[:, 0], -1, axis=0)
    lengths = np.hypot(*comes.T) * np.hypot(*goes.T)
    if not lengths.all():
        return MITER  # which way it turns there is not to be seen
    turn = np.einsum("ij,ij->i", comes, goes) / lengths
    return float(min(MITER, 1 / np.sqrt(max((1 + turn.min()) / 2, 1e-9))))


def _is_gradient(state: State) -> bool:
    """Whether more than its state decides: a gradient runs over what a shape is made of."""
    return max(len(colours) for colours in state[1:4]) > ONE_COLOUR


def _shape(mobject: VMobject, state: State, camera: Camera) -> Look:
    _, fill, stroke, outline, width, outline_width, joint, cap, background = state
    gradient = b""
    if _is_gradient(state):
        gradient = _places(np.array(mobject.get_gradient_start_and_end_points()))
    digest = _digest(
        b"shape",
        _places(mobject.points),
        fill,
        stroke,
        outline,
        repr((float(width), float(outline_width), joint.name, cap.name)).encode(),
        gradient,
        b"" if background is None else repr(background).encode(),
    )
    reach = max(width, outline_width) * camera.cairo_line_width_multiple / 2 * SQUARE
    if reach and joint in (LineJointType.AUTO, LineJointType.MITER):
        reach *= _sharpest(mobject.points)
    box = _box(mobject.points, reach, camera)
    return Look(digest, box, bounded=background is None)


def _picture(mobject: AbstractImageMobject, camera: StageCamera) -> Look:
    picture = mobject.get_pixel_array()
    placement = camera.place(mobject, picture.shape[:2])
    digest = _digest(
        b"picture",
        _places(placement.corners),
        np.ascontiguousarray(picture).tobytes(),
        repr((picture.shape, int(mobject.resampling_algorithm))).encode(),
    )
    left, top, right, bottom = placement.box
    width, height = camera.pixel_width, camera.pixel_height
    return Look(
        digest,
        (
            _level(left - 1, width),
            _level(top - 1, height),
            _level(right + 1, width),
            _level(bottom + 1, height),
        ),
    )


def _points(mobject: PMobject, camera: Camera) -> Look:
    digest = _digest(
        b"points",
        _places(mobject.points),
        np.asarray(mobject.rgbas, np.float64).tobytes(),
        repr(mobject.stroke_width).encode(),
    )
    thickness = camera.adjusted_thickness(mobject.stroke_width)
    pixel = camera.frame_height / camera.pixel_height
    return Look(digest, _box(mobject.points, (thickness + 1) * pixel, camera))
