"""One starting noise, two ways back: DDIM adds nothing on the way, DDPM throws dice."""

from __future__ import annotations

from itertools import combinations

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

from scenes.stage.layout import AXIS, MARGIN, STAGE, TITLE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE
from scenes.stage.numbers import Readout, fixed
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import Curve, TimeAxis

CELL = 8
ROW_CELL = 6
"""Screen pixels a picture's pixel at 720p: of the one noise, and in the rows."""
CURVES, LIFT = 56, 16
"""Pixels at 720p from the foot of the curves to their top, and from the axis to their foot."""
FAINT = 0.75
"""Opacity of the term that is left out."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Floats = NDArray[np.float64]


def apart(states: NDArray[np.floating]) -> Floats:
    """How far runs (N, B, C, H, W) are from one another: RMS, averaged over all pairs, (N,)."""
    pairs = [
        np.sqrt(((states[:, a].astype(np.float64) - states[:, b]) ** 2).mean((1, 2, 3)))
        for a, b in combinations(range(states.shape[1]), 2)
    ]
    return np.asarray(np.mean(pairs, axis=0))


class DdpmAndDdim(LectureScene):
    """Several runs of each from one x_T: one picture, and several."""

    def construct(self) -> None:
        """Show the noise, give it to both, say what differs, run, compare."""
        self.ddim = self.run("ddim")
        branches = list(self.runs("ddpm").values())
        self.ddpm = branches[0]
        # The runs of either rule, side by side: (N + 1, runs, C, H, W), and their guesses.
        self.paths = {
            "DDIM": self.ddim.states,
            "DDPM": np.concatenate([run.states for run in branches], axis=1),
        }
        guesses = {
            "DDIM": [self.ddim.x0_hat],
            "DDPM": [run.x0_hat for run in branches],
        }
        # At the end the picture is its own guess.
        self.spread = {
            name: apart(
                np.concatenate(
                    [np.concatenate([g for g in said if g is not None], axis=1), path[-1:]]
                )
            )
            for (name, said), path in zip(guesses.items(), self.paths.values(), strict=True)
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

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """The one noise, two rows of runs, the axis."""
        letters, theme = self.lettering, self.theme
        self.start = Panel(
            Tile(Frames.of(self.ddim.states[:1, 0]), CELL),
            colour=theme.noise,
            label=letters.maths("x_T", colour=theme.noise, size=HEADING_SIZE + 6),
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

    def row(self, path: NDArray[np.floating]) -> Group:
        """The runs of one rule."""
        panels = [
            Panel(
                Tile(Frames.of(path[:, number]), ROW_CELL).follow(self.playhead),
                colour=self.theme.line,
            )
            for number in range(path.shape[1])
        ]
        return Group(*panels).arrange(RIGHT, buff=px(26))

    # -- beats ---------------------------------------------------------------------

    def show_noise(self) -> None:
        """x_T, alone."""
        with self.beat("Here is one piece of noise. Does it already decide the picture?"):
            self.appear(self.heading("Does the noise decide the picture?"))
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
                one.animate.scale(ROW_CELL / CELL).move_to(panels[0]),
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
            "x_s = sqrt(macron(alpha)_s) thin {{ hat(x)_0 : guess }}"
            " + sqrt(1 - macron(alpha)_s - sigma^2) thin {{ hat(epsilon) : named }}"
            " + {{ sigma z : dice }}",
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
            "DDPM then adds fresh noise, z, at every step. DDIM adds none: sigma is zero."
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
        with self.beat(
            "Now run. Above, nothing is left to chance: the runs stay together."
        ) as beat:
            self.play(
                *(Create(curve.path) for curve in self.curves.values()),
                self.playhead.animate(rate_func=linear).set_value(
                    steps if self.short else max(middle, 1)
                ),
                run_time=max(beat.left, 4),
            )
        self.add(*self.curves.values())
        t = int(self.ddim.timesteps[middle])
        with self.beat("Below, every step throws dice, and the runs drift apart.", detail=True):
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
        with self.beat(f"DDIM: {self.count} runs, one picture, equal to the last bit."):
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
