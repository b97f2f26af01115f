"""What a run has cost so far: the multiplications, as a bar that grows with it."""

from __future__ import annotations

from manim import DOWN, LEFT, RIGHT, Line, ValueTracker, VGroup

from scenes.latent_diffusion.reading import Floats, counted
from scenes.stage.layout import px
from scenes.stage.lettering import READOUT_SIZE, SMALL_SIZE, Lettering
from scenes.stage.numbers import Rolling, fixed
from scenes.stage.tiles import Panel

LONGEST = 560
"""Pixels at 720p of the bar of the dearest run, when it is done."""


class CostBar(VGroup):
    """A line as long as what has been spent, and the number at its end.

    Parameters
    ----------
    lettering
        Sets the words.
    values
        What has been spent at each state, (N + 1,).
    playhead
        The index of the state.
    most
        What the dearest run beside it costs: it decides what all are counted in.
    colour
        Of the line.
    """

    def __init__(
        self,
        lettering: Lettering,
        values: Floats,
        playhead: ValueTracker,
        *,
        most: float,
        colour: str,
    ) -> None:
        super().__init__()
        self.values, self.playhead, self.unit = values, playhead, 0.0
        name, self.one = counted(most)
        self.line = Line(LEFT, RIGHT, color=colour, stroke_width=14)
        last = self.written(float(values[-1]))
        self.number = Rolling(last, size=READOUT_SIZE, colour=lettering.theme.text)
        self.words = lettering.words(f"{name} multiplications", size=SMALL_SIZE)
        self.add(self.line, self.number, self.words)

    def stand_under(self, panel: Panel, most: float) -> CostBar:
        """Begin under the left edge of ``panel``; ``most`` is as long as a bar can be."""
        self.unit = px(LONGEST) / most
        start = panel.border.get_corner(DOWN + LEFT) + DOWN * px(24)
        self.line.put_start_and_end_on(start, start + RIGHT * px(1))
        return self.refresh()

    def written(self, spent: float) -> str:
        """So many multiplications, in the unit of this bar."""
        return fixed(1)(spent / self.one)

    @property
    def now(self) -> float:
        """What has been spent at the playhead."""
        index = int(min(max(self.playhead.get_value() + 1e-6, 0), len(self.values) - 1))
        return float(self.values[index])

    def refresh(self) -> CostBar:
        """As long as what has been spent now."""
        start = self.line.get_start()
        length = max(self.now * self.unit, px(1))
        self.line.put_start_and_end_on(start, start + RIGHT * length)
        self.number.show(self.written(self.now))
        end = self.line.get_end()
        self.number.next_to(end, RIGHT, buff=px(14))
        self.words.next_to(self.number, RIGHT, buff=px(10)).set_y(end[1])
        return self

    def follow(self) -> CostBar:
        """Stay with the playhead from now on."""
        self.add_updater(lambda bar: bar.refresh())
        return self
