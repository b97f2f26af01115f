"""Runs side by side: what the network sees above, what it guesses below, and words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, Group, Mobject, Typst, ValueTracker, VGroup
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.text_to_image.rows import quoted

CELL = 6
SMALL_CELL = 4
"""Screen pixels a picture's pixel at 720p: of guesses, and of what is seen."""
GAP = 18
"""Pixels at 720p between columns."""
LONGEST = 13
"""Letters that are shown of a prompt under a tile."""


def guesses(run: Trajectory) -> NDArray[np.floating]:
    """x̂_0 at every state, (N + 1, B, C, H, W); the finished picture is its own guess."""
    assert run.x0_hat is not None
    return np.concatenate([run.x0_hat, run.states[-1:]])


def words_below(prompt: str, lettering: Lettering, *, now: bool = True) -> Typst:
    """What is asked for, as short as a tile is wide; quiet where it will not be so for long."""
    text = quoted(prompt, LONGEST) if prompt else "no words"
    colour = lettering.theme.guidance if now else lettering.theme.quiet
    return lettering.words(text, size=SMALL_SIZE, colour=colour)


@dataclass(eq=False)
class Column:
    """One run.

    Parameters
    ----------
    seen, guess
        x_t and x̂_0, which follow the playhead.
    above, below
        What is set above the one and under the other.
    """

    seen: Panel
    guess: Panel
    above: Mobject
    below: Mobject

    @classmethod
    def of(
        cls,
        run: Trajectory,
        playhead: ValueTracker,
        lettering: Lettering,
        *,
        above: Mobject | None = None,
        below: Mobject,
    ) -> Column:
        """The first sample of a run."""
        theme = lettering.theme
        seen = Tile(Frames.of(run.states[:, 0]), SMALL_CELL).follow(playhead)
        guess = Tile(Frames.of(guesses(run)[:, 0]), CELL).follow(playhead)
        return cls(
            Panel(seen, colour=theme.noise),
            Panel(guess, colour=theme.prediction),
            above or VGroup(),
            below,
        )

    @property
    def all(self) -> Group:
        """Everything of it."""
        return Group(self.above, self.seen, self.guess, self.below)


def arrange(columns: list[Column], lettering: Lettering, down: float) -> VGroup:
    """Put columns side by side, their guesses ``down`` the stage; returns the rows' names."""
    TALL_STAGE.put(Group(*(c.guess for c in columns)).arrange(RIGHT, buff=px(GAP)), 1, down)
    for column in columns:
        column.seen.next_to(column.guess, UP, buff=px(12))
        column.above.next_to(column.seen, UP, buff=px(12))
        column.below.next_to(column.guess, DOWN, buff=px(12))
        # On one line, whichever letters go below it.
        column.below.align_to(columns[0].below, UP)
    theme, first = lettering.theme, columns[0]
    names = VGroup(
        lettering.maths("x_t", colour=theme.noise).match_y(first.seen),
        lettering.maths("hat(x)_0", colour=theme.prediction).match_y(first.guess),
    )
    for name in names:
        name.set_x(TALL_STAGE.point(0)[0], direction=LEFT)
    return names
