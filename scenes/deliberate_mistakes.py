"""Four ingredients left out on purpose, each beside a run that has it."""

from __future__ import annotations

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
    LaggedStart,
    Line,
    Mobject,
    ValueTracker,
    VGroup,
    linear,
)

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import AXIS, TALL_STAGE, TITLE, on_purpose, px
from scenes.stage.lecture_scene import Beat, LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

FORWARD_CELL, LAST_CELL = 10, 6
SAMPLE_CELLS = {1: 6, 2: 6, 3: 4}
"""Screen pixels a picture's pixel at 720p: of one picture on its way into the noise, in the last
rows, and of the samples of one run, of two and of three."""
HANGING = {1: 0.1, 2: 0.1, 3: 0.35}
"""How far down the stage one run's samples stand, those of two and of three."""
ACROSS = 3
"""Samples side by side."""
FORWARD_GAP, GAP, LAST_GAP = 260, 64, 90
"""Pixels at 720p between pictures on their way into the noise, between runs, in the last rows."""
GREY = 0.8
"""A pixel nearer to 0 than this, in −1 … 1, is neither black nor white."""


def grey(run: Trajectory) -> str:
    """The share of the pixels of all finished pictures that are neither black nor white."""
    return f"{100 * float((np.abs(run.states[-1]) < GREY).mean()):.0f} %"


def weight_left(run: Trajectory) -> str:
    """√ᾱ at the last state of a forward run: the weight of the picture in it."""
    return fixed(2)(float(run.signal_weight[-1]))


def excess(run: Trajectory) -> str:
    """How many times as much noise there is in the last state of a forward run as there should."""
    assert run.eps is not None
    return fixed(1)(float(run.eps[-1].astype(np.float64).std()))


def grain(bundle: Bundle) -> str:
    """How far the finished pictures of a mistake are from the right ones: RMS."""
    apart = bundle["mistake"].states[-1].astype(np.float64) - bundle["right"].states[-1]
    return fixed(2)(float(np.sqrt((apart**2).mean())))


def aloud(sentence: str) -> str:
    """The sentence as it is said: "t = 800" is "t equals 800"."""
    return sentence.replace("t = ", "t equals ").replace("%", "percent")


class DeliberateMistakes(LectureScene):
    """Right and wrong, side by side, four times."""

    def construct(self) -> None:
        """Leave out one ingredient after the other, and find what they have in common."""
        self.rescaling, self.weight = self.runs("no_rescaling"), self.runs("no_noise_weight")
        self.much, self.little = self.runs("told_much"), self.runs("told_little")
        self.last_step = self.runs("noise_at_the_end")
        self.playhead = ValueTracker(0)
        self.opening = self.heading("What is each ingredient for?")
        self.line: Mobject = self.opening[1]
        self.ask()
        self.without_rescaling()
        self.without_weight()
        self.without_time()
        self.noise_at_the_end()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def put_on(self, runs: dict[str, Trajectory], *, forward: bool = False) -> None:
        """Lay out runs, by what is written above them, and their time axis."""
        theme, letters = self.theme, self.lettering
        self.panels: list[Panel] = []
        for name, run in runs.items():
            if forward:
                frames, cell = Frames.of(run.states[:, 0]), FORWARD_CELL
            else:
                frames = Frames.mosaic(run.states, ACROSS, 2, theme.background)
                cell = SAMPLE_CELLS[len(runs)]
            tile = Tile(frames, cell).follow(self.playhead)
            label = letters.words(name, size=SMALL_SIZE)
            colour = theme.noise if forward else theme.prediction
            self.panels.append(Panel(tile, colour=colour, label=label))
        gap = FORWARD_GAP if forward else GAP
        TALL_STAGE.put(Group(*self.panels).arrange(RIGHT, buff=px(gap)), 0.5, HANGING[len(runs)])
        first = self.panels[0]
        for panel in self.panels[1:]:
            panel.level_with(first)
            # By their tops, whichever letters go below the line.
            assert panel.label is not None
            assert first.label is not None
            panel.label.align_to(first.label, UP)
        ends = ("picture", theme.signal), ("noise", theme.noise)
        start, end = ends if forward else ends[::-1]
        self.shown = list(runs.values())
        self.axis = TimeAxis(
            letters,
            self.shown[0],
            self.playhead,
            AXIS,
            start=start,
            end=end,
            colour=theme.noise if forward else theme.prediction,
        )
        self.clock = Group(self.axis, self.axis.readouts())

    def come_on(self, *more: Mobject) -> None:
        """Show what was laid out."""
        self.appear(*self.panels, self.clock, *more)
        self.axis.follow()

    def take_off(self, *more: Mobject) -> None:
        """Fade out the runs and what belongs to them; the next begin at their first states."""
        self.play(FadeOut(Group(*self.panels, self.clock, *more)), run_time=0.5)
        self.playhead.set_value(0)

    def go(self, beat: Beat, least: float = 4.0, *, keep: float = 0.0) -> None:
        """Run to the end while the sentence is said, but for its last ``keep`` seconds."""
        self.play(
            self.playhead.animate(rate_func=linear).set_value(self.shown[0].steps),
            run_time=max(beat.left - keep, least),
        )

    def under(self, texts: list[str]) -> VGroup:
        """Words under the panels."""
        words = VGroup(*(self.lettering.words(text, size=SMALL_SIZE) for text in texts))
        for word, panel in zip(words, self.panels, strict=True):
            word.next_to(panel.border, DOWN, buff=px(14))
        words.set_y(words[0].get_y())
        return words

    def how_grey(self, *runs: Trajectory) -> VGroup:
        """Under each panel, how much of it is neither black nor white."""
        return self.under([f"{grey(run)} grey" for run in runs])

    def ingredient(self, name: str, formula: str) -> None:
        """Name the next ingredient under the title, and in a formula, labelled ``gone``."""
        line = self.heading(name)[1]
        written = self.lettering.maths(formula, size=HEADING_SIZE, gone=self.theme.noise)
        TITLE.put(written, 1, 0.4)
        self.play(FadeOut(self.line), FadeIn(line), FadeIn(written), run_time=0.5)
        self.line, self.formula = line, written

    def strike(self) -> None:
        """Cross out what is left out."""
        part = self.formula.select("gone")
        reach = px(5) * (UP + RIGHT)
        below, above = part.get_corner(DOWN + LEFT) - reach, part.get_corner(UP + RIGHT) + reach
        struck = Line(below, above, color=self.theme.text, stroke_width=4)
        self.play(Create(on_purpose(struck)), run_time=0.5)
        self.struck = struck

    def lit(self, mobject: Mobject, factor: float = 1.04) -> Indicate:
        """Something that swells."""
        return Indicate(mobject, color=self.theme.text, scale_factor=factor)

    def point_at(self, *things: Mobject) -> None:
        """Draw the eye to one thing after the other."""
        for thing in things:
            self.play(self.lit(thing), run_time=1.1)

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """What a right run gives."""
        self.put_on({"nothing left out": self.much["right"]})
        with self.beat("Here nothing was left out. What if one ingredient is missing?") as beat:
            self.appear(self.opening)
            self.come_on()
            self.go(beat, 3.0)
        self.take_off()

    def without_rescaling(self) -> None:
        """Few steps, and betas that were made for a thousand."""
        bundle = self.rescaling
        names = "betas rescaled", "betas of 1,000 steps"
        right, wrong = bundle["right_forward"], bundle["mistake_forward"]
        self.put_on(dict(zip(names, (right, wrong), strict=True)), forward=True)
        self.weights = VGroup()
        for run, panel in zip((right, wrong), self.panels, strict=True):
            self.weights.add(self.weight_of(run).next_to(panel.border, DOWN, buff=px(14)))
        with self.beat("First: in the end, the noise has to hide the picture.", detail=True):
            self.ingredient("1  enough noise in the end", "{{ 1000 / T : gone }} dot beta_t")
            self.come_on(self.weights)
        for weight in self.weights:
            weight.follow()
        T = bundle.common["recipe"]["T"]
        with self.beat(f"With {T} steps instead of a thousand, each one has to add more.") as beat:
            self.play(Circumscribe(self.formula, color=self.theme.noise, buff=px(8)))
            self.strike()
            self.go(beat)
        with self.beat(
            f"If it adds as little as before, the picture keeps a weight of {weight_left(wrong)}.",
            detail=True,
        ):
            self.point_at(self.weights[1], self.panels[1].border)
        self.take_off(self.weights)
        self.put_on(dict(zip(names, (bundle["right"], bundle["mistake"]), strict=True)))
        with self.beat(
            "Back, we start from pure noise. Told of a picture in it, the network finds one."
        ) as beat:
            self.come_on()
            self.go(beat)
        numbers = self.how_grey(bundle["right"], bundle["mistake"])
        said = (
            f"But no digits: {grey(bundle['mistake'])} of the pixels are grey,"
            f" instead of {grey(bundle['right'])}."
        )
        with self.beat(said, aloud(said), detail=True):
            self.appear(numbers, seconds=0.6)
            self.point_at(self.panels[1].border, numbers[1])
        self.take_off(numbers, self.formula, self.struck)

    def weight_of(self, run: Trajectory) -> Readout:
        """√ᾱ_t of ``run`` at the playhead."""
        return Readout(
            self.lettering,
            "sqrt(macron(alpha)_t)",
            lambda: float(run.signal_weight[self.axis.index]),
            fixed(2),
            colour=self.theme.signal,
        )

    def without_weight(self) -> None:
        """Noise that is added at its full size."""
        bundle = self.weight
        wrong = bundle["mistake_forward"]
        names = "with its weight", "without"
        self.put_on(dict(zip(names, (bundle["right_forward"], wrong), strict=True)), forward=True)
        with self.beat("Second: the noise has a weight. Here we forget it.") as beat:
            self.ingredient(
                "2  the weight of the noise",
                "x_t = sqrt(macron(alpha)_t) thin x_0"
                " + {{ sqrt(1 - macron(alpha)_t) : gone }} thin epsilon",
            )
            self.come_on()
            self.strike()
            self.go(beat, 2.5)
        t = int(wrong.timesteps[-1])
        said = f"At t = {t}, there is {excess(wrong)} times the noise that the network is told of."
        factors = self.under(
            [f"{excess(run)} × the noise" for run in (bundle["right_forward"], wrong)]
        )
        with self.beat(said, aloud(said), detail=True):
            self.appear(factors, seconds=0.6)
            self.point_at(factors[1], self.panels[1].border)
        self.take_off(factors)
        self.put_on(dict(zip(names, (bundle["right"], bundle["mistake"]), strict=True)))
        numbers = self.how_grey(bundle["right"], bundle["mistake"])
        with self.beat("It takes out what it was told of. The rest stays, as specks.") as beat:
            self.come_on()
            self.go(beat, 3.0, keep=1.8)
            self.appear(numbers, seconds=0.6)
            self.point_at(self.panels[1].border)
        self.take_off(numbers, self.formula, self.struck)

    def without_time(self) -> None:
        """A network that hears the same t at every step."""
        much, little = (b.common["recipe"]["t"] for b in (self.much, self.little))
        runs = self.much["right"], self.much["mistake"], self.little["mistake"]
        names = "told the true t", f"always told {much}", f"always told {little}"
        self.put_on(dict(zip(names, runs, strict=True)))
        with self.beat("Third: the network is told t. What if it always hears the same?"):
            self.ingredient("3  the time, told to the network", "hat(epsilon)(x_t, {{ t : gone }})")
            self.come_on()
            self.strike()
        with self.beat(
            "All three see the same noise, and believe what they are told.", detail=True
        ) as beat:
            self.go(beat)
        numbers = self.how_grey(*runs)
        said = f"Always told t = {much}, it expects much noise, and draws a blur."
        with self.beat(said, aloud(said), detail=True):
            self.appear(numbers, seconds=0.6)
            self.point_at(self.panels[1].border, numbers[1])
        said = f"Always told t = {little}, it expects little, and takes the noise for strokes."
        with self.beat(said, aloud(said)):
            self.point_at(self.panels[2].border, numbers[2])
        self.take_off(numbers, self.formula, self.struck)

    def noise_at_the_end(self) -> None:
        """A last step that adds noise."""
        bundle = self.last_step
        runs = bundle["right"], bundle["mistake"]
        self.put_on(dict(zip(("no noise at the end", "noise at the end"), runs, strict=True)))
        steps = bundle["right"].steps
        with self.beat("Fourth: the last step must add no noise.", detail=True) as beat:
            self.ingredient("4  no noise in the last step", "hat(x)_0 {{ + sigma z : gone }}")
            self.come_on()
            self.play(
                self.playhead.animate(rate_func=linear).set_value(steps - 1),
                run_time=max(beat.left, 2.0),
            )
        with self.beat(
            "In every other step, noise may be added: the next one takes it out.", detail=True
        ):
            part = self.formula.select("gone")
            self.play(Circumscribe(part, color=self.theme.noise, buff=px(8)), run_time=1.2)
            self.play(self.lit(self.axis.knob, 1.6), run_time=1.1)
        with self.beat("Add some in the last one, and nobody is left to take it out."):
            self.play(self.playhead.animate(rate_func=linear).set_value(steps), run_time=0.8)
            self.point_at(self.panels[1].border)
        numbers = self.how_grey(*runs)
        with self.beat(
            f"Every finished picture keeps a grain of size {grain(bundle)}.", detail=True
        ):
            self.appear(numbers, seconds=0.6)
            self.point_at(self.panels[1].border, numbers[1])
        self.take_off(numbers, self.formula)

    def finish(self) -> None:
        """The four, right above and wrong below, and the sentence to remember."""
        theme, letters = self.theme, self.lettering
        bundles = {
            "no rescaling": self.rescaling,
            "no weight": self.weight,
            "always one t": self.little,
            "noise at the end": self.last_step,
        }
        self.summary = [
            [
                Panel(
                    Tile(Frames.of(bundle[which].states[-1:, 0]), LAST_CELL),
                    colour=theme.prediction,
                )
                for bundle in bundles.values()
            ]
            for which in ("right", "mistake")
        ]
        above, below = self.summary
        TALL_STAGE.put(Group(*above).arrange(RIGHT, buff=px(LAST_GAP)), 0.6, 0.12)
        names = VGroup()
        for panel, other, name in zip(above, below, bundles, strict=True):
            other.next_to(panel, DOWN, buff=px(16))
            label = letters.words(name, size=SMALL_SIZE)
            names.add(label.next_to(other, DOWN, buff=px(14)))
        for name in names[1:]:
            name.align_to(names[0], UP)
        sides = VGroup()
        for word, row in (("right", above), ("wrong", below)):
            side = letters.words(word, size=SMALL_SIZE, colour=theme.quiet)
            sides.add(side.next_to(row[0], LEFT, buff=px(30)))
        line = self.heading("What do they have in common?")[1]
        with self.beat("Four mistakes, and one reason: noise that the network was not told of."):
            self.play(
                FadeOut(self.line),
                FadeIn(line),
                FadeIn(sides[0]),
                *(FadeIn(panel) for panel in above),
                run_time=0.7,
            )
            self.play(
                FadeIn(sides[1]),
                LaggedStart(
                    *(FadeIn(Group(panel, name)) for panel, name in zip(below, names, strict=True)),
                    lag_ratio=0.5,
                ),
                run_time=2.4,
            )
            self.play(*(self.lit(panel.border) for panel in below), run_time=1.2)
        self.rest(1.0)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
