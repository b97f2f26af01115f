"""A prompt and a scale: two judgements of one noisy picture, extrapolated."""

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
    GrowFromEdge,
    Indicate,
    LaggedStart,
    Line,
    Typst,
    ValueTracker,
    VGroup,
    linear,
)

from scenes.asked import point_at_words, say_what_is_left_out
from scenes.guided import (
    difference,
    guesses,
    how_glaring,
    how_white,
    run_name,
    share_of_answer,
    variety,
    white,
)
from scenes.predicted_noise import first_look
from scenes.stage.fitting import mosaic_of, most_columns, tile_of
from scenes.stage.frames import States
from scenes.stage.layout import AXIS, FRAME, MARGIN, TALL_STAGE, TITLE, UNIT, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE
from scenes.stage.numbers import Readout, whole
from scenes.stage.quoting import breadth, quoted, said
from scenes.stage.seen import along, noise_tile, pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel, Tile
from scenes.stage.time_axis import TimeAxis

__all__ = ["Guidance", "guesses", "share_of_answer", "variety", "white"]

ROOM = 168
"""Pixels at 720p for a picture of one moment."""
ROW = 832.0
"""For a row of samples; its height is what the others leave."""
SHOWN = 7
"""Samples in a row; what is measured is measured on all that were recorded."""
ROWS = Zone(MARGIN, 124, FRAME.right - MARGIN, 634)
UPPER = Zone(MARGIN, 116, FRAME.right - MARGIN, 560)
BAR = 96
"""Pixels at 720p of the longest bar."""
LONGEST_PROMPT = 48
"""Letters of it that are shown; all of it is said."""
ALIKE = 0.5
"""Size of the difference, as a share of the answers', up to which these look much the same."""


class Guidance(LectureScene):
    """ε_∅ and ε_c, their difference, more and more of it, and too much."""

    def construct(self) -> None:
        """Ask twice, subtract, exaggerate; then whole runs at four scales."""
        self.scales: tuple[float, ...] = tuple(
            sorted(float(name.removeprefix("g")) for name in self.inputs.recordings)
        )
        self.usual = self.scales[1]
        self.guided = self.run(run_name(self.usual))
        self.prompt = str(self.guided.facts["recipe"]["prompt"])
        self.moment = first_look(self.guided)
        self.playhead = ValueTracker(self.moment)
        self.symbols = symbols_of(self.guided)
        self.build()
        self.ask()
        self.answer_twice()
        self.subtract()
        self.exaggerate()
        self.whole_runs()
        if not self.short:
            self.compare()
        self.finish()

    # -- what is on the stage ----------------------------------------------------

    def build(self) -> None:
        """x_t, the two answers over one another, their difference, the axis."""
        run, theme, letters = self.guided, self.theme, self.lettering
        assert run.eps_cond is not None
        assert run.eps_uncond is not None
        shown = quoted(self.prompt, LONGEST_PROMPT)
        size = HEADING_SIZE if breadth(shown) - 2 < LONGEST_PROMPT / 2 else SMALL_SIZE
        self.asked = letters.words(shown, colour=theme.guidance, size=size)
        # Under it there will be a formula.
        TITLE.put(self.asked, 1, 0 if "pretrained" in run.facts else 0.2)
        changed = difference(run)[:, 0]
        self.factor = 1 / float(np.abs(changed[self.moment]).max())
        self.seen = self.panel(
            tile_of(pictures_of(run)[:, 0], ROOM), theme.text, self.symbols.state
        )
        self.without = self.panel(
            self.answer(run.eps_uncond[:, 0]), theme.noise, "hat(epsilon)_nothing", "without prompt"
        )
        self.with_prompt = self.panel(
            self.answer(run.eps_cond[:, 0]), theme.guidance, "hat(epsilon)_c", "with prompt"
        )
        self.changed = self.panel(
            self.answer(self.factor * changed),
            theme.guidance,
            "hat(epsilon)_c - hat(epsilon)_nothing",
            "in latents" if self.symbols.latents else None,
        )
        answers = Group(self.without, self.with_prompt).arrange(DOWN, buff=px(8))
        answers.next_to(self.seen, RIGHT, buff=px(230)).match_y(self.seen.border)
        self.changed.next_to(answers, RIGHT, buff=px(230))
        self.changed.level_with(self.seen)
        UPPER.put(Group(self.seen, answers, self.changed), 0.5, 0)
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
        self.twice = VGroup(
            self.arrow(self.seen, self.without, gap=14, tip=0.12),
            self.arrow(self.seen, self.with_prompt, gap=14, tip=0.12),
        )
        self.joined = VGroup(
            self.arrow(self.without, self.changed, gap=14, tip=0.12),
            self.arrow(self.with_prompt, self.changed, gap=14, tip=0.12),
        )

    def answer(self, eps: States) -> Tile:
        """What the network said, (N, C, H, W)."""
        return noise_tile(eps, self.guided, ROOM, self.theme.background)

    def panel(self, tile: Tile, colour: str, label: str, words: str | None = None) -> Panel:
        """A tile with its name above; ``words`` stand in the same line."""
        name: VGroup | Typst = self.lettering.maths(label, colour=colour, size=HEADING_SIZE)
        if words is not None:
            said = self.lettering.words(words, colour=colour, size=SMALL_SIZE)
            name = VGroup(name, said.next_to(name, RIGHT, buff=px(12)))
        return Panel(tile.follow(self.playhead), colour=colour, label=name)

    # -- one moment ----------------------------------------------------------------

    def ask(self) -> None:
        """What is asked for, and a picture that does not show it yet."""
        with self.beat("Noise could become any picture. How can words steer it?"):
            self.heading_text = self.heading("How does a prompt steer the noise?")
            self.appear(self.heading_text)
            self.appear(self.seen, self.axis, self.readouts, seconds=0.8)
        with self.beat(f"We ask for “{said(self.prompt)}”.") as beat:
            self.appear(self.asked, seconds=0.8)
            self.play(Indicate(self.asked, color=self.theme.guidance, scale_factor=1.05))
            if len(self.prompt) > LONGEST_PROMPT:
                point_at_words(self, self.asked, beat)
        say_what_is_left_out(self, self.guided, self.asked)
        self.axis.follow()

    def answer_twice(self) -> None:
        """ε_∅ and ε_c."""
        with self.beat("The network looks twice: once without the prompt, and once with it."):
            self.play(FadeIn(self.twice[0], shift=RIGHT * px(20)), run_time=0.4)
            self.appear(self.without, seconds=0.8)
            self.play(FadeIn(self.twice[1], shift=RIGHT * px(20)), run_time=0.4)
            self.appear(self.with_prompt, seconds=0.8)
            self.play(Circumscribe(self.asked, color=self.theme.guidance, buff=px(8)))

    def subtract(self) -> None:
        """Their difference, made larger so that it can be seen."""
        share = share_of_answer(self.guided, self.moment)
        alike = "Both answers look much the same. They" if share <= ALIKE else "The two answers"
        percent = 100 * share
        written = f"{percent:.0f}" if percent >= 1 else f"{percent:.1g}"
        size = self.lettering.words(
            f"{written} % in size, shown × {self.factor:.0f}",
            size=SMALL_SIZE,
            colour=self.theme.guidance,
        )
        size.next_to(self.changed.border, DOWN, buff=px(14))
        with self.beat(
            f"{alike} differ by {written} %.",
            f"{alike} differ by {written} percent.",
        ):
            borders = (self.without.border, self.with_prompt.border)
            self.play(*(Indicate(b, color=self.theme.text, scale_factor=1.04) for b in borders))
            self.play(FadeIn(self.joined, shift=RIGHT * px(20)), run_time=0.5)
            self.appear(self.changed, size, seconds=0.8)
        small = "small " if share <= ALIKE else ""
        told = f"That {small}difference is all that the prompt has to say."
        with self.beat(told, detail=True):
            self.play(
                Indicate(self.changed.border, color=self.theme.guidance, scale_factor=1.05),
                run_time=1.2,
            )
        self.size = size

    def exaggerate(self) -> None:
        """The formula, and what it makes of the same moment."""
        theme, letters = self.theme, self.lettering
        formula = letters.maths(
            "{{ hat(epsilon) : noise }} = {{ hat(epsilon)_nothing : noise }}"
            " + {{ g thin (hat(epsilon)_c - hat(epsilon)_nothing) : guidance }}",
            size=HEADING_SIZE + 4,
            noise=theme.noise,
            guidance=theme.guidance,
        )
        TITLE.put(formula, 1, 0.85)
        with self.beat("Guidance exaggerates: it adds the difference not once, but g times."):
            self.appear(formula, seconds=1.0)
            self.play(Circumscribe(formula, color=theme.guidance, buff=px(8)), run_time=1.2)
        self.formula = formula
        old = Group(
            self.seen, self.without, self.with_prompt, self.changed, self.twice, self.joined
        )
        self.play(FadeOut(old, self.size), run_time=0.5)
        axis = Group(self.axis, self.readouts)
        # A guess of latents is seen once it is decoded, and these were not recorded so.
        short = self.short or self.symbols.latents
        gone = axis if short else Group(self.past_the_prompt(), axis)
        self.play(FadeOut(gone), self.playhead.animate.set_value(0), run_time=0.6)

    def past_the_prompt(self) -> Group:
        """The guesses of one moment, at more and more of the difference; what it shows of them."""
        theme, letters = self.theme, self.lettering
        scales = (0.0, *self.scales)
        line = guesses(self.guided, self.moment, scales)
        words = ["without", "with", *("" for _ in self.scales[1:])]
        self.line = [
            Panel(
                tile_of(line, ROOM).show(number),
                colour=theme.prediction,
                label=letters.maths(f"g = {scale:g}", colour=theme.guidance, size=HEADING_SIZE),
                words=letters.words(word, size=SMALL_SIZE, colour=theme.quiet) if word else None,
            )
            for number, (scale, word) in enumerate(zip(scales, words, strict=True))
        ]
        TALL_STAGE.put(Group(*self.line).arrange(RIGHT, buff=px(50)), 0.5, 0.6)
        for panel in self.line[1:]:
            panel.level_with(self.line[0])
        caption = letters.words(
            "guesses, all from the same noisy picture", size=SMALL_SIZE, colour=theme.prediction
        )
        caption.next_to(Group(*self.line), UP, buff=px(30))
        with self.beat(
            "These are the guesses from the same noisy picture: without the prompt, and with it."
        ):
            self.appear(self.line[0], caption, seconds=0.8)
            self.rest(1.0)
            self.appear(self.line[1], seconds=0.8)
        with self.beat("And then past it, further and further along the same line.") as beat:
            self.play(
                LaggedStart(*(FadeIn(panel) for panel in self.line[2:]), lag_ratio=0.7),
                run_time=max(beat.left, 2.5),
            )
        return Group(*self.line, caption)

    # -- whole runs -------------------------------------------------------------------

    def whole_runs(self) -> None:
        """The same noise in every row, another scale in each."""
        letters, theme = self.lettering, self.theme
        self.rows: list[Panel] = []
        for scale in self.scales:
            run = self.run(run_name(scale))
            states = along(pictures_of(run), run, self.guided)
            room = (ROWS.height / UNIT + 10) / len(self.scales) - 16, ROW
            columns = most_columns(states, SHOWN, 1, room)
            tile = mosaic_of(states[:, :columns], columns, room, theme.background)
            self.rows.append(Panel(tile.follow(self.playhead), colour=theme.line))
        rows = Group(*self.rows).arrange(DOWN, buff=px(10))
        ROWS.put(rows, 0, 0)
        rows.shift(RIGHT * px(110))
        self.names = VGroup()
        for scale, row in zip(self.scales, self.rows, strict=True):
            name = letters.maths(f"g = {scale:g}", colour=theme.guidance, size=WORDS_SIZE)
            self.names.add(name.next_to(row, LEFT, buff=px(14)))
        self.clock = Readout(letters, "t", lambda: float(self.axis.t), whole)
        self.clock.move_to(self.asked, aligned_edge=RIGHT)
        self.play(FadeOut(self.formula), run_time=0.3)
        self.clock.next_to(self.asked, DOWN, buff=px(14)).align_to(self.asked, RIGHT).shift(
            LEFT * px(30)
        )
        with self.beat(
            "Now whole runs. Each column starts from the same noise, in every row.", detail=True
        ):
            self.appear(*self.rows, self.names, self.clock, seconds=1.0)
        self.clock.follow()
        with self.beat(
            "The first row only follows the prompt. The others exaggerate it, more and more."
        ) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.guided.steps),
                run_time=max(beat.left, 6),
            )

    def bars(self, title: str, values: list[float], form: str, slot: int) -> Group:
        """One bar a row, right of the samples: ``values`` as shares of the largest."""
        letters, theme = self.lettering, self.theme
        start = self.rows[0].get_right()[0] + px(24 + slot * (BAR + 26))
        heading = letters.words(title, size=SMALL_SIZE, colour=theme.quiet)
        lines, numbers = VGroup(), VGroup()
        for row, value in zip(self.rows, values, strict=True):
            left = np.array([start, row.get_y() - px(16), 0])
            length = px(BAR) * value / (max(values) or 1)
            lines.add(Line(left, left + RIGHT * length, color=theme.guidance, stroke_width=14))
            number = letters.maths(form.format(value), size=SMALL_SIZE)
            numbers.add(number.next_to(left, UP, buff=px(18)).align_to(left, LEFT))
        heading.next_to(numbers[0], UP, buff=px(10)).align_to(numbers[0], LEFT)
        return Group(heading, lines, numbers)

    def show_bars(self, bars: Group, seconds: float) -> None:
        """Let the bars grow, one row after the other, for about so many seconds."""
        heading, lines, numbers = bars
        self.appear(heading, seconds=0.3)
        self.play(
            LaggedStart(*(GrowFromEdge(line, LEFT) for line in lines), lag_ratio=0.4),
            LaggedStart(*(FadeIn(number) for number in numbers), lag_ratio=0.4),
            run_time=max(seconds - 1.0, 2.0),
        )

    def compare(self) -> None:
        """How alike the samples become, and how white."""
        runs = [self.run(run_name(scale)) for scale in self.scales]
        varied, lit = [variety(run) for run in runs], [white(run) for run in runs]
        least, most = self.scales[0], self.scales[-1]
        if varied[-1] < varied[0]:
            told = (
                f"The samples grow alike: at g = {most:g} they differ {varied[-1]:.2f} on average,"
                f" instead of {varied[0]:.2f}."
            )
        elif f"{varied[-1]:.2f}" == f"{varied[0]:.2f}":
            told = f"At g = {most:g} the samples still differ as much as at g = {least:g}."
        else:
            told = (
                f"At g = {most:g} the samples differ more, {varied[-1]:.2f} on average,"
                f" than at g = {least:g}: {varied[0]:.2f}."
            )
        with self.beat(told, told.replace(" = ", " equals ")) as beat:
            self.show_bars(self.bars("variety", varied, "{:.2f}", 0), beat.seconds)
        grey = pictures_of(self.guided).shape[2] == 1
        told = how_white(lit[0], lit[-1]) if grey else how_glaring(lit[0], lit[-1])
        with self.beat(told, told.replace("%", "percent").replace("−", "minus ")) as beat:
            name = "white" if grey else "glaring"
            bars = self.bars(name, [100 * share for share in lit], '{:.1f} "%"', 1)
            self.show_bars(bars, beat.seconds)

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat("A little guidance makes the network listen. Too much makes it shout."):
            for row in (self.rows[1], self.rows[-1]):
                self.play(
                    Indicate(row.border, color=self.theme.guidance, scale_factor=1.02),
                    run_time=1.4,
                )
        self.rest(0.6)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
