"""Bars that say how many times as large the error becomes when a part is cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, Line, VGroup
from numpy.typing import NDArray

from scenes.stage.layout import px
from scenes.stage.lettering import READOUT_SIZE, SMALL_SIZE, Lettering
from scenes.stage.numbers import Rolling, fixed

LONGEST = 240
"""Pixels at 720p of the longest bar."""


def times(factor: float) -> str:
    """A factor as it is written."""
    return f"×{fixed(1)(factor)}"


class Factor(VGroup):
    """A name, a bar as long as the factor at this look, and the factor.

    Parameters
    ----------
    lettering
        Sets name and number.
    name
        What was cut.
    factors
        (K,), one a look.
    longest
        The factor that is ``LONGEST`` long.
    look
        Gives the number of the look.
    """

    def __init__(
        self,
        lettering: Lettering,
        name: str,
        factors: NDArray[np.float64],
        longest: float,
        look: Callable[[], int],
    ) -> None:
        super().__init__()
        self.factors, self.longest, self.look = factors, longest, look
        colour = lettering.theme.text
        self.words = lettering.words(name, size=SMALL_SIZE, colour=colour)
        self.bar = Line(LEFT, RIGHT, color=lettering.theme.noise, stroke_width=18)
        self.number = Rolling(times(self.value), size=READOUT_SIZE, colour=colour)
        self.add(self.words, self.bar, self.number)

    @property
    def value(self) -> float:
        """The factor at this look."""
        return float(self.factors[self.look()])

    @property
    def text(self) -> str:
        """The number as it is shown now."""
        return self.number.text

    def begin(self, start: NDArray[np.float64]) -> Factor:
        """Let the bar begin at ``start``, the name stand left of it."""
        self.start = start
        self.words.next_to(start, LEFT, buff=px(16))
        self.refresh()
        return self

    def refresh(self) -> None:
        """Show the factor of this look."""
        end = self.start + RIGHT * px(LONGEST) * self.value / self.longest
        self.bar.put_start_and_end_on(self.start, end)
        self.number.show(times(self.value))
        self.number.next_to(end, RIGHT, buff=px(12))

    def follow(self) -> Factor:
        """Show the factor of every look from now on."""
        self.add_updater(lambda factor: factor.refresh())
        return self


def factors_of(
    lettering: Lettering,
    named: dict[str, NDArray[np.float64]],
    look: Callable[[], int],
    start: NDArray[np.float64],
) -> tuple[VGroup, list[Factor]]:
    """A heading and one bar for each name, under one another, beginning at ``start``."""
    longest = max(float(values.max()) for values in named.values())
    bars = [
        Factor(lettering, name, values, longest, look).begin(start + DOWN * px(44) * number)
        for number, (name, values) in enumerate(named.items())
    ]
    symbol = lettering.maths("hat(epsilon)", size=SMALL_SIZE + 2, colour=lettering.theme.noise)
    words = lettering.words("error of", size=SMALL_SIZE, colour=lettering.theme.quiet)
    heading = VGroup(words, symbol.next_to(words, RIGHT, buff=px(10)))
    heading.next_to(start, UP, buff=px(22)).align_to(start, LEFT)
    return heading, bars
