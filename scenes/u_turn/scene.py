"""The U-turn: into the noise and back, and how much of a picture returns."""

from __future__ import annotations

from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    MathTypst,
    Square,
    ValueTracker,
    VGroup,
    linear,
)

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory
from scenes.asked import in_the_corner
from scenes.stage.fitting import mosaic_of, tile_of
from scenes.stage.layout import FRAME, STAGE, TITLE, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE
from scenes.stage.numbers import fixed
from scenes.stage.seen import pictures_of
from scenes.stage.symbols import symbols_of
from scenes.stage.tiles import Panel
from scenes.u_turn.reading import (
    aloud,
    how_deep,
    how_near,
    how_often,
    returns,
    turning_class,
    what_changes,
    what_goes,
    what_is_repaired,
    what_turned,
)

ROOM = 168
"""Pixels at 720p for a picture."""
COLUMN = 266.0, 168.0
"""Height and width of the room for several in one column."""


class UTurn(LectureScene):
    """A row of t: x_t above, what comes back from it below."""

    def construct(self) -> None:
        """Ask, go out, come back, compare, repeat, repair, remember."""
        self.turned, self.repaired = self.runs("u_turn"), self.runs("repair")
        self.symbols = symbols_of(self.turned["forward"])
        self.kind = "latent" if self.symbols.latents else "picture"
        self.playhead = ValueTracker(0)
        self.ask()
        self.go_out()
        self.come_back()
        self.compare()
        back = self.back
        if not self.short:
            self.repeat()
            back = self.repair()
        self.finish(back)

    # -- what is on the stage ----------------------------------------------------

    def row_of(self, bundle: Bundle) -> tuple[Panel, list[Panel], list[Panel]]:
        """The picture on the left, x_t above and what returns below, column by column."""
        theme, letters = self.theme, self.lettering
        forward = pictures_of(bundle["forward"])[:, 0]
        start = Panel(
            tile_of(forward, ROOM).show(0),
            colour=theme.signal,
            label=letters.maths(self.symbols.clean, colour=theme.signal),
        )
        out, back = [], []
        for i, way in enumerate(returns(bundle), 1):
            out.append(
                Panel(
                    tile_of(forward, ROOM).show(i),
                    colour=theme.noise,
                    label=letters.maths(
                        f"t = {way.facts['turn']}", size=SMALL_SIZE, colour=theme.text
                    ),
                )
            )
            back.append(self.returning(way))
        columns = Group(start, *out).arrange(RIGHT, buff=px(24))
        STAGE.put(columns, 0.5, 0.15)
        for panel in out:
            panel.level_with(start)
        for panel, above in zip(back, out, strict=True):
            panel.next_to(above.border, DOWN, buff=px(20))
        return start, out, back

    def jump(self) -> MathTypst:
        """How x_t is made of the picture and the noise, top right."""
        formula = self.lettering.maths(
            self.symbols.jumping,
            size=HEADING_SIZE,
            signal=self.theme.signal,
            noise=self.theme.noise,
        )
        TITLE.put(formula, 1, 0.3)
        return formula

    def returning(self, way: Trajectory) -> Panel:
        """A way back; the playhead goes from 0, where it turns, to 1, the picture."""
        tile = tile_of(pictures_of(way)[:, 0], ROOM)
        tile.add_updater(
            lambda tile: tile.show(self.playhead.get_value() * way.steps), call_updater=True
        )
        return Panel(tile, colour=self.theme.prediction)

    def beside(self, panels: list[Panel], left: Panel, words: str, colour: str) -> VGroup:
        """Words to the left of a row, under the picture."""
        label = self.lettering.lines(*words.split("\n"), size=SMALL_SIZE, colour=colour, gap=0.1)
        return label.move_to([left.border.get_x(), panels[0].border.get_y(), 0])

    def distances(self, panels: list[Panel], values: list[float]) -> VGroup:
        """A number under each panel: how far the return is from the picture."""
        numbers = VGroup()
        for panel, value in zip(panels, values, strict=True):
            number = self.lettering.maths(fixed(2)(value), size=SMALL_SIZE, colour=self.theme.text)
            numbers.add(number.next_to(panel.border, DOWN, buff=px(12)))
        numbers.set_y(numbers[0].get_y())
        return numbers

    def lead_back(self, seconds: float) -> None:
        """Every return at once, each through its own recorded states."""
        self.play(self.playhead.animate(rate_func=linear).set_value(1), run_time=max(seconds, 4))

    # -- beats ---------------------------------------------------------------------

    def ask(self) -> None:
        """The picture, alone."""
        self.start, self.out, self.back = self.row_of(self.turned)
        with self.beat("How much of a picture must be destroyed before another one comes back?"):
            asked = in_the_corner(self, self.turned)
            self.appear(self.heading("How far can we go into the noise, and return?"), *asked)
            self.home = self.start.get_center()
            self.start.set_x(FRAME.point()[0])
            self.appear(self.start, seconds=1.0)

    def go_out(self) -> None:
        """x_0 jumps to every t of the row."""
        with self.beat(how_deep(self.turned)):
            self.play(self.start.animate.move_to(self.home), FadeIn(self.jump()), run_time=0.7)
            self.play(
                LaggedStart(*(FadeIn(panel) for panel in self.out), lag_ratio=0.5), run_time=2.8
            )

    def come_back(self) -> None:
        """Each is led back."""
        self.words = self.beside(self.back, self.start, "led\nback", self.theme.prediction)
        with self.beat("Then the network leads each of them back: a U-turn.") as beat:
            self.appear(self.words, *self.back, seconds=0.8)
            self.lead_back(beat.left)

    def compare(self) -> None:
        """Near, further, another."""
        theme, ways = self.theme, returns(self.turned)
        self.numbers = self.distances(self.back, [way.facts["rms_to_x0"][0] for way in ways])
        legend = self.lettering.words(
            f"distance of each return to the {self.kind} (root mean square)",
            size=SMALL_SIZE,
            colour=theme.quiet,
        )
        legend.next_to(self.numbers, DOWN, buff=px(14)).set_x(FRAME.point()[0])
        near = how_near(self.turned)
        with self.beat(near, aloud(near)):
            self.appear(self.numbers[0], legend, seconds=0.6)
            self.point_at(self.back[0])
        with self.beat(what_goes(self.turned)):
            middle = range(1, len(ways) - 1)
            self.play(
                LaggedStart(*(FadeIn(self.numbers[i]) for i in middle), lag_ratio=0.5), run_time=2
            )
            self.play(*(self.lit(self.back[i]) for i in middle), run_time=1.2)
        turned = what_turned(self.turned)
        at = turning_class(self.turned)
        with self.beat(turned, aloud(turned)):
            self.appear(self.numbers[-1], seconds=0.5)
            self.point_at(self.back[-1 if at is None else at])
        self.legend = legend

    def lit(self, panel: Panel) -> Indicate:
        """A frame that swells."""
        return Indicate(panel.border, color=self.theme.text, scale_factor=1.06)

    def point_at(self, panel: Panel) -> None:
        """Draw the eye to a panel."""
        self.play(self.lit(panel), run_time=1.2)

    def repeat(self) -> None:
        """The same with other noise: all samples, a column for each t."""
        theme = self.theme
        self.play(
            FadeOut(Group(self.numbers, self.legend, self.words, *self.back)),
            run_time=0.6,
        )
        self.playhead.set_value(0)
        columns = [self.column(way, above) for way, above in self.columns()]
        words = self.beside(columns, self.start, "other\nnoise", theme.noise)
        said = how_often(self.turned)
        with self.beat(said, aloud(said)) as beat:
            self.appear(words, *columns, seconds=0.7)
            self.lead_back(beat.left)
            self.point_at(columns[-1])
        with self.beat("What the noise has hidden, the network is free to invent."):
            self.play(*(self.lit(column) for column in columns[-2:]), run_time=1.4)
        self.play(
            FadeOut(Group(words, *columns, *self.out)),
            run_time=0.6,
        )

    def columns(self) -> list[tuple[Trajectory, Panel]]:
        """Each way back and the panel that it stands under."""
        return list(zip(returns(self.turned), self.out, strict=True))

    def column(self, way: Trajectory, above: Panel) -> Panel:
        """The samples of a way back but the first, which was seen, one under the other."""
        tile = mosaic_of(pictures_of(way)[:, 1:], 1, COLUMN, self.theme.background)
        tile.add_updater(
            lambda tile: tile.show(self.playhead.get_value() * way.steps), call_updater=True
        )
        panel = Panel(tile, colour=self.theme.prediction)
        return panel.next_to(above.border, DOWN, buff=px(20))

    def hole(self, panel: Panel) -> Square:
        """What is cut out of the picture, drawn over its tile."""
        top, left, height, width = self.repaired.facts["recipe"]["erase"]
        cell = panel.tile.width / self.repaired["forward"].states.shape[-1]
        frame = Square(color=self.theme.text, stroke_width=4)
        frame.stretch_to_fit_width(width * cell).stretch_to_fit_height(height * cell)
        across, down = (left + width / 2) * cell, (top + height / 2) * cell
        return frame.move_to(panel.tile.get_corner(UP + LEFT) + RIGHT * across + DOWN * down)

    def repair(self) -> list[Panel]:
        """A damaged picture takes the same turn; returns what comes back."""
        theme, ways = self.theme, returns(self.repaired)
        start, out, back = self.row_of(self.repaired)
        self.playhead.set_value(0)
        words = self.beside(back, start, "led\nback", theme.prediction)
        with self.beat("Can a U-turn repair a picture? We cut a hole into it."):
            hole = self.hole(start)
            self.play(Create(hole), run_time=0.6)
            self.play(FadeIn(start), FadeOut(self.start), run_time=0.6)
            self.play(FadeOut(hole), run_time=0.4)
            self.play(LaggedStart(*(FadeIn(panel) for panel in out), lag_ratio=0.3), run_time=1.2)
        with self.beat("Every return starts from the damaged picture.") as beat:
            self.appear(words, *back, seconds=0.6)
            self.lead_back(beat.left)
        with self.beat(what_is_repaired(self.repaired)):
            self.point_at(back[0])
        numbers = self.distances(back, [way.facts["rest_to_x0"][0] for way in ways])
        legend = self.lettering.words(
            f"distance of the undamaged part to the {self.kind}",
            size=SMALL_SIZE,
            colour=theme.quiet,
        )
        legend.next_to(numbers, DOWN, buff=px(14)).set_x(FRAME.point()[0])
        with self.beat(what_changes(self.repaired)):
            self.appear(numbers, legend, seconds=0.7)
            self.point_at(back[-1])
        return back

    def finish(self, back: list[Panel]) -> None:
        """The sentence to remember."""
        with self.beat("The noise sets how much may change. Little keeps, much invents."):
            self.play(
                LaggedStart(*(self.lit(panel) for panel in back), lag_ratio=0.3), run_time=2.4
            )
        self.play(FadeOut(Group(*self.mobjects), shift=UP * px(10)), run_time=0.6)
