"""Three noise schedules, one picture: the same levels of noise, reached at other times."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Circumscribe,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    ReplacementTransform,
    ValueTracker,
    VGroup,
    VMobject,
    linear,
    smooth,
)

from diffusion_core.trajectory import Trajectory
from scenes.forward_process import equal_weights
from scenes.stage.layout import AXIS, MARGIN, STAGE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.numbers import Readout, fixed, significant, whole
from scenes.stage.plots import DIMMED, Graph, Plot, Scale, decades
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

CELL = 4
"""Screen pixels a picture's pixel at 720p."""
PICTURES = Zone(MARGIN, STAGE.top + 6, STAGE.right, STAGE.top + 194)
CURVES = Zone(AXIS.left, PICTURES.bottom + 36, AXIS.right, AXIS.top + 94)
LOST = 0.01
"""The signal-to-noise ratio below which next to nothing of the picture is left."""


def lost_share(run: Trajectory) -> float:
    """The share of the run's steps that end with a ratio below ``LOST``, to the kept state."""
    last = run.timesteps[-1]
    return float((last - run.timesteps[first_lost(run)] + 1) / (last + 1))


def first_lost(run: Trajectory) -> int:
    """The first kept state whose signal-to-noise ratio is below ``LOST``."""
    return int(np.argmax(run.snr < LOST))


class Column(Group):
    """One schedule: its picture at the moment, and beside it the numbers of that moment.

    The moment is the playhead's, but never later than ``stop``.
    """

    def __init__(self, lettering: Lettering, name: str, run: Trajectory, axis: TimeAxis) -> None:
        theme = lettering.theme
        self.run, self.axis, self.title = run, axis, name
        self.stop = ValueTracker(float(run.timesteps[-1]))
        tile = Tile(Frames.of(run.states[:, 0]), CELL)
        tile.add_updater(lambda tile: tile.show(self.index), call_updater=True)
        self.picture = Panel(tile, colour=theme.text)
        self.heading = lettering.words(name, size=WORDS_SIZE, bold=True)

        def readout(
            label: str, values: np.ndarray, form: Callable[[float], str], colour: str
        ) -> Readout:
            return Readout(
                lettering,
                label,
                lambda: float(values[self.index]),
                form,
                colour=colour,
                size=SMALL_SIZE,
            )

        self.time = readout("t", run.timesteps, whole, theme.text)
        self.alpha_bar = readout("macron(alpha)_t", run.alpha_bar, fixed(3), theme.signal)
        self.snr = readout('"SNR"', run.snr, significant, theme.text)
        self.readouts = VGroup(self.time, self.alpha_bar, self.snr)
        self.words = VGroup(self.heading, *self.readouts)
        self.words.arrange(DOWN, buff=px(25), aligned_edge=LEFT)
        self.words.next_to(self.picture, RIGHT, buff=px(14))
        # Its first letter stands on the line, whatever hangs below it.
        self.heading.shift(UP * (self.picture.get_top() - self.heading[0].get_bottom() - px(34))[1])
        self.readouts.next_to(self.picture, RIGHT, buff=px(14)).align_to(self.picture, DOWN)
        self.readouts.shift(UP * px(4))
        for one in self.readouts:
            one.follow()
        super().__init__(self.picture, self.words)

    def now(self) -> float:
        """The moment t, on the way from one kept state to the next."""
        run = self.axis.run
        now = np.interp(self.axis.playhead.get_value(), np.arange(run.steps + 1), run.timesteps)
        return float(min(now, self.stop.get_value()))

    @property
    def index(self) -> int:
        """Which state of its run is shown: the last one kept until then."""
        return int(np.searchsorted(self.run.timesteps, self.now() + 1e-4, side="right")) - 1


class NoiseSchedules(LectureScene):
    """ᾱ_t and the signal-to-noise ratio of three schedules, under the same picture."""

    def construct(self) -> None:
        """Ask, run until each is half noise, compare, look at the ratio, finish."""
        self.by_name = {name: self.run(name) for name in self.inputs.recordings}
        self.playhead = ValueTracker(0)
        self.build()
        self.ask()
        self.introduce()
        self.draw_curves()
        self.meet()
        if not self.short:
            self.ratio()
            self.lost()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Three columns above the curves, which stand on the time axis."""
        theme, letters = self.theme, self.lettering
        # The run that keeps the most states moves the playhead most finely.
        finest = max(self.by_name.values(), key=lambda run: run.steps)
        self.axis = TimeAxis(
            letters,
            finest,
            self.playhead,
            AXIS,
            start=("picture", theme.signal),
            end=("noise", theme.noise),
            colour=theme.noise,
        )
        self.columns = {
            name: Column(letters, name, run, self.axis) for name, run in self.by_name.items()
        }
        across = (PICTURES.right - PICTURES.left) / len(self.columns)
        for i, column in enumerate(self.columns.values()):
            left = PICTURES.left + i * across
            Zone(left, PICTURES.top, left + across, PICTURES.bottom).put(column, 0.0, 0.5)
        self.order = sorted(self.columns, key=lambda name: self.equal_time(name))

    def equal_time(self, name: str) -> int:
        """The first t at which the schedule ``name`` has as much noise as signal."""
        run = self.by_name[name]
        return int(run.timesteps[equal_weights(run)])

    def playhead_at(self, t: float) -> float:
        """Where the playhead stands at ``t``."""
        run = self.axis.run
        return float(np.interp(t, run.timesteps, np.arange(run.steps + 1)))

    def plot(self, y: Scale, ticks: dict[float, str], name: str, colour: str) -> Plot:
        """Values over the time axis."""
        last = float(self.axis.run.timesteps[-1])
        plot = Plot(self.lettering, CURVES, Scale(-1, last), y, y_ticks=ticks)
        label = self.lettering.maths(name, size=WORDS_SIZE, colour=colour)
        # Beside the tick in the middle, which leaves it room.
        middle = sorted(ticks)[len(ticks) // 2]
        Zone(MARGIN, 0, AXIS.left, 0).put(label, 0, 0.5)
        return plot.add(label.set_y(plot.at(-1, middle)[1]))

    def graphs(self, plot: Plot, values: Mapping[str, np.ndarray], colour: str) -> dict[str, Graph]:
        """A curve a schedule, each with its name."""
        return {
            name: Graph(
                plot,
                self.by_name[name].timesteps,
                values[name],
                colour=colour,
                label=self.lettering.words(name, size=SMALL_SIZE, colour=colour),
            )
            for name in self.columns
        }

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """One picture, three times."""
        with self.beat(
            "A picture becomes noise in many small steps. But how large is each one?"
        ) as beat:
            self.appear(self.heading("How fast should a picture become noise?"))
            self.appear(*(column.picture for column in self.columns.values()))
            self.appear(self.axis, seconds=0.6)
            self.axis.follow()
            self.run_to(self.equal_time(self.order[-1]), max(beat.left, 2))

    def introduce(self) -> None:
        """The three names."""
        *first, last = self.columns
        said = f"The noise schedule decides. Here are three: {', '.join(first)} and {last}."
        with self.beat(said):
            self.run_to(-1, 1.2)
            for column in self.columns.values():
                self.play(
                    FadeIn(column.heading, shift=RIGHT * px(16)),
                    Indicate(column.picture.border, color=self.theme.text, scale_factor=1.03),
                    run_time=0.8,
                )

    def draw_curves(self) -> None:
        """What is left of the signal, over time."""
        theme = self.theme
        self.share_plot = self.plot(
            Scale(0, 1), {0: "0", 0.5: "0.5", 1: "1"}, "macron(alpha)_t", theme.signal
        )
        values = {name: run.alpha_bar for name, run in self.by_name.items()}
        self.shares = self.graphs(self.share_plot, values, theme.signal)
        for name, graph in self.shares.items():
            # Below the curve there is room, for the last one above it.
            share, side = (0.3, RIGHT + UP) if name == self.order[-1] else (0.45, LEFT + DOWN)
            low = int(np.argmax(self.by_name[name].alpha_bar <= share))
            graph.put_label(float(self.by_name[name].timesteps[low]), side, gap=4)
        with self.beat(
            "ᾱ_t is the share of signal that is left: it falls from 1 to nearly 0.",
            "Alpha bar t is the share of signal that is left: it falls from one to nearly zero.",
            detail=True,
        ) as beat:
            self.appear(self.share_plot, *(c.readouts for c in self.columns.values()))
            self.play(
                *(Create(graph.path, rate_func=smooth) for graph in self.shares.values()),
                run_time=max(beat.left - 0.8, 1.5),
            )
            self.appear(*(VGroup(g.dot, g.label) for g in self.shares.values()), seconds=0.5)
        for name, graph in self.shares.items():
            graph.follow(self.columns[name].now)
        self.add(*self.shares.values())

    def meet(self) -> None:
        """Run on until each is half noise; there they are alike."""
        theme = self.theme
        fast, slow = self.order[0], self.order[-1]
        self.half = self.share_plot.level(0.5, colour=theme.quiet)
        for name, column in self.columns.items():
            column.stop.set_value(self.equal_time(name))
        t = self.equal_time(fast)
        said = f"The {fast} schedule hurries: at t = {t} it is half noise already."
        with self.beat(said, said.replace("=", "equals")) as beat:
            self.play(FadeIn(self.half), run_time=0.4)
            self.run_to(t, max(beat.left - 1, 2.5))
            self.point_out(fast)
        t = self.equal_time(slow)
        said = f"The {slow} schedule takes its time, until t = {t}."
        with self.beat(said, said.replace("=", "equals"), detail=True) as beat:
            for name in self.order[1:-1]:
                self.run_to(self.equal_time(name), max(beat.left - 2, 1.5))
            self.run_to(t, max(beat.left - 1, 1.2))
            self.point_out(slow)
        with self.beat("So at three different times, the three pictures are equally noisy."):
            self.play(
                *(
                    Circumscribe(VGroup(column.alpha_bar, column.snr), color=theme.text, buff=px(6))
                    for column in self.columns.values()
                ),
                *(
                    Indicate(g.dot, color=theme.text, scale_factor=1.8)
                    for g in self.shares.values()
                ),
                run_time=2.0,
            )

    def run_to(self, t: float, seconds: float) -> None:
        """Move the playhead to ``t``."""
        self.play(
            self.playhead.animate(rate_func=linear).set_value(self.playhead_at(t)),
            run_time=seconds,
        )

    def point_out(self, name: str) -> None:
        """Light a schedule's time and the point of its curve."""
        self.play(
            Circumscribe(self.columns[name].time, color=self.theme.text, buff=px(6)),
            Indicate(self.shares[name].dot, color=self.theme.text, scale_factor=1.8),
            run_time=1.0,
        )

    def ratio(self) -> None:
        """The same curves as a ratio, on a logarithmic scale."""
        theme = self.theme
        self.ratio_plot = self.plot(
            Scale(1e-5, 1e4, log=True), decades(-4, -2, 0, 2, 4), '"SNR"', theme.text
        )
        self.ratios = self.graphs(
            self.ratio_plot, {name: run.snr for name, run in self.by_name.items()}, theme.text
        )
        for name, graph in self.ratios.items():
            graph.put_label(*self.apart(name), gap=4)
        # From here on all show one moment again: the next that every run has kept.
        common = set.intersection(*(set(run.timesteps) for run in self.by_name.values()))
        t = min(t for t in common if t >= self.equal_time(self.order[-1]))
        with self.beat("Now look at the ratio of signal to noise, on a logarithmic scale.") as beat:
            self.play(
                *(column.stop.animate.set_value(t) for column in self.columns.values()),
                self.playhead.animate.set_value(self.playhead_at(t)),
                FadeOut(self.half),
                run_time=1.2,
            )
            for name, graph in self.ratios.items():
                graph.show(t)
                self.shares[name].clear_updaters()
            self.play(
                FadeOut(self.share_plot, run_time=0.6),
                FadeIn(self.ratio_plot),
                *(
                    ReplacementTransform(old, new)
                    for name in self.columns
                    for old, new in zip(self.shares[name], self.ratios[name], strict=True)
                ),
                run_time=max(beat.left, 1.5),
            )
        self.remove(*self.shares.values())
        self.add(*self.ratios.values())

    def apart(self, name: str) -> tuple[float, np.ndarray]:
        """Where the curve of ``name`` lies furthest outside of the others, and on which side."""
        times = np.linspace(0.0, float(self.axis.run.timesteps[-1]), 200)
        heights = {
            key: np.clip([graph.share_at(t)[1] for t in times], 0, 1)
            for key, graph in self.ratios.items()
        }
        own = heights.pop(name)
        above = own - np.max(list(heights.values()), axis=0)
        below = np.min(list(heights.values()), axis=0) - own
        inside = (own > 0.3) & (own < 0.8)
        above, below = np.where(inside, above, -1), np.where(inside, below, -1)
        if above.max() >= below.max():
            return float(times[above.argmax()]), RIGHT + UP
        return float(times[below.argmax()]), LEFT + DOWN

    def lost(self) -> None:
        """Where next to nothing is left, and how long each schedule stays there."""
        last = float(self.axis.run.timesteps[-1])
        for name, column in self.columns.items():
            column.stop.set_value(last)
            self.ratios[name].follow(column.now)
        with self.beat("Below one in a hundred, next to nothing of the picture is left."):
            self.play(Create(self.ratio_plot.level(LOST, colour=self.theme.quiet)), run_time=1.5)
        least, *between, most = sorted(self.by_name, key=lambda n: lost_share(self.by_name[n]))
        shares = {name: f"{100 * lost_share(self.by_name[name]):.0f}" for name in (most, least)}
        stretches = VGroup(*(self.lost_stretch(name) for name in (most, least)))
        said = self.lettering.words(
            f"{most}: {shares[most]} %, {least}: {shares[least]} % of the steps",
            size=SMALL_SIZE,
            colour=self.theme.noise,
        )
        CURVES.put(said, 0.03, 0.98)
        with self.beat(
            f"The {most} schedule spends {shares[most]} percent of its steps down there, "
            f"the {least} schedule only {shares[least]}."
        ) as beat:
            self.play(
                *(self.ratios[name].animate.light(DIMMED) for name in between),
                FadeIn(said),
                run_time=0.6,
            )
            self.add(*stretches)
            self.run_to(last, max(beat.left, 4))
        stretches.clear_updaters()
        self.play(
            FadeOut(said, *stretches),
            *(self.ratios[name].animate.light() for name in between),
            run_time=0.4,
        )

    def finish(self) -> None:
        """The sentence to remember."""
        last = float(self.axis.run.timesteps[-1])
        with self.beat("A noise schedule does not choose the road. It sets the pace.") as beat:
            # Back to where the pictures differ most: that is what a schedule does.
            middle = self.equal_time(self.order[len(self.order) // 2])
            self.play(
                self.playhead.animate(rate_func=smooth).set_value(self.playhead_at(middle)),
                *(column.stop.animate.set_value(last) for column in self.columns.values()),
                run_time=max(beat.left - 0.5, 2.0),
            )
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)

    def lost_stretch(self, name: str) -> VMobject:
        """What the playhead has passed of a curve where the picture is lost."""
        run, column = self.by_name[name], self.columns[name]
        start = float(run.timesteps[first_lost(run)])
        graph, colour = self.ratios[name], self.theme.noise
        stretch = graph.part(start, start, colour=colour)
        stretch.add_updater(
            lambda shown: shown.set_points(
                graph.part(start, max(start, column.now()), colour=colour).points
            )
        )
        return stretch
