"""The rules of the picture: frame, captions, overlap, size and contrast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scenes.stage.checks.boxes import Boxes, close_to, crossed, encloses, grown, shared
from scenes.stage.checks.things import Colours, Picture, Shape, Stage, Thing, Words
from scenes.stage.layout import CAPTIONS, FRAME_HEIGHT, FRAME_WIDTH
from scenes.stage.lettering import SMALL_SIZE
from scenes.stage.theme import LARGE_CONTRAST, MIN_CONTRAST, channels, relative_luminance

EDGE = 0.5
"""Pixels by which rounding may carry something over an edge."""
TOUCHING = 4.0
"""Pixels between words and other words or a picture, below which they run together."""
COVERED = 1.0
"""Pixels by which pictures may lie over one another, or miss one another and still coincide."""
SOLID = 0.98
"""Opacity from which on nothing is seen through."""
ROUNDING = 0.05
"""Of a size in points, and of a contrast."""

Other = TypeVar("Other", bound=Thing)


class Broken(NamedTuple):
    """A rule in a word, the things that break it, and how."""

    rule: str
    things: tuple[Thing, ...]
    what: str

    @property
    def key(self) -> tuple[str, ...]:
        """The same for the same things at another moment."""
        return self.rule, *(thing.key for thing in self.things)


def broken(stage: Stage, background: str) -> Iterator[Broken]:
    """All that is wrong with what is seen at a moment, on ``background`` ("#rrggbb")."""
    for thing in stage.things:
        yield from frame(thing)
    yield from words_on_words(stage)
    yield from words_on_pictures(stage)
    yield from pictures_on_pictures(stage)
    yield from lines_through_words(stage)
    for words in stage.words:
        yield from size(words)
        yield from contrast(words, stage, background)


# -- where things are ------------------------------------------------------------


def frame(thing: Thing) -> Iterator[Broken]:
    """Nothing leaves the frame; nothing lies under the captions."""
    left, top, right, bottom = thing.box
    beyond = {
        "left": -left,
        "right": right - FRAME_WIDTH,
        "top": -top,
        "bottom": bottom - FRAME_HEIGHT,
    }
    for side, far in beyond.items():
        if far > EDGE:
            yield Broken("frame", (thing,), f"{thing} reaches {far:.0f} px over the {side} edge")
    if CAPTIONS.top + EDGE < bottom <= FRAME_HEIGHT + EDGE:
        what = f"{thing} reaches {bottom - CAPTIONS.top:.0f} px into the captions' place"
        yield Broken("captions", (thing,), what)


def _boxes(things: Sequence[Thing]) -> Boxes:
    return np.array([thing.box for thing in things]).reshape(-1, 4)


def words_on_words(stage: Stage) -> Iterator[Broken]:
    """No two texts touch, unless they are the same at the same place."""
    boxes = _boxes(stage.words)
    close = close_to(boxes, boxes, TOUCHING)
    for i, j in combinations(range(len(boxes)), 2):
        one, other = stage.words[i], stage.words[j]
        if not close[i, j] or one.purpose or other.purpose:
            continue
        if one.name == other.name and np.abs(one.box - other.box).max() < COVERED:
            continue
        deep = _deepest(one.glyphs, other.glyphs)
        if deep is not None and not _parted(one, other, stage):
            yield Broken("overlap", (one, other), f"{one} {_how(deep)} {other}")


def words_on_pictures(stage: Stage) -> Iterator[Broken]:
    """No text touches a picture."""
    close = close_to(_boxes(stage.words), _boxes(stage.pictures), TOUCHING)
    for i, j in np.argwhere(close):
        words, picture = stage.words[i], stage.pictures[j]
        if words.purpose or picture.purpose:
            continue
        deep = _deepest(words.glyphs, picture.box[None])
        if deep is not None and not _parted(words, picture, stage):
            yield Broken("overlap", (words, picture), f"{words} {_how(deep)} {picture}")


def pictures_on_pictures(stage: Stage) -> Iterator[Broken]:
    """No picture lies over a part of another."""
    boxes = _boxes(stage.pictures)
    over = shared(boxes, boxes)
    for i, j in combinations(range(len(boxes)), 2):
        one, other = stage.pictures[i], stage.pictures[j]
        if over[i, j].min() <= COVERED or one.purpose or other.purpose:
            continue
        if np.abs(one.box - other.box).max() < COVERED and stage.pictures[j].opacity >= SOLID:
            continue  # the later of the two hides the other
        yield Broken("overlap", (one, other), f"{one} {_how(over[i, j])} {other}")


def lines_through_words(stage: Stage) -> Iterator[Broken]:
    """No line and no point runs through a text."""
    for words, shape in _meeting(stage.words, stage.shapes):
        # A line may touch what it frames or underlines, by its rounding.
        through = crossed(shape.pieces, grown(words.glyphs, shape.reach - 1)).any()
        if through and not _parted(words, shape, stage):
            yield Broken("overlap", (shape, words), f"{shape} runs through {words}")
    for words, cloud in _meeting(stage.words, stage.clouds):
        left, top, right, bottom = words.glyphs.T[..., None]
        x, y = cloud.points.T
        hit = ((left < x) & (x < right) & (top < y) & (y < bottom)).any(axis=0).sum()
        if hit and not _parted(words, cloud, stage):
            what = f"{hit} points of {cloud} lie in {words}"
            yield Broken("overlap", (cloud, words), what)


def _meeting(words: Sequence[Words], others: Sequence[Other]) -> Iterator[tuple[Words, Other]]:
    """Texts and other things whose boxes lie over one another, unless that is meant."""
    close = close_to(_boxes(words), _boxes(others))
    for i, j in np.argwhere(close):
        if not (words[i].purpose or others[j].purpose):
            yield words[i], others[j]


def _deepest(some: Boxes, others: Boxes) -> NDArray[np.float64] | None:
    """How far the parts that lie deepest in one another do; None where none touch."""
    over = shared(some, others)
    depth = over.min(axis=2)
    if depth.max() <= -TOUCHING:
        return None
    deepest: NDArray[np.float64] = over[np.unravel_index(depth.argmax(), depth.shape)]
    return deepest


def _how(over: NDArray[np.float64]) -> str:
    if over.min() <= 0:
        return f"is only {-over.min():.0f} px from"
    return f"overlaps by {over[0]:.0f}×{over[1]:.0f} px"


def _parted(one: Thing, other: Thing, stage: Stage) -> bool:
    """Whether something solid that holds the upper one whole lies between the two."""
    low, high = sorted((one, other), key=lambda thing: thing.order)
    return any(
        shape.fill is not None
        and shape.fill[3] >= SOLID
        and low.order < shape.order < high.order
        and holds(shape, high)
        for shape in stage.shapes
    )


def holds(shape: Shape, thing: Thing) -> bool:
    """Whether a filled shape has the whole of ``thing`` inside."""
    left, top, right, bottom = thing.box
    outer = shape.box
    if outer[0] > left or outer[1] > top or outer[2] < right or outer[3] < bottom:
        return False
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    return not crossed(shape.pieces, thing.box[None]).any() and encloses(shape.pieces, centre)


# -- what words look like ----------------------------------------------------------


def size(words: Words) -> Iterator[Broken]:
    """No text is smaller than what is read at the back of a hall."""
    if words.size is not None and words.size < SMALL_SIZE - ROUNDING:
        what = f"{words} is set in {words.size:.1f} points, less than {SMALL_SIZE}"
        yield Broken("size", (words,), what)


def contrast(words: Words, stage: Stage, background: str) -> Iterator[Broken]:
    """Every colour of a text stands out from what lies under it."""
    ground = np.array([channels(background)])
    inks = [(colour[:3][None], float(colour[3])) for colour in words.colours]
    layers = [shape for shape in stage.shapes if shape.fill is not None and holds(shape, words)]
    under: list[Shape | Picture] = [layer for layer in layers if layer.order < words.order]
    beneath = [picture for picture in stage.pictures if picture.order < words.order]
    over_it = close_to(words.box[None], _boxes(beneath))[0]
    under += [picture for picture, is_under in zip(beneath, over_it, strict=True) if is_under]
    for layer in sorted(under, key=lambda layer: layer.order):
        ground = _laid(ground, layer, words)
    over = [layer for layer in layers if layer.order > words.order]
    for ink, opacity in inks:
        seen, behind = opacity * ink + (1 - opacity) * ground, ground
        for layer in over:
            assert layer.fill is not None
            seen, behind = _washed(seen, layer.fill), _washed(behind, layer.fill)
        light, dark = relative_luminance(seen), relative_luminance(behind)
        ratios = (np.maximum(light, dark) + 0.05) / (np.minimum(light, dark) + 0.05)
        least = MIN_CONTRAST if opacity >= SOLID else LARGE_CONTRAST
        if ratios.min() < least - ROUNDING:
            worst = ratios.argmin()
            colours = f"{_hex(seen[worst])} on {_hex(behind[worst])}"
            what = f"{words} has {ratios[worst]:.1f}:1 ({colours}), less than {least:g}:1"
            yield Broken("contrast", (words,), what)


def _washed(ground: NDArray[np.float64], fill: Colours) -> NDArray[np.float64]:
    return fill[3] * fill[:3] + (1 - fill[3]) * ground


def _laid(ground: NDArray[np.float64], layer: Shape | Picture, words: Words) -> NDArray[np.float64]:
    """The colours (n, 3) under a text, once a layer lies on ``ground``."""
    if isinstance(layer, Shape):
        assert layer.fill is not None
        return _washed(ground, layer.fill)
    pixels = layer.pixels()
    height, width = pixels.shape[:2]
    left, top = layer.box[:2]
    cell = (layer.box[2:] - layer.box[:2]) / np.array([width, height])
    first = np.floor((words.box[:2] - [left, top]) / cell).astype(int).clip(0)
    last = np.ceil((words.box[2:] - [left, top]) / cell).astype(int)
    part = pixels[first[1] : last[1], first[0] : last[0]].reshape(-1, 4)
    tones = np.unique(part, axis=0)[:, None] / 255
    mixed = tones[..., 3:] * tones[..., :3] + (1 - tones[..., 3:]) * ground[None]
    whole = (words.box[:2] >= layer.box[:2]).all() and (words.box[2:] <= layer.box[2:]).all()
    covered = mixed.reshape(-1, 3)
    return covered if whole else np.concatenate([ground, covered])


def _hex(colour: NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(float(channel) * 255):02x}" for channel in colour)
