"""Many small steps and one jump: other pictures, the same distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    ArcBetweenPoints,
    Create,
    Dot,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    Line,
    MoveAlongPath,
    Square,
    ValueTracker,
    VGroup,
    linear,
    smooth,
)
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.forward_process import equal_weights
from scenes.reverse_process import cell_for
from scenes.stage.layout import AXIS, FRAME_WIDTH, MARGIN, STAGE, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.plots import Bars, Plot, Profile, Scale
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

TILE_SIDE = 200
"""Pixels at 720p that a tile may take."""
ROUTES = Zone(MARGIN + 10, STAGE.top + 22, 540, STAGE.bottom)
BELL = Zone(650, STAGE.top + 68, FRAME_WIDTH - MARGIN - 20, STAGE.bottom - 12)
EDGES = np.linspace(-3.6, 3.6, 25)
"""Of the bars, in the units of a pixel: −1 black, 1 white."""
HIGHEST = 0.3
"""The share of all runs at which a bar is cut off."""
CHANNELS = ("red", "green", "blue")


def thousands(count: int) -> str:
    """A count as a lecturer says it."""
    return "a thousand" if count == 1000 else f"{count:,}"


def brightest(run: Trajectory) -> tuple[int, int, int]:
    """Channel, row and column of the picture's highest value: far from the zero it fades to."""
    picture = run.states[0, 0]
    channel, row, column = np.unravel_index(int(picture.argmax()), picture.shape)
    return int(channel), int(row), int(column)


def values_of(run: Trajectory, pixel: tuple[int, int, int]) -> NDArray[np.float64]:
    """What the pixel is in every sample at every kept state, (N + 1, samples)."""
    return np.asarray(run.states[:, :, *pixel], np.float64)


def shares_within(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the values (N, samples) between each two ``EDGES``, (N, K)."""
    return np.stack([np.histogram(row, EDGES)[0] / len(row) for row in values])


def bell(run: Trajectory, start: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What N(√ᾱ_t · start, 1 − ᾱ_t) expects in a bar round ``x``, (N + 1, K); none at x_0."""
    from scipy.stats import norm

    width = EDGES[1] - EDGES[0]
    rows = [np.zeros(len(x))]
    for centre, spread in zip(run.signal_weight[1:] * start, run.noise_weight[1:], strict=True):
        rows.append(np.diff(norm.cdf(x[:, None] + [-width / 2, width / 2], centre, spread))[:, 0])
    return np.stack(rows)


class OneJump(LectureScene):
    """x_t by every step and by one jump: one sample of each, then the bells of all."""

    def construct(self) -> None:
        """Walk, jump, compare two pictures, then compare many."""
        both = self.runs("routes")
        self.steps, self.jump = both["steps"], both["jump"]
        self.playhead = ValueTracker(0)
        self.middle = equal_weights(self.steps)
        self.build()
        self.ask()
        self.walk()
        self.leap()
        self.watch_one_pixel()
        self.spread()
        self.lay_over()
        if not self.short:
            self.explain()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Two tiles on the left, a plot on the right, the time axis below."""
        theme, letters, steps = self.theme, self.lettering, self.steps
        self.axis = TimeAxis(
            letters,
            steps,
            self.playhead,
            AXIS,
            start=("picture", theme.signal),
            end=("noise", theme.noise),
            colour=theme.noise,
        )
        self.readouts = self.axis.readouts(
            Readout(
                letters,
                "macron(alpha)_t",
                lambda: float(steps.alpha_bar[self.axis.index]),
                fixed(3),
            )
        )
        self.pixel = brightest(steps)
        self.jumped = ValueTracker(0)
        self.values = {
            "steps": values_of(steps, self.pixel),
            "jump": values_of(self.jump, self.pixel),
        }
        self.walked = self.panel(steps, "every step", theme.quiet, self.playhead)
        self.leapt = self.panel(self.jump, "one jump", theme.text, self.jumped)
        self.panels = Group(self.walked, self.leapt).arrange(RIGHT, buff=px(60))
        ROUTES.put(self.panels, 0, 0)
        self.leapt.level_with(self.walked)
        self.measures = {
            name: self.measure(name, panel)
            for name, panel in (("steps", self.walked), ("jump", self.leapt))
        }
        self.build_plot()
        # Until there is a plot beside them, the pictures stand in the middle.
        self.home = self.panels.get_center()
        self.panels.set_x(0)
        self.beside = self.walked.get_center()
        self.walked.set_x(0)
        self.step_formula = self.formula(
            "x_t = {{ sqrt(1 - beta_t) thin x_(t-1) : signal }}"
            " + {{ sqrt(beta_t) thin epsilon_t : noise }}"
        )
        self.jump_formula = self.formula(
            "x_t = {{ sqrt(macron(alpha)_t) thin x_0 : signal }}"
            " + {{ sqrt(1 - macron(alpha)_t) thin epsilon : noise }}"
        )

    def formula(self, source: str) -> VGroup:
        """A formula in the colours of its parts, top right."""
        theme = self.theme
        formula = self.lettering.maths(
            source, size=HEADING_SIZE, signal=theme.signal, noise=theme.noise
        )
        TITLE.put(formula, 1, 0.3)
        return formula

    def panel(self, run: Trajectory, words: str, colour: str, playhead: ValueTracker) -> Panel:
        """One sample of a route."""
        cell = cell_for(TILE_SIDE, run.states.shape[-1])
        return Panel(
            Tile(Frames.of(run.states[:, 0]), cell).follow(playhead),
            colour=colour,
            label=self.lettering.words(words, size=SMALL_SIZE, colour=self.theme.text),
        )

    def measure(self, name: str, panel: Panel) -> VGroup:
        """Mean and spread of the pixel over all runs of a route, under its tile."""
        values, letters = self.values[name], self.lettering
        rows = VGroup(
            Readout(
                letters, '"mean"', lambda: float(values[self.axis.index].mean()), fixed(2),
                colour=self.theme.signal, size=SMALL_SIZE,
            ),
            Readout(
                letters, '"spread"', lambda: float(values[self.axis.index].std()), fixed(2),
                colour=self.theme.noise, size=SMALL_SIZE,
            ),
        )  # fmt: skip
        rows.arrange(DOWN, buff=px(18), aligned_edge=LEFT)
        rows.next_to(panel.border, DOWN, buff=px(20)).align_to(panel.border, LEFT)
        for row in rows:
            row.follow()
        return rows

    def build_plot(self) -> None:
        """How often the pixel has which value."""
        theme, letters = self.theme, self.lettering
        channel = self.pixel[0]
        count = self.steps.states.shape[1]
        colour = f"{CHANNELS[channel]} " if self.steps.states.shape[2] == 3 else ""
        self.plot = Plot(
            letters,
            BELL,
            Scale(float(EDGES[0]), float(EDGES[-1])),
            Scale(0, HIGHEST),
            x_ticks={-3: "-3", -2: "-2", -1: "-1", 0: "0", 1: "1", 2: "2", 3: "3"},
            y_name=letters.words(
                f"{colour}value of the pixel in {count:,} runs", size=SMALL_SIZE, colour=theme.quiet
            ),
        )
        self.plot[-1].set_x(self.plot.at(0, 0)[0])
        self.bars = Bars(self.plot, EDGES, shares_within(self.values["steps"]), colour=theme.quiet)
        self.skyline = Bars(
            self.plot, EDGES, shares_within(self.values["jump"]), colour=theme.text, outline=True
        )
        start = float(self.steps.states[0, 0][self.pixel])
        x = np.linspace(EDGES[0], EDGES[-1], 160)
        self.bell = Profile(self.plot, x, bell(self.steps, start, x), colour=theme.noise)
        for followed in (self.bars, self.skyline, self.bell):
            followed.follow(self.playhead.get_value)
        self.centre = Line(
            self.plot.at(start, 0), self.plot.at(start, HIGHEST), color=theme.signal, stroke_width=5
        )
        self.centre.add_updater(
            lambda line: line.set_x(
                self.plot.at(start * self.steps.signal_weight[self.axis.index], 0)[0]
            )
        )
        self.names = VGroup(
            self.named("every step", Square(px(20), **self.look(self.bars)), -2.4),
            self.named("one jump", Square(px(20), **self.look(self.skyline)), 2.6),
        )
        self.marks = VGroup(*(self.mark(panel) for panel in (self.walked, self.leapt)))

    @staticmethod
    def look(bars: Bars) -> dict[str, Any]:
        """How a sample of the bars looks."""
        return {
            "color": bars.get_color(),
            "stroke_width": bars.get_stroke_width(),
            "fill_opacity": bars.get_fill_opacity(),
        }

    def named(self, name: str, sample: Square, x: float) -> VGroup:
        """A name beside the bars that it belongs to, with a sample of them."""
        words = self.lettering.words(name, size=SMALL_SIZE, colour=self.theme.text)
        named = VGroup(sample, words).arrange(DOWN, buff=px(10))
        return named.move_to(self.plot.at(x, HIGHEST * 0.6))

    def mark(self, panel: Panel) -> VGroup:
        """A ring round the pixel, which is seen on light and on dark."""
        _, row, column = self.pixel
        side = panel.tile.width / self.steps.states.shape[-1]
        middle = (
            panel.tile.get_corner(UP + LEFT)
            + RIGHT * side * (column + 0.5)
            + DOWN * side * (row + 0.5)
        )
        rings = ((px(8), self.theme.background), (px(16), self.theme.text))
        return VGroup(
            *(Square(side + more, color=colour, stroke_width=5) for more, colour in rings)
        ).move_to(middle)

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """One picture at the start of two routes."""
        count = thousands(int(self.steps.facts["steps"]))
        with self.beat(
            f"Training needs noisy pictures of every strength. Must each one take {count} steps?"
        ):
            self.appear(self.heading("Can one jump replace all the steps?"))
            self.appear(self.walked, seconds=1.0)
            self.appear(self.axis, self.readouts, seconds=0.8)
        self.axis.follow()

    def walk(self) -> None:
        """The route of every step."""
        said = "One route takes every step: fade a little, add a little fresh noise."
        with self.beat(said, detail=True) as beat:
            self.appear(self.step_formula, seconds=0.6)
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.middle),
                run_time=max(beat.left, 3),
            )

    def leap(self) -> None:
        """The other route, and that its picture is another."""
        theme = self.theme
        arc = ArcBetweenPoints(
            self.axis.at(0), self.axis.at(self.middle), angle=-1.2, color=theme.text, stroke_width=4
        )
        flying = Dot(arc.get_start(), radius=px(9), color=theme.text)
        said = "The other jumps from the picture straight to this t, with one draw of noise."
        if self.short:
            said = "One route has taken every step. The other jumps straight to the same t."
        with self.beat(said) as beat:
            self.play(
                self.walked.animate.move_to(self.beside),
                FadeOut(self.step_formula),
                FadeIn(self.jump_formula),
                run_time=0.8,
            )
            self.appear(self.leapt, seconds=0.6)
            self.add(flying)
            self.play(Create(arc), MoveAlongPath(flying, arc), run_time=1.4, rate_func=smooth)
            self.jumped.set_value(self.middle)
            self.leapt.tile.update()
            self.play(
                Indicate(self.leapt.border, color=theme.text, scale_factor=1.04),
                run_time=max(beat.left, 0.8),
            )
        said = "The two pictures are not the same: each has noise of its own."
        with self.beat(said, detail=True):
            self.play(
                *(
                    Indicate(panel.border, color=theme.noise, scale_factor=1.04)
                    for panel in (self.walked, self.leapt)
                ),
                FadeOut(arc, flying),
                run_time=1.6,
            )

    def watch_one_pixel(self) -> None:
        """One pixel of many runs."""
        count = self.steps.states.shape[1]
        with self.beat(f"So go each route {count} times, and watch one pixel.") as beat:
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(0),
                self.jumped.animate(rate_func=smooth).set_value(0),
                self.panels.animate.move_to(self.home),
                run_time=1.4,
            )
            self.play(Create(self.marks), FadeIn(self.plot), run_time=max(beat.left, 1.0))
        self.leapt.tile.clear_updaters()
        self.leapt.tile.follow(self.playhead)

    def spread(self) -> None:
        """Every step: a spike becomes a bell."""
        with self.beat(
            "Step by step, its value fades towards zero and spreads into a bell."
        ) as beat:
            self.appear(self.bars, self.names[0], self.measures["steps"], seconds=0.6)
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.steps.steps),
                run_time=max(beat.left, 5),
            )

    def lay_over(self) -> None:
        """One jump: the same bell."""
        with self.beat("Now the jumps. At the same t they make the same bell."):
            self.play(self.playhead.animate(rate_func=smooth).set_value(self.middle), run_time=1.4)
            self.appear(self.skyline, self.names[1], self.measures["jump"], seconds=1.0)

    def explain(self) -> None:
        """Where it stands and how wide it is, and that it holds at every t."""
        theme = self.theme
        with self.beat(
            "Its centre is what is left of the picture. Its width is the noise."
        ) as beat:
            for mobject in (self.centre, self.bell):
                mobject.update()
            self.play(
                Create(self.centre),
                Indicate(self.jump_formula.select("signal"), color=theme.signal),
                run_time=max(beat.seconds / 2, 1.2),
            )
            self.play(
                Create(self.bell),
                Indicate(self.jump_formula.select("noise"), color=theme.noise),
                run_time=max(beat.left, 1.2),
            )
        with self.beat("And so it is at every t: the two differ only by chance.") as beat:
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(1),
                run_time=max(beat.seconds * 0.4, 2),
            )
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.steps.steps),
                run_time=max(beat.left, 3.5),
            )

    def finish(self) -> None:
        """Why it matters."""
        theme = self.theme
        said = "Many small Gaussian steps add up to one Gaussian jump."
        with self.beat(said, detail=True) as beat:
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(self.middle),
                run_time=max(beat.left, 2),
            )
        with self.beat("So training never walks. It jumps to any t it likes."):
            for share in (0.8, 0.2, 0.6):
                self.playhead.set_value(round(share * self.steps.steps))
                self.play(
                    Indicate(self.leapt.border, color=theme.text, scale_factor=1.04), run_time=0.9
                )
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
