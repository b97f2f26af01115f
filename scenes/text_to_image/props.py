"""What the scene is told with: its recordings taken up, the axis, and small moves."""

from __future__ import annotations

from typing import Any

from manim import UP, FadeOut, Group, Indicate, Line, Mobject, ValueTracker, linear

from scenes.stage.layout import AXIS, TALL_STAGE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.symbols import symbols_of
from scenes.stage.time_axis import TimeAxis
from scenes.text_to_image.changes import Change, changes_of, judged, read
from scenes.text_to_image.columns import told_apart, words_below
from scenes.text_to_image.diagram import Reader
from scenes.text_to_image.rows import rows_of


class WordsScene(LectureScene):
    """A scene of one noise under several prompts, and of paths whose prompt changes."""

    asked: Mobject
    reader: Reader

    def take_up(self) -> None:
        """Read the recordings."""
        self.asked_for = self.runs("words")
        recipe = self.asked_for.common["recipe"]
        # The numbers of words, of a model that was taught them here.
        self.words: dict[str, Any] = self.asked_for.common.get("words") or {}
        self.prompt: str = recipe["prompt"]
        self.prompts: list[str] = list(recipe["prompts"])
        self.kept = self.asked_for[self.prompt]
        self.other = next(prompt for prompt in self.prompts if prompt not in ("", self.prompt))
        new = self.asked_for[self.other]
        self.changes = changes_of(self.inputs.recordings, self.kept, new)
        self.judged = judged(self.kept) and judged(new)
        if self.judged:
            [self.old_digit], [self.new_digit] = read(self.kept), read(new)
        self.symbols = symbols_of(self.kept)
        # Of a pretrained model the prompts are longer than a tile is wide.
        self.short_names = {} if self.words else told_apart([p for p in self.prompts if p])
        self.playhead, self.sorter = ValueTracker(0), ValueTracker(0)

    def build(self) -> None:
        """The axis, and the prompts as stripes, one under the other."""
        theme, words = self.theme, self.words
        self.axis = TimeAxis(
            self.lettering,
            self.kept,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.axis.readouts()
        if not words:
            return
        listed = (self.prompt, words["nearest"], self.other, words["farthest"])
        self.listed = list(dict.fromkeys(listed))
        self.rows = rows_of(words, self.listed, self.lettering, self.sorter)

    def below(self, prompt: str, *, now: bool = True) -> Mobject:
        """What is asked for, under a tile."""
        return words_below(self.short_name(prompt), self.lettering, now=now)

    def short_name(self, prompt: str) -> str:
        """The prompt, or what sets it apart from the others."""
        return self.short_names.get(prompt, prompt)

    def lit(self, mobject: Mobject) -> Indicate:
        """A frame or words that swell."""
        return Indicate(mobject, color=self.theme.text, scale_factor=1.05)

    def go(self, end: float, seconds: float) -> None:
        """Move the playhead to the state ``end``."""
        self.play(self.playhead.animate(rate_func=linear).set_value(end), run_time=seconds)

    def clear_away(self, *gone: Mobject) -> None:
        """Fade things out while the playhead goes back to the noise."""
        self.play(FadeOut(Group(*gone)), self.playhead.animate.set_value(0), run_time=0.6)

    def mark(self, change: Change) -> Line:
        """Where on the axis the words are changed."""
        at = self.axis.at(change.after)
        half = UP * px(14)
        return Line(at - half, at + half, color=self.theme.guidance, stroke_width=6)

    def make_room(self) -> Mobject:
        """Move what was said of the words to the top; returns where their numbers come from."""
        if not self.words:
            return self.reader.box
        stripes = self.rows[0].stripes
        gone = [self.rows[0].number] if self.short else [self.rows[0].number, *self.rows[1:]]
        up = TALL_STAGE.point(0.5, 0)[1] - self.asked.get_top()[1]
        self.play(
            *(FadeOut(mobject) for mobject in gone),
            Group(stripes, self.asked).animate.shift(UP * up),
            run_time=0.8,
        )
        return stripes
