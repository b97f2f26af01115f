"""The scene: a prompt, its numbers, what they make of one noise, and a change of mind."""

from __future__ import annotations

from manim import (
    DOWN,
    RIGHT,
    UP,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    Transform,
    VGroup,
)

from scenes.asked import point_at_words, say_what_is_left_out
from scenes.stage.barcodes import MOMENTS
from scenes.stage.fitting import mosaic_of
from scenes.stage.layout import TALL_STAGE, TITLE, px
from scenes.stage.lettering import SMALL_SIZE, TITLE_SIZE, WORDS_SIZE
from scenes.stage.numbers import fixed
from scenes.stage.quoting import said
from scenes.stage.seen import along
from scenes.stage.tiles import Panel
from scenes.text_to_image.changes import (
    aloud,
    how_far,
    how_often,
    nearer,
    outcomes,
)
from scenes.text_to_image.columns import (
    LONGEST,
    Column,
    arrange,
    guesses,
)
from scenes.text_to_image.diagram import Diagram, Reader, network_name
from scenes.text_to_image.props import WordsScene
from scenes.text_to_image.rows import quoted

LONG_PROMPT = 40
"""Letters from which on it takes long to say it."""
OTHERS = 360.0, 168.0
"""Height and width at 720p of the room for other samples, in a column."""


class TextToImage(WordsScene):
    """A prompt, its numbers, what they make of one noise, and a change of mind."""

    def construct(self) -> None:
        """Turn words into numbers, give them to the network, change them on the way."""
        self.take_up()
        self.build()
        self.ask()
        say_what_is_left_out(self, self.kept, self.asked)
        self.encode()
        if self.words and not self.short:
            self.compare()
        self.hand_over()
        self.same_noise()
        self.change_words()
        self.result()
        if self.judged and not self.short:
            self.other_noise()
        self.finish()

    # -- words as numbers ---------------------------------------------------------

    def ask(self) -> None:
        """The prompt, alone."""
        self.asked = self.lettering.words(
            quoted(self.prompt), colour=self.theme.guidance, size=TITLE_SIZE
        )
        TALL_STAGE.put(self.asked, 0.5, 0.4)
        self.heading_text = self.heading("How do words become a picture?")
        asked = f"“{said(self.prompt)}”"
        with self.beat(f"We ask for {asked}. But a network knows only numbers.") as beat:
            self.appear(self.heading_text)
            self.appear(self.asked)
            self.play(Indicate(self.asked, color=self.theme.guidance, scale_factor=1.05))
            if len(self.prompt) > LONG_PROMPT:
                point_at_words(self, self.asked, beat)

    def encode(self) -> None:
        """The prompt's numbers, as they come."""
        if not self.words:
            self.read_words()
            return
        row = self.rows[0]
        self.up = row.get_y() - TALL_STAGE.point()[1]
        row.shift(DOWN * self.up)
        with self.beat(
            "So another network, which has read a lot of text, turns them into"
            f" {len(self.words['embeddings'][self.prompt])} numbers."
        ) as beat:
            self.play(
                self.asked.animate.scale(SMALL_SIZE / TITLE_SIZE).move_to(row.caption),
                run_time=0.8,
            )
            self.appear(row.stripes, seconds=max(beat.left / 2, 1.0))
            self.appear(row.number, seconds=0.6)

    def read_words(self) -> None:
        """Who turns the prompt into numbers, where these were not recorded."""
        self.reader = Reader(self.kept, self.lettering)
        small = self.asked.copy().scale(SMALL_SIZE / TITLE_SIZE)
        TALL_STAGE.put(small, 0.5, 0)
        self.reader.stand_under(small)
        with self.beat(self.reader.sentence):
            self.play(Transform(self.asked, small), run_time=0.8)
            self.play(FadeIn(self.reader, shift=DOWN * px(20)), run_time=0.8)
            self.play(self.lit(self.reader.box), run_time=1.0)

    def compare(self) -> None:
        """Sort the numbers; then those of other captions, in the same order."""
        with self.beat("Each number is a stripe here, and we sort them by size.") as beat:
            self.play(self.sorter.animate.set_value(MOMENTS), run_time=max(beat.left, 2.5))
        self.rows[0].stripes.clear_updaters()
        with self.beat(
            f"Of the {self.words['taught']:,} captions that were taught,"
            f" {quoted(self.words['nearest'])} has the most similar numbers."
        ):
            first, row = self.rows[:2]
            self.play(
                Group(self.asked, first.stripes, first.number).animate.shift(UP * self.up),
                run_time=0.6,
            )
            self.play(FadeIn(row.caption), FadeIn(row.stripes), run_time=0.9)
            self.appear(row.number, seconds=0.5)
            self.play(self.lit(row.number), run_time=1.0)
        with self.beat(
            "The less alike two prompts are, the smaller is the cosine, and the less order is left."
        ):
            for row in self.rows[2:]:
                self.play(FadeIn(row.caption), FadeIn(row.stripes), run_time=0.8)
                self.appear(row.number, seconds=0.5)
            self.play(*(self.lit(row.number) for row in self.rows[1:]), run_time=1.0)

    def hand_over(self) -> None:
        """The numbers and x_t go in, x̂_0 comes out."""
        run, asked = self.kept, self.asked
        diagram = Diagram(run, self.playhead, self.lettering)
        name = network_name(run)
        with self.beat(f"At every step, the {name} is given the noisy picture, and these numbers."):
            numbers = self.make_room()
            into, prompt, out = diagram.connect(numbers)
            self.appear(diagram.seen, diagram.network, into, self.axis, self.readouts, seconds=0.8)
            self.play(FadeIn(prompt, shift=DOWN * px(20)), run_time=0.5)
            self.appear(out, diagram.guess, seconds=0.8)
        self.axis.follow()
        with self.beat(
            "They tell it what to look for in the noise, all along the way.", detail=True
        ) as beat:
            self.go(run.steps, max(beat.left, 4.5))
        corner = asked.copy()
        TITLE.put(corner, 1, 0.2)
        self.play(
            FadeOut(Group(diagram, self.reader if not self.words else numbers)),
            asked.animate.move_to(corner),
            self.playhead.animate.set_value(0),
            run_time=0.7,
        )

    # -- one noise, several prompts -------------------------------------------------

    def same_noise(self) -> None:
        """Every prompt from the same x_T."""
        self.beside = [
            Column.of(
                self.asked_for[prompt],
                self.playhead,
                self.lettering,
                like=self.kept,
                below=self.below(prompt, now=bool(prompt)),
            )
            for prompt in self.prompts
        ]
        names = arrange(self.beside, self.lettering, 0.78, self.symbols)
        with self.beat("Now take the same noise again, with other words, and with none.") as beat:
            self.appear(names[0], seconds=0.3)
            self.play(
                LaggedStart(*(FadeIn(Group(c.seen, c.below)) for c in self.beside), lag_ratio=0.4),
                run_time=max(beat.left, 2.0),
            )
        with self.beat(
            "All of them see the same, and yet their first guesses differ.", detail=True
        ):
            self.play(
                FadeIn(names[1]),
                LaggedStart(*(FadeIn(c.guess) for c in self.beside), lag_ratio=0.3),
                run_time=1.8,
            )
            self.play(*(self.lit(c.guess.border) for c in self.beside), run_time=1.0)
        with self.beat("Step by step, each guess becomes a picture of its own.") as beat:
            self.go(self.kept.steps, max(beat.left, 4.5))
        self.rest(0.4)
        self.clear_away(names, *(column.all for column in self.beside))

    # -- a change of mind -------------------------------------------------------------

    def change_words(self) -> None:
        """The same path, with other words from one t or another on."""
        theme, letters = self.theme, self.lettering
        self.columns = [
            Column.of(
                change.run,
                self.playhead,
                letters,
                like=self.kept,
                above=letters.maths(f"t = {change.t}", size=SMALL_SIZE),
                # Where they are changed at the start, there never were other words.
                below=self.below(self.prompt, now=False)
                if change.after
                else self.below(self.other),
            )
            for change in self.changes
        ]
        self.names = arrange(self.columns, letters, 0.66, self.symbols)
        self.new_words = [
            self.below(self.other).move_to(column.below).align_to(column.below, UP)
            for column in self.columns
        ]
        self.marks = [self.mark(change) for change in self.changes]
        arrow = letters.maths("arrow.r", colour=theme.quiet, size=WORDS_SIZE)
        then = letters.words(quoted(self.other), colour=theme.guidance, size=SMALL_SIZE)
        both = Group(self.asked.copy(), arrow, then).arrange(RIGHT, buff=px(14))
        TITLE.put(both, 1, 0.2)
        question = self.heading("When do the words decide?")[1]
        with self.beat(
            f"When is that decided? We change {quoted(self.prompt)} to {quoted(self.other)} on the"
            " way."
        ):
            self.play(
                self.asked.animate.move_to(both[0]),
                FadeOut(self.heading_text[1]),
                FadeIn(question),
                run_time=0.6,
            )
            self.appear(arrow, then, seconds=0.6)
            self.play(
                FadeIn(self.names),
                LaggedStart(
                    *(FadeIn(Group(c.seen, c.guess, c.below)) for c in self.columns), lag_ratio=0.3
                ),
                run_time=1.8,
            )
            if not self.judged:  # its words are longer
                self.play(self.lit(then), run_time=2.0)
        with self.beat(
            "Every column does it at another t: the marks on the time axis.", detail=True
        ):
            for column, mark in zip(self.columns, self.marks, strict=True):
                self.play(FadeIn(column.above), FadeIn(mark, shift=DOWN * px(16)), run_time=0.5)
        half = len(self.changes) // 2
        with self.beat("All begin with the same noise. Watch the words below the guesses change."):
            for number in range(half):
                self.pass_mark(number)
        with self.beat("The later the change, the more of the picture is there already."):
            for number in range(half, len(self.changes)):
                self.pass_mark(number)
            self.go(self.kept.steps, 1.6)

    def pass_mark(self, number: int) -> None:
        """Go on to the change and make it."""
        column, after = self.columns[number], self.changes[number].after
        share = (after - self.playhead.get_value()) / self.kept.steps
        if share > 0:
            self.go(after, max(8 * share, 0.5))
        self.play(
            *((FadeOut(column.below), FadeIn(self.new_words[number])) if after else ()),
            Indicate(self.marks[number], color=self.theme.text, scale_factor=1.3),
            run_time=0.5,
        )
        if after:
            column.below = self.new_words[number]

    def result(self) -> None:
        """Which change still counted, and which came too late."""
        told = (
            outcomes(self.changes, self.old_digit, self.new_digit)
            if self.judged
            else nearer(self.changes, self.prompt, self.other)
        )
        for sentence, number in told:
            with self.beat(sentence, aloud(sentence)):
                column = self.columns[number]
                self.play(self.lit(column.guess.border), run_time=1.2 if self.judged else 2.0)
                self.play(self.lit(column.above), run_time=1.0 if self.judged else 2.0)
        letters, theme = self.lettering, self.theme
        numbers = VGroup()
        for column, change in zip(self.columns, self.changes, strict=True):
            number = letters.maths(fixed(2)(change.moved), size=SMALL_SIZE)
            numbers.add(number.next_to(column.below, DOWN, buff=px(12)).match_x(column.guess))
        numbers.set_y(numbers[0].get_y())
        legend = letters.words(
            f"distance to the picture that kept {quoted(self.short_name(self.prompt), LONGEST)}",
            size=SMALL_SIZE,
            colour=theme.quiet,
        )
        legend.next_to(numbers, DOWN, buff=px(10))
        first = how_far(self.changes[0])
        with self.beat(first, aloud(first), detail=True):
            self.appear(numbers, legend, seconds=0.8)
            self.play(Indicate(numbers[0], color=theme.text), run_time=1.2)
        last = how_far(self.changes[-1])
        with self.beat(last, aloud(last), detail=True):
            self.play(Indicate(numbers[-1], color=theme.text), run_time=1.2)
            self.play(self.lit(self.columns[-1].guess.border), run_time=1.2)
        self.distances = numbers
        self.under = Group(numbers, legend)

    def other_noise(self) -> None:
        """The other samples: a column for each change."""
        theme, letters = self.theme, self.lettering
        self.play(
            FadeOut(
                Group(
                    self.under,
                    self.names,
                    *(Group(c.seen, c.guess, c.below) for c in self.columns),
                )
            ),
            self.playhead.animate.set_value(0),
            run_time=0.6,
        )
        self.mosaics, self.counts = [], VGroup()
        for column, change in zip(self.columns, self.changes, strict=True):
            others = along(guesses(change.run)[:, 1:], change.run, self.kept)
            tile = mosaic_of(others, 1, OTHERS, theme.background)
            panel = Panel(tile.follow(self.playhead), colour=theme.prediction)
            panel.next_to(column.above, DOWN, buff=px(12))
            self.mosaics.append(panel)
            count = letters.maths(
                f'{change.followers(self.new_digit)} "of" {others.shape[1]}', size=SMALL_SIZE
            )
            self.counts.add(count.next_to(panel, DOWN, buff=px(12)))
        often = how_often(self.changes, self.new_digit)
        with self.beat(often, aloud(often)) as beat:
            self.appear(*self.mosaics, seconds=0.6)
            self.go(self.kept.steps, max(beat.left - 1.4, 3.5))
            self.play(
                LaggedStart(*(FadeIn(count) for count in self.counts), lag_ratio=0.4), run_time=1.4
            )

    def finish(self) -> None:
        """The sentence to remember."""
        whole = self.judged and not self.short
        shown = self.mosaics if whole else [c.guess for c in self.columns]
        told = "Words decide early, while there is little but noise. Later, they only retouch."
        if self.changes[-1].moved >= self.changes[0].moved:
            told = "A network can be asked for something else at every step of the way."
        with self.beat(told):
            self.play(
                LaggedStart(*(self.lit(panel.border) for panel in shown), lag_ratio=0.4),
                run_time=3.0,
            )
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
