"""Meters: bars that fill as something gets done."""

from __future__ import annotations

from collections.abc import Callable

from manim import LEFT, RIGHT, UP, Line, VGroup

from scenes.stage.layout import FRAME, MARGIN, Zone, px
from scenes.stage.numbers import Readout

METERS = Zone(890, 138, FRAME.right - MARGIN, 340)
"""Where they stand, one under the other."""
LEAST = 0.005
"""The share at which a bar is still seen."""


class Meter(VGroup):
    """A bar under the readout of what it measures.

    Parameters
    ----------
    readout
        The value, which stands over the bar.
    share
        Gives how much of it is done, 0 … 1.
    colour, rail
        Of what is done, and of the whole.
    """

    def __init__(
        self, readout: Readout, share: Callable[[], float], *, colour: str, rail: str
    ) -> None:
        super().__init__()
        self.readout, self.share, self.colour = readout, share, colour
        left, self.reach = METERS.point(0), RIGHT * METERS.width
        self.rail = Line(left, left + self.reach, color=rail, stroke_width=10)
        self.done = Line(left, left + self.reach, color=colour, stroke_width=10)
        readout.next_to(self.rail, UP, buff=px(13)).align_to(self.rail, LEFT)
        self.add(self.rail, self.done, readout)
        self.refresh()

    def refresh(self) -> None:
        """Show the share and the value of this moment."""
        self.readout.refresh()
        start = self.rail.get_start()
        self.done.put_start_and_end_on(start, start + max(self.share(), LEAST) * self.reach)

    def follow(self) -> Meter:
        """Show those of every moment from now on."""
        self.add_updater(lambda meter: meter.refresh())
        return self
