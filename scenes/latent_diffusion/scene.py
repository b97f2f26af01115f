"""The scene: there and back, one cell erased; the process in the grid; what it costs."""

from __future__ import annotations

from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Arrow,
    Circumscribe,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    ValueTracker,
    VGroup,
    linear,
)

from scenes.asked import in_the_corner
from scenes.latent_diffusion.costs import CostBar
from scenes.latent_diffusion.drawing import NARROW, WIDE, Drawing, cell_of
from scenes.latent_diffusion.reading import (
    alone,
    aloud,
    how_it_goes,
    how_small,
    how_true,
    instead,
    percent,
    spent,
    what_is_asked,
    what_is_counted,
    what_is_lost,
    what_is_watched,
    what_it_costs,
    what_latents_cost,
)
from scenes.stage.fitting import mosaic_of
from scenes.stage.layout import AXIS, MARGIN, STAGE, Zone, px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import SMALL_SIZE, WORDS_SIZE
from scenes.stage.seen import guesses_of, pictures_of
from scenes.stage.tiles import Frames, Panel, Tile
from scenes.stage.time_axis import TimeAxis

TOUR = Zone(MARGIN, 130, STAGE.right, 634)
ALONE = 256
"""Pixels at 720p across a picture, where no process on pixels stands beside."""
SAMPLES = 262.0, 1080.0
"""Height and width for all samples, where there is one row of them."""
COARSE = 16
"""Cells a side up to which one of them is large enough to be pointed at."""
SHOWN = 8
"""Samples of either process that are shown in the end, at most."""


class LatentDiffusion(LectureScene):
    """A picture as a latent, the process among latents, and both processes side by side."""

    def construct(self) -> None:
        """Ask, squeeze, draw again; then noise and denoise in the grid, decode, count."""
        self.bundle = self.runs("latent")
        self.costs = self.bundle.facts["costs"]
        self.beside, self.process = not alone(self.bundle), self.bundle["process"]
        self.playhead = ValueTracker(0)
        self.drawing = Drawing(self.lettering, within=not self.beside)
        self.build_tour()
        self.ask()
        self.there_and_back()
        if not self.short:
            self.shrink_instead()
            if self.bundle["latents"].states.shape[-1] <= COARSE:
                self.erase()
        self.build_process()
        self.noise_in_the_grid()
        self.denoise()
        self.compare()
        self.finish()

    def numbers(self, what: str) -> str:
        """How many numbers a state of "pixels" or of "latents" has."""
        return f"{self.costs[what]['numbers']:,} numbers"

    def off_by(self, name: str) -> str:
        """How far the first picture of a run is from the one that was encoded."""
        return percent(self.bundle[name].facts["rms_to_picture"][0])

    # -- there and back ------------------------------------------------------------

    def build_tour(self) -> None:
        """Picture, encoder, latent, decoder, picture; below, room for what is compared."""
        theme, runs, draw = self.theme, self.bundle, self.drawing
        self.start = draw.picture(
            pictures_of(runs["pixels" if self.beside else "picture"])[:, 0],
            NARROW,
            theme.signal,
            draw.label("", theme.signal, self.numbers("pixels")),
        )
        self.start.tile.follow(self.playhead)
        self.encoder = draw.machine("encoder", narrows=True)
        self.squeezed = draw.latent(
            runs["latents"].states[:, 0],
            NARROW,
            theme.signal,
            draw.label("z", theme.signal, self.numbers("latents")),
        )
        self.decoder = draw.machine("decoder", narrows=False)
        self.returned = draw.picture(
            pictures_of(runs["returned"])[:, 0],
            NARROW,
            theme.prediction,
            draw.label("D(z)", theme.prediction),
        )
        TOUR.put(
            draw.row(self.start, self.encoder, self.squeezed, self.decoder, self.returned),
            0.35,
            0.36,
        )
        for panel in (self.start, self.squeezed, self.returned):
            panel.settle()
        self.off = draw.off(self.returned, self.off_by("returned"))
        self.measured = self.lettering.words(
            "off: root mean square of the pixels; from black to white is 100 %",
            size=SMALL_SIZE,
            colour=theme.quiet,
        )
        TOUR.put(self.measured, 0.5, 1)

    def tour(self) -> Group:
        """The row of the tour."""
        return Group(self.start, self.encoder, self.squeezed, self.decoder, self.returned, self.off)

    def below(self, panel: Panel, above: Panel) -> Panel:
        """Move ``panel`` under ``above``, into a second row."""
        panel.shift(above.tile.get_center() - panel.tile.get_center())
        return panel.shift(DOWN * (self.squeezed.height + px(20))).settle()

    def ask(self) -> None:
        """A picture comes out of the noise, all pixels at once."""
        home, theme = self.start.get_center(), self.theme
        self.start.scale(2)
        TOUR.put(self.start, 0.5, 0.4)
        with self.beat(what_is_asked(self.bundle)) as beat:
            self.appear(
                self.heading("Must the noise live in the pixels?"),
                *in_the_corner(self, self.bundle),
            )
            self.appear(self.start, seconds=0.6)
            if self.beside:
                self.play(
                    self.playhead.animate(rate_func=linear).set_value(self.bundle["pixels"].steps),
                    run_time=max(beat.left, 3),
                )
            else:
                self.play(Indicate(self.start.border, color=theme.text, scale_factor=1.02))
        self.play(self.start.animate.scale(0.5).move_to(home), run_time=0.8)

    def there_and_back(self) -> None:
        """The encoder, the decoder, and how much is lost."""
        with self.beat(how_small(self.bundle)):
            self.play(FadeIn(self.encoder, shift=RIGHT * px(20)), run_time=0.6)
            self.play(FadeIn(self.squeezed, shift=RIGHT * px(20)), run_time=1.0)
            self.play(Indicate(self.squeezed.label, color=self.theme.signal), run_time=1.2)
            self.play(Indicate(self.squeezed.border, color=self.theme.text, scale_factor=1.04))
        with self.beat("A decoder, trained along with it, draws the picture again."):
            self.play(FadeIn(self.decoder, shift=RIGHT * px(20)), run_time=0.6)
            self.play(FadeIn(self.returned, shift=RIGHT * px(20)), run_time=1.0)
            self.play(Indicate(self.returned.border, color=self.theme.text, scale_factor=1.04))
        said = how_true(self.bundle)
        with self.beat(said, aloud(said), detail=True):
            borders = (self.start.border, self.returned.border)
            self.play(
                *(Indicate(b, color=self.theme.text, scale_factor=1.04) for b in borders),
                run_time=1.4,
            )
            self.appear(self.off, self.measured, seconds=0.6)

    def shrink_instead(self) -> None:
        """As many pixels as the latent has numbers, and the picture made of them."""
        theme, runs, draw = self.theme, self.bundle, self.drawing
        self.play(self.tour().animate.shift(UP * (TOUR.point(0, 0)[1] - self.tour().get_top()[1])))
        small, large = (pictures_of(runs[name])[:, 0] for name in ("small", "enlarged"))
        few = draw.label("", theme.quiet, f"{small[0, 0].size:,} pixels")
        again = draw.label("", theme.quiet, "enlarged")
        self.shrunk = self.below(draw.picture(small, NARROW, theme.line, few), self.squeezed)
        self.enlarged = self.below(draw.picture(large, NARROW, theme.line, again), self.returned)
        off = draw.off(self.enlarged, self.off_by("enlarged"))
        arrow = Arrow(
            self.shrunk.border.get_right(),
            self.enlarged.border.get_left(),
            buff=px(16),
            stroke_width=4,
            color=theme.quiet,
        )
        name = self.lettering.lines("only", "shrunk", size=WORDS_SIZE, colour=theme.quiet)
        name.move_to([self.start.get_x(), self.shrunk.tile.get_y(), 0])
        said = instead(runs)
        with self.beat(said, aloud(said)):
            self.appear(name, self.shrunk, seconds=0.8)
            self.appear(arrow, self.enlarged, off, seconds=0.8)
            self.play(*(Indicate(o, color=theme.prediction) for o in (self.off, off)), run_time=1.2)
        gone = Group(name, arrow, self.shrunk, self.enlarged, off, self.off, self.measured)
        self.play(FadeOut(gone), run_time=0.5)

    def erase(self) -> None:
        """One cell of the latent is set to its mean: the picture changes around its place."""
        theme, runs, draw = self.theme, self.bundle, self.drawing
        facts, holed = runs["erased"].facts, runs["erased latents"].states[:, 0]
        name = draw.label("", theme.signal, "one cell erased")
        self.holed = self.below(draw.latent(holed, NARROW, theme.signal, name), self.squeezed)
        torn = draw.picture(pictures_of(runs["erased"])[:, 0], NARROW, theme.prediction, None)
        self.torn = self.below(torn, self.returned)
        decoder = self.decoder.copy().set_y(self.holed.tile.get_y())
        cells = [
            draw.cell_frames(panel, holed.shape[1], *facts["cell"][0])
            for panel in (self.squeezed, self.holed)
        ]
        near = [draw.frame(panel, *facts["near"][0]) for panel in (self.returned, self.torn)]
        with self.beat("Its cells keep to their places in the picture."):
            self.play(*(Create(frame) for frame in cells[0]), Create(near[0]), run_time=1.6)
        said = what_is_lost(runs)
        with self.beat(said, aloud(said)):
            self.appear(self.holed, cells[1], seconds=0.8)
            self.play(FadeIn(decoder, shift=RIGHT * px(20)), run_time=0.4)
            self.appear(self.torn, seconds=0.8)
            self.play(Create(near[1]), run_time=0.6)
            self.play(Indicate(near[1], color=theme.text, scale_factor=1.1), run_time=1.0)
        self.play(FadeOut(Group(self.holed, self.torn, decoder, *cells, *near)), run_time=0.5)

    # -- the process ------------------------------------------------------------------

    def build_process(self) -> None:
        """x_t; z_t, its guess, the decoder and what it draws; the axis."""
        theme, runs, draw = self.theme, self.bundle, self.drawing
        process, decoded = runs["process"], runs["decoded" if self.beside else "process"]
        assert process.x0_hat is not None
        wide = WIDE if self.beside else ALONE
        self.pixels = Group()
        if self.beside:
            self.pixels = draw.picture(
                runs["pixels"].states[:, 0],
                WIDE,
                theme.line,
                draw.label("x_t", theme.text, self.numbers("pixels")),
            )
        self.noisy = draw.latent(
            process.states[:, 0],
            wide,
            theme.noise,
            draw.label("z_t", theme.text, self.numbers("latents")),
        )
        guess = draw.label("hat(z)_0", theme.prediction)
        self.guess = draw.latent(process.x0_hat[:, 0], wide, theme.prediction, guess)
        drawn = draw.label("D(hat(z)_0)", theme.prediction)
        self.drawn = draw.picture(guesses_of(decoded)[:, 0], wide, theme.prediction, drawn)
        scribble = draw.label("D(z_t)", theme.text)
        self.scribble = draw.picture(pictures_of(decoded)[:, 0], wide, theme.line, scribble)
        self.drawer = draw.machine("decoder", narrows=False)
        shown = [self.noisy, self.guess, self.drawer, self.drawn]
        row = draw.row(*([self.pixels] if self.beside else []), *shown)
        self.pixels.shift(LEFT * px(32))
        STAGE.put(row, 0.5, 0.4)
        self.scribble.shift(self.drawn.tile.get_center() - self.scribble.tile.get_center())
        for panel in (self.pixels, self.noisy, self.guess, self.drawn, self.scribble):
            if isinstance(panel, Panel):
                panel.settle().tile.follow(self.playhead)
        self.axis = TimeAxis(
            self.lettering,
            process,
            self.playhead,
            AXIS,
            start=("noise", theme.noise),
            end=("picture", theme.signal),
            colour=theme.prediction,
        )
        self.readouts = self.axis.readouts()

    def noise_in_the_grid(self) -> None:
        """What the decoder makes of noise."""
        shown = self.get_mobject_family_members()
        # What a detail has faded out already would come back for this fade.
        left = (part for part in (*self.tour(), self.measured) if part in shown)
        self.play(FadeOut(Group(*left)), run_time=0.6)
        self.playhead.set_value(0)
        parts = (self.noisy, self.drawer)
        places = [part.get_center() for part in parts]
        # Side by side at first; there the guess will come between them.
        self.noisy.shift(self.guess.tile.get_center() - self.noisy.tile.get_center())
        middle = Group(*parts, self.scribble)
        middle.set_x(STAGE.point()[0])
        with self.beat(
            "Numbers at random make no picture: of pure noise the decoder draws scraps.",
            detail=True,
        ):
            self.appear(self.noisy, seconds=0.8)
            self.play(FadeIn(self.drawer, shift=RIGHT * px(20)), run_time=0.5)
            self.appear(self.scribble, seconds=0.8)
            self.play(Indicate(self.scribble.border, color=self.theme.text, scale_factor=1.04))
        self.axis.refresh()
        with self.beat("So we let the diffusion run in the grid itself."):
            moves = [part.animate.move_to(at) for part, at in zip(parts, places, strict=True)]
            self.play(*moves, FadeOut(self.scribble), run_time=0.9)
            self.appear(self.guess, self.drawn, seconds=0.8)
            self.appear(self.axis, self.readouts, seconds=0.6)
        self.axis.follow()

    def denoise(self) -> None:
        """Both processes at once, through the same times."""
        steps = self.process.steps
        with self.beat(how_it_goes(self.bundle)) as beat:
            if self.beside:
                self.appear(self.pixels, seconds=0.8)
            self.play(
                self.playhead.animate(rate_func=linear).set_value(steps / 2),
                run_time=max(beat.left, 3),
            )
        with self.beat(what_is_watched(self.bundle)) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(steps),
                run_time=max(beat.left, 3),
            )
        with self.beat(
            "That is for our eyes. Only the last latent has to be decoded.", detail=True
        ):
            self.play(Circumscribe(self.drawer, color=self.theme.text, buff=px(8)), run_time=1.2)
            self.play(Indicate(self.drawn.border, color=self.theme.prediction, scale_factor=1.04))

    # -- what it costs ------------------------------------------------------------------

    def build_comparison(self) -> None:
        """A row of samples for either process, and under it what it has cost so far."""
        theme, letters = self.theme, self.lettering
        self.rows: list[Panel] = []
        self.bars: list[CostBar] = []
        self.names = VGroup()
        blocks = Group()
        seen = "decoded" if self.beside else "process"
        ways = [("latents", seen, "process", theme.prediction)]
        if self.beside:
            ways.insert(0, ("pixels", "pixels", "pixels", theme.line))
        most = max(float(spent(self.bundle, paid)[-1]) for _, _, paid, _ in ways)
        for name, seen, paid, colour in ways:
            states = pictures_of(self.bundle[seen])[:, :SHOWN]
            if self.beside:
                frames = Frames.mosaic(states, states.shape[1], 2, theme.background)
                tile = Tile(frames, cell_of(states.shape[-1], NARROW * 2 // 3))
            else:
                tile = mosaic_of(states, states.shape[1], SAMPLES, theme.background)
            self.rows.append(Panel(tile.follow(self.playhead), colour=colour))
            cost = spent(self.bundle, paid)
            bar = CostBar(letters, cost, self.playhead, most=most, colour=colour)
            self.bars.append(bar.stand_under(self.rows[-1], most))
            blocks.add(Group(self.rows[-1], bar))
            self.names.add(letters.words(name, size=WORDS_SIZE))
        STAGE.put(blocks.arrange(DOWN, buff=px(36), aligned_edge=LEFT), 1, 0.3)
        for row, bar, name in zip(self.rows, self.bars, self.names, strict=True):
            row.settle()
            bar.stand_under(row, most)
            name.next_to(row, LEFT, buff=px(24))

    def compare(self) -> None:
        """Both once more, for several samples, and the multiplications add up."""
        self.play(
            FadeOut(Group(*self.pixels, self.noisy, self.guess, self.drawer, self.drawn)),
            self.playhead.animate.set_value(0),
            run_time=0.7,
        )
        self.build_comparison()
        count = self.rows[0].tile.frames.states.shape[1]
        with self.beat(what_is_counted(self.bundle, count), detail=True):
            self.appear(*self.rows, self.names, seconds=0.8)
            self.appear(*self.bars, seconds=0.6)
        for bar in self.bars:
            bar.follow()
        first, then = what_latents_cost(self.bundle), ""
        if self.beside:
            first, then = what_it_costs(self.bundle)
        with self.beat(first) as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.process.steps),
                run_time=max(beat.left, 5),
            )
        if not self.beside:
            return
        with self.beat(then):
            self.play(Indicate(self.bars[0].words, color=self.theme.text), run_time=1.2)
            self.play(Indicate(self.bars[1].words, color=self.theme.prediction), run_time=1.2)
            self.play(Circumscribe(self.bars[1], color=self.theme.prediction, buff=px(6)))

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat("The noise lives in a small grid. The decoder puts the detail back."):
            border = self.rows[-1].border
            self.play(Indicate(border, color=self.theme.text, scale_factor=1.02), run_time=1.6)
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)
