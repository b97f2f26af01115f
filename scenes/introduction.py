"""The title and the end card of the lecture ``introduction``."""

from __future__ import annotations

import numpy as np
from manim import DOWN, RIGHT, FadeIn, FadeOut, Group, LaggedStart, VGroup

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import FRAME, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE
from scenes.stage.tiles import Frames, Panel, Tile

STRIP = 7
"""Recorded states in a strip."""


def strip_of(run: Trajectory, sample: int, cell: int, colour: str) -> Group:
    """States of a run from its first to its last, evenly spaced, as a row of tiles."""
    indices = np.linspace(0, run.steps, STRIP).round().astype(int)
    states = run.states[indices, sample]
    panels = [Panel(Tile(Frames.of(states), cell).show(i), colour=colour) for i in range(STRIP)]
    return Group(*panels).arrange(RIGHT, buff=px(26))


class Card(LectureScene):
    """A scene that shows whole runs as strips."""

    def unroll(self, strip: Group, seconds: float) -> None:
        """Let the tiles of a strip appear one after the other."""
        self.play(LaggedStart(*(FadeIn(panel) for panel in strip), lag_ratio=0.4), run_time=seconds)


class Opening(Card):
    """The question of the lecture, over a picture that really dissolved."""

    def construct(self) -> None:
        """Title, a strip of the forward run, the promise."""
        theme = self.theme
        title = self.lettering.words(self.inputs.title, size=64, bold=True)
        about = self.lettering.words(
            "An introduction to diffusion models", size=WORDS_SIZE + 4, colour=theme.quiet
        )
        VGroup(title, about).arrange(DOWN, buff=px(22))
        FRAME.put(VGroup(title, about), 0.5, 0.16)
        there = strip_of(self.run("forward"), 0, 2, theme.line)
        back = strip_of(self.run("reverse"), 0, 4, theme.line)
        FRAME.put(Group(there, back).arrange(DOWN, buff=px(44)), 0.5, 0.7)
        with self.beat("How can a machine paint a picture out of nothing but noise?"):
            self.appear(title, about)
        with self.beat("First we watch a picture dissolve. Then a network brings one back."):
            self.unroll(there, 2.2)
            self.unroll(back, 2.2)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.5)


class Closing(Card):
    """Both ways in one picture."""

    def construct(self) -> None:
        """Forward above, reverse below, and the sentence to keep."""
        theme, letters = self.theme, self.lettering
        heading = self.heading("Diffusion in one picture")
        forward = strip_of(self.run("forward"), 0, 2, theme.noise)
        reverse = strip_of(self.run("reverse"), 0, 4, theme.prediction)
        there = letters.words("forward: add noise, nothing to learn", colour=theme.noise)
        back = letters.words("reverse: a network removes it, step by step", colour=theme.prediction)
        rows = Group(
            Group(there, forward).arrange(DOWN, buff=px(14)),
            Group(back, reverse).arrange(DOWN, buff=px(14)),
        ).arrange(DOWN, buff=px(34))
        FRAME.put(rows, 0.5, 0.49)
        with self.beat("Forward, we only add noise. In reverse, a network takes it away."):
            self.appear(heading, there, seconds=0.6)
            self.unroll(forward, 1.6)
            self.appear(back, seconds=0.6)
            self.unroll(reverse, 1.8)
        with self.beat("Everything you saw was recorded from a real run."):
            seed = self.options.seed
            steps = self.run("reverse").facts["nfe"]
            note = letters.words(
                f"seed {seed}, {steps} network evaluations, every number from the recording",
                size=SMALL_SIZE,
                colour=theme.quiet,
            )
            note.next_to(rows, DOWN, buff=px(30))
            self.appear(note)
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
