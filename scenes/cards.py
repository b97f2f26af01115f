"""The cards that a lecture begins and ends with: its question, and what to remember of it."""

from __future__ import annotations

import numpy as np
from manim import DOWN, RIGHT, FadeIn, FadeOut, Group, LaggedStart, VGroup

from diffusion_core.trajectory import Trajectory
from scenes.stage.fitting import tile_of
from scenes.stage.frames import States
from scenes.stage.layout import FRAME, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE
from scenes.stage.seen import pictures_of
from scenes.stage.tiles import Panel

STRIP = 7
"""Tiles in a row, at most."""
ROOM = 128
"""Pixels at 720p for a picture."""
UNROLLING = 4.4
"""Seconds in which the rows of an opening appear."""

Row = tuple[str, str, Group]
"""What a row of tiles shows, the colour of its meaning, and the tiles."""


def row_of(pictures: States, colour: str) -> Group:
    """Pictures (N, C, H, W) as a row of tiles."""
    tiles = (tile_of(pictures, ROOM).show(i) for i in range(len(pictures)))
    panels = [Panel(tile, colour=colour) for tile in tiles]
    return Group(*panels).arrange(RIGHT, buff=px(26))


def strip_of(run: Trajectory, colour: str, sample: int = 0) -> Group:
    """States of a run from its first to its last, evenly spaced."""
    indices = np.linspace(0, run.steps, STRIP).round().astype(int)
    return row_of(pictures_of(run)[indices, sample], colour)


def ends_of(run: Trajectory, colour: str) -> Group:
    """The finished pictures of a run."""
    return row_of(pictures_of(run)[-1, :STRIP], colour)


class Card(LectureScene):
    """A scene that shows whole runs as rows of tiles."""

    def unroll(self, row: Group, seconds: float) -> None:
        """Let the tiles of a row appear one after the other."""
        self.play(LaggedStart(*(FadeIn(panel) for panel in row), lag_ratio=0.4), run_time=seconds)

    def open_with(self, question: str, promise: str, rows: list[Group]) -> None:
        """Begin a lecture.

        Parameters
        ----------
        question, promise
            What is asked, under the title, and what will be seen.
        rows
            Two or three, of tiles.
        """
        title = self.lettering.words(self.inputs.title, size=64, bold=True)
        asked = self.lettering.words(question, size=WORDS_SIZE + 4, colour=self.theme.quiet)
        VGroup(title, asked).arrange(DOWN, buff=px(22))
        FRAME.put(VGroup(title, asked), 0.5, 0.16)
        gap, down = (44, 0.7) if len(rows) < 3 else (20, 0.73)
        FRAME.put(Group(*rows).arrange(DOWN, buff=px(gap)), 0.5, down)
        with self.beat(question):
            self.appear(title)
            self.appear(asked)
        with self.beat(promise, detail=True):
            for row in rows:
                self.unroll(row, UNROLLING / len(rows))
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.5)

    def close_with(self, heading: str, rows: list[Row], said: str, note: str) -> None:
        """End a lecture.

        Parameters
        ----------
        heading
            What the rows are.
        rows
            Two, of tiles.
        said
            What to remember.
        note
            Where the pictures come from, in a line.
        """
        title = self.heading(heading)
        blocks = Group()
        for words, colour, row in rows:
            told = self.lettering.words(words, colour=colour)
            blocks.add(Group(told, row).arrange(DOWN, buff=px(14)))
        FRAME.put(blocks.arrange(DOWN, buff=px(34)), 0.5, 0.49)
        with self.beat(said):
            (first, above), (second, below) = blocks
            self.appear(title, first, seconds=0.6)
            self.unroll(above, 1.6)
            self.appear(second, seconds=0.6)
            self.unroll(below, 1.8)
        with self.beat("Everything you saw was recorded from a real run.", detail=True):
            small = self.lettering.words(note, size=SMALL_SIZE, colour=self.theme.quiet)
            self.appear(small.next_to(blocks, DOWN, buff=px(30)))
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)


class IntroductionOpening(Card):
    """The question of the introduction, over a picture that really dissolved."""

    def construct(self) -> None:
        """Forward and reverse, without a word more."""
        self.open_with(
            "How can a machine paint a picture out of nothing but noise?",
            "First we watch a picture dissolve. Then a network brings one back.",
            [
                strip_of(self.run("forward"), self.theme.line),
                strip_of(self.run("reverse"), self.theme.line),
            ],
        )


class IntroductionClosing(Card):
    """Both ways in one picture."""

    def construct(self) -> None:
        """Forward above, reverse below, and the sentence to keep."""
        theme, steps = self.theme, self.run("reverse").facts["nfe"]
        self.close_with(
            "Diffusion in one picture",
            [
                (
                    "forward: add noise, nothing to learn",
                    theme.noise,
                    strip_of(self.run("forward"), theme.noise),
                ),
                (
                    "reverse: a network removes it, step by step",
                    theme.prediction,
                    strip_of(self.run("reverse"), theme.prediction),
                ),
            ],
            "Forward, we only add noise. In reverse, a network takes it away.",
            f"seed {self.options.seed}, {steps} network evaluations, "
            "every number from the recording",
        )


class SamplingOpening(Card):
    """The question of the lecture on sampling, over three runs."""

    def construct(self) -> None:
        """Three noises, three digits."""
        run = self.run("reverse")
        self.open_with(
            "A network sees the noise in a picture. Which way leads out of it?",
            "Three noises, three ways, and one network that is asked at every step.",
            [strip_of(run, self.theme.line, sample) for sample in range(3)],
        )


class SamplingClosing(Card):
    """What the first noise decides, and what the noise on the way does."""

    def construct(self) -> None:
        """The same noise led back by both rules."""
        theme, ddim = self.theme, self.run("ddim")
        branches = [run.states[-1, 0] for run in self.runs("ddpm").values()]
        self.close_with(
            "Sampling in one picture",
            [
                (
                    "DDIM: no noise on the way, always the same picture",
                    theme.prediction,
                    ends_of(ddim, theme.prediction),
                ),
                (
                    "DDPM: new noise at every step, new pictures",
                    theme.noise,
                    row_of(np.stack(branches)[:STRIP], theme.noise),
                ),
            ],
            "The network only guesses. The sampler decides how to walk.",
            f"seed {self.options.seed}, all from one starting noise, {ddim.steps} steps each",
        )


class GuidanceOpening(Card):
    """The question of the lecture on prompts, over runs that had one."""

    def construct(self) -> None:
        """Three noises, one prompt."""
        run = self.run("guided")
        self.open_with(
            "Noise can become any picture. How do words choose one?",
            f"Three noises, and each time we ask for “{run.facts['recipe']['prompt']}”.",
            [strip_of(run, self.theme.line, sample) for sample in range(3)],
        )


class GuidanceClosing(Card):
    """The prompt as it is, and turned up."""

    def construct(self) -> None:
        """The same noises with and without guidance."""
        theme, run = self.theme, self.run("guided")
        scale = f"{run.facts['recipe']['guidance']:g}"
        self.close_with(
            "Guidance in one picture",
            [
                (
                    "the prompt as it is: g = 1",
                    theme.prediction,
                    ends_of(self.run("plain"), theme.prediction),
                ),
                (
                    f"the same noises, the prompt turned up: g = {scale}",
                    theme.guidance,
                    ends_of(run, theme.guidance),
                ),
            ],
            "Words change every guess a little. Guidance turns them up.",
            f"seed {self.options.seed}, {run.facts['nfe']} network evaluations for each picture",
        )


class CourseOpening(Card):
    """The question of the whole course."""

    def construct(self) -> None:
        """Into the noise, and out of it with words."""
        self.open_with(
            "How does a picture come out of noise, and how do words say which?",
            "We take it apart: the noise, the network, the steps, and the words.",
            [
                strip_of(self.run("forward"), self.theme.line),
                strip_of(self.run("guided"), self.theme.line),
            ],
        )


class CourseClosing(Card):
    """The whole course in two rows."""

    def construct(self) -> None:
        """Into the noise, and out of it with words."""
        theme, run = self.theme, self.run("guided")
        self.close_with(
            "The course in one picture",
            [
                (
                    "forward: add noise, nothing to learn",
                    theme.noise,
                    strip_of(self.run("forward"), theme.noise),
                ),
                (
                    f"reverse: a network removes it, asked for “{run.facts['recipe']['prompt']}”",
                    theme.prediction,
                    strip_of(run, theme.prediction),
                ),
            ],
            "Noise is easy to add. A network learns to see it, and words bend what it sees.",
            f"seed {self.options.seed}, every picture and every number from a recording",
        )
