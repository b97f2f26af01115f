"""What goes into the network and what comes out, with the prompt's numbers above."""

from __future__ import annotations

from manim import LEFT, RIGHT, Arrow, Group, Mobject, RoundedRectangle, ValueTracker, VGroup

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import TALL_STAGE, px
from scenes.stage.lettering import HEADING_SIZE, WORDS_SIZE, Lettering
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.text_to_image.columns import CELL, guesses


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
                Tile(Frames.of(states[:, 0]), CELL).follow(playhead),
                colour=colour,
                label=lettering.maths(name, colour=colour, size=HEADING_SIZE),
            )
            for states, colour, name in (
                (run.states, theme.noise, "x_t"),
                (guesses(run), theme.prediction, "hat(x)_0"),
            )
        )
        self.colours = theme.quiet, theme.guidance
        self.box = RoundedRectangle(
            corner_radius=px(14), width=px(200), height=px(110), color=theme.quiet, stroke_width=4
        )
        name = lettering.words("U-Net", size=WORDS_SIZE, bold=True)
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
