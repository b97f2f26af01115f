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
    ValueTracker,
    VGroup,
    VMobject,
    linear,
)

from scenes.noise_brush.answers import Answers, how_many, repainted, what_came_back
from scenes.noise_brush.stroke import Stroke, Tip, edge_of
from scenes.reverse_process import TILE_SIDE, cell_for
from scenes.stage.layout import AXIS, FRAME, TALL_STAGE, TITLE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed, whole
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

MOMENTS = 90
"""Pictures of the stroke, besides the one before it."""
BEFORE_SIDE = 200
"""Pixels at 720p that the picture may take above the row of answers."""
LONGEST_PROMPT = 40
"""Letters of it that are shown; all of it is said."""


class NoiseBrush(LectureScene):
    """A brush, the noise under it, and what grows there."""

    def construct(self) -> None:
        """Paint, say how noisy, ask the network, keep and put back, compare, repeat, remember."""
        self.bundle = self.runs("brush")
        self.painted, self.removed = self.bundle["painted"], self.bundle["removed"]
        recipe = self.bundle.facts["recipe"]
        self.prompt: str = recipe["prompt"]
        self.mask = np.asarray(self.removed.facts["mask"])
        self.stroke = Stroke(recipe["path"], recipe["radius"], self.mask)
        self.picture = self.painted.states[0, 0]
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
        stroke = self.stroke.frames(self.picture, self.painted.states[1, 0], MOMENTS)
        # First the moments of the stroke, the last of which is the first of the way back.
        frames = np.concatenate([stroke[:-1], repainted(self.picture, run)[:, 0]])
        canvas = Tile(Frames.of(frames), cell)
        canvas.add_updater(lambda tile: tile.show(self.moment), call_updater=True)
        self.canvas = Panel(
            canvas,
            colour=theme.signal,
            label=letters.words("the picture", colour=theme.signal),
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
        self.tip = Tip(self.stroke, canvas, colour=theme.noise, handle=theme.quiet)
        self.axis = TimeAxis(
            letters,
            run,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.axis.readouts()

    @property
    def moment(self) -> int:
        """Which picture the canvas shows: one of the stroke, then one of the way back."""
        if self.playhead.get_value() > 0:
            return MOMENTS + self.axis.index
        way = self.way.get_value()
        return 1 + int(way * (MOMENTS - 1) + 1e-6) if way > 0 else 0

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
            self.mask, panel.tile, colour=theme.noise, halo=theme.background, width=width
        )

    def build_prompt(self) -> VGroup:
        """What was asked for, in the title strip; nothing where nothing was."""
        if not self.prompt:
            return VGroup()
        shown = shorten(self.prompt, LONGEST_PROMPT, placeholder=" …")
        asked = self.lettering.words(f"“{shown}”", size=SMALL_SIZE, colour=self.theme.guidance)
        TITLE.put(asked, 1, 1)
        return VGroup(asked)

    def build_formula(self) -> MathTypst:
        """What is kept of a step, and what is put back, top right."""
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
        drawn = "digit" if "class" in self.painted.facts else "picture"
        asked = f", drawn for “{self.prompt}”" if self.prompt else ""
        with self.beat(
            f"Here is a {drawn}{asked}. What if noise falls onto only a part of it?"
        ) as beat:
            self.appear(self.heading("What grows back under the noise?"))
            self.appear(self.canvas, self.build_prompt())
            if asked:
                self.play(
                    Indicate(self.canvas.border, color=self.theme.guidance, scale_factor=1.04)
                )
            self.rest(beat.left - 3)
            self.play(Indicate(self.canvas.border, color=self.theme.noise, scale_factor=1.04))

    def paint(self) -> None:
        """The stroke."""
        count = Readout(
            self.lettering,
            '"pixels under noise"',
            lambda: (
                float(self.stroke.covered(self.way.get_value()).sum())
                if self.way.get_value() > 0
                else 0.0
            ),
            whole,
            colour=self.theme.noise,
        )
        count.next_to(self.canvas.border, DOWN, buff=px(22)).set_x(FRAME.point()[0])
        count.follow()
        self.tip.add_updater(lambda tip: tip.show(self.way.get_value()))
        with self.beat(
            "A brush moves over it. Under the brush, the picture drowns in noise."
        ) as beat:
            self.appear(self.tip, count, seconds=0.6)
            self.play(self.way.animate(rate_func=linear).set_value(1), run_time=max(beat.left, 5))
        self.tip.clear_updaters()
        self.count = count

    def weigh(self) -> None:
        """How much of the picture is left there."""
        signal, noise = self.painted.signal_weight[1], self.painted.noise_weight[1]
        pixels = int((self.mask > 0).sum())
        weights = self.lettering.maths(
            f"{{{{ {signal:.2f} thin x_0 : signal }}}}"
            f" + {{{{ {noise:.2f} thin epsilon : noise }}}}",
            size=HEADING_SIZE,
            signal=self.theme.signal,
            noise=self.theme.noise,
        )
        weights.next_to(self.canvas.border, RIGHT, buff=px(60))
        with self.beat(
            f"In these {pixels} pixels, the noise weighs {noise:.2f}, the picture {signal:.2f}.",
            detail=True,
        ):
            self.edge = self.trace(self.canvas)
            self.play(FadeOut(self.tip), Create(self.edge), FadeIn(weights), run_time=1.2)
            for part, colour in (("noise", self.theme.noise), ("signal", self.theme.signal)):
                self.play(Indicate(weights.select(part), color=colour), run_time=1.0)
        self.weights = weights

    def show_network(self) -> None:
        """What the network is given, and what it says."""
        with self.beat(
            "The network expects one noise level. So it is shown the whole picture just as noisy.",
            detail=True,
        ):
            moved = Group(self.canvas, self.edge)
            self.play(
                FadeOut(self.weights, self.count),
                moved.animate.shift(self.home - self.canvas.get_center()),
                run_time=1.0,
            )
            self.appear(self.arrows[0], self.seen, self.axis, self.readouts, seconds=1.0)
            self.play(Indicate(self.seen.border, color=self.theme.noise, scale_factor=1.04))
        self.axis.follow()
        with self.beat("From that, it guesses the whole picture.", detail=True):
            self.appear(self.arrows[1], self.guessed, seconds=1.0)

    def put_back(self) -> None:
        """What is kept of a step."""
        formula = self.build_formula()
        with self.beat("One small step. Under the brush, it counts.", detail=True):
            self.to(1, 0.8, FadeIn(formula))
            self.play(
                Indicate(formula.select("new"), color=self.theme.prediction),
                Indicate(self.edge, color=self.theme.prediction, scale_factor=1.03),
                run_time=1.2,
            )
        with self.beat(
            "Beside the brush we know better: the picture is put back, with less noise.",
            detail=True,
        ):
            for part in ("signal", "noise"):
                colour = getattr(self.theme, part)
                self.play(Indicate(formula.select(part), color=colour), run_time=1.0)
            self.play(
                Indicate(self.seen.border, color=self.theme.signal, scale_factor=1.04), run_time=1.0
            )
            self.to(2, 0.6)
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
        with self.beat(
            "Step by step, strokes grow under the brush. They have to fit what stands around them."
        ) as beat:
            self.to(self.removed.steps, max(beat.left, 7))

    def difference(self, where: str, value: float, colour: str) -> Readout:
        """How far the picture is from what it was, somewhere."""
        return Readout(self.lettering, f'"{where}"', lambda: value, fixed(2), colour=colour)

    def compare(self) -> None:
        """Beside the picture as it was."""
        theme, letters = self.theme, self.lettering
        self.was = letters.words("before", colour=theme.signal)
        tile = Tile(Frames.of(self.painted.states[:1, 0]), cell_for(TILE_SIDE, self.mask.shape[1]))
        before = Panel(tile, colour=theme.signal, label=self.was)
        before.move_to(self.canvas.border).level_with(self.canvas).settle()
        after = letters.words("after", colour=theme.prediction)
        shift = self.seen.tile.get_center() - self.canvas.tile.get_center()
        after.move_to(self.canvas.label).shift(shift)
        old_edge = self.trace(before)
        facts = self.removed.facts
        heading = letters.words("difference to before", size=SMALL_SIZE, colour=theme.quiet)
        numbers = VGroup(
            self.difference("beside the brush", facts["rms_outside"][0], theme.signal),
            self.difference("under the brush", facts["rms_inside"][0], theme.prediction),
        )
        VGroup(heading, *numbers).arrange(DOWN, buff=px(24), aligned_edge=LEFT)
        VGroup(heading, numbers).move_to(self.guessed.tile)
        self.play(
            FadeOut(self.seen, self.guessed, self.arrows, self.formula, self.canvas.label),
            run_time=0.5,
        )
        self.play(
            Group(self.canvas.tile, self.canvas.border, self.edge).animate.shift(shift),
            self.canvas.border.animate.shift(shift).set_color(theme.prediction),
            run_time=0.8,
        )
        self.canvas.remove(self.canvas.label)
        with self.beat("Beside the brush, not one pixel has changed.", detail=True):
            self.appear(before, old_edge, after, heading, numbers[0], seconds=0.8)
            self.play(Circumscribe(numbers[0], color=theme.signal, buff=px(8)), run_time=1.2)
        read = facts.get("final_class", [None])[0]
        with self.beat(what_came_back(self.painted.facts.get("class"), read)):
            self.appear(numbers[1], seconds=0.6)
            self.play(
                *(
                    Indicate(edge, color=theme.text, scale_factor=1.04)
                    for edge in (old_edge, self.edge)
                ),
                run_time=1.4,
            )
            self.play(Circumscribe(numbers[1], color=theme.prediction, buff=px(8)), run_time=1.2)
        self.numbers = numbers
        self.before = Group(before.tile, before.border, old_edge)
        self.play(FadeOut(Group(self.canvas, self.edge, after, heading, numbers)), run_time=0.5)

    def repeat(self) -> None:
        """The same stroke with other noise."""
        run, letters = self.removed, self.lettering
        self.playhead.set_value(0)
        self.axis.refresh()
        self.readouts[0].refresh()
        side = self.mask.shape[1]
        shrunk = cell_for(BEFORE_SIDE, side) / cell_for(TILE_SIDE, side)
        self.row = Answers(letters, self.picture, run, self.playhead)
        with self.beat(
            f"The same stroke again, {len(self.row.panels)} times over, each with other noise.",
            detail=True,
        ) as beat:
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
        with self.beat("Every answer grows from the same rest, and no two are alike.") as beat:
            self.to(run.steps, max(beat.left, 6))
        before = self.painted.facts.get("class")
        if before is not None:
            with self.beat(how_many(before, self.row.classes), detail=True) as beat:
                self.play(
                    LaggedStart(*(FadeIn(word) for word in self.row.read), lag_ratio=0.3),
                    run_time=max(beat.left * 0.7, 2),
                )

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat(
            "The network does not remember what was there. It paints what could have been."
        ):
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
