"""Down, across and up: the network at work, then with its parts cut, then with more noise."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from manim import (
    DOWN,
    RIGHT,
    UP,
    ApplyFunction,
    Create,
    FadeIn,
    FadeOut,
    Group,
    Indicate,
    LaggedStart,
    Mobject,
    Rectangle,
    ShowPassingFlash,
    ValueTracker,
    VGroup,
    VMobject,
    linear,
)

from diffusion_core.recipes.inside import OTHER_WORDS, WHOLE, WITHOUT_DEPTHS, WITHOUT_SKIPS
from scenes.inside_the_unet.drawing import Drawing, Shown, fade
from scenes.inside_the_unet.factors import factors_of
from scenes.inside_the_unet.reading import Inside, aloud
from scenes.stage.layout import px
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.lettering import TITLE_SIZE

CUT = 0.15
"""Opacity of what is cut."""
FAINT = 0.35
"""Opacity of lines that are not spoken of."""


class InsideTheUnet(LectureScene):
    """x_t in, the U, ε̂ out; then the skip connections cut, the depths cut, other words."""

    def construct(self) -> None:
        """Open the network, follow the picture through it, then cut it."""
        self.inside = Inside(self.runs("inside"))
        # Looks run from the most noise to the least; the least comes first here.
        self.least, self.most = self.inside.looks - 1, 0
        self.playhead = ValueTracker(self.least)
        self.u = Drawing(self.inside, self.lettering, self.playhead)
        self.ask()
        self.open()
        self.go_down()
        self.go_up()
        self.go_across()
        self.tell()
        self.answer()
        self.cut_with_little_noise()
        self.add_noise()
        self.cut_with_much_noise()
        self.change_words()
        self.finish()

    # -- the network as it is ------------------------------------------------------------

    def ask(self) -> None:
        """A picture goes in, the noise comes out, and between them is a box."""
        u, theme = self.u, self.theme
        noise, _ = u.answers
        outline = VGroup(*(station.borders for station in u.stations.values()))
        self.box = Rectangle(
            color=theme.quiet,
            stroke_width=4,
            width=outline.width + px(12),
            height=outline.height + px(12),
        ).move_to(outline)
        self.name = self.lettering.words("the network", size=TITLE_SIZE, colour=theme.quiet)
        self.name.move_to(self.box)
        first, *_ = u.flow
        with self.beat("A noisy picture goes in, and out comes the noise in it. How?"):
            self.appear(self.heading("How does the network find the noise?"))
            self.appear(u.seen, self.box, self.name, seconds=0.8)
            self.play(FadeIn(u.flow[first], shift=DOWN * px(20)), run_time=0.6)
            self.play(FadeIn(u.flow["answer"], shift=UP * px(20)), run_time=0.6)
            self.appear(noise, seconds=0.8)

    def open(self) -> None:
        """The box opens: empty frames."""
        noise, _ = self.u.answers
        with self.beat("Let us open it, and watch it work.", detail=True):
            self.play(
                FadeOut(Group(self.name, noise, self.u.flow["answer"])),
                run_time=0.6,
            )
            self.play(
                FadeOut(self.box),
                LaggedStart(
                    *(FadeIn(station.borders) for station in self.u.stations.values()),
                    lag_ratio=0.3,
                ),
                run_time=1.6,
            )

    def reach(self, name: str, seconds: float) -> None:
        """The picture arrives at a station."""
        arrow, station = self.u.flow[name], self.u.stations[name]
        if arrow not in self.mobjects:
            side = name.split()[0]
            way = DOWN if side == "down" else RIGHT if side == "middle" else UP
            self.play(FadeIn(arrow, shift=way * px(16)), run_time=0.4)
        self.play(
            *(FadeIn(tile.update()) for tile in station.tiles),
            *(border.animate.set_color(self.theme.text) for border in station.borders),
            FadeIn(self.u.labels[name]),
            run_time=max(seconds - 0.4, 0.6),
        )
        self.play(
            *(border.animate.set_color(self.theme.line) for border in station.borders),
            run_time=0.3,
        )

    def names(self, side: str) -> list[str]:
        """The stations of a side."""
        return [name for name in self.u.stations if name.split()[0] == side]

    def go_down(self) -> None:
        """Smaller and smaller, with more and more channels."""
        said = self.inside.shrinking()
        with self.beat(said, aloud(said)) as beat:
            down = self.names("down")
            for name in down:
                self.reach(name, beat.seconds / len(down) - 0.5)
        said = self.inside.numbers_held()
        with self.beat(said, detail=True):
            for name in self.names("down"):
                self.light(VGroup(self.u.labels[name]), 1.2)
            shown = (self.u.stations[name].borders for name in self.names("down"))
            self.light(VGroup(*chain(*shown)), 1.2)

    def go_up(self) -> None:
        """Larger and larger."""
        with self.beat("Then the way up: it grows again, to the size of the picture.") as beat:
            up = [*self.names("middle"), *self.names("up")]
            for name in up:
                self.reach(name, beat.seconds / len(up) - 0.5)

    def go_across(self) -> None:
        """The skip connections."""
        with self.beat("Skip connections hand across what was there before it shrank."):
            for level in sorted(self.u.skips, reverse=True):
                self.play(
                    *(FadeIn(line, shift=RIGHT * px(30)) for line in self.u.skips[level]),
                    run_time=1.0,
                )
            self.flash(chain(*self.u.skips.values()))

    def tell(self) -> None:
        """How much noise there is, and the words."""
        u = self.u
        self.lines = u.told_lines()
        also = "and what we ask for." if "words" in u.told else "in numbers like these."
        with self.beat(f"Every block is told how much noise there is, {also}", detail=True):
            self.appear(u.clock, u.told["noise level"][0], seconds=0.6)
            if "words" in u.told:
                self.appear(*u.told["words"], seconds=0.6)
            self.play(*(Create(line) for line in self.lines), run_time=1.2)
            self.light(VGroup(*(station.borders for station in u.stations.values())), 1.0)
        u.clock.follow()

    def answer(self) -> None:
        """ε̂, and the guess that it leaves."""
        noise, guess = self.u.answers
        with self.beat("Out comes its answer, the noise in every pixel. A guess remains."):
            self.play(
                FadeOut(self.lines),
                FadeIn(self.u.flow["answer"], shift=UP * px(16)),
                run_time=0.6,
            )
            self.appear(noise, seconds=0.8)
            self.play(FadeIn(self.u.flow["guess"], shift=RIGHT * px(16)), run_time=0.4)
            self.appear(guess, seconds=0.8)

    # -- what its parts are good for -------------------------------------------------------

    def switch(self, variant: str, names: Iterable[str], seconds: float) -> None:
        """Show another variant, station by station, as the picture passes them."""
        number = self.inside.variants.index(variant)
        passed: list[Shown] = [self.u.stations[name] for name in names]
        for shown in (*passed, Group(*self.u.answers)):
            parts = [shown] if isinstance(shown, Shown) else list(self.u.answers)
            for part in parts:
                part.variant = number
                part.update()
            borders = VGroup(*(part.borders for part in parts))
            self.light(borders, seconds / (len(passed) + 1))

    def cut_skips(self, seconds: float) -> None:
        """Cut every skip connection, and see what comes of it."""
        skips = VGroup(*chain(*self.u.skips.values()))
        self.fade(skips, CUT, 0.8)
        self.switch(WITHOUT_SKIPS, self.names("up"), max(seconds, 1.5))

    def mend_skips(self) -> None:
        """Let them be as they were."""
        skips = VGroup(*chain(*self.u.skips.values()))
        self.fade(skips, 1, 0.6)

    def cut_depths(self, seconds: float) -> None:
        """Cut what comes up to the finest level, and see what comes of it."""
        for name in self.names("up"):
            self.u.stations[name].variant = 0
        self.fade_depths(CUT, 0.8)
        self.switch(WITHOUT_DEPTHS, ["up 1"], max(seconds, 1.5))

    def fade_depths(self, opacity: float, seconds: float) -> None:
        """Let all below the finest level become as faint as ``opacity`` says."""
        u = self.u
        below = [name for name in u.stations if not name.endswith(" 1")]
        lines = [u.flow[name] for name in (*below, "up 1")]
        lines += [line for level, skips in u.skips.items() if level > 1 for line in skips]
        self.play(
            ApplyFunction(lambda found: fade(found, opacity), VGroup(*lines)),
            *(
                tile.animate.set_opacity(opacity)
                for name in below
                for tile in u.stations[name].tiles
            ),
            run_time=seconds,
        )

    def mend(self, seconds: float = 1.2) -> None:
        """The network as it is."""
        self.fade_depths(1, 0.4)
        self.switch(WHOLE, self.names("up"), seconds)

    def cut_with_little_noise(self) -> None:
        """First the one, then the other."""
        u, inside, look = self.u, self.inside, self.least
        told = [part for pair in u.told.values() for part in pair]
        cuts = {"skips cut": WITHOUT_SKIPS, "depths cut": WITHOUT_DEPTHS}
        start = u.row(0).point(0.42, 0.46)
        self.scale, self.bars = factors_of(
            self.lettering,
            {name: inside.factor(variant) for name, variant in cuts.items()},
            lambda: u.look,
            start,
        )
        with self.beat("What is each part good for? We cut the skip connections.") as beat:
            self.play(FadeOut(Group(*told)), run_time=0.5)
            self.cut_skips(beat.left)
        said = inside.without_skips(look)
        with self.beat(said):
            self.grow(0)
            self.light(VGroup(*(shown.borders for shown in u.answers)), 1.2)
        if self.short:
            return  # with little noise the depths hardly matter: one cut says enough
        said = inside.without_depths(look)
        with self.beat(said) as beat:
            self.mend_skips()
            self.cut_depths(beat.left - 3.0)
            self.grow(1)
        with self.beat(inside.straight(look)):
            fine = u.skips[1] if "straight" in inside.straight(look) else u.flow["up 1"]
            self.flash(fine)
            self.light(VGroup(*(shown.borders for shown in u.answers)), 1.0)

    def grow(self, number: int) -> None:
        """Let a bar appear and follow."""
        bar = self.bars[number]
        shown: list[Mobject] = [bar] if number else [self.scale, bar]
        self.play(*(FadeIn(part, shift=RIGHT * px(20)) for part in shown), run_time=0.8)
        bar.follow()

    def add_noise(self) -> None:
        """The same network at the times above: everything inside changes."""
        self.mend()
        with self.beat("Now the same picture under more and more noise.") as beat:
            self.play(
                self.playhead.animate(rate_func=linear).set_value(self.most),
                run_time=max(beat.left, 5),
            )

    def cut_with_much_noise(self) -> None:
        """The same two cuts, and what they harm now."""
        inside, look = self.inside, self.most
        guess = self.u.answers[1].borders
        with self.beat(inside.suffers(WITHOUT_SKIPS, look), detail=True) as beat:
            self.cut_skips(beat.left - 2.2)
            self.light(guess, 1.2)
        with self.beat(inside.suffers(WITHOUT_DEPTHS, look)) as beat:
            self.mend_skips()
            self.cut_depths(beat.left - 2.6)
            self.light(guess, 1.2)
        self.mend()

    def change_words(self) -> None:
        """Other words for the same picture."""
        inside, u = self.inside, self.u
        # All of it is a detail: a short cut has no reason to hurry through it.
        if self.short or OTHER_WORDS not in inside.variants or "words" not in u.told:
            return
        tile, words = u.told["words"]
        instead = u.asked(inside.other)
        self.play(FadeOut(Group(self.scale, *self.bars)), run_time=0.5)
        with self.beat(f"And the words? We ask for “{inside.other}” instead.") as beat:
            self.appear(tile, words, seconds=0.5)
            tile.variant = inside.variants.index(OTHER_WORDS)
            self.play(FadeOut(words, shift=UP * px(10)), FadeIn(instead), run_time=0.6)
            self.switch(OTHER_WORDS, u.stations, max(beat.left, 3))
        said = inside.heard(self.most)
        numbers = u.changes(OTHER_WORDS)
        with self.beat(said, aloud(said)):
            self.play(FadeOut(Group(*u.labels.values())), run_time=0.4)
            self.play(
                LaggedStart(*(FadeIn(number) for number in numbers), lag_ratio=0.3), run_time=2.4
            )
            self.light(self.deep(), 1.4)
            self.light(numbers, 1.2, self.theme.guidance)
        self.play(FadeOut(numbers), FadeIn(Group(*u.labels.values())), run_time=0.5)

    def deep(self) -> VGroup:
        """The frames of the coarsest level."""
        places = [p for p in self.inside.places if p.facts["level"] == self.inside.deepest]
        return VGroup(*(self.u.stations[place.facts["name"]].borders for place in places))

    def finish(self) -> None:
        """The sentence to remember."""
        with self.beat("The depths say what is there. The skip connections say exactly where."):
            self.light(self.deep(), 1.6)
            self.flash(chain(*self.u.skips.values()))
            self.flash(chain(*self.u.skips.values()))
        self.rest(0.8)
        self.play(FadeOut(Group(*self.mobjects)), run_time=0.6)

    def fade(self, lines: VMobject, opacity: float, seconds: float) -> None:
        """Let lines become as faint as ``opacity`` says."""
        self.play(ApplyFunction(lambda found: fade(found, opacity), lines), run_time=seconds)

    # -- how things are pointed at -----------------------------------------------------------

    def light(self, things: VGroup, seconds: float, colour: str | None = None) -> None:
        """Frames or words that swell."""
        colour = colour or self.theme.text
        self.play(
            *(Indicate(one, color=colour, scale_factor=1.04) for one in things),
            run_time=seconds,
        )

    def flash(self, lines: Iterable[Mobject]) -> None:
        """Something runs along lines."""
        self.play(
            *(
                ShowPassingFlash(
                    line.copy().set_color(self.theme.text).set_stroke(width=8), time_width=0.4
                )
                for line in lines
            ),
            run_time=1.4,
        )
