"""Data in a plane: its score from all noise to none, two ways along it, and a network's attempt."""

from __future__ import annotations

from functools import partial

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    Circumscribe,
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
from scenes.score_field.reading import drawn, errors, length, moment, paths, places, score
from scenes.score_field.words import EARLY, LATE, SHAPED, aloud, words_of
from scenes.stage.layout import AXIS, FRAME, MARGIN, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.plane import Arrows, Dots, Glow, Moving, Plane, Trails
from scenes.stage.time_axis import TimeAxis

CELL = 4
"""Screen pixels a place of the density at 720p."""
GAP = 24
"""Pixels at 720p between two planes."""
TRACKED, FEW = 24, 4
"""Particles whose ways are drawn: smooth ones, and jagged ones, which fill the plane."""
PLANES = Zone(MARGIN, 113, FRAME.right - MARGIN, 578)


class ScoreField(LectureScene):
    """Data in the plane, arrows that lead to it, and points that go along them."""

    def construct(self) -> None:
        """Dissolve the data, draw the arrows, let points go; then two ways, and two fields."""
        self.found = self.runs("score_field")
        self.density, self.exact = self.found["density"], self.found["field"]
        self.ode, self.sde = self.found["ode"], self.found["sde"]
        self.learned, self.say = self.found["ode learned"], words_of(self.found)
        self.playhead = ValueTracker(self.ode.steps)
        self.build()
        self.ask()
        self.dissolve()
        self.draw_arrows()
        self.let_go()
        self.rewind()
        if not self.short:
            self.two_ways()
        self.learn()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """The plane in the middle, and the axis."""
        theme = self.theme
        self.plane = self.new_plane()
        PLANES.put(self.plane, 0.5, 0)
        self.axis = TimeAxis(
            self.lettering,
            self.ode,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("data", theme.signal),
            colour=theme.prediction,
        )
        self.axis.refresh()
        self.readouts = self.axis.readouts()
        self.arrows = self.field(self.plane, self.exact, theme.quiet)
        self.dots = self.crowd(self.plane, self.ode, theme.text)
        self.marks = self.drawing()

    def state(self) -> float:
        """The index of the state that is shown."""
        return float(self.playhead.get_value())

    def new_plane(self) -> Plane:
        """A square with the density of the moment."""
        glow = Glow(self.density.states[:, 0], self.theme.background, self.theme.signal)
        plane = Plane(glow, CELL, float(self.density.facts["reach"]), colour=self.theme.line)
        plane.tile.name = "plane"
        plane.tile.follow(self.playhead)
        return plane

    def field(self, plane: Plane, run: Trajectory, colour: str) -> Moving:
        """The arrows of the moment; at the data nothing is asked any more: the last ones stay."""
        return Arrows(plane, places(run), score(run), colour=colour).follow(self.state)

    def crowd(self, plane: Plane, run: Trajectory, colour: str) -> Moving:
        """The particles of the moment."""
        return Dots(plane, paths(run), colour=colour).follow(self.state)

    def drawing(self) -> VGroup:
        """The points that were drawn by hand, one after the other, each with a rim on the glow."""
        points = drawn(self.found)
        order = np.arange(len(points))
        # At moment i the first i are there: what is nowhere is not drawn.
        strokes = np.where((order < np.arange(len(points) + 1)[:, None])[..., None], points, np.nan)
        rims = ((self.theme.background, 5.4), (self.theme.signal, 4.0))
        return VGroup(
            *(Dots(self.plane, strokes, colour=c, radius=r) for c, r in rims if len(points))
        )

    def draw(self) -> None:
        """Put the points of a drawing where they were drawn; nothing where none was."""
        if not len(self.marks):
            return
        pen, count = ValueTracker(0), len(drawn(self.found))
        for dots in self.marks:
            dots.follow(pen.get_value)
        self.add(self.marks)
        seconds = min(0.6 + 0.1 * count, 2.4)
        self.play(pen.animate(rate_func=linear).set_value(count), run_time=seconds)
        for dots in self.marks:
            dots.clear_updaters()
        self.play(Indicate(self.marks, color=self.theme.signal, scale_factor=1.03), run_time=1.2)

    def ways(self, plane: Plane, run: Trajectory, count: int, colour: str) -> Moving:
        """Where the first of the particles have been, those that never leave the plane."""
        within = plane.inside(paths(run)).all(axis=0)
        return Trails(plane, paths(run)[:, within][:, :count], colour=colour).follow(self.state)

    def beside(self, plane: Plane, side: np.ndarray, *lines: str, colour: str) -> VGroup:
        """Words on one side of a plane, on lines under one another."""
        words = self.lettering.lines(*lines, size=SMALL_SIZE, colour=colour, gap=0.14)
        return words.next_to(plane.border, side, buff=px(18))

    def go_to(self, t: float, seconds: float) -> None:
        """Move the playhead to the moment nearest to ``t``."""
        index = moment(self.ode, int(t))
        self.play(self.playhead.animate(rate_func=linear).set_value(index), run_time=seconds)

    # -- the field -----------------------------------------------------------------

    def ask(self) -> None:
        """The question, and the data."""
        with self.beat("How does a point of pure noise find its way to the data?"):
            self.appear(self.heading("How does noise find the data?"), seconds=0.6)
            self.appear(self.plane, self.axis, self.readouts, seconds=1.2)
        self.axis.follow()
        where = self.beside(self.plane, LEFT, *self.say.glow, colour=self.theme.signal)
        self.words = Group(where)
        with self.beat(f"In two dimensions we can see all of it. {self.say.data}"):
            self.appear(where, seconds=0.8)
            self.draw()
            self.play(
                Indicate(self.plane.border, color=self.theme.signal, scale_factor=1.02),
                run_time=1.6,
            )

    def dissolve(self) -> None:
        """The density from no noise to nothing but noise."""
        with self.beat(self.say.dissolving) as beat:
            if len(self.marks):
                self.play(FadeOut(self.marks), run_time=0.6)
            self.go_to(self.ode.timesteps[0], max(beat.seconds, 5))

    def draw_arrows(self) -> None:
        """The score at all noise, and how it turns."""
        theme = self.theme
        self.formula = self.score_formula()
        means = self.beside(
            self.plane, RIGHT, "arrow: the score,", "the steepest", "way uphill", colour=theme.quiet
        )
        self.words.add(means)
        self.arrows.update()
        with self.beat(f"The score is an arrow at every place. {self.say.uphill}"):
            self.appear(self.formula, seconds=0.6)
            self.appear(self.arrows, means, seconds=1.4)
            self.play(Circumscribe(self.formula, color=theme.text, buff=px(8)))
        t = self.axis.t
        said = f"At t = {t}, all arrows point to the middle: nothing else is known yet."
        with self.beat(said, aloud(said), detail=True):
            self.rest(0.6)
            self.play(Indicate(self.arrows, color=theme.text, scale_factor=0.96), run_time=2.4)
        with self.beat(self.say.turning) as beat:
            self.go_to(SHAPED, 2.0)
            self.go_to(0, max(beat.left, 4.5))

    def score_formula(self) -> MathTypst:
        """What an arrow is, and what the network has to do with it."""
        formula = self.lettering.maths(
            "nabla log p_t (x_t) = - {{ EE[epsilon | x_t] : noise }} / sqrt(1 - macron(alpha)_t)",
            size=HEADING_SIZE - 2,
            noise=self.theme.noise,
        )
        TITLE.put(formula, 1, 0.25)
        return formula

    def step_formula(self) -> MathTypst:
        """One step of the ODE: a stretch, and some of the arrow."""
        formula = self.lettering.maths(
            "x_s = {{ sqrt(macron(alpha)_s \\/ macron(alpha)_t) thin x_t : stretch }}"
            " + {{ c_t thin nabla log p_t (x_t) : arrow }}",
            size=HEADING_SIZE - 2,
            stretch=self.theme.text,
            arrow=self.theme.prediction,
        )
        TITLE.put(formula, 1, 0.25)
        return formula

    def let_go(self) -> None:
        """Points of noise that go along the arrows."""
        theme = self.theme
        self.play(self.playhead.animate.set_value(0), run_time=1.2)
        self.dots.update()
        with self.beat(self.say.start, detail=True):
            self.appear(self.dots, seconds=1.2)
            self.play(Indicate(self.dots, color=theme.text, scale_factor=1.02), run_time=1.2)
        formula = self.step_formula()
        with self.beat(self.say.step, detail=True) as beat:
            self.play(FadeOut(self.formula), FadeIn(formula), run_time=0.6)
            self.play(Indicate(formula.select("stretch"), color=theme.text), run_time=1.2)
            self.play(
                Indicate(formula.select("arrow"), color=theme.prediction),
                run_time=max(beat.left, 1.2),
            )
        self.formula = formula
        trails = self.ways(self.plane, self.ode, TRACKED, theme.text)
        self.add(trails, self.dots)
        with self.beat(self.say.first, aloud(self.say.first)) as beat:
            self.go_to(self.ode.timesteps[self.say.parting], max(beat.seconds, 4))
        with self.beat(self.say.then, loops=True) as beat:
            self.go_to(-1, max(beat.seconds, 5))
        self.trails = trails
        with self.beat(self.say.arriving):
            self.play(FadeOut(self.arrows), *map(FadeIn, self.marks), run_time=0.8)
            self.play(Indicate(self.dots, color=theme.signal, scale_factor=1.02), run_time=1.4)

    # -- two ways ------------------------------------------------------------------

    def rewind(self) -> None:
        """Back to the noise, the words gone."""
        self.trails.clear_updaters()  # a way that is taken back would have no outline to fade
        self.play(FadeOut(*outlined(self.trails), self.words, *self.marks), run_time=0.4)
        self.play(self.playhead.animate.set_value(0), run_time=1.0)
        self.other = self.new_plane()

    def pair(self) -> None:
        """Move the plane that is there aside, and let another appear beside it."""
        if self.other in self.mobjects:
            return
        wide = self.plane.border.width + px(GAP)
        self.other.move_to(self.plane)
        self.other.shift(RIGHT * wide / 2)
        self.play(self.plane.animate.shift(LEFT * wide / 2), run_time=0.8)
        self.appear(self.other, seconds=0.5)

    def two_ways(self) -> None:
        """The ODE on the left, the SDE on the right."""
        theme = self.theme
        with self.beat("There are two ways down. On the left the ODE, as before: smooth, no dice."):
            self.pair()
            ode = self.beside(self.plane, LEFT, "ODE", "no dice", colour=theme.text)
            self.appear(ode, seconds=0.5)
        sde = self.beside(self.other, RIGHT, "SDE", "fresh", "noise", colour=theme.noise)
        dots = self.crowd(self.other, self.sde, theme.noise)
        with self.beat(
            "On the right the SDE: further along the arrow, and fresh noise at every step."
        ):
            self.appear(sde, dots, seconds=1.0)
            self.play(Indicate(dots, color=theme.noise, scale_factor=1.02), run_time=1.4)
        left = self.ways(self.plane, self.ode, FEW, theme.text)
        right = self.ways(self.other, self.sde, FEW, theme.noise)
        self.add(left, right, self.dots, dots)
        with self.beat(self.say.alike) as beat:
            self.go_to(SHAPED, 3)
            self.go_to(-1, max(beat.left, 5))
        sides = ((self.ode, ode, theme.text, LEFT), (self.sde, sde, theme.noise, RIGHT))
        numbers = []
        for run, words, colour, side in sides:
            way = partial(length, run)
            number = Readout(self.lettering, '"way"', way, fixed(1), colour=colour, size=SMALL_SIZE)
            numbers.append(number.next_to(words, DOWN, buff=px(30)).align_to(words, -side))
        with self.beat(self.say.longer):
            self.appear(*numbers, seconds=0.6)
            self.play(*(Circumscribe(number, color=theme.text, buff=px(8)) for number in numbers))
        for moving in (left, right, dots):
            moving.clear_updaters()
        self.play(FadeOut(*outlined(left, right), dots, ode, sde, *numbers), run_time=0.6)

    # -- a network -------------------------------------------------------------------

    def learn(self) -> None:
        """The learned field beside the exact one."""
        theme = self.theme
        error = errors(self.found)
        self.play(
            FadeOut(self.dots, self.formula), self.playhead.animate.set_value(0), run_time=1.0
        )
        with self.beat(
            "For pictures, nobody can write these arrows down. So a network learns them."
        ):
            self.pair()
            learned = self.field(self.other, self.found["field learned"], theme.prediction)
            exact = self.beside(self.plane, LEFT, "exact", "score", colour=theme.quiet)
            words = self.beside(
                self.other, RIGHT, "learned", "by a", "network", colour=theme.prediction
            )
            self.appear(self.arrows, exact, seconds=0.8)
            self.appear(learned, words, seconds=1.0)
        off = Readout(
            self.lettering,
            '"error"',
            lambda: float(error[min(self.axis.index, len(error) - 1)]),
            fixed(self.say.decimals),
            colour=theme.prediction,
            size=SMALL_SIZE,
        )
        off.next_to(words, DOWN, buff=px(30)).align_to(words, LEFT)
        off.follow()
        with self.beat(self.say.early, aloud(self.say.early), detail=True) as beat:
            self.appear(off, seconds=0.5)
            self.go_to(EARLY, max(beat.left, 3))
        with self.beat(self.say.late, aloud(self.say.late), detail=True) as beat:
            self.go_to(LATE, max(beat.left, 3))
        self.play(self.playhead.animate.set_value(0), FadeOut(off), run_time=0.8)
        off.clear_updaters()
        dots = self.crowd(self.other, self.learned, theme.text)
        self.dots.update()
        with self.beat("Is it good enough? Both crowds start from the same noise.") as beat:
            self.appear(self.dots, dots, seconds=0.8)
            self.go_to(-1, max(beat.left, 5))
        with self.beat(self.say.learned):
            self.play(FadeOut(self.arrows, learned), run_time=0.8)
            self.play(Indicate(dots, color=theme.prediction, scale_factor=1.02), run_time=2.4)

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat(self.say.last):
            self.play(self.playhead.animate(rate_func=linear).set_value(0), run_time=2.0)
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.ode.steps), run_time=2.4
            )
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)


def outlined(*ways: Moving) -> list[Moving]:
    """Those of the ways that there are: where all particles leave the plane there is none."""
    return [way for way in ways if len(way.points)]
