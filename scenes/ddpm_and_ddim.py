"""One starting noise, two ways back: DDIM adds nothing on the way, DDPM throws dice."""

from __future__ import annotations

from collections.abc import Callable

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
    ValueTracker,
    VGroup,
    linear,
)
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.asked import in_the_corner
from scenes.measures import apart as apart_at
from scenes.stage.fitting import tile_of
from scenes.stage.frames import States
from scenes.stage.layout import AXIS, MARGIN, STAGE, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.seen import along, guesses_to_the_end, pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel
from scenes.stage.time_axis import Curve, TimeAxis

WIDE, ROW = 256, 168
"""Pixels at 720p for a picture: of the one noise, and in the rows."""
CURVES, LIFT = 56, 16
"""Pixels at 720p from the foot of the curves to their top, and from the axis to their foot."""
FAINT = 0.75
"""Opacity of the term that is left out."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Floats = NDArray[np.float64]


def apart(states: States) -> Floats:
    """How far runs (N, B, C, H, W) are from one another: RMS, averaged over all pairs, (N,)."""
    return np.array([apart_at(state) for state in states])


class DdpmAndDdim(LectureScene):
    """Several runs of each from one x_T: one picture, and several."""

    def construct(self) -> None:
        """Show the noise, give it to both, say what differs, run, compare."""
        self.ddim = self.run("ddim")
        branches = list(self.runs("ddpm").values())
        self.ddpm, self.symbols = branches[0], symbols_of(self.ddim)
        ends = self.ddim.states[-1]
        self.same = bool((ends == ends[:1]).all())
        # The runs of either rule, side by side: (N + 1, runs, C, H, W), and their guesses.
        rules = {"DDIM": [self.ddim], "DDPM": branches}
        self.paths = {name: self.beside(runs, pictures_of) for name, runs in rules.items()}
        self.spread = {
            name: apart(self.beside(runs, guesses_to_the_end)) for name, runs in rules.items()
        }
        self.count = NUMBERS[len(branches)] if len(branches) < len(NUMBERS) else str(len(branches))
        self.playhead = ValueTracker(0)
        self.build()
        self.show_noise()
        self.deal_out()
        self.rule()
        self.measure()
        self.go()
        self.results()
        self.finish()

    def beside(self, runs: list[Trajectory], shown: Callable[[Trajectory], States]) -> States:
        """What is shown of each run, side by side, at the times of the first rule."""
        return np.concatenate([along(shown(run), run, self.ddim) for run in runs], axis=1)

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """The one noise, two rows of runs, the axis."""
        letters, theme = self.lettering, self.theme
        self.start = Panel(
            tile_of(pictures_of(self.ddim)[:1, 0], WIDE),
            colour=theme.noise,
            label=letters.maths(self.symbols.start, colour=theme.noise, size=HEADING_SIZE + 6),
        )
        STAGE.put(self.start, 0.5, 0.4)
        self.rows = {name: self.row(path) for name, path in self.paths.items()}
        rows = Group(*self.rows.values()).arrange(DOWN, buff=px(14))
        Zone(MARGIN, STAGE.top, STAGE.right, STAGE.bottom + 14).put(rows, 0.58, 0)
        self.names = VGroup()
        for name, row in self.rows.items():
            label = letters.words(name, size=WORDS_SIZE, bold=True)
            self.names.add(label.next_to(row, LEFT, buff=px(26)))
        self.axis = TimeAxis(
            letters,
            self.ddim,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        colours = {"DDIM": theme.prediction, "DDPM": theme.noise}
        self.differences = {
            name: Readout(
                letters,
                f'"{name}" thin Delta',
                lambda name=name: float(self.spread[name][self.axis.index]),  # type: ignore[misc]
                fixed(2),
                colour=colours[name],
            )
            for name in self.rows
        }
        self.readouts = self.axis.readouts(*self.differences.values())
        most = max(float(values.max()) for values in self.spread.values())
        self.curves = {
            name: Curve(
                self.axis, values / most, colour=colours[name], height=px(CURVES), lift=px(LIFT)
            )
            for name, values in self.spread.items()
        }

    def row(self, path: States) -> Group:
        """The runs of one rule."""
        panels = [
            Panel(
                tile_of(path[:, number], ROW).follow(self.playhead),
                colour=self.theme.line,
            )
            for number in range(path.shape[1])
        ]
        return Group(*panels).arrange(RIGHT, buff=px(26))

    # -- beats ---------------------------------------------------------------------

    def show_noise(self) -> None:
        """x_T, alone."""
        with self.beat("Here is one piece of noise. Does it already decide the picture?"):
            asked = in_the_corner(self, self.ddim)
            self.appear(self.heading("Does the noise decide the picture?"), *asked)
            self.appear(self.start)
            self.appear(self.axis, seconds=0.6)
        self.axis.follow()

    def deal_out(self) -> None:
        """The same noise for every run."""
        panels = [panel for row in self.rows.values() for panel in row]
        ddim, ddpm = self.names
        with self.beat(
            f"We run it back {self.count} times by DDIM, and {self.count} times by DDPM."
        ) as beat:
            one = Group(self.start.tile, self.start.border)
            self.play(
                FadeOut(self.start.label),
                one.animate.scale(panels[0].tile.width / self.start.tile.width).move_to(panels[0]),
                run_time=1.0,
            )
            for name, row in ((ddim, self.rows["DDIM"]), (ddpm, self.rows["DDPM"])):
                self.appear(name, seconds=0.3)
                self.play(
                    LaggedStart(*(FadeIn(panel) for panel in row), lag_ratio=0.5),
                    run_time=max(beat.left / 2, 1.0),
                )
            self.remove(self.start, one)
        with self.beat(
            "All of them start from this same noise, and ask the same network.", detail=True
        ):
            self.play(
                *(
                    Indicate(panel.border, color=self.theme.noise, scale_factor=1.05)
                    for panel in panels
                ),
                run_time=1.4,
            )

    def rule(self) -> None:
        """The step of both, and the term that one of them leaves out."""
        theme = self.theme
        formula = self.lettering.maths(
            self.symbols.stepping,
            size=HEADING_SIZE - 2,
            guess=theme.prediction,
            named=theme.noise,
            dice=theme.noise,
        )
        TITLE.put(formula, 1, 0.25)
        with self.beat(
            "Both rules go back to the guess, and keep some of the noise they saw.", detail=True
        ):
            self.appear(formula, seconds=1.0)
            self.play(Indicate(formula.select("guess"), color=theme.prediction), run_time=1.0)
            self.play(Indicate(formula.select("named"), color=theme.noise), run_time=1.0)
        dice = formula.select("dice")
        with self.beat(
            "DDPM then adds fresh noise, z, at every step."
            f" DDIM adds none: {self.symbols.dice} is zero."
        ):
            self.play(
                Circumscribe(dice, color=theme.noise, buff=px(6)),
                Indicate(self.names[1], color=theme.noise),
                run_time=1.6,
            )
            self.play(
                dice.animate.set_opacity(FAINT),
                Indicate(self.names[0], color=theme.prediction),
                run_time=1.2,
            )
            self.play(dice.animate.set_opacity(1), run_time=0.4)

    def measure(self) -> None:
        """How far apart the guesses of the runs are."""
        words = self.lettering.words(
            "difference between the runs' guesses", size=SMALL_SIZE, colour=self.theme.quiet
        )
        words.next_to(self.axis.at(0), UP, buff=px(CURVES - 18)).align_to(self.axis.line, LEFT)
        with self.beat(
            "We measure how far apart the guesses of the runs are, on average.", detail=True
        ):
            self.appear(words, seconds=0.6)
            self.appear(self.readouts, seconds=0.6)
            self.play(
                *(
                    Circumscribe(readout, color=self.theme.text, buff=px(6))
                    for readout in self.differences.values()
                ),
                run_time=1.2,
            )
        self.words = words

    def go(self) -> None:
        """All runs at once, from the noise to the pictures."""
        middle = int(np.argmax(self.spread["DDPM"] >= self.spread["DDPM"][-1] / 2))
        steps = self.ddim.steps
        for curve in self.curves.values():
            curve.follow()
        self.play(FadeOut(self.words), run_time=0.3)
        together = ": the runs stay together" if self.same else ""
        with self.beat(f"Now run. Above, nothing is left to chance{together}.") as beat:
            self.play(
                *(Create(curve.path) for curve in self.curves.values()),
                self.playhead.animate(rate_func=linear).set_value(
                    steps if self.short else max(middle, 1)
                ),
                run_time=max(beat.left, 4),
            )
        self.add(*self.curves.values())
        t = int(self.ddim.timesteps[middle])
        drift = ", and the runs drift apart" if self.spread["DDPM"][-1] > 0 else ""
        with self.beat(f"Below, every step throws dice{drift}.", detail=True):
            self.play(Indicate(self.differences["DDPM"], color=self.theme.noise), run_time=1.4)
        with self.beat(
            f"At t = {t} the runs are half as different as they will be.",
            f"At t equals {t} the runs are half as different as they will be.",
            detail=True,
        ):
            for pointed, factor in (
                (self.curves["DDPM"].dot, 2),
                (self.differences["DDPM"], 1.1),
            ):
                self.play(
                    Indicate(pointed, color=self.theme.noise, scale_factor=factor), run_time=1.6
                )
        with self.beat(
            "From there on, each run goes for a picture of its own.", detail=True
        ) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(steps),
                run_time=max(beat.left, 4),
            )

    def results(self) -> None:
        """One picture, and several."""
        ddim, ddpm = (self.rows[name] for name in ("DDIM", "DDPM"))
        equal = "equal to the last bit" if self.same else "but for the last bits"
        with self.beat(f"DDIM: {self.count} runs, one picture, {equal}."):
            self.light(ddim, self.theme.prediction)
        with self.beat(f"DDPM: {self.count} runs, {self.count} pictures, from the same noise."):
            self.light(ddpm, self.theme.noise)

    def light(self, row: Group, colour: str) -> None:
        """Draw the eye along a row."""
        self.play(
            LaggedStart(
                *(Indicate(panel.border, color=colour, scale_factor=1.05) for panel in row),
                lag_ratio=0.3,
            ),
            run_time=2.0,
        )

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat("With DDIM, the first noise is the picture. With DDPM, it is only a start."):
            for row, colour in (
                (self.rows["DDIM"], self.theme.prediction),
                (self.rows["DDPM"], self.theme.noise),
            ):
                self.play(*(panel.border.animate.set_color(colour) for panel in row), run_time=1.2)
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
