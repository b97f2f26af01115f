"""Numbers that roll: the value of a recording at the playhead."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from manim import MathTypst, VGroup, VMobject

from scenes.stage.lettering import READOUT_SIZE, Lettering

_GLYPHS = "0123456789.,−×"
_REFERENCE_SIZE = 48
_EXPONENT_SCALE = 0.7
_EXPONENT_RAISE = 0.2


def fixed(decimals: int) -> Callable[[float], str]:
    """Format with so many decimals and a true minus sign."""
    return lambda value: f"{value:,.{decimals}f}".replace("-", "−")


def whole(value: float) -> str:
    """Format as a whole number, thousands grouped."""
    return f"{round(value):,}".replace("-", "−")


def significant(value: float) -> str:
    """Three significant digits; very small and very large values as a power of ten."""
    if math.isinf(value):
        return "∞"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -3 < exponent < 4:
        return fixed(max(0, 2 - exponent))(value)
    mantissa = fixed(1)(value / 10**exponent)
    if mantissa == "10.0":
        mantissa, exponent = "1.0", exponent + 1
    return f"{mantissa}×10^{exponent}".replace("-", "−")


@cache
def _glyphs() -> dict[str, tuple[VMobject, float]]:
    """Each glyph at the reference size, its origin on the baseline, and its advance."""
    text = MathTypst(f'"{_GLYPHS}"', font_size=_REFERENCE_SIZE)
    baseline = text[1].get_bottom()[1]  # "1" stands on it
    digit = max(glyph.width for glyph in text[:10]) * 1.12
    glyphs: dict[str, tuple[VMobject, float]] = {}
    for character, glyph in zip(_GLYPHS, text, strict=True):
        advance = digit if character.isdigit() else glyph.width * (1.8 if character == "×" else 1.5)
        centre = glyph.get_center()
        glyph.shift(np.array([advance / 2 - centre[0], -baseline, 0]))
        glyphs[character] = (glyph, advance)
    infinity = MathTypst("oo", font_size=_REFERENCE_SIZE)[0]
    infinity.move_to(np.array([infinity.width / 2, glyphs["0"][0].get_center()[1], 0]))
    glyphs["∞"] = (infinity, infinity.width)
    return glyphs


class Rolling(VGroup):
    """A number whose digits keep their places while it changes.

    manim decides once an animation which mobjects it draws, so a changing
    number must not change its members: it has a fixed number of slots, which
    take the outlines of glyphs or none.

    Parameters
    ----------
    text
        The first text, of digits, ``. , − × ∞`` and ``^`` before an exponent;
        at most ``SLOTS`` glyphs.
    size
        Font size in manim's units.
    colour
        Of the digits.
    """

    SLOTS = 12

    def __init__(self, text: str, *, size: float = READOUT_SIZE, colour: str) -> None:
        slots = (VMobject(stroke_width=0, fill_opacity=1, color=colour) for _ in range(self.SLOTS))
        super().__init__(*slots)
        self.text = ""
        self.glyph_scale = size / _REFERENCE_SIZE
        self._first_offset = np.zeros(3)
        self.show(text)

    def show(self, text: str) -> Rolling:
        """Show ``text``, beginning where the number begins now."""
        if text == self.text:
            return self
        origin = self.origin() if self.text else np.zeros(3)
        self.text = text
        across, raised, slot = 0.0, False, 0
        for character in text:
            if character == "^":
                raised = True
                continue
            glyph, advance = _glyphs()[character]
            scale = self.glyph_scale * (_EXPONENT_SCALE if raised else 1)
            lift = self.glyph_scale * _EXPONENT_RAISE if raised else 0.0
            self[slot].points = glyph.points * scale + origin + np.array([across, lift, 0])
            across += advance * scale
            slot += 1
        for spare in self[slot:]:
            spare.points = np.zeros((0, 3))
        self._first_offset = self.corner() - origin
        return self

    @property
    def size(self) -> float:
        """The font size of the digits as they stand now, however the number was scaled."""
        glyph, _ = _glyphs()[self.text[0]]
        return float(_REFERENCE_SIZE * self[0].width / glyph.width)

    def origin(self) -> np.ndarray:
        """Where the number begins on its baseline, wherever the group was moved."""
        return self.corner() - self._first_offset

    def corner(self) -> np.ndarray:
        """The lower left corner of the first glyph."""
        return self[0].get_corner((-1, -1, 0))


class Readout(VGroup):
    """A name, an equals sign and a number that follows the playhead.

    Parameters
    ----------
    lettering
        Sets the name.
    name
        Typst maths, for example ``"macron(alpha)_t"``.
    value
        Gives the number of the moment.
    form
        Turns it into text (``fixed``, ``whole``, ``significant``).
    """

    def __init__(
        self,
        lettering: Lettering,
        name: str,
        value: Callable[[], float],
        form: Callable[[float], str],
        *,
        colour: str | None = None,
        size: float = READOUT_SIZE,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        colour = colour or lettering.theme.text
        self.value, self.form, self.name = value, form, name
        # The reference digit aligns the name to the digits' baseline and is then dropped.
        label = lettering.maths(f"{name} = 0", size=size, colour=colour)
        zero = label[-1]
        self.number = Rolling("0", size=size, colour=colour)
        self.number.shift(zero.get_corner((-1, -1, 0)) - self.number.corner())
        self.label = VGroup(*label[:-1])
        self.number.show(form(value()))
        self.add(self.label, self.number)

    @property
    def text(self) -> str:
        """The number as it is shown now."""
        return self.number.text

    def refresh(self) -> None:
        """Show the number of this moment."""
        self.number.show(self.form(self.value()))

    def follow(self) -> Readout:
        """Show the number of every moment from now on."""
        self.add_updater(lambda readout: readout.refresh())
        return self
