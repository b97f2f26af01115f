"""What stands on the stage: words, pictures, shapes, points, with names for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from manim import Group, MarkupText, Mobject, PMobject, Text, Typst, VGroup, VMobject
from manim.mobject.types.image_mobject import AbstractImageMobject
from numpy.typing import NDArray

from scenes.stage.checks.boxes import Boxes, Points, bounds, boxes_of, segments, to_pixels, union
from scenes.stage.layout import UNIT
from scenes.stage.lettering import Writing, extent
from scenes.stage.numbers import Readout, Rolling

FAINT = 0.02
"""Opacity up to which nothing is seen."""
STROKE = 0.01 / UNIT
"""Pixels to the unit in which manim gives the width of a line."""
LETTERED = (Readout, Rolling, Typst, Text, MarkupText)
"""What is one piece of lettering with all its members."""
MEASURED = 6
"""Glyphs of a text whose size is taken."""
UNEVEN = 0.02
"""Share by which the glyphs of one text may seem to differ in scale, by rounding."""

Colours = NDArray[np.float64]
"""(n, 4): red, green, blue and opacity, 0 … 1."""


@dataclass(eq=False)
class Thing:
    """Something that can be seen.

    Parameters
    ----------
    name
        What a person would call it.
    order
        What has a higher one is drawn over it.
    box
        In pixels at 720p, lines at their full width.
    purpose
        Whether it may overlap others.
    """

    name: str
    order: int
    box: Boxes
    purpose: bool

    @property
    def key(self) -> str:
        """What it is known by from one moment to the next."""
        return self.name

    def __str__(self) -> str:
        left, top, right, bottom = (round(float(side)) for side in self.box)
        return f"{self.name} (x {left}–{right}, y {top}–{bottom})"


@dataclass(eq=False)
class Words(Thing):
    """Lettering.

    Parameters
    ----------
    glyphs
        The box of each glyph, (n, 4).
    colours
        Those that occur in it.
    size
        In manim's points; None where it cannot be told.
    lasting
        Its name without the numbers that roll in it.
    """

    glyphs: Boxes
    colours: Colours
    size: float | None
    lasting: str

    @property
    def key(self) -> str:
        """What it is known by from one moment to the next."""
        return self.lasting


@dataclass(eq=False)
class Picture(Thing):
    """A recorded picture, or another one; ``pixels`` gives its RGBA, (H, W, 4)."""

    mobject: AbstractImageMobject
    opacity: float

    def pixels(self) -> NDArray[np.uint8]:
        """As it is shown now."""
        shown: NDArray[np.uint8] = self.mobject.get_pixel_array()
        return shown


@dataclass(eq=False)
class Shape(Thing):
    """A line or a plane.

    Parameters
    ----------
    outline
        Cubic curves, (4 n, 2).
    fill
        Red, green, blue, opacity; None where there is nothing to be seen between the lines.
    reach
        Half the width of its line.
    """

    outline: Points
    fill: Colours | None
    reach: float

    @cached_property
    def pieces(self) -> NDArray[np.float64]:
        """Its outline in straight pieces, (n, 2, 2)."""
        return segments(self.outline)


@dataclass(eq=False)
class Cloud(Thing):
    """Points, (n, 2)."""

    points: Points


@dataclass(slots=True)
class Stage:
    """All that can be seen at a moment."""

    words: list[Words] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    clouds: list[Cloud] = field(default_factory=list)

    @property
    def things(self) -> Iterator[Thing]:
        """All of them."""
        yield from self.words
        yield from self.pictures
        yield from self.shapes
        yield from self.clouds

    @classmethod
    def of(cls, mobjects: Iterable[Mobject]) -> Stage:
        """What can be seen of the mobjects of a scene."""
        stage = cls()
        lettered: dict[Any, list[_Leaf]] = {}
        # As the camera has it: of what is there twice the last counts, then the heights.
        leaves = {id(leaf.mobject): leaf for leaf in _leaves(mobjects)}
        ordered = sorted(leaves.values(), key=lambda leaf: leaf.mobject.z_index)
        for order, leaf in enumerate(ordered):
            leaf.order = order
        drawn = [leaf for leaf in ordered if isinstance(leaf.mobject, VMobject) and leaf.seen()]
        _measure(drawn)
        for leaf in drawn:
            if leaf.lettering is None:
                stage.shapes.append(_shape(leaf))
            else:
                lettered.setdefault(leaf.lettering, []).append(leaf)
        for leaf in ordered:
            if isinstance(leaf.mobject, AbstractImageMobject):
                stage._add_picture(leaf)
            elif isinstance(leaf.mobject, PMobject):
                stage._add_cloud(leaf)
        stage.words = [_words(lettering, members) for lettering, members in lettered.items()]
        return stage

    def _add_picture(self, leaf: _Leaf) -> None:
        mobject = leaf.mobject
        opacity = getattr(mobject, "opacity", None)
        if opacity is None:
            opacity = mobject.get_pixel_array()[..., 3].max() / 255
        if opacity > FAINT:
            box = bounds(to_pixels(mobject.points))
            self.pictures.append(
                Picture(leaf.name(box), leaf.order, box, leaf.purpose, mobject, float(opacity))
            )

    def _add_cloud(self, leaf: _Leaf) -> None:
        seen = np.asarray(leaf.mobject.rgbas)[:, 3] > FAINT
        if seen.any():
            points = to_pixels(leaf.mobject.points[seen])
            box = bounds(points)
            self.clouds.append(Cloud(leaf.name(box), leaf.order, box, leaf.purpose, points))


@dataclass(slots=True, eq=False)
class _Leaf:
    """A mobject with points, and what it is a part of."""

    mobject: Any
    lettering: Any
    """The Readout, Typst, … or else the Writing that it belongs to; None for a shape."""
    owner: Mobject | None
    """The nearest object of a scene or of the stage that it is a part of."""
    purpose: bool
    order: int = 0
    outline: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    """Whole cubic curves, of a shape that is seen."""
    box: Boxes = field(default_factory=lambda: np.zeros(4))
    fill: Colours | None = None
    line: Colours | None = None
    """Its colours, where they are seen."""
    reach: float = 0.0

    def seen(self) -> bool:
        """Take up how the shape is drawn; whether anything of it is seen."""
        points = self.mobject.points
        self.outline = points[: len(points) // 4 * 4]
        self.fill = _visible(self.mobject.get_fill_rgbas())
        if self.mobject.stroke_width > 0:
            self.line = _visible(self.mobject.get_stroke_rgbas())
            if self.line is not None:
                self.reach = float(self.mobject.stroke_width) * STROKE / 2
        return len(self.outline) > 0 and (self.fill is not None or self.line is not None)

    def name(self, box: Boxes) -> str:
        """Its own name, or what it is and what it is a part of."""
        kind = type(self.mobject).__name__
        if self.mobject.name != kind:
            return str(self.mobject.name)
        if self.owner is not None:
            of = type(self.owner).__name__
            return f"{kind} of {of if self.owner.name == of else self.owner.name}"
        across, down = np.rint(box[2:] - box[:2]).astype(int)
        return f"{kind} of {across}×{down} px"


def _leaves(mobjects: Iterable[Mobject]) -> Iterator[_Leaf]:
    waiting: list[tuple[Mobject, Any, Mobject | None, bool]] = [
        (mobject, None, None, False) for mobject in reversed(list(mobjects))
    ]
    while waiting:
        mobject, lettering, owner, purpose = waiting.pop()
        purpose = purpose or getattr(mobject, "on_purpose", False)
        if lettering is None and isinstance(mobject, LETTERED):
            lettering = mobject
        if len(mobject.points) and np.isfinite(mobject.points).all():
            writing = getattr(mobject, "writing", None)
            yield _Leaf(mobject, writing if lettering is None else lettering, owner, purpose)
        if type(mobject).__module__.startswith("scenes.") or (
            mobject.submobjects and not isinstance(mobject, (Group, VGroup))
        ):
            owner = mobject
        waiting.extend(
            (member, lettering, owner, purpose) for member in reversed(mobject.submobjects)
        )


def _visible(colours: NDArray[np.float64]) -> Colours | None:
    return colours if len(colours) and colours[:, 3].max() > FAINT else None


def _measure(leaves: list[_Leaf]) -> None:
    """Give each shape its box, its line at full width."""
    boxes = boxes_of([leaf.outline for leaf in leaves])
    reaches = np.array([leaf.reach for leaf in leaves])[:, None]
    for leaf, box in zip(leaves, boxes + reaches * [-1, -1, 1, 1], strict=True):
        leaf.box = box


def _shape(leaf: _Leaf) -> Shape:
    solid = None if leaf.fill is None else leaf.fill.mean(axis=0)  # of a gradient its middle
    outline = to_pixels(leaf.outline)
    name = leaf.name(leaf.box)
    return Shape(name, leaf.order, leaf.box, leaf.purpose, outline, solid, leaf.reach)


def _words(lettering: Any, members: list[_Leaf]) -> Words:
    glyphs = np.stack([member.box for member in members])
    colours = [
        colour
        for member in members
        if (colour := member.line if member.fill is None else member.fill) is not None
    ]
    name = _called(lettering)
    number = lettering.text if isinstance(lettering, (Readout, Rolling)) else ""
    return Words(
        name=name,
        order=min(member.order for member in members),
        box=union(glyphs),
        purpose=any(member.purpose for member in members),
        glyphs=glyphs,
        colours=np.unique(np.concatenate(colours).round(4), axis=0),
        size=_size(lettering, members),
        lasting=name.removesuffix(number),
    )


def _called(lettering: Any) -> str:
    if isinstance(lettering, Writing):
        return str(lettering)
    if isinstance(lettering, Readout):
        return f"readout {lettering.name} = {lettering.text}"
    if isinstance(lettering, Rolling):
        return f"number {lettering.text}"
    writing = next((m.writing for m in lettering.submobjects if hasattr(m, "writing")), None)
    if writing is not None:
        return str(writing)
    said = lettering.typst_code if isinstance(lettering, Typst) else lettering.text
    return f"words {said.strip()!r}"


def _size(lettering: Any, members: list[_Leaf]) -> float | None:
    """The size of the lettering as it stands now, however it was scaled."""
    if isinstance(lettering, Readout):
        return float(lettering.number.size)
    if isinstance(lettering, Rolling):
        return float(lettering.size)
    glyphs = [member.mobject for member in members if hasattr(member.mobject, "writing")]
    if not glyphs:
        return float(lettering.font_size) if hasattr(lettering, "font_size") else None
    glyphs = glyphs[:: -(-len(glyphs) // MEASURED)]
    scales = np.array([extent(glyph.points) / glyph.extent for glyph in glyphs])
    if np.ptp(scales) > UNEVEN * scales.mean():
        return None  # they have taken other shapes: another text's, in a transformation
    return float(np.median(scales)) * float(glyphs[0].writing.size)
