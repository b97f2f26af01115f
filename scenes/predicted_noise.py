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
from scenes.asked import in_the_corner
from scenes.measures import ALIKE, apart, begins_blurred
from scenes.stage.column import NARROW, Column
from scenes.stage.fitting import mosaic_of, most_columns, tile_of
from scenes.stage.layout import AXIS, MARGIN, STAGE, TALL_STAGE, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.seen import guesses_of, noise_tile, pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel, Tile
from scenes.stage.time_axis import Curve, TimeAxis

WIDE = 256
"""Pixels at 720p for a picture while one moment is looked at."""
MOMENTS = 6
"""Moments of the run that are looked at side by side, at most."""
ROW, ROWS = 10, 2
"""Guesses side by side, at most, and how many rows there are of them."""
MOSAIC = 266.0, 1194.0
"""Height and width at 720p for all of them."""
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
    # Once the picture is finished, it is its own guess.  One state at a time: they may be large.
    guess, seen = (
        np.array([np.sqrt(((state - last) ** 2).mean((1, 2, 3))).mean() for state in states])
        for states in ([*run.x0_hat, run.states[-1]], run.states)
    )
    return guess / (guess[0] or 1), seen / seen[0]


def half_way(shares: Floats) -> int:
    """The first state at which half of the way or less is left."""
    return int(np.argmax(shares <= 0.5))


class PredictedNoise(LectureScene):
    """x_t in, ε̂ out, x̂_0 from both: at one moment, at several, along the run."""

    def construct(self) -> None:
        """Ask once, ask at several moments, then measure how soon the guess is right."""
        self.reverse = self.run("reverse")
        self.guess_left, self.seen_left = to_go(self.reverse)
        self.symbols, self.blurred = symbols_of(self.reverse), begins_blurred(self.reverse)
        self.latents = self.symbols.latents
        guess, seen = (half_way(left) for left in (self.guess_left, self.seen_left))
        self.halves, self.ahead = (guess, seen), guess < seen
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
        what = "the noise, in latents" if self.latents else "the noise it sees"
        symbols = self.symbols
        self.rows = (
            (symbols.state, "what it is given", theme.text),
            ("hat(epsilon)", what, theme.noise),
            (symbols.guess, "what then remains", theme.prediction),
        )
        panels = [
            Panel(
                tile.follow(self.playhead),
                colour=colour,
                label=letters.maths(name, colour=colour, size=HEADING_SIZE + 6),
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )
            for tile, (name, words, colour) in zip(self.tiles(WIDE), self.rows, strict=True)
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
        weights = symbols.noise_weight(run)
        self.level = Readout(
            letters,
            symbols.noise,
            lambda: float(weights[self.axis.index]),
            fixed(3),
            colour=theme.noise,
        )
        self.readouts = self.axis.readouts(self.level)

    def tiles(self, room: float) -> tuple[Tile, Tile, Tile]:
        """What was seen, named and guessed, each in so many pixels at 720p."""
        run = self.reverse
        assert run.eps_hat is not None
        return (
            tile_of(pictures_of(run)[:, 0], room),
            noise_tile(run.eps_hat[:, 0], run, room, self.theme.background),
            tile_of(guesses_of(run)[:, 0], room),
        )

    # -- one moment ----------------------------------------------------------------

    def ask(self) -> None:
        """A noisy picture, and how noisy it is."""
        with self.beat("Here is a picture on its way out of the noise. Can you see what it is?"):
            self.appear(
                self.heading("What does the network see in a noisy picture?"),
                *in_the_corner(self, self.reverse, beside_title=True),
            )
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
        number = "number" if self.latents else "pixel"
        with self.beat(f"It answers with noise: for every {number}, how much of it is noise."):
            self.play(FadeIn(self.arrows[0], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.named, seconds=1.0)
            self.play(Indicate(self.named.border, color=self.theme.noise, scale_factor=1.04))

    def guess(self) -> None:
        """x̂_0."""
        formula = self.lettering.maths(
            self.symbols.guessing,
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
        for tile, (name, _, colour) in zip(self.columns[0].tiles, self.rows, strict=True):
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
            Panel(tile.show(index), colour=colour)
            for tile, (_, _, colour) in zip(self.tiles(NARROW), self.rows, strict=True)
        ]
        t = self.lettering.maths(f"t = {self.reverse.timesteps[index]}", size=SMALL_SIZE)
        column = Column(panels, t)
        column.set_x(self.axis.at(index)[0])
        return column

    def along_the_row(self) -> None:
        """From the blur at the left to the picture at the right."""
        blur = "a grey blur" if guesses_of(self.reverse).shape[2] == 1 else "a blur"
        guess = blur if self.blurred else "made of it"
        with self.beat(
            f"At the left there is nothing but noise, and the guess is {guess}.", detail=True
        ):
            self.play(
                *(column.animate.light(FAINT) for column in self.columns[1:]),
                self.playhead.animate(rate_func=smooth).set_value(0),
                run_time=0.8,
            )
            self.light(0)
        told = "The less noise is left, the sharper the guess becomes."
        if not self.blurred:
            told = "To the right there is less and less noise for the network to name."
        with self.beat(told) as beat:
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
        guesses = guesses_of(run)
        columns = most_columns(guesses, ROW, ROWS, MOSAIC)
        shown = guesses[:, : ROWS * columns]
        tile = mosaic_of(shown, columns, MOSAIC, self.theme.background)
        self.mosaic = Panel(tile.follow(self.playhead), colour=self.theme.prediction)
        Zone(MARGIN, STAGE.top + 4, STAGE.right, STAGE.top + 252).put(self.mosaic, 0.5, 0)
        name = letters.maths(
            f"hat({self.symbols.letter})_0", size=HEADING_SIZE, colour=self.theme.prediction
        )
        self.play(
            FadeOut(Group(*self.columns, self.labels)),
            self.playhead.animate.set_value(0),
            run_time=0.7,
        )
        with self.beat(f"These are the guesses of {shown.shape[1]} runs, each from other noise."):
            self.appear(self.mosaic, seconds=0.8)
        told = "At first all get the same blur: the average of what can come."
        if not self.blurred or apart(shown[0]) > ALIKE * apart(shown[-1]):
            told = "At first, each of them is a guess from noise alone."
        with self.beat(told):
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
        # Beside a curve that falls at once there is room on its other side.
        early = self.halves[0] <= self.reverse.steps * 0.13 + 1
        side = RIGHT + UP if early else LEFT + DOWN
        self.name_of_guess.next_to(guess.at(self.reverse.steps * 0.13), side, buff=px(4))
        name_of_seen = letters.maths(f"{self.symbols.letter}_t", size=HEADING_SIZE)
        name_of_seen.next_to(seen.at(self.reverse.steps * 0.55), RIGHT + UP, buff=px(4))
        words = letters.words(
            f"distance to the finished {'latent' if self.latents else 'picture'}",
            size=SMALL_SIZE,
            colour=theme.quiet,
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
        only = "only " if self.ahead else ""
        sentences = (
            ("At t = {t}, the guesses have come half of the way.", self.theme.prediction),
            (f"The noisy pictures are half way {only}at t = {{t}}.", self.theme.text),
        )
        halves = zip(self.halves, self.curves, sentences, strict=True)
        for index, curve, (sentence, colour) in halves:
            t = int(run.timesteps[index])
            if index == run.steps:
                sentence = "The noisy pictures are not half way before the last step."
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
        told = "The shape is settled early. What is left of the run draws the edges."
        if not (self.ahead and self.blurred):
            told = "In the end, guess and noisy picture meet: the picture is finished."
        with self.beat(told, detail=True) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.reverse.steps),
                run_time=max(beat.left, 3),
            )
        told = "A blurred guess is an honest one: many pictures can still come."
        if not self.blurred:
            told = "Each guess is made of what can be seen: the less noise, the more of it."
        with self.beat(told):
            self.play(self.playhead.animate(rate_func=smooth).set_value(0), run_time=1.6)
            self.play(
                Indicate(self.mosaic.border, color=self.theme.prediction, scale_factor=1.01),
                run_time=1.0,
            )
        self.rest(0.6)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
