"""Noise is painted onto a part of a picture, and the reverse process repaints that part."""

from __future__ import annotations

from textwrap import shorten

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    Animation,
    Circumscribe,
    Create,
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

from scenes.noise_brush.answers import Answers
from scenes.noise_brush.canvas import aloud, telling_of
from scenes.noise_brush.laying import MOMENTS, laying
from scenes.noise_brush.stroke import edge_of
from scenes.reverse_process import TILE_SIDE, cell_for
from scenes.stage.layout import AXIS, FRAME, TALL_STAGE, TITLE, px
from scenes.stage.lecture_scene import Beat, LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

BEFORE_SIDE = 200
"""Pixels at 720p that the picture may take above the row of answers."""
LONGEST_PROMPT = 40
"""Letters of it that are shown; all of it is said."""


class NoiseBrush(LectureScene):
    """A brush, the noise under it, and what grows there."""

    def construct(self) -> None:
        """Paint, say how noisy, ask the network, keep and put back, compare, repeat, remember."""
        self.told = telling_of(self.runs("brush"))
        self.painted, self.removed = self.told.painted, self.told.removed
        self.prompt: str = self.told.recipe["prompt"]
        self.laying = laying(self.lettering, self.told)
        self.way, self.playhead = ValueTracker(0), ValueTracker(0)
        self.build()
        self.ask()
        self.paint()
        self.weigh()
        self.show_network()
        self.put_back()
        self.run_back()
        self.compare()
        self.repeat()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """Three tiles on one line, the brush, the axis."""
        run, theme, letters = self.removed, self.theme, self.lettering
        assert run.x0_hat is not None
        cell = cell_for(TILE_SIDE, run.states.shape[-1])
        # First the moments of the brush, the last of which is the first of the way back.
        frames = np.concatenate([self.laying.frames[:-1], self.told.seen[:, 0]])
        canvas = Tile(Frames.of(frames), cell)
        canvas.add_updater(lambda tile: tile.show(self.moment), call_updater=True)
        self.canvas = Panel(
            canvas,
            colour=theme.signal,
            label=letters.words(self.told.named, colour=theme.signal),
        )
        self.seen = self.panel(run.states, cell, "x_t", "what it is given", theme.text)
        self.guessed = self.panel(run.x0_hat, cell, "hat(x)_0", "its best guess", theme.prediction)
        panels = Group(self.canvas, self.seen, self.guessed).arrange(RIGHT, buff=px(100))
        TALL_STAGE.put(panels)
        for panel in (self.canvas, self.guessed):
            panel.level_with(self.seen)
        for panel in (self.canvas, self.seen, self.guessed):
            panel.settle()
        self.arrows = VGroup(
            self.arrow(self.canvas, self.seen), self.arrow(self.seen, self.guessed)
        )
        self.home = self.canvas.get_center()
        self.canvas.set_x(FRAME.point()[0])
        self.canvas.settle()
        self.tip = self.laying.tip(canvas)
        self.axis = TimeAxis(
            letters,
            run,
            self.playhead,
            AXIS,
            start=(self.told.start, theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.axis.readouts()

    @property
    def moment(self) -> int:
        """Which picture the canvas shows: one of the stroke, then one of the way back."""
        # Where all of it goes through the network, the canvas stays as it was, beside x_t.
        if self.playhead.get_value() > 0 and self.told.held:
            return MOMENTS + self.axis.index
        return self.laying.moment(self.way.get_value())

    def panel(self, states: np.ndarray, cell: int, label: str, words: str, colour: str) -> Panel:
        """A tile that follows the way back."""
        return Panel(
            Tile(Frames.of(states[:, 0]), cell).follow(self.playhead),
            colour=colour,
            label=self.lettering.maths(label, colour=colour, size=HEADING_SIZE + 6),
            words=self.lettering.words(words, size=SMALL_SIZE, colour=self.theme.quiet),
        )

    def trace(self, panel: Panel, width: float = 4) -> VMobject:
        """The edge of what was painted, over a tile."""
        theme = self.theme
        return edge_of(
            self.told.mask, panel.tile, colour=theme.noise, halo=theme.background, width=width
        )

    def build_prompt(self) -> VGroup:
        """What was asked for, in the title strip; nothing where nothing was."""
        if not self.prompt:
            return VGroup()
        shown = shorten(self.prompt, LONGEST_PROMPT, placeholder=" …")
        asked = self.lettering.words(f"“{shown}”", size=SMALL_SIZE, colour=self.theme.guidance)
        TITLE.put(asked, 1, 1)
        return VGroup(asked)

    def build_formula(self) -> MathTypst | VGroup:
        """What is kept of a step, and what is put back, top right; nothing where nothing is."""
        if not self.told.held:
            return VGroup()
        theme = self.theme
        formula = self.lettering.maths(
            "x_s = {{ m dot.op x_s : new }} + {{ (1 - m) dot.op : rest }} ("
            "{{ sqrt(macron(alpha)_s) thin x_0 : signal }}"
            " + {{ sqrt(1 - macron(alpha)_s) thin epsilon : noise }})",
            size=HEADING_SIZE - 4,
            new=theme.prediction,
            rest=theme.text,
            signal=theme.signal,
            noise=theme.noise,
        )
        TITLE.put(formula, 1, 0.1)
        return formula

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """The picture, alone."""
        with self.beat(self.told.asks) as beat:
            self.appear(self.heading("What grows back under the noise?"))
            self.appear(self.canvas, self.build_prompt())
            if self.prompt:
                self.play(
                    Indicate(self.canvas.border, color=self.theme.guidance, scale_factor=1.04)
                )
            self.rest(beat.left - 3)
            self.play(Indicate(self.canvas.border, color=self.theme.noise, scale_factor=1.04))

    def paint(self) -> None:
        """The brush at work."""
        count = self.laying.numbers(self.way, self.canvas)
        self.tip.add_updater(lambda tip: tip.show(self.way.get_value()))
        with self.beat(self.told.paints) as beat:
            self.appear(self.tip, count, seconds=0.6)
            seconds = max(beat.left, self.told.at_work)
            self.play(self.way.animate(rate_func=linear).set_value(1), run_time=seconds)
        self.tip.clear_updaters()
        self.count = count

    def weigh(self) -> None:
        """How much noise there is now."""
        self.weights = self.laying.weights()
        self.weights.next_to(self.canvas.border, RIGHT, buff=px(60))
        with self.beat(self.told.weighs, aloud(self.told.weighs), detail=True) as beat:
            self.edge = self.trace(self.canvas)
            self.play(FadeOut(self.tip), Create(self.edge), *self.laying.appears(), run_time=1.2)
            if self.told.measured:
                self.point_at(beat, *self.laying.points())
            else:
                for animation in self.laying.points():
                    self.play(animation, run_time=1.0)

    def show_network(self) -> None:
        """What the network is given, and what it says."""
        with self.beat(self.told.given, detail=True) as beat:
            moved = Group(self.canvas, self.edge)
            self.play(
                FadeOut(self.weights, self.count),
                moved.animate.shift(self.home - self.canvas.get_center()),
                run_time=1.0,
            )
            self.appear(self.arrows[0], self.seen, self.axis, self.readouts, seconds=1.0)
            self.play(Indicate(self.seen.border, color=self.theme.noise, scale_factor=1.04))
            if self.told.measured:
                self.point_at(beat, self.edge)
        self.axis.follow()
        with self.beat(self.told.guessed, detail=True) as beat:
            self.appear(self.arrows[1], self.guessed, seconds=1.0)
            if self.told.measured:
                self.point_at(beat, self.guessed.border, self.edge)

    def point_at(self, beat: Beat, *parts: Mobject | Animation) -> None:
        """Point at one after the other, spread over what is left of a sentence."""
        for i, part in enumerate(parts):
            left = len(parts) - i
            self.rest((beat.left - left) / (left + 1))
            if isinstance(part, Mobject):
                part = Indicate(part, color=self.theme.text, scale_factor=1.03)
            self.play(part, run_time=1.0)

    def put_back(self) -> None:
        """What is kept of a step."""
        formula = self.build_formula()
        new = [formula.select("new")] if self.told.held else []
        first, second = self.told.first_steps
        with self.beat(self.told.counts, detail=True):
            self.to(first, 0.8, FadeIn(formula))
            self.play(
                *(Indicate(part, color=self.theme.prediction) for part in new),
                Indicate(self.edge, color=self.theme.prediction, scale_factor=1.03),
                run_time=1.2,
            )
        with self.beat(self.told.beside, detail=True):
            if self.told.held:
                for part in ("signal", "noise"):
                    colour = getattr(self.theme, part)
                    self.play(Indicate(formula.select(part), color=colour), run_time=1.0)
            self.play(
                Indicate(self.seen.border, color=self.theme.signal, scale_factor=1.04), run_time=1.0
            )
            self.to(second, 0.6)
        self.formula = formula

    def to(self, index: float, seconds: float, *meanwhile: Animation) -> None:
        """Let the way back go on to a state."""
        self.play(
            *meanwhile,
            self.playhead.animate(rate_func=linear).set_value(min(index, self.removed.steps)),
            run_time=seconds,
        )

    def run_back(self) -> None:
        """To the end."""
        with self.beat(self.told.way_back) as beat:
            self.to(self.removed.steps, max(beat.left, 7))

    def difference(self, where: str, value: float, colour: str) -> Readout:
        """How far the picture is from what it was, somewhere."""
        return Readout(self.lettering, f'"{where}"', lambda: value, fixed(2), colour=colour)

    def compare(self) -> None:
        """Beside the picture as it was."""
        theme, letters, told = self.theme, self.lettering, self.told
        self.was = letters.words("before", colour=theme.signal)
        tile = Tile(Frames.of(told.picture[None]), cell_for(TILE_SIDE, told.mask.shape[1]))
        before = Panel(tile, colour=theme.signal, label=self.was)
        before.move_to(self.canvas.border).level_with(self.canvas).settle()
        after = letters.words("after", colour=theme.prediction)
        shift = self.seen.tile.get_center() - self.canvas.tile.get_center()
        after.move_to(self.canvas.label).shift(shift)
        old_edge = self.trace(before)
        heading = letters.words("difference to before", size=SMALL_SIZE, colour=theme.quiet)
        beside, under = told.differences
        self.numbers = VGroup()
        if beside is not None:
            self.numbers.add(self.difference("beside the brush", beside, theme.signal))
        self.numbers.add(self.difference("under the brush", under, theme.prediction))
        VGroup(heading, *self.numbers).arrange(DOWN, buff=px(24), aligned_edge=LEFT)
        VGroup(heading, self.numbers).move_to(self.guessed.tile)
        answer = self.bring_out(shift)
        comes = [before, old_edge, after, heading]
        if told.unchanged:
            with self.beat(told.unchanged, detail=True):
                self.appear(*comes, self.numbers[0], seconds=0.8)
                self.play(
                    Circumscribe(self.numbers[0], color=theme.signal, buff=px(8)), run_time=1.2
                )
            comes = []
        with self.beat(told.came_back) as beat:
            self.appear(*comes, self.numbers[-1], seconds=0.6)
            self.play(
                *(
                    Indicate(edge, color=theme.text, scale_factor=1.04)
                    for edge in (old_edge, self.edge)
                ),
                run_time=1.4,
            )
            self.play(
                Circumscribe(self.numbers[-1], color=theme.prediction, buff=px(8)), run_time=1.2
            )
            if told.measured:
                self.point_at(beat, answer.border)
        self.before = Group(before.tile, before.border, old_edge)
        self.play(FadeOut(Group(answer, self.edge, after, heading, self.numbers)), run_time=0.5)

    def bring_out(self, shift: np.ndarray) -> Panel:
        """What came back alone, in the middle; it is what the canvas shows, or x_t itself."""
        theme = self.theme
        if not self.told.held:
            words = self.seen.label, self.seen.words
            self.play(
                FadeOut(self.canvas, self.edge, self.guessed, self.arrows, *words), run_time=0.5
            )
            self.edge = self.trace(self.seen)
            self.play(
                FadeIn(self.edge),
                self.seen.border.animate.set_color(theme.prediction),
                run_time=0.8,
            )
            return self.seen.remove(*words)
        self.play(
            FadeOut(self.seen, self.guessed, self.arrows, self.formula, self.canvas.label),
            run_time=0.5,
        )
        self.play(
            Group(self.canvas.tile, self.canvas.border, self.edge).animate.shift(shift),
            self.canvas.border.animate.shift(shift).set_color(theme.prediction),
            run_time=0.8,
        )
        return self.canvas.remove(self.canvas.label)

    def repeat(self) -> None:
        """The same stroke with other noise."""
        run, letters = self.removed, self.lettering
        self.playhead.set_value(0)
        self.axis.refresh()
        self.readouts[0].refresh()
        side = self.told.mask.shape[1]
        shrunk = cell_for(BEFORE_SIDE, side) / cell_for(TILE_SIDE, side)
        self.row = Answers(letters, self.told, self.playhead)
        with self.beat(self.told.again, detail=True) as beat:
            place = TALL_STAGE.point(0.5, 0.26)
            beside = (self.before.width * shrunk + self.was.width) / 2 + px(20)
            self.play(
                self.before.animate.scale(shrunk).move_to(place),
                self.was.animate.move_to(place + beside * LEFT),
                run_time=0.8,
            )
            self.play(
                LaggedStart(*(FadeIn(panel) for panel in self.row.panels), lag_ratio=0.2),
                FadeIn(self.row.edges),
                run_time=max(beat.left, 1.5),
            )
        with self.beat(self.told.grown) as beat:
            self.to(run.steps, max(beat.left, 6))
        if self.told.counted:
            with self.beat(self.told.counted, detail=True) as beat:
                self.play(
                    LaggedStart(*(FadeIn(word) for word in self.row.read), lag_ratio=0.3),
                    run_time=max(beat.left * 0.7, 2),
                )

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat(self.told.last):
            self.play(
                Indicate(self.before[1], color=self.theme.signal, scale_factor=1.04),
                run_time=1.2,
            )
            self.play(
                LaggedStart(
                    *(
                        Indicate(panel.border, color=self.theme.prediction, scale_factor=1.06)
                        for panel in self.row.panels
                    ),
                    lag_ratio=0.15,
                ),
                run_time=2.2,
            )
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
