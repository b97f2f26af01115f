"""The samples of a training: all of them at one stage, and a few at many."""

from __future__ import annotations

from collections.abc import Callable

from manim import DOWN, LEFT, RIGHT, Group, VGroup

from scenes.stage.layout import FRAME, MARGIN, Zone, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.training.learnt import Learnt

ROWS = Zone(MARGIN + 130, 374, FRAME.right - MARGIN, 636)
STRIPS = Zone(MARGIN + 182, 136, FRAME.right - MARGIN, 584)
"""Where all samples stand, and the stages of a few."""
COLUMNS = 8
"""Samples in a row, and stages in a strip, at most."""
TALLEST, GAP = 128, 2
"""Pixels at 720p that a sample may take, and of its own between two of them."""
FRAMED, APART = 6, 10
"""Pixels at 720p that a frame adds to a tile of a strip, and between two of them."""


def cell_within(learnt: Learnt, room: float) -> int:
    """Screen pixels a sample's pixel, where a sample has so many of them across."""
    height, width = learnt.pictures.shape[-2:]
    return max(2, int(min(TALLEST / height, room / width)) // 2 * 2)


def in_lines(prompt: str) -> list[str]:
    """A prompt in at most three lines of a dozen letters; what is longer is cut short."""
    lines = [""]
    for word in prompt.split():
        if lines[-1] and len(lines[-1]) + len(word) >= 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if len(lines) <= 3 else [*lines[:2], f"{lines[2]} …"]


class Rows(Group):
    """The samples without a prompt above those with one, or one half above the other.

    Parameters
    ----------
    lettering
        Sets the names, which stand beside (``names``).
    learnt
        Whose samples.
    stage
        Gives the stage that is shown.
    """

    def __init__(self, lettering: Lettering, learnt: Learnt, stage: Callable[[], int]) -> None:
        super().__init__()
        theme, free, prompted = lettering.theme, learnt.free, learnt.prompted
        halves = {"no prompt": free, "with prompt": prompted}
        colours = [theme.prediction, theme.guidance]
        if not (free and prompted):
            every = free or prompted
            middle = len(every) // 2
            halves = {"some noise": every[:middle], "other noise": every[middle:]}
            colours = colours[:1] * 2 if free else colours[1:] * 2
        self.halves = [half[:COLUMNS] for half in halves.values()]
        self.panels: list[Panel] = []
        width = learnt.pictures.shape[-1]
        room = (ROWS.right - ROWS.left) / COLUMNS * width / (width + GAP)
        for half, colour in zip(self.halves, colours, strict=True):
            frames = Frames.mosaic(learnt.pictures[:, half], len(half), GAP, theme.background)
            tile = Tile(frames, cell_within(learnt, room))
            tile.add_updater(lambda tile: tile.show(stage()), call_updater=True)
            self.panels.append(Panel(tile, colour=colour))
        self.add(*self.panels).arrange(DOWN, buff=px(10), aligned_edge=LEFT)
        ROWS.put(self, 0, 1)
        self.names = VGroup()
        for panel, name, colour in zip(self.panels, halves, colours, strict=True):
            label = lettering.lines(*name.split(), size=SMALL_SIZE, colour=colour, gap=0.1)
            self.names.add(label.next_to(panel.border, LEFT, buff=px(16)))


class Strips(Group):
    """A few samples, each at the same stages, one row a sample.

    Parameters
    ----------
    lettering
        Sets the prompts beside the rows (``names``) and the steps below (``counts``).
    learnt
        Whose samples.
    samples
        Which are shown.
    """

    def __init__(self, lettering: Lettering, learnt: Learnt, samples: list[int]) -> None:
        super().__init__()
        theme = lettering.theme
        self.samples, self.stages = samples, learnt.shown_stages(COLUMNS)
        room = (STRIPS.right - STRIPS.left + APART) / COLUMNS - APART - FRAMED
        cell = cell_within(learnt, room)
        self.rows: list[list[Panel]] = []
        for sample in samples:
            frames = Frames.of(learnt.pictures[:, sample])
            colour = theme.guidance if learnt.prompts[sample] else theme.prediction
            row = [Panel(Tile(frames, cell).show(stage), colour=colour) for stage in self.stages]
            self.rows.append(row)
            self.add(Group(*row).arrange(RIGHT, buff=px(APART)))
        STRIPS.put(self.arrange(DOWN, buff=px(18)), 0, 0)
        self.names = VGroup()
        for sample, row in zip(samples, self.rows, strict=True):
            asked = learnt.prompts[sample]
            label = lettering.lines(
                *in_lines(asked or "no prompt"),
                size=SMALL_SIZE,
                colour=theme.guidance if asked else theme.prediction,
                gap=0.1,
            )
            self.names.add(label.next_to(row[0], LEFT, buff=px(18)))
        self.counts = VGroup()
        for stage, panel in zip(self.stages, self.rows[-1], strict=True):
            step = lettering.words(f"{learnt.steps[stage]:,}", size=SMALL_SIZE, colour=theme.quiet)
            self.counts.add(step.next_to(panel, DOWN, buff=px(14)))
        for count in self.counts:
            count.set_y(self.counts[0].get_y())
        self.step = lettering.words("step", size=SMALL_SIZE, colour=theme.quiet)
        self.step.match_y(self.counts).match_x(self.names[-1])

    @property
    def columns(self) -> list[Group]:
        """All samples at one stage, and its step, for every stage."""
        return [Group(*(row[i] for row in self.rows), count) for i, count in enumerate(self.counts)]

    def since(self, stage: int) -> list[Panel]:
        """The first sample's panels from a stage on."""
        return [panel for at, panel in zip(self.stages, self.rows[0], strict=True) if at >= stage]
