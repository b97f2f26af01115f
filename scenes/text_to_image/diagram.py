"""What goes into the network and what comes out, with the prompt's numbers above."""

from __future__ import annotations

from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Arrow,
    Group,
    Mobject,
    RoundedRectangle,
    ValueTracker,
    VGroup,
)

from diffusion_core.trajectory import Trajectory
from scenes.stage.fitting import tile_of
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.seen import pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel
from scenes.text_to_image.columns import ROOM, guesses

READERS = {
    "words": (
        "text encoder",
        "So another network, a text encoder, turns them into numbers.",
    ),
    "classes": (
        "class table",
        "So the class has numbers of its own, learnt along with the network.",
    ),
}
"""Who turns a prompt into numbers, by what a model reads, and the sentence on it."""
TRANSFORMERS = ("DiTPipeline", "StableDiffusion3Pipeline")
"""Pipelines whose network is no U-Net."""


def network_name(run: Trajectory) -> str:
    """What the network of ``run`` is."""
    told = run.facts.get("pretrained", {})
    return "transformer" if told.get("pipeline") in TRANSFORMERS else "U-Net"


class Reader(VGroup):
    """A box that turns a prompt into numbers, and the arrow that leads to it.

    Parameters
    ----------
    run
        Of a pretrained model.
    lettering
        Sets its name.
    """

    def __init__(self, run: Trajectory, lettering: Lettering) -> None:
        theme = lettering.theme
        pipeline = run.facts.get("pretrained", {}).get("pipeline")
        name, self.sentence = READERS["classes" if pipeline == "DiTPipeline" else "words"]
        frame = RoundedRectangle(
            corner_radius=px(12), width=px(230), height=px(56), color=theme.guidance, stroke_width=4
        )
        said = lettering.words(name, size=SMALL_SIZE)
        self.box = VGroup(frame, said.move_to(frame))
        self.arrow = Arrow(UP, DOWN, buff=0, stroke_width=4, color=theme.guidance)
        super().__init__(self.box, self.arrow)

    def stand_under(self, words: Mobject) -> Reader:
        """Move under ``words``, the arrow between them."""
        self.box.next_to(words, DOWN, buff=px(64))
        self.arrow.put_start_and_end_on(
            words.get_bottom() + DOWN * px(6), self.box.get_top() + UP * px(4)
        )
        return self


class Diagram(Group):
    """x_t, the network, x̂_0, and the arrows between them.

    Parameters
    ----------
    run
        Whose first sample is shown.
    playhead
        The state that is shown.
    lettering
        Sets the names.
    """

    def __init__(self, run: Trajectory, playhead: ValueTracker, lettering: Lettering) -> None:
        theme = lettering.theme
        self.seen, self.guess = (
            Panel(
                tile_of(shown[:, 0], ROOM).follow(playhead),
                colour=colour,
                label=lettering.maths(name, colour=colour, size=HEADING_SIZE),
            )
            for shown, colour, name in (
                (pictures_of(run), theme.noise, symbols_of(run).state),
                (guesses(run), theme.prediction, symbols_of(run).guess),
            )
        )
        self.colours = theme.quiet, theme.guidance
        self.box = RoundedRectangle(
            corner_radius=px(14), width=px(200), height=px(110), color=theme.quiet, stroke_width=4
        )
        name = lettering.words(network_name(run), size=WORDS_SIZE, bold=True)
        self.network = VGroup(self.box, name.move_to(self.box))
        super().__init__(self.seen, self.network, self.guess)
        self.arrange(RIGHT, buff=px(110))
        self.network.match_y(self.seen.border)
        self.guess.level_with(self.seen)
        TALL_STAGE.put(self, 0.5, 0.92)

    def connect(self, numbers: Mobject) -> tuple[Arrow, Arrow, Arrow]:
        """Arrows from x_t and from the ``numbers`` above into the network, and out of it."""
        quiet, guidance = self.colours
        box = self.box
        ends = (
            (self.seen.border.get_right(), box.get_left(), quiet),
            (numbers.get_bottom(), box.get_top(), guidance),
            (box.get_right(), self.guess.border.get_edge_center(LEFT), quiet),
        )
        into, prompt, out = (
            Arrow(
                start,
                end,
                buff=px(14),
                stroke_width=4,
                color=colour,
                max_tip_length_to_length_ratio=0.2,
            )
            for start, end, colour in ends
        )
        self.add(into, prompt, out)
        return into, prompt, out
