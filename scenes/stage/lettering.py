"""Words and maths, set by Typst in fonts that come with the project."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from manim import MathTypst, Typst, VGroup
from numpy.typing import NDArray

from scenes.stage.theme import Theme

FONTS = Path(__file__).resolve().parent / "fonts"
FONT = "Inter"
_PREAMBLE = f'#set text(font: "{FONT}")'

TITLE_SIZE = 46
HEADING_SIZE = 34
WORDS_SIZE = 31
SMALL_SIZE = 28
READOUT_SIZE = 33
"""Manim's font sizes; ``SMALL_SIZE`` is the least that is read at the back of a hall."""


_PART = re.compile(r"\{\{\s*(.*?)\s*(?::\s*[\w-]+\s*)?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True, eq=False)
class Writing:
    """What a glyph is a piece of; it stays with the glyph wherever that is taken.

    manim takes what it moves out of the group that it came in, so that a part
    of a formula must know by itself what it is a part of.

    Parameters
    ----------
    text
        Words as they are read, a formula as Typst has it.
    maths
        Whether it is a formula.
    size
        In manim's points, as it was set.
    """

    text: str
    maths: bool
    size: float

    def __deepcopy__(self, memo: dict[int, object]) -> Writing:
        return self  # copies of a glyph are pieces of the same

    def __str__(self) -> str:
        return f"formula {self.text!r}" if self.maths else repr(self.text)


def extent(points: NDArray[np.float64]) -> float:
    """A measure of how large an outline (n, 3) is: the same wherever and however turned."""
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _literal(text: str) -> str:
    """``text`` as a Typst string, so that nothing in it is taken for markup."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'#"{escaped}"'


@lru_cache(maxsize=512)
def _typeset(body: str, size: float, maths: bool) -> Typst:
    """What ``body`` looks like; set once in a process, because a scene is played more than once."""
    kind = MathTypst if maths else Typst
    mobject = kind(
        body,
        font_size=size,
        typst_preamble=_PREAMBLE,
        font_paths=[FONTS],
        use_svg_cache=False,  # manim's forgets to scale the rules of what it has made before
    )
    for glyph in mobject.family_members_with_points():
        glyph.path_obj = None  # what it was read from: nearly all the work of copying it
    return mobject


class Lettering:
    """Sets text in the colours of a theme.

    Parameters
    ----------
    theme
        Where the colours come from.
    """

    def __init__(self, theme: Theme) -> None:
        self.theme = theme

    def words(
        self, text: str, *, size: float = WORDS_SIZE, colour: str | None = None, bold: bool = False
    ) -> Typst:
        """Plain words on one line, taken literally."""
        body = _literal(text)
        if bold:
            body = f"#text(weight: 600)[{body}]"
        return self._set(body, size, colour, Writing(text, False, size))

    def maths(
        self, source: str, *, size: float = HEADING_SIZE, colour: str | None = None, **parts: str
    ) -> MathTypst:
        """A formula in Typst's notation.

        ``parts`` gives colours to the labelled parts of it:
        ``maths("{{ x_t : seen }} = …", seen=theme.signal)``.
        """
        plain = " ".join(_PART.sub(r"\1", source).split())
        formula = self._set(source, size, colour, Writing(plain, True, size))
        for label, part_colour in parts.items():
            formula.select(label).set_color(part_colour)
        return formula

    def _set(self, body: str, size: float, colour: str | None, writing: Writing) -> Typst:
        mobject = _typeset(body, size, writing.maths).copy()
        mobject.set_color(colour or self.theme.text)
        mobject.name = str(writing)
        for glyph in mobject.family_members_with_points():
            glyph.writing, glyph.extent = writing, extent(glyph.points)
        return mobject

    def lines(
        self, *texts: str, size: float = WORDS_SIZE, colour: str | None = None, gap: float = 0.18
    ) -> VGroup:
        """Several lines of words, centred under one another."""
        return VGroup(*(self.words(text, size=size, colour=colour) for text in texts)).arrange(
            direction=(0, -1, 0), buff=gap
        )
