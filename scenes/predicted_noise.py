"""What the network answers, and how the guess that follows from it sharpens along the run."""

from __future__ import annotations

import itertools
import math

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Circumscribe,
    Create,
    DashedLine,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    ValueTracker,
    VGroup,
    linear,
    smooth,
)
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import AXIS, MARGIN, STAGE, TALL_STAGE, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import Curve, TimeAxis

CELL = 8
"""Screen pixels a picture's pixel at 720p while one moment is looked at."""
SMALL_CELL = 4
MOMENTS = 6
"""Moments of the run that are looked at side by side, at most."""
ROW = 10
ROWS = 2
FAINT = 0.25
"""Opacity of what is not spoken of."""
EARLY = 0.1
"""ᾱ at the moment that is looked at first: a tenth of the variance is picture."""
CURVES = 132
"""Pixels at 720p from the foot of the curves to their top."""

Floats = NDArray[np.float64]


def first_look(run: Trajectory) -> int:
    """The state to begin with: still nearly all noise, and the guess already tells something."""
    return min(int(np.argmax(run.alpha_bar >= EARLY)), run.steps - 1)


def moments(run: Trajectory) -> list[int]:
    """At most ``MOMENTS`` states, equally many steps apart, at which the network was asked."""
    return list(range(0, run.steps, math.ceil(run.steps / MOMENTS)))


def to_go(run: Trajectory) -> tuple[Floats, Floats]:
    """How far the guesses and the noisy pictures are from where they will end.

    The RMS distance to the finished picture, averaged over all samples, as a
    share of what it is at first: (N + 1,) each, 1 at first and 0 at the end.
    """
    assert run.x0_hat is not None
    last = run.states[-1].astype(np.float64)
    # Once the picture is finished, it is its own guess.
    guesses = np.concatenate([run.x0_hat, run.states[-1:]])
    guess, seen = (
        np.sqrt(((states - last) ** 2).mean((2, 3, 4))).mean(1) for states in (guesses, run.states)
    )
    return guess / guess[0], seen / seen[0]


def half_way(shares: Floats) -> int:
    """The first state at which half of the way or less is left."""
    return int(np.argmax(shares <= 0.5))


class PredictedNoise(LectureScene):
    """x_t in, ε̂ out, x̂_0 from both: at one moment, at several, along the run."""

    def construct(self) -> None:
        """Ask once, ask at several moments, then measure how soon the guess is right."""
        self.reverse = self.run("reverse")
        self.guess_left, self.seen_left = to_go(self.reverse)
        self.playhead = ValueTracker(first_look(self.reverse))
        self.build()
        self.ask()
        self.answer()
        self.guess()
        self.several_moments()
        self.along_the_row()
        self.many()
        if not self.short:
            self.measure()
            self.compare()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Three tiles on one line, the axis below."""
        run, theme, letters = self.reverse, self.theme, self.lettering
        assert run.eps_hat is not None
        assert run.x0_hat is not None
        self.rows = (
            (run.states, "x_t", "what it is given", theme.text),
            (run.eps_hat, "hat(epsilon)", "the noise it sees", theme.noise),
            (run.x0_hat, "hat(x)_0", "what then remains", theme.prediction),
        )
        panels = [
            Panel(
                Tile(Frames.of(states[:, 0]), CELL).follow(self.playhead),
                colour=colour,
                label=letters.maths(name, colour=colour, size=HEADING_SIZE + 6),
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )
            for states, name, words, colour in self.rows
        ]
        self.seen, self.named, self.guessed = panels
        TALL_STAGE.put(Group(*panels).arrange(RIGHT, buff=px(120)), 0.5, 0.4)
        for panel in panels[1:]:
            panel.level_with(self.seen)
        self.arrows = [self.arrow(*pair) for pair in itertools.pairwise(panels)]
        self.axis = TimeAxis(
            letters,
            run,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.level = Readout(
            letters,
            "sqrt(1 - macron(alpha)_t)",
            lambda: float(run.noise_weight[self.axis.index]),
            fixed(3),
            colour=theme.noise,
        )
        self.readouts = self.axis.readouts(self.level)

    # -- one moment ----------------------------------------------------------------

    def ask(self) -> None:
        """A noisy picture, and how noisy it is."""
        with self.beat("Here is a picture on its way out of the noise. Can you see what it is?"):
            self.appear(self.heading("What does the network see in a noisy picture?"))
            self.appear(self.seen)
            self.appear(self.axis, seconds=0.6)
        self.axis.follow()
        with self.beat(
            "The network is given this picture, and how much noise is in it.", detail=True
        ):
            self.play(Indicate(self.seen.border, color=self.theme.text, scale_factor=1.04))
            self.appear(self.readouts, seconds=0.6)
            self.play(Circumscribe(self.level, color=self.theme.noise, buff=px(8)), run_time=1.2)

    def answer(self) -> None:
        """ε̂."""
        with self.beat("It answers with noise: for every pixel, how much of it is noise."):
            self.play(FadeIn(self.arrows[0], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.named, seconds=1.0)
            self.play(Indicate(self.named.border, color=self.theme.noise, scale_factor=1.04))

    def guess(self) -> None:
        """x̂_0."""
        formula = self.lettering.maths(
            "{{ hat(x)_0 : guess }} = (x_t - sqrt(1 - macron(alpha)_t)"
            " thin {{ hat(epsilon) : noise }}) / sqrt(macron(alpha)_t)",
            size=HEADING_SIZE,
            guess=self.theme.prediction,
            noise=self.theme.noise,
        )
        TITLE.put(formula, 1, 0.3)
        with self.beat(
            "Subtract that noise, stretch the rest, and a guess of the picture remains."
        ):
            self.appear(formula, seconds=0.8)
            self.play(FadeIn(self.arrows[1], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.guessed, seconds=1.0)
            self.play(Indicate(self.guessed.border, color=self.theme.prediction, scale_factor=1.04))

    # -- several moments -------------------------------------------------------------

    def several_moments(self) -> None:
        """A column of tiles for each moment, over its place on the time axis."""
        run = self.reverse
        self.columns = [self.column(index) for index in moments(run)]
        grid = Group(*self.columns)
        TALL_STAGE.put(grid, 0.5, 0.45)
        self.labels = VGroup()
        for tile, (_, name, _, colour) in zip(self.columns[0].tiles, self.rows, strict=True):
            label = self.lettering.maths(name, size=HEADING_SIZE, colour=colour)
            label.next_to(tile, LEFT, buff=px(14))
            self.labels.add(label)
        one_moment = Group(self.seen, self.named, self.guessed, *self.arrows)
        with self.beat(
            "How good is such a guess? Let us ask all along one run, from noise to picture.",
            detail=True,
        ) as beat:
            self.play(FadeOut(one_moment), self.playhead.animate.set_value(0), run_time=0.8)
            self.appear(self.labels, seconds=0.4)
            self.play(
                LaggedStart(*(FadeIn(column) for column in self.columns), lag_ratio=0.8),
                self.playhead.animate(rate_func=linear).set_value(moments(run)[-1]),
                run_time=max(beat.left, 4),
            )

    def column(self, index: int) -> Column:
        """What was seen, named and guessed in state ``index``."""
        panels = [
            Panel(Tile(Frames.of(states[:, 0]), SMALL_CELL).show(index), colour=colour)
            for states, _, _, colour in self.rows
        ]
        t = self.lettering.maths(f"t = {self.reverse.timesteps[index]}", size=SMALL_SIZE)
        column = Column(panels, t)
        column.set_x(self.axis.at(index)[0])
        return column

    def along_the_row(self) -> None:
        """From the blur at the left to the picture at the right."""
        with self.beat(
            "At the left there is nothing but noise, and the guess is a grey blur.", detail=True
        ):
            self.play(
                *(column.animate.light(FAINT) for column in self.columns[1:]),
                self.playhead.animate(rate_func=smooth).set_value(0),
                run_time=0.8,
            )
            self.light(0)
        with self.beat("The less noise is left, the sharper the guess becomes.") as beat:
            for column, index in list(zip(self.columns, moments(self.reverse), strict=True))[1:]:
                self.play(
                    column.animate.light(1),
                    self.playhead.animate(rate_func=smooth).set_value(index),
                    run_time=max(beat.seconds / MOMENTS, 0.5),
                )
            self.light(-1)

    def light(self, number: int) -> None:
        """Draw the eye to the guess of one column."""
        border = self.columns[number].panels[-1].border
        self.play(Indicate(border, color=self.theme.prediction, scale_factor=1.08), run_time=0.8)

    # -- many runs ------------------------------------------------------------------

    def many(self) -> None:
        """The guesses of many runs: one blur first, then each its own picture."""
        run, letters = self.reverse, self.lettering
        assert run.x0_hat is not None
        shown = run.x0_hat[:, : ROWS * ROW]
        frames = Frames.mosaic(shown, ROW, 2, self.theme.background)
        self.mosaic = Panel(
            Tile(frames, SMALL_CELL).follow(self.playhead), colour=self.theme.prediction
        )
        Zone(MARGIN, STAGE.top + 4, STAGE.right, STAGE.top + 252).put(self.mosaic, 0.5, 0)
        name = letters.maths("hat(x)_0", size=HEADING_SIZE, colour=self.theme.prediction)
        self.play(
            FadeOut(Group(*self.columns, self.labels)),
            self.playhead.animate.set_value(0),
            run_time=0.7,
        )
        with self.beat(f"These are the guesses of {shown.shape[1]} runs, each from other noise."):
            self.appear(self.mosaic, seconds=0.8)
        with self.beat("At first all get the same blur: the average of what can come."):
            self.play(
                Indicate(self.mosaic.border, color=self.theme.prediction, scale_factor=1.01),
                run_time=1.4,
            )
        self.name_of_guess = name

    def measure(self) -> None:
        """Two distances to the finished picture, over the time axis."""
        theme, letters = self.theme, self.lettering
        self.curves = [
            Curve(self.axis, values, colour=colour, height=px(CURVES), lift=px(8))
            for values, colour in (
                (self.guess_left, theme.prediction),
                (self.seen_left, theme.text),
            )
        ]
        guess, seen = self.curves
        self.name_of_guess.next_to(guess.at(self.reverse.steps * 0.13), LEFT + DOWN, buff=px(4))
        name_of_seen = letters.maths("x_t", size=HEADING_SIZE)
        name_of_seen.next_to(seen.at(self.reverse.steps * 0.55), RIGHT + UP, buff=px(4))
        words = letters.words(
            "distance to the finished picture", size=SMALL_SIZE, colour=theme.quiet
        )
        words.next_to(self.axis.at(self.reverse.steps), UP, buff=px(CURVES - 14))
        words.align_to(self.axis.line, RIGHT)
        with self.beat("Measure how far each guess, and each noisy picture, is from its end."):
            self.appear(words, seconds=0.5)
            self.play(*(Create(curve.path) for curve in self.curves), run_time=1.6)
            self.appear(guess.dot, seen.dot, self.name_of_guess, name_of_seen, seconds=0.5)
        for curve in self.curves:
            curve.follow()
        self.add(*self.curves)

    def compare(self) -> None:
        """When either has come half of its way."""
        run = self.reverse
        halves = [half_way(left) for left in (self.guess_left, self.seen_left)]
        sentences = (
            ("At t = {t}, the guesses have come half of the way.", self.theme.prediction),
            ("The noisy pictures are half way only at t = {t}.", self.theme.text),
        )
        for index, curve, (sentence, colour) in zip(halves, self.curves, sentences, strict=True):
            t = int(run.timesteps[index])
            spoken = sentence.replace("t = {t}", f"t equals {t}")
            rule = DashedLine(self.axis.at(index), curve.at(index), color=colour)
            with self.beat(sentence.format(t=t), spoken) as beat:
                self.play(
                    self.playhead.animate(rate_func=linear).set_value(index),
                    run_time=max(beat.left - 1.4, 1.5),
                )
                self.play(Create(rule), run_time=0.5)
                self.play(Indicate(curve.dot, color=colour, scale_factor=1.8), run_time=0.8)

    def finish(self) -> None:
        """To the end, and the sentence to remember."""
        with self.beat(
            "The shape is settled early. What is left of the run draws the edges.", detail=True
        ) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.reverse.steps),
                run_time=max(beat.left, 3),
            )
        with self.beat("A blurred guess is an honest one: many pictures can still come."):
            self.play(self.playhead.animate(rate_func=smooth).set_value(0), run_time=1.6)
            self.play(
                Indicate(self.mosaic.border, color=self.theme.prediction, scale_factor=1.01),
                run_time=1.0,
            )
        self.rest(0.6)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)


class Column(Group):
    """One moment: panels under one another, and its t below."""

    def __init__(self, panels: list[Panel], t: VGroup) -> None:
        self.panels, self.t = panels, t
        stack = Group(*panels).arrange(DOWN, buff=px(8))
        t.next_to(stack, DOWN, buff=px(10))
        super().__init__(*panels, t)

    @property
    def tiles(self) -> list[Tile]:
        """From top to bottom."""
        return [panel.tile for panel in self.panels]

    def light(self, opacity: float) -> Column:
        """Let the pictures be seen fully, or recede; the time stays readable."""
        for panel in self.panels:
            panel.tile.set_opacity(opacity)
            panel.border.set_stroke(opacity=opacity)
        return self
