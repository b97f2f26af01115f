"""What is learnt while the loss falls: its curve, and the same noise drawn at every stage."""

from __future__ import annotations

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Circumscribe,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    MathTypst,
    Mobject,
    ValueTracker,
    VGroup,
    VMobject,
    linear,
)

from scenes.digits import DIGITS
from scenes.stage.layout import MARGIN, TITLE, Zone, px
from scenes.stage.lecture_scene import Beat, LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed, whole
from scenes.stage.plots import Graph, Plot, Scale, decades
from scenes.stage.tiles import Panel
from scenes.training.learnt import Learnt
from scenes.training.meters import METERS, Meter
from scenes.training.samples import Rows, Strips

CURVE = Zone(MARGIN + 70, 164, 780, 322)
"""Where the curve spans."""
BEFORE = -0.2
"""The playhead counts decades of steps; below 0 no step has been done."""
TARGETS = {
    "v": (
        "v",
        "v, a mix of both",
        (
            "v = {{ sqrt(macron(alpha)_t) thin epsilon : noise }}"
            " - {{ sqrt(1 - macron(alpha)_t) thin x_0 : signal }}"
        ),
    ),
    "epsilon": ("epsilon", "the noise", ""),
    "x0": ("x_0", "the picture", ""),
}
"""What a network may be trained to predict: its symbol, its name, and what it is made of."""


def percent(share: float) -> str:
    """A share as it is written: "89 %"."""
    return f"{100 * share:.0f} %"


def aloud(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace(" %", " percent")


def untrained(learnt: Learnt) -> str:
    """The sentence on what is drawn before the first step."""
    if learnt.echo(0) > 0.5:
        return "Before the first step, it only hands the noise back."
    return "Before the first step, there is nothing to be seen in it."


def the_rest(learnt: Learnt) -> str:
    """The sentence on the loss from where its curve is flat."""
    step = int(learnt.steps[learnt.flat])
    drop = learnt.loss_at(step) - learnt.loss_at(learnt.end)
    said = f"by just {drop:.2f} now" if drop >= 0.005 else "no further"
    return f"Go on for {learnt.end - step:,} steps. The loss falls {said}."


def in_the_end(learnt: Learnt) -> str:
    """The sentence on what the pictures have become meanwhile."""
    if not learnt.judged:
        return "Along that stretch, the pictures went the rest of their way."
    before, right = learnt.answered(learnt.flat), learnt.answered(-1)
    counted = f"{right} of {learnt.questions} are right in the end."
    if right > before:
        return f"But along that flat stretch, the digits take shape: {counted}"
    return f"The digits that were asked for: {counted}"


def along(learnt: Learnt, count: int) -> str:
    """The sentence on what becomes of the noise of a few samples."""
    noise = "the noise fades" if learnt.echo(-1) < learnt.echo(0) / 2 else "much of the noise stays"
    return f"Follow {DIGITS[count]} of the seeds, from the first step to the last: {noise}."


def late_changes(learnt: Learnt) -> str:
    """The sentence on the samples without a prompt that are read as another digit at last."""
    since, turned, of = int(learnt.steps[learnt.late]), len(learnt.turned()), len(learnt.free)
    if not turned:
        return f"After step {since:,}, none of the {of} without a prompt changes its digit."
    verb = "has" if turned == 1 else "have"
    return (
        f"Even after step {since:,}, {turned} of the {of} without a prompt"
        f" {verb} become another digit."
    )


class Training(LectureScene):
    """The loss falls at once, the pictures come right while it looks flat."""

    def construct(self) -> None:
        """Ask, say what a step is, train, compare, go on, follow a few seeds, remember."""
        self.learnt = Learnt.of(self.runs("training"))
        self.playhead = ValueTracker(BEFORE)
        self.build()
        self.ask()
        self.untrained()
        self.exercise()
        self.train()
        self.compare()
        self.go_on()
        self.follow_some()
        self.finish()

    # -- where the training stands ---------------------------------------------------

    @property
    def step(self) -> int:
        """Steps done at this moment."""
        decades_done = self.playhead.get_value()
        return 0 if decades_done < 0 else int(10**decades_done + 1e-6)

    @property
    def exact(self) -> float:
        """Where the point of the curve is, in steps; at least 1."""
        return float(min(10 ** max(self.playhead.get_value(), 0), self.learnt.end))

    @property
    def stage(self) -> int:
        """The last stage at which samples were drawn."""
        return self.learnt.stage(self.step)

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """The curve, the meters beside it, the samples below."""
        self.plot = self.build_plot()
        learnt = self.learnt
        self.graph = Graph(self.plot, learnt.loss_steps, learnt.loss, colour=self.theme.text)
        # Of the graph only the point is on the stage; the line is drawn as far as it is.
        self.graph.dot.add_updater(lambda dot: self.graph.show(self.exact))
        self.drawn = VMobject()
        self.drawn.add_updater(lambda line: line.become(self.so_far()))
        self.meters = self.build_meters()
        self.rows = Rows(self.lettering, learnt, lambda: self.stage)
        self.formula = self.build_formula()

    def build_plot(self) -> Plot:
        """Steps by their logarithm, the loss from 0."""
        learnt, letters, quiet = self.learnt, self.lettering, self.theme.quiet
        most = float(learnt.loss.max())
        high = 1.05 * most
        marks = [0.0, *(mark for mark in (0.1, 0.2, 0.5, 1, 2, 5) if high / 4 < mark <= high)]
        plot = Plot(
            letters,
            CURVE,
            Scale(1, learnt.end, log=True),
            Scale(0, high),
            x_ticks=decades(*range(int(np.log10(learnt.end)) + 1)),
            y_ticks={mark: f"{mark:g}" for mark in marks},
            y_name=letters.words("loss", size=SMALL_SIZE, colour=quiet),
        )
        name = letters.words("step", size=SMALL_SIZE, colour=quiet)
        name.next_to(plot.at(learnt.end, 0), RIGHT, buff=px(12))
        return plot.add(name)

    def so_far(self) -> VMobject:
        """The curve up to this step."""
        return self.graph.part(1, max(self.exact, 1.001), colour=self.theme.text, width=5)

    def build_meters(self) -> list[Meter]:
        """The step; then loss, pictures and prompts, each with how far it has come."""
        learnt, letters, theme = self.learnt, self.lettering, self.theme
        self.clock = Readout(letters, '"step"', lambda: float(self.step), whole)
        loss = Readout(letters, '"loss"', lambda: learnt.loss_at(self.step), fixed(3))
        far = Readout(
            letters,
            '"pictures to go"',
            lambda: float(learnt.distance[self.stage]),
            fixed(2),
            colour=theme.prediction,
        )
        meters = [
            Meter(loss, lambda: learnt.fallen(self.step), colour=theme.text, rail=theme.line),
            Meter(
                far,
                lambda: learnt.arrived(self.stage),
                colour=theme.prediction,
                rail=theme.line,
            ),
        ]
        if learnt.judged:
            met = Readout(
                letters,
                f'"prompts met of {learnt.questions}"',
                lambda: float(learnt.answered(self.stage)),
                whole,
                colour=theme.guidance,
            )
            meters.append(
                Meter(
                    met,
                    lambda: learnt.answered(self.stage) / learnt.questions,
                    colour=theme.guidance,
                    rail=theme.line,
                )
            )
        column = VGroup(*meters).arrange(DOWN, buff=px(16), aligned_edge=LEFT)
        METERS.put(column, 0, 1)
        self.clock.next_to(self.plot.at(learnt.end, self.plot.y.high), UP, buff=px(8))
        self.clock.align_to(self.plot.at(learnt.end, 0), RIGHT).shift(LEFT * px(60))
        return meters

    def build_formula(self) -> MathTypst:
        """What the loss is, top right."""
        symbol, _, made = TARGETS[self.learnt.predicts]
        source = f'"loss" = "mean" ({{{{ hat({symbol}) : guess }}}} - {symbol})^2'
        colours = {"guess": self.theme.prediction}
        if made:
            source += f", quad {made}"
            colours |= {"noise": self.theme.noise, "signal": self.theme.signal}
        formula = self.lettering.maths(source, size=HEADING_SIZE - 4, **colours)
        self.parts = colours
        TITLE.put(formula, 1, 0.1)
        return formula

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """The empty plot."""
        with self.beat("A network is trained, and its loss falls. What does it learn meanwhile?"):
            self.appear(self.heading("What is learnt while the loss falls?"))
            self.appear(self.plot, self.clock, seconds=0.8)
            self.appear(self.rows, seconds=1.0)

    def exercise(self) -> None:
        """What a step is."""
        _, target, _ = TARGETS[self.learnt.predicts]
        with self.beat(
            f"Each step is an exercise: noise is added to {self.learnt.batch} pictures,"
            f" and the network predicts {target}.",
            detail=True,
        ) as beat:
            self.appear(self.formula, seconds=1.0)
            for part in ("noise", "signal", "guess"):
                if part in self.parts:
                    self.play(
                        Indicate(
                            self.formula.select(part), color=self.parts[part], scale_factor=1.25
                        ),
                        run_time=max(beat.seconds / 5, 1.0),
                    )
        with self.beat("Its mean squared error is the loss.", detail=True):
            self.appear(self.meters[0], self.graph.dot, seconds=0.6)
            self.play(
                Circumscribe(self.meters[0].readout, color=self.theme.text, buff=px(6)),
                Indicate(self.graph.dot, color=self.theme.text, scale_factor=2),
                run_time=1.2,
            )
        for meter in self.meters:
            meter.follow()
        self.clock.follow()
        self.add(self.drawn)

    def untrained(self) -> None:
        """What is drawn before the first step."""
        seeds = len(self.learnt.seeds)
        with self.beat(
            f"At every stage we let it draw, always from the same {seeds} seeds.", detail=True
        ):
            self.appear(self.rows.names, seconds=0.6)
            for panel in self.rows.panels:
                self.play(self.lit(panel))
            self.appear(*self.meters[1:], seconds=0.6)
        with self.beat(untrained(self.learnt), detail=True):
            self.play(*(self.lit(panel, self.theme.noise) for panel in self.rows.panels))

    def lit(self, panel: Panel, colour: str | None = None) -> Indicate:
        """A frame that swells by a few pixels, however wide it is."""
        factor = 1 + px(8) / panel.border.width
        return Indicate(panel.border, color=colour or panel.border.get_color(), scale_factor=factor)

    def train_to(self, stage: int, seconds: float) -> None:
        """Let the training go on to a stage."""
        where = np.log10(max(int(self.learnt.steps[stage]), 1))
        self.play(self.playhead.animate(rate_func=linear).set_value(float(where)), run_time=seconds)

    def train(self) -> None:
        """To where the curve becomes flat."""
        learnt, flat = self.learnt, self.learnt.flat
        step = int(learnt.steps[flat])
        with self.beat("Now it trains. Watch the loss, and what becomes of the noise.") as beat:
            self.train_to(flat, max(beat.left, 6))
        said = (
            f"After {step:,} steps, the loss has done {percent(learnt.fallen(step))} of its fall."
        )
        with self.beat(said, aloud(said)) as beat:
            self.point_at(beat, self.meters[0], self.graph.dot, 2)

    def point_at(self, beat: Beat, meter: Meter, seen: Mobject, factor: float = 1.02) -> None:
        """Draw the eye to a meter, and to what it measures when half of the rest was said."""
        self.play(Circumscribe(meter, color=meter.colour, buff=px(6)), run_time=1.6)
        self.rest(beat.left / 2 - 0.7)
        self.play(Indicate(seen, color=meter.colour, scale_factor=factor), run_time=1.4)

    def compare(self) -> None:
        """The pictures of that moment."""
        learnt, flat = self.learnt, self.learnt.flat
        said = "The pictures are behind" if learnt.lags else "The pictures keep up"
        said += f": they have gone {percent(learnt.arrived(flat))} of their way."
        with self.beat(said, aloud(said)) as beat:
            self.point_at(
                beat, self.meters[1], VGroup(*(panel.border for panel in self.rows.panels))
            )
        if learnt.judged:
            met = learnt.answered(flat)
            counted = "none" if met == 0 else f"only {met}" if met < learnt.questions / 2 else met
            with self.beat(
                f"And of {learnt.questions} digits asked for, a second network can read {counted}.",
                detail=True,
            ) as beat:
                self.point_at(beat, self.meters[2], self.rows.panels[-1].border)

    def go_on(self) -> None:
        """To the end."""
        learnt = self.learnt
        with self.beat(the_rest(learnt)) as beat:
            self.train_to(len(learnt.steps) - 1, max(beat.left, 7))
        with self.beat(in_the_end(learnt)) as beat:
            self.point_at(beat, self.meters[-1], self.rows.panels[-1].border)

    def follow_some(self) -> None:
        """A few seeds, stage by stage."""
        learnt = self.learnt
        self.strips = strips = Strips(self.lettering, learnt, learnt.followed())
        self.drawn.clear_updaters()
        gone = Group(self.plot, self.graph.dot, self.drawn, self.clock, *self.meters, self.rows)
        self.play(FadeOut(gone, self.rows.names), run_time=0.6)
        with self.beat(along(learnt, len(strips.samples)), detail=True) as beat:
            self.appear(strips.names, strips.step, seconds=0.6)
            self.play(
                LaggedStart(*(FadeIn(column) for column in strips.columns), lag_ratio=0.6),
                run_time=max(beat.left, 4),
            )
        if learnt.seen is not None and learnt.free:
            with self.beat(late_changes(learnt), detail=True):
                lit = [self.lit(panel, self.theme.text) for panel in strips.since(learnt.late)]
                self.play(LaggedStart(*lit, lag_ratio=0.4), run_time=2.4)

    def finish(self) -> None:
        """The sentence to remember."""
        if self.learnt.lags:
            said = "When the curve looks flat, watch the pictures: the learning goes on."
        else:
            said = "The loss is one number. What it is worth, the pictures show."
        with self.beat(said):
            for row in self.strips.rows:
                self.play(self.lit(row[-1], self.theme.text), run_time=1.2)
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
