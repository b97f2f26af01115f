"""From noise to a digit: what the network sees, says and does, at every recorded step."""

from __future__ import annotations

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

from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.trajectory import Trajectory
from scenes.asked import point_at_words, say_what_is_left_out
from scenes.measures import BLURRED, begins_blurred, begins_shaped, grey, settles
from scenes.stage.fitting import mosaic_of, tile_of
from scenes.stage.layout import AXIS, FRAME, TALL_STAGE, TITLE, UNIT, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import Readout, fixed, significant
from scenes.stage.quoting import lines_of, quoted, said
from scenes.stage.seen import guesses_of, noise_tile, pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel, Tile
from scenes.stage.time_axis import TimeAxis

__all__ = ["BLURRED", "ReverseProcess", "begins_blurred", "cell_for", "grey", "spoken_count"]

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


def columns_of(count: int) -> int:
    """In how many columns so many samples stand, all rows full."""
    return max(n for n in range(1, MOSAIC_COLUMNS + 1) if count % n == 0)


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
        self.shaped, self.settles = begins_shaped(self.reverse), settles(self.reverse)
        self.symbols = symbols_of(self.reverse)
        self.latents = self.symbols.latents
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

        def panel(tile: Tile, label: str, words: str, colour: str) -> Panel:
            return Panel(
                tile.follow(self.playhead),
                colour=colour,
                label=letters.maths(label, colour=colour, size=HEADING_SIZE + 6),
                words=letters.words(words, size=SMALL_SIZE, colour=theme.quiet),
            )

        given, guess = (
            tile_of(shown[:, 0], TILE_SIDE) for shown in (pictures_of(run), guesses_of(run))
        )
        noise = noise_tile(run.eps_hat[:, 0], run, TILE_SIDE, theme.background)
        what = "the noise, in latents" if self.latents else "the noise it sees"
        self.seen = panel(given, self.symbols.state, "what it is given", theme.text)
        self.named = panel(noise, "hat(epsilon)", what, theme.noise)
        self.guessed = panel(guess, self.symbols.guess, "its best guess", theme.prediction)
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
        lines = lines_of(self.prompt, LETTERS, LINES) if self.prompt else ()
        return self.lettering.lines(*lines, size=SMALL_SIZE, colour=self.theme.guidance, gap=px(8))

    def build_formula(self) -> MathTypst:
        """How the guess follows from the named noise, top right."""
        formula = self.lettering.maths(
            self.symbols.guessing,
            size=HEADING_SIZE,
            guess=self.theme.prediction,
            noise=self.theme.noise,
        )
        TITLE.put(formula, 1, 0.3)
        return formula

    def build_readouts(self) -> VGroup:
        """ᾱ_t and the signal-to-noise ratio, under the axis."""
        run, axis, letters = self.reverse, self.axis, self.lettering
        name, values = self.symbols.level, self.symbols.levels(run)
        self.alpha_bar = Readout(letters, name, lambda: float(values[axis.index]), fixed(3))
        self.snr = Readout(letters, '"SNR"', lambda: float(run.snr[axis.index]), significant)
        return axis.readouts(self.alpha_bar, self.snr)

    # -- beats ---------------------------------------------------------------------

    def begin(self) -> None:
        """Pure noise."""
        numbers = "number of the latent" if self.latents else "pixel"
        with self.beat(f"Now the way back. It starts from pure noise: every {numbers} is random."):
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
        with self.beat(f"And we say what it should become: “{said(self.prompt)}”.") as beat:
            self.appear(self.asked, seconds=0.8)
            self.play(Indicate(self.asked, color=self.theme.guidance, scale_factor=1.05))
            if len(self.prompt) > LETTERS * LINES:
                point_at_words(self, self.asked, beat)
        say_what_is_left_out(self, self.reverse)

    def ask_network(self) -> None:
        """What the network says of it."""
        count = self.reverse.facts["pictures"]
        numbers = ("many", "many") if count is None else (f"{count:,}", spoken_count(count))
        written, spoken = (
            f"A network that was trained on {number} {self.thing}s names the noise it sees."
            for number in numbers
        )
        with self.beat(written, spoken):
            self.play(self.given.animate.shift(-self.aside), run_time=1.0)
            self.play(FadeIn(self.arrows[0], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.named, seconds=1.0)

    def guess(self) -> None:
        """What is left when the named noise is taken away."""
        found = ": a blur, at first" if self.blurred else ": a rough shape already"
        if not self.blurred and not self.shaped:
            found = ""
        with self.beat(f"Take that noise away, and its best guess remains{found}.", detail=True):
            self.play(FadeIn(self.arrows[1], shift=RIGHT * px(20)), run_time=0.6)
            self.appear(self.guessed, self.formula, seconds=1.0)
            self.play(Indicate(self.guessed.border, color=self.theme.prediction, scale_factor=1.04))

    def first_step(self) -> None:
        """One small step, and ask again."""
        told = "So it takes only a small step towards the guess, and looks again."
        with self.beat(told, detail=True) as beat:
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
        turns = "the guess settles" if self.settles else "the guess follows"
        if self.blurred:
            turns = "the blurred guess turns sharp"
        with self.beat(f"Step by step the noise fades, and {turns}.", loops=True) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(run.steps),
                run_time=max(beat.left, 5 if self.short else 6.9),
            )
        looks = f"{run.facts['nfe']} looks"
        if self.guided:
            looks += ", with the words and without,"
        told = f"After {looks} the noise is gone, and a {self.thing} is there."
        with self.beat(told, detail=True):
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
        shown = pictures_of(run)
        room = TALL_STAGE.height / UNIT - 36, TALL_STAGE.width / UNIT
        tile = mosaic_of(shown, columns_of(shown.shape[1]), room, self.theme.background)
        seeds = run.facts["recipe"]["seeds"]
        words = VGroup(
            self.lettering.words(
                f"{len(seeds)} samples at once, seeds {seeds[0]} to {seeds[-1]}",
                size=SMALL_SIZE,
                colour=self.theme.quiet,
            )
        )
        if self.prompt:
            asked = quoted(self.prompt, 2 * LETTERS - 2)
            words.add(self.lettering.words(asked, size=SMALL_SIZE, colour=self.theme.guidance))
        panel = Panel(
            tile.follow(self.playhead),
            colour=self.theme.line,
            words=words.arrange(RIGHT, buff=px(40)),
        )
        TALL_STAGE.put(panel)
        return panel.settle()
