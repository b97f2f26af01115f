"""From noise to a digit: what the network sees, says and does, at every recorded step."""

from __future__ import annotations

from textwrap import shorten, wrap

import numpy as np
from manim import (
    DOWN,
    RIGHT,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    MathTypst,
    ValueTracker,
    VGroup,
    linear,
)
from numpy.typing import NDArray

from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import AXIS, FRAME, TALL_STAGE, TITLE, UNIT, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed, significant
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

TILE_SIDE = 280
"""Pixels at 720p that a tile may take."""

MOSAIC_COLUMNS = 8

LETTERS, LINES = 32, 2
"""Of the prompt, in a line, and lines; all of it is said."""


def cell_for(side: int, cells: int) -> int:
    """The largest even number of screen pixels for each of ``cells`` within ``side``."""
    return max(2, side // cells // 2 * 2)


def spoken_count(count: int) -> str:
    """A count of the training pictures, as it is said: 60000 → "60 thousand"."""
    return f"{count // 1000} thousand" if count % 1000 == 0 and count >= 1000 else f"{count}"


BLURRED = 2.0
"""A guess with so many times as many grey pixels as the last one is called a blur."""


def grey(pictures: NDArray[np.floating]) -> float:
    """The share of pixels that are neither nearly black nor nearly white."""
    return float((np.abs(pictures) < 0.8).mean())


def begins_blurred(run: Trajectory, sample: int = 0) -> bool:
    """Whether the first guess of ``sample`` is a blur beside the last one."""
    assert run.x0_hat is not None
    first, last = (grey(run.x0_hat[index, sample]) for index in (0, -1))
    return first >= BLURRED * last


class ReverseProcess(LectureScene):
    """x_t, ε̂ and x̂_0 side by side, then many samples at once."""

    def construct(self) -> None:
        """Begin with noise, ask the network, step, arrive, do it again with other noise."""
        self.reverse = self.run("reverse")
        recipe = self.reverse.facts["recipe"]
        self.prompt, self.guided = str(recipe["prompt"]), recipe["guidance"] > 1
        # What the model that ships was taught; of another one only that they were pictures.
        self.thing = "digit" if recipe["model"] == DEFAULT_MODEL else "picture"
        self.blurred = begins_blurred(self.reverse)
        self.playhead = ValueTracker(0)
        self.build()
        self.begin()
        self.ask_for()
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
        self.asked = self.quoted()
        if self.prompt:
            self.asked.next_to(self.seen, DOWN, buff=px(12))
        TALL_STAGE.put(Group(self.panels, self.asked), 0.5, 0.4)
        self.named.level_with(self.seen)
        self.guessed.level_with(self.seen)
        for shown in (self.seen, self.named, self.guessed):
            shown.settle()
        # Alone at first, x_t stands in the middle; by whole pixels from its place.
        self.given = Group(self.seen, self.asked)
        far = FRAME.point()[0] - self.seen.border.get_x()
        self.aside = RIGHT * round(far / px(2)) * px(2)
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

    def quoted(self) -> VGroup:
        """What is asked for, in the colour of words; nothing where nothing is."""
        lines = wrap(f"“{self.prompt}”", LETTERS, max_lines=LINES, placeholder=" …”")
        return self.lettering.lines(
            *(lines if self.prompt else ()), size=SMALL_SIZE, colour=self.theme.guidance, gap=px(8)
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
            self.given.shift(self.aside)
            self.appear(self.seen)
            self.appear(self.axis, self.readouts, seconds=0.6)
        self.axis.follow()

    def ask_for(self) -> None:
        """What the picture should show, where that was chosen."""
        if not self.prompt:
            with self.beat("Nobody says what it should become.", detail=True):
                self.play(
                    Indicate(self.seen.border, color=self.theme.text, scale_factor=1.04),
                    run_time=1.2,
                )
            return
        with self.beat(f"And we say what it should become: “{self.prompt}”."):
            self.appear(self.asked, seconds=0.8)
            self.play(Indicate(self.asked, color=self.theme.guidance, scale_factor=1.05))

    def ask_network(self) -> None:
        """What the network says of it."""
        count = self.reverse.facts["pictures"]
        written, spoken = (
            f"A network that was trained on {number} {self.thing}s names the noise it sees."
            for number in (f"{count:,}", spoken_count(count))
        )
        with self.beat(written, spoken):
            self.play(self.given.animate.shift(-self.aside), run_time=1.0)
            self.play(FadeIn(self.arrows[0], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.named, seconds=1.0)

    def guess(self) -> None:
        """What is left when the named noise is taken away."""
        found = "a blur, at first" if self.blurred else "a rough shape already"
        said = f"Take that noise away, and its best guess remains: {found}."
        with self.beat(said, detail=True):
            self.play(FadeIn(self.arrows[1], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.guessed, self.formula, seconds=1.0)
            self.play(Indicate(self.guessed.border, color=self.theme.prediction, scale_factor=1.04))

    def first_step(self) -> None:
        """One small step, and ask again."""
        said = "So it takes only a small step towards the guess, and looks again."
        with self.beat(said, detail=True) as beat:
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
        turns = "the blurred guess turns sharp" if self.blurred else "the guess settles"
        with self.beat(f"Step by step the noise fades, and {turns}.", loops=True) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 5 if self.short else 6.9),
            )
        looks = f"{run.facts['nfe']} looks"
        if self.guided:
            looks += ", with the words and without,"
        said = f"After {looks} the noise is gone, and a {self.thing} is there."
        with self.beat(said, detail=True):
            if self.guided:
                self.play(
                    Indicate(self.asked, color=self.theme.guidance, scale_factor=1.05),
                    run_time=2.6,
                )
            self.play(
                Indicate(self.seen.border, color=self.theme.text, scale_factor=1.04), run_time=1.2
            )

    def many(self) -> None:
        """The same network from other noise, all samples at once."""
        run, theme = self.reverse, self.theme
        mosaic = self.build_mosaic(run)
        self.play(
            FadeOut(
                Group(self.named, self.guessed, self.arrows, self.formula, self.seen, self.asked)
            ),
            self.playhead.animate.set_value(0),
            run_time=0.8,
        )
        words = ", through the very same network."
        if self.prompt:
            words = " for the same words."
        with self.beat(f"Other noise gives other {self.thing}s{words}", detail=True) as beat:
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
        words = VGroup(
            self.lettering.words(
                f"{len(seeds)} samples at once, seeds {seeds[0]} to {seeds[-1]}",
                size=SMALL_SIZE,
                colour=self.theme.quiet,
            )
        )
        if self.prompt:
            shown = shorten(f"“{self.prompt}”", 2 * LETTERS, placeholder=" …”")
            words.add(self.lettering.words(shown, size=SMALL_SIZE, colour=self.theme.guidance))
        panel = Panel(
            Tile(frames, cell).follow(self.playhead),
            colour=self.theme.line,
            words=words.arrange(RIGHT, buff=px(40)),
        )
        TALL_STAGE.put(panel)
        return panel.settle()
