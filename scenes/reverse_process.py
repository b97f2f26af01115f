"""From noise to a digit: what the network sees, says and does, at every recorded step."""

from __future__ import annotations

import numpy as np
from manim import (
    RIGHT,
    Arrow,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    MathTypst,
    ValueTracker,
    VGroup,
    linear,
)

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import AXIS, TALL_STAGE, TITLE, UNIT, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed, significant
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

TILE_SIDE = 280
"""Pixels at 720p that a tile may take."""

MOSAIC_COLUMNS = 8


def cell_for(side: int, cells: int) -> int:
    """The largest even number of screen pixels for each of ``cells`` within ``side``."""
    return max(2, side // cells // 2 * 2)


def spoken_count(count: int) -> str:
    """A count of the training pictures, as it is said: 60000 → "60 thousand"."""
    return f"{count // 1000} thousand" if count % 1000 == 0 and count >= 1000 else f"{count}"


class ReverseProcess(LectureScene):
    """x_t, ε̂ and x̂_0 side by side, then many samples at once."""

    def construct(self) -> None:
        """Begin with noise, ask the network, step, arrive, do it again with other noise."""
        self.reverse = self.run("reverse")
        self.playhead = ValueTracker(0)
        self.build()
        self.begin()
        self.ask_network()
        self.guess()
        self.first_step()
        self.all_steps()
        self.many()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Three tiles on one line, the axis below, the formula above."""
        theme, letters, run = self.theme, self.lettering, self.reverse
        assert run.eps_hat is not None
        assert run.x0_hat is not None
        cell = cell_for(TILE_SIDE, run.states.shape[-1])

        def panel(states: np.ndarray, label: str, words: str, colour: str) -> Panel:
            return Panel(
                Tile(Frames.of(states[:, 0]), cell).follow(self.playhead),
                colour=colour,
                label=letters.maths(label, colour=colour, size=HEADING_SIZE + 6),
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )

        self.seen = panel(run.states, "x_t", "what it is given", theme.text)
        self.named = panel(run.eps_hat, "hat(epsilon)", "the noise it sees", theme.noise)
        self.guessed = panel(run.x0_hat, "hat(x)_0", "its best guess", theme.prediction)
        self.panels = Group(self.seen, self.named, self.guessed).arrange(RIGHT, buff=px(100))
        TALL_STAGE.put(self.panels)
        self.named.level_with(self.seen)
        self.guessed.level_with(self.seen)
        for shown in (self.seen, self.named, self.guessed):
            shown.settle()
        self.arrows = VGroup(
            self.arrow(self.seen, self.named), self.arrow(self.named, self.guessed)
        )
        self.axis = TimeAxis(
            letters,
            run,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.build_readouts()
        self.formula = self.build_formula()

    def arrow(self, left: Panel, right: Panel) -> Arrow:
        """From one tile to the next."""
        return Arrow(
            left.border.get_right(),
            right.border.get_left(),
            buff=px(12),
            stroke_width=4,
            color=self.theme.quiet,
            max_tip_length_to_length_ratio=0.25,
        )

    def build_formula(self) -> MathTypst:
        """How the guess follows from the named noise, top right."""
        formula = self.lettering.maths(
            "{{ hat(x)_0 : guess }} = (x_t - sqrt(1 - macron(alpha)_t)"
            " thin {{ hat(epsilon) : noise }}) / sqrt(macron(alpha)_t)",
            size=HEADING_SIZE,
            guess=self.theme.prediction,
            noise=self.theme.noise,
        )
        TITLE.put(formula, 1, 0.3)
        return formula

    def build_readouts(self) -> VGroup:
        """ᾱ_t and the signal-to-noise ratio, under the axis."""
        run, axis, letters = self.reverse, self.axis, self.lettering
        self.alpha_bar = Readout(
            letters, "macron(alpha)_t", lambda: float(run.alpha_bar[axis.index]), fixed(3)
        )
        self.snr = Readout(letters, '"SNR"', lambda: float(run.snr[axis.index]), significant)
        return axis.readouts(self.alpha_bar, self.snr)

    # -- beats ---------------------------------------------------------------------

    def begin(self) -> None:
        """Pure noise."""
        with self.beat("Now the way back. It starts from pure noise: every pixel is random."):
            self.heading_text = self.heading("How can noise become a picture?")
            self.appear(self.heading_text)
            self.appear(self.seen)
            self.appear(self.axis, self.readouts, seconds=0.6)
        self.axis.follow()

    def ask_network(self) -> None:
        """What the network says of it."""
        count = self.reverse.facts["pictures"]
        with self.beat(
            f"A network that was trained on {count:,} digits names the noise it sees.",
            f"A network that was trained on {spoken_count(count)} digits names the noise it sees.",
        ):
            self.play(FadeIn(self.arrows[0], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.named, seconds=1.0)

    def guess(self) -> None:
        """What is left when the named noise is taken away."""
        with self.beat("Take that noise away, and its best guess remains: a blur, at first."):
            self.play(FadeIn(self.arrows[1], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.guessed, self.formula, seconds=1.0)
            self.play(Indicate(self.guessed.border, color=self.theme.prediction, scale_factor=1.04))

    def first_step(self) -> None:
        """One small step, and ask again."""
        with self.beat("So it takes only a small step towards the guess, and looks again.") as beat:
            for index in (1, 2, 3):
                self.play(
                    self.playhead.animate(rate_func=linear).set_value(
                        min(index, self.reverse.steps)
                    ),
                    run_time=max(beat.seconds / 4, 0.5),
                )

    def all_steps(self) -> None:
        """Every recorded step, to the end."""
        run = self.reverse
        with self.beat("Step by step the noise fades, and the blurred guess turns sharp.") as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 7),
            )
        with self.beat(
            f"After {run.facts['nfe']} looks, the noise is gone. Nobody ever wrote this digit."
        ):
            self.play(
                Indicate(self.seen.border, color=self.theme.text, scale_factor=1.04), run_time=1.2
            )

    def many(self) -> None:
        """The same network from other noise, all samples at once."""
        run, theme = self.reverse, self.theme
        mosaic = self.build_mosaic(run)
        self.play(
            FadeOut(Group(self.named, self.guessed, self.arrows, self.formula, self.seen)),
            self.playhead.animate.set_value(0),
            run_time=0.8,
        )
        with self.beat("Other noise gives other digits, through the very same network.") as beat:
            self.appear(mosaic, seconds=0.8)
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 5),
            )
        with self.beat("It never learned to draw. It only learned to see noise."):
            self.play(
                Indicate(mosaic.border, color=theme.prediction, scale_factor=1.01), run_time=1.0
            )
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)

    def build_mosaic(self, run: Trajectory) -> Panel:
        """All samples of the run side by side."""
        columns = min(MOSAIC_COLUMNS, run.states.shape[1])
        frames = Frames.mosaic(run.states, columns, 2, self.theme.background)
        height, width = frames.size
        cell = min(
            cell_for(int(TALL_STAGE.height / UNIT) - 60, height),
            cell_for(int(TALL_STAGE.width / UNIT), width),
        )
        seeds = run.facts["recipe"]["seeds"]
        panel = Panel(
            Tile(frames, cell).follow(self.playhead),
            colour=self.theme.line,
            words=self.lettering.words(
                f"{len(seeds)} samples at once, seeds {seeds[0]} to {seeds[-1]}",
                size=SMALL_SIZE,
                colour=self.theme.quiet,
            ),
        )
        TALL_STAGE.put(panel)
        return panel.settle()
