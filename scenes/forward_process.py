"""A picture dissolves: the forward process, as two weights that trade places."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from manim import (
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
    MathTypst,
    ValueTracker,
    VGroup,
    linear,
    smooth,
)

from diffusion_core.trajectory import Trajectory
from scenes.stage.fitting import tile_of
from scenes.stage.frames import States
from scenes.stage.layout import AXIS, STAGE, TITLE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE
from scenes.stage.numbers import Readout, fixed, significant
from scenes.stage.tiles import Panel, Tile
from scenes.stage.time_axis import Curve, TimeAxis

ROOM = 256
"""Screen pixels a tile at 720p."""

STEP = (
    "x_t = {{ sqrt(1 - beta_t) thin x_(t-1) : signal }} + {{ sqrt(beta_t) thin epsilon_t : noise }}"
)
JUMP = (
    "x_t = {{ sqrt(macron(alpha)_t) thin x_0 : signal }}"
    " + {{ sqrt(1 - macron(alpha)_t) thin epsilon : noise }}"
)
"""x_t from the state before, and from the picture."""

FRACTIONS = (
    (1 / 10, "a tenth of the way"),
    (1 / 4, "a quarter of the way"),
    (1 / 3, "a third of the way"),
    (1 / 2, "half of the way"),
    (2 / 3, "two thirds of the way"),
    (3 / 4, "three quarters of the way"),
)


def equal_weights(run: Trajectory) -> int:
    """The first kept state in which the noise weighs at least as much as the picture."""
    return int(np.argmax(run.alpha_bar <= 0.5))


def how_far(share: float) -> str:
    """The share of the way that a lecturer would name."""
    return min(FRACTIONS, key=lambda fraction: abs(fraction[0] - share))[1]


def shown(states: States) -> States:
    """The pixels (…, H, W) that are shown: all, or every second one of a large picture.

    The mean of several would make the noise look weaker than it is.
    """
    every = math.ceil(states.shape[-1] / ROOM)
    return states[..., ::every, ::every]


def terms(run: Trajectory) -> tuple[Tile, Tile, Tile]:
    """√ᾱ_t x_0, √(1 − ᾱ_t) ε and their sum x_t, at every kept state."""
    assert run.eps is not None
    picture = np.broadcast_to(run.states[0, 0], run.states[:, 0].shape)
    return (
        tile_of(shown(picture), ROOM, run.signal_weight),
        tile_of(shown(run.eps[:, 0]), ROOM, run.noise_weight),
        tile_of(shown(run.states[:, 0]), ROOM),
    )


class ForwardProcess(LectureScene):
    """x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, watched from t = −1 to T − 1."""

    def construct(self) -> None:
        """Ask, dissolve, take apart, meet in the middle, finish."""
        self.forward = self.run("forward")
        self.jumps = self.forward.facts["recipe"].get("noise") == "one"
        self.playhead = ValueTracker(0)
        self.build()
        self.ask()
        self.first_steps()
        self.take_apart()
        self.meet()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Make everything, arranged around the three tiles of the equation."""
        theme, letters, run = self.theme, self.lettering, self.forward
        self.axis = TimeAxis(
            letters,
            run,
            self.playhead,
            AXIS,
            start=("picture", theme.signal),
            end=("noise", theme.noise),
            colour=theme.noise,
        )
        signal, noise, total = terms(run)
        maths = partial(letters.maths, size=WORDS_SIZE)
        self.signal = Panel(
            signal.follow(self.playhead),
            colour=theme.signal,
            label=maths("sqrt(macron(alpha)_t) thin x_0", colour=theme.signal),
            words=self.readout("sqrt(macron(alpha)_t)", run.signal_weight, fixed(3), theme.signal),
        )
        self.noise = Panel(
            noise.follow(self.playhead),
            colour=theme.noise,
            label=maths(
                "sqrt(1 - macron(alpha)_t) thin epsilon", size=WORDS_SIZE, colour=theme.noise
            ),
            words=self.readout(
                "sqrt(1 - macron(alpha)_t)", run.noise_weight, fixed(3), theme.noise
            ),
        )
        self.total = Panel(
            total.follow(self.playhead),
            colour=theme.text,
            label=maths("x_t"),
            words=letters.words(self.what_is_seen(), size=SMALL_SIZE, colour=theme.quiet),
        )
        for panel in (self.signal, self.noise):
            assert isinstance(panel.words, Readout)
            panel.words.follow()
        panels = Group(self.signal, self.noise, self.total).arrange(RIGHT, buff=px(110))
        STAGE.put(panels, 0.5, 1)
        self.noise.level_with(self.signal)
        self.total.level_with(self.signal)
        for panel in panels:
            panel.settle()
        self.plus = letters.maths("+", size=56).move_to(self.between(self.signal, self.noise))
        self.equals = letters.maths("=", size=56).move_to(self.between(self.noise, self.total))
        self.readouts = self.build_readouts()
        self.formula = self.build_formula(JUMP)

    def what_is_seen(self) -> str:
        """What stands under x_t."""
        side = self.forward.states.shape[-1]
        every = math.ceil(side / ROOM)
        return "what we see" if every == 1 else f"every {every}nd pixel of {side} × {side}"

    @staticmethod
    def between(left: Panel, right: Panel) -> np.ndarray:
        """The middle between two tiles."""
        return (left.border.get_right() + right.border.get_left()) / 2

    def build_formula(self, markup: str) -> MathTypst:
        """A formula in the colours of its parts, top right."""
        formula = self.lettering.maths(
            markup, size=HEADING_SIZE + 4, signal=self.theme.signal, noise=self.theme.noise
        )
        TITLE.put(formula, 1, 0.3)
        return formula

    def build_readouts(self) -> VGroup:
        """t, ᾱ_t and the signal-to-noise ratio under the axis; the weights under their tiles."""
        self.alpha_bar = self.readout("macron(alpha)_t", self.forward.alpha_bar, fixed(3))
        self.snr = self.readout('"SNR"', self.forward.snr, significant)
        return self.axis.readouts(self.alpha_bar, self.snr)

    def readout(
        self,
        name: str,
        values: np.ndarray,
        form: Callable[[float], str],
        colour: str | None = None,
    ) -> Readout:
        """A number of the run, at the playhead."""
        axis = self.axis
        return Readout(self.lettering, name, lambda: float(values[axis.index]), form, colour=colour)

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """The picture, alone."""
        with self.beat("Take a picture. The forward process destroys it, a little at a time."):
            self.place_alone()
            self.appear(self.heading("How does a picture become noise?"))
            self.appear(self.total.tile, self.total.border, self.total.words)
            self.appear(self.axis, seconds=0.6)

    def place_alone(self) -> None:
        """Put the noisy picture into the middle of the stage."""
        self.home = self.total.get_center()
        self.total.set_x(0)
        self.total.settle()

    def first_steps(self) -> None:
        """The chain: shrink a little, add a little; or jump after jump, with one noise."""
        step = self.formula if self.jumps else self.build_formula(STEP)
        told = "At every step, each pixel fades slightly and receives a little fresh noise."
        if self.jumps:
            told = "Here each t is one jump from the picture, with one and the same noise."
        self.axis.follow()
        with self.beat(told, detail=True) as beat:
            self.appear(step, self.total.label, self.readouts, seconds=0.7)
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(self.forward.steps * 0.2),
                run_time=beat.left,
            )
        self.step_formula = step

    def take_apart(self) -> None:
        """All steps so far are one jump: two terms and their sum."""
        told = "All the steps so far add up to one jump: what is left of the picture, plus noise."
        if self.jumps:
            told = "A jump is a sum of two: what is left of the picture, plus noise."
        with self.beat(told, detail=True):
            swapped = (
                FadeOut(self.step_formula, shift=UP * px(20)),
                FadeIn(self.formula, shift=UP * px(20)),
            )
            self.play(
                self.total.animate.move_to(self.home),
                *(() if self.jumps else swapped),
                run_time=1.4,
            )
            self.appear(self.signal, seconds=1.0)
            self.appear(self.plus, self.noise, seconds=1.0)
            self.appear(self.equals, seconds=0.4)
            self.play(Indicate(self.total.border, color=self.theme.text, scale_factor=1.04))

    def meet(self) -> None:
        """The two weights trade places and meet on the way."""
        theme, run = self.theme, self.forward
        crossing = equal_weights(run)
        curves = self.build_curves()
        with self.beat("The weight of the picture falls. The weight of the noise grows.") as beat:
            self.play(*(Create(curve.path) for curve in curves), run_time=1.2)
            self.appear(*(curve.dot for curve in curves), self.curve_labels, seconds=0.4)
            for curve in curves:
                curve.follow()
            self.add(*curves)
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(crossing),
                run_time=max(beat.left, 2.5),
            )
        t = int(run.timesteps[crossing])
        far = how_far((t + 1) / (int(run.timesteps[-1]) + 1))
        place = curves[0].at(crossing)
        rule = DashedLine(
            self.axis.at(crossing), [place[0], curves[0].at(0)[1], 0], color=theme.quiet
        )
        with self.beat(
            f"At t = {t}, about {far}, they are equal: as much noise as signal.",
            f"At t equals {t}, about {far}, they are equal: as much noise as signal.",
            detail=True,
        ) as beat:
            self.play(Create(rule), run_time=0.6)
            equal = (self.signal.words, self.noise.words)
            self.play(
                *(Circumscribe(readout, color=theme.text, buff=px(6)) for readout in equal),
                run_time=1.6,
            )
            self.rest(beat.left - 2.4)  # until "as much noise as signal", which is their ratio
            self.play(Circumscribe(self.snr, color=theme.text, buff=px(6)), run_time=1.6)
        self.play(FadeOut(rule), run_time=0.3)

    def build_curves(self) -> list[Curve]:
        """√ᾱ_t and √(1 − ᾱ_t) above the time axis."""
        theme, run = self.theme, self.forward
        curves = [
            Curve(self.axis, values, colour=colour, height=px(72), lift=px(8))
            for values, colour in (
                (run.signal_weight, theme.signal),
                (run.noise_weight, theme.noise),
            )
        ]
        labels = [
            self.lettering.maths("sqrt(macron(alpha)_t)", size=SMALL_SIZE, colour=theme.signal),
            self.lettering.maths("sqrt(1 - macron(alpha)_t)", size=SMALL_SIZE, colour=theme.noise),
        ]
        labels[0].next_to(curves[0].at(0), LEFT, buff=px(14))
        labels[1].next_to(curves[1].at(run.steps), RIGHT, buff=px(14))
        self.curve_labels = VGroup(*labels)
        return curves

    def finish(self) -> None:
        """On to pure noise, and the sentence to remember."""
        run = self.forward
        with self.beat(
            "From here on noise wins, until nothing of the picture can be seen."
        ) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 5),
            )
        with self.beat("Destroying a picture takes no learning. Bringing one back does."):
            self.play(
                Indicate(self.total.border, color=self.theme.noise, scale_factor=1.04),
                run_time=1.2,
            )
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
