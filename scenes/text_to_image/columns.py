"""Runs side by side: what the network sees above, what it guesses below, and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from manim import DOWN, LEFT, RIGHT, UP, Group, Mobject, Typst, ValueTracker, VGroup

from diffusion_core.trajectory import Trajectory
from scenes.stage.fitting import tile_of
from scenes.stage.frames import States
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.quoting import breadth
from scenes.stage.seen import along, guesses_to_the_end, pictures_of
from scenes.stage.symbols import Symbols
from scenes.stage.tiles import Panel
from scenes.text_to_image.rows import quoted

ROOM, SMALL_ROOM = 168, 128
"""Pixels at 720p for a picture: of guesses, and of what is seen."""
GAP = 18
"""Pixels at 720p between columns."""
FEW = 0.7
"""Share of the stage's width below which columns stand in its middle."""
LONGEST = 13
"""Letters that are shown of a prompt under a tile."""


def guesses(run: Trajectory) -> States:
    """x̂_0 at every state, (N + 1, B, C, H, W); the finished picture is its own guess."""
    return guesses_to_the_end(run)


def words_below(prompt: str, lettering: Lettering, *, now: bool = True) -> Typst:
    """What is asked for, as short as a tile is wide; quiet where it will not be so for long."""
    text = quoted(prompt, LONGEST) if prompt else "no words"
    colour = lettering.theme.guidance if now else lettering.theme.quiet
    words, most = lettering.words(text, size=SMALL_SIZE, colour=colour), LONGEST
    # Signs of other scripts may be wider than they are taken for.
    while not prompt.isascii() and words.width > px(ROOM) and most > len("… …"):
        most -= 1
        words = lettering.words(quoted(prompt, most), size=SMALL_SIZE, colour=colour)
    return words


def told_apart(prompts: Sequence[str]) -> dict[str, str]:
    """What stands under a tile for each prompt: it, or where that is too long what sets it apart.

    Of "a photo of a frog" and "a photo of a cat" these are "… frog" and "… cat".
    """
    found = {}
    for prompt in prompts:
        words = prompt.split()
        shared = [_shared(words, other.split()) for other in prompts if other != prompt]
        most = min(max(shared, default=0), len(words) - 1)
        long = breadth(prompt) > LONGEST and most > 0
        found[prompt] = " ".join(["…", *words[most:]]) if long else prompt
    return found


def _shared(some: list[str], others: list[str]) -> int:
    """With how many of the same words two prompts begin."""
    pairs = zip(some, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


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
        like: Trajectory,
        above: Mobject | None = None,
        below: Mobject,
    ) -> Column:
        """The first sample of a run, at the times of the run ``like``."""
        theme = lettering.theme
        seen, guess = (
            tile_of(along(shown[:, 0], run, like), room).follow(playhead)
            for shown, room in ((pictures_of(run), SMALL_ROOM), (guesses(run), ROOM))
        )
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


def arrange(columns: list[Column], lettering: Lettering, down: float, symbols: Symbols) -> VGroup:
    """Put columns side by side, their guesses ``down`` the stage; returns the rows' names."""
    # The words below are as wide beside narrow tiles.
    gap = px(GAP) + max(0.0, px(ROOM) - columns[0].guess.tile.width)
    row = Group(*(c.guess for c in columns)).arrange(RIGHT, buff=gap)
    few = row.width < FEW * TALL_STAGE.width
    TALL_STAGE.put(row, 0.5 if few else 1, down)
    for column in columns:
        column.seen.next_to(column.guess, UP, buff=px(12))
        column.above.next_to(column.seen, UP, buff=px(12))
        column.below.next_to(column.guess, DOWN, buff=px(12))
        # On one line, whichever letters go below it.
        column.below.align_to(columns[0].below, UP)
    theme, first = lettering.theme, columns[0]
    names = VGroup(
        lettering.maths(symbols.state, colour=theme.noise).match_y(first.seen),
        lettering.maths(symbols.guess, colour=theme.prediction).match_y(first.guess),
    )
    for name in names:
        name.set_x(TALL_STAGE.point(0)[0], direction=LEFT)
        if few:
            name.set_x(first.guess.get_left()[0] - px(24), direction=RIGHT)
    return names
