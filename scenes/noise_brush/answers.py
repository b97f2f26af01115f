"""What else comes back under the brush: the row of other answers."""

from __future__ import annotations

from manim import DOWN, LEFT, RIGHT, Group, ValueTracker, VGroup

from scenes.noise_brush.stroke import edge_of
from scenes.noise_brush.telling import Telling
from scenes.reverse_process import cell_for
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.tiles import Frames, Panel, Tile

ROW_SIDE = 124
"""Pixels at 720p that a tile in a row may take."""


class Answers(Group):
    """The samples of a way back but the first, in a row, with what the judge reads in each.

    Parameters
    ----------
    lettering
        Sets what was read.
    told
        What was recorded.
    playhead
        The state that is shown.
    """

    def __init__(self, lettering: Lettering, told: Telling, playhead: ValueTracker) -> None:
        theme, mask, states = lettering.theme, told.mask, told.seen
        cell = cell_for(ROW_SIDE, states.shape[-1])
        self.panels = [
            Panel(
                Tile(Frames.of(states[:, sample]), cell).follow(playhead),
                colour=theme.prediction,
            )
            for sample in range(1, states.shape[1])
        ]
        super().__init__(*self.panels)
        self.arrange(RIGHT, buff=px(14))
        TALL_STAGE.put(self, 0.5, 0.9)
        for panel in self.panels:
            panel.settle()
        self.edges = VGroup(
            *(
                edge_of(mask, panel.tile, colour=theme.noise, halo=theme.background, width=3)
                for panel in self.panels
            )
        )
        self.classes: list[int] = told.after[1:]
        self.read = VGroup()
        for digit, panel in zip(self.classes, self.panels, strict=False):
            word = lettering.words(str(digit), size=WORDS_SIZE, colour=theme.prediction)
            self.read.add(word.next_to(panel, DOWN, buff=px(12)))
        if self.classes:
            said = lettering.words("read as", size=SMALL_SIZE, colour=theme.quiet)
            self.read.add_to_back(said.next_to(self.read[0], LEFT, buff=px(26)))
