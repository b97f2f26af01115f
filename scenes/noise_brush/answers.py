"""What came back under the brush: the sentences that say it, and the row of other answers."""

from __future__ import annotations

import numpy as np
from manim import DOWN, LEFT, RIGHT, Group, ValueTracker, VGroup

from diffusion_core.trajectory import Trajectory
from scenes.noise_brush.stroke import edge_of
from scenes.reverse_process import cell_for
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.u_turn import a

ROW_SIDE = 124
"""Pixels at 720p that a tile in a row may take."""


def repainted(picture: np.ndarray, run: Trajectory) -> np.ndarray:
    """What is seen of a run (N + 1, B, C, H, W): its states under the brush, the picture beside."""
    mask = np.asarray(run.facts["mask"])
    return np.where(mask > 0, run.states, picture)


def what_came_back(before: int | None, after: int | None) -> str:
    """The sentence that compares what was read in the picture with what is read now."""
    said = "Under the brush, the strokes are new"
    if before is None or after is None:
        return said + "."
    if before == after:
        return f"{said}. A second network still reads {a(after)}."
    return f"{said}: what was {a(before)} now reads as {a(after)}."


def how_many(before: int, after: list[int]) -> str:
    """The sentence that counts what is read in the other answers."""
    same = after.count(before)
    if same == len(after):
        return f"All {same} fit what was left, and all are read as {a(before)}."
    verb = "is" if same == 1 else "are"
    return f"Each fits what was left: {same or 'none'} of {len(after)} {verb} read as {a(before)}."


class Answers(Group):
    """The samples of a way back but the first, in a row, with what the judge reads in each.

    Parameters
    ----------
    lettering
        Sets what was read.
    picture
        As it was before, (C, H, W).
    run
        The way back.
    playhead
        The state that is shown.
    """

    def __init__(
        self, lettering: Lettering, picture: np.ndarray, run: Trajectory, playhead: ValueTracker
    ) -> None:
        theme, mask = lettering.theme, run.facts["mask"]
        states = repainted(picture, run)
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
        self.classes: list[int] = run.facts.get("final_class", [])[1:]
        self.read = VGroup()
        for digit, panel in zip(self.classes, self.panels, strict=False):
            word = lettering.words(str(digit), size=WORDS_SIZE, colour=theme.prediction)
            self.read.add(word.next_to(panel, DOWN, buff=px(12)))
        if self.classes:
            said = lettering.words("read as", size=SMALL_SIZE, colour=theme.quiet)
            self.read.add_to_back(said.next_to(self.read[0], LEFT, buff=px(26)))
