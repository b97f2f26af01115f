"""The U of a network, drawn from the shapes that were recorded, with what stood where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Arrow,
    CurvedArrow,
    Group,
    Line,
    Mobject,
    ValueTracker,
    VGroup,
    VMobject,
)
from numpy.typing import NDArray

from diffusion_core.recipes.inside import WHOLE, at_place
from diffusion_core.trajectory import Trajectory
from scenes.inside_the_unet.reading import Inside
from scenes.stage.layout import FRAME_WIDTH, MARGIN, UNIT, Zone, px
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, WORDS_SIZE, Lettering
from scenes.stage.numbers import Readout, whole
from scenes.stage.tiles import Frames, Panel, Tile

AREA = Zone(MARGIN, 120, FRAME_WIDTH - MARGIN, 634)
NAMES, FOOT, ROW_GAP = 38, 34, 50
"""Pixels at 720p: over the first row and under the last for names, and between two rows."""
TILE_GAP = 10
TOLD_SIDE = 96
"""Pixels at 720p that an embedding may take, drawn as a square of numbers."""
SKIP_GAP = 16
"""Pixels at 720p between two skip connections of one level."""
RISE = 52
"""Pixels at 720p by which the lowest skip connection at the bottom rises over its ends."""
INSET = 20
"""Pixels at 720p from an arrow to the words beside it."""
LETTERS = 17
"""Of the prompt, in a line."""
BRIGHTEST = 99.0
"""Percentile of how far values lie from grey that is drawn as white, or as black."""


def cell_for(side: float, cells: int) -> int:
    """The largest even number of screen pixels for each of ``cells`` within ``side``."""
    return max(2, int(side // cells // 2 * 2))


def as_square(row: NDArray[np.floating]) -> NDArray[np.floating]:
    """An embedding (…, E, 1, 1) as a picture (…, 1, rows, columns), as square as E allows."""
    count = row.shape[-3]
    rows = next(n for n in range(math.isqrt(count), 0, -1) if count % n == 0)
    return row.reshape(*row.shape[:-3], 1, rows, count // rows)


class Shown(Group):
    """Panels that show one variant of the network at the playhead.

    Parameters
    ----------
    panels
        Their tiles hold the looks of the first variant, then those of the next.
    looks
        How many those are.
    playhead
        The index of the look; between two the one before.
    """

    def __init__(self, panels: Sequence[Panel], looks: int, playhead: ValueTracker) -> None:
        self.panels, self.variant = tuple(panels), 0
        for panel in panels:
            panel.tile.add_updater(
                lambda tile: tile.show(
                    self.variant * looks + min(int(playhead.get_value() + 1e-6), looks - 1)
                ),
                call_updater=True,
            )
        super().__init__(*panels)

    @property
    def borders(self) -> VGroup:
        """The frames of its tiles."""
        return VGroup(*(panel.border for panel in self.panels))

    @property
    def tiles(self) -> Group:
        """Its tiles alone."""
        return Group(*(panel.tile for panel in self.panels))


class Drawing:
    """All things of the scene at their places; nothing is on the stage yet.

    Parameters
    ----------
    inside
        What was recorded.
    lettering
        Sets names and numbers.
    playhead
        The index of the look that is shown.
    """

    def __init__(self, inside: Inside, lettering: Lettering, playhead: ValueTracker) -> None:
        self.inside, self.letters, self.playhead = inside, lettering, playhead
        self.theme = lettering.theme
        rows = inside.deepest + 1
        free = AREA.height / UNIT - NAMES - FOOT - ROW_GAP * (rows - 1)
        self.side = free / rows
        self.stations = {place.facts["name"]: self._station(place) for place in inside.places}
        self._place_stations()
        self.answers = self._answers()
        self.seen = self._seen()
        self.clock = Readout(
            lettering, "t", lambda: float(inside.whole.timesteps[self.look]), whole
        )
        self.clock.next_to(self.seen.border, RIGHT, buff=px(16))
        self.told = self._told()
        self.labels = {place.facts["name"]: self._shape(place) for place in inside.places}
        self.flow = self._flow()
        self.skips = {int(skip["level"]): self._across(skip) for skip in self._skip_facts()}

    @property
    def look(self) -> int:
        """Which look is shown."""
        return min(int(self.playhead.get_value() + 1e-6), self.inside.looks - 1)

    def row(self, number: int) -> Zone:
        """The strip of a row, from 0 at the top."""
        top = AREA.top + NAMES + number * (self.side + ROW_GAP)
        return Zone(AREA.left, top, AREA.right, top + self.side)

    # -- tiles -----------------------------------------------------------------------

    def shown(
        self, states: Sequence[NDArray[np.floating]], side: float, colour: str, **named: Mobject
    ) -> Panel:
        """A tile of what was recorded in each variant, (K, C, H, W) each."""
        frames = Frames.of(np.concatenate(states))
        return Panel(Tile(frames, cell_for(side, max(frames.size))), colour=colour, **named)

    def _standing(self, place: Trajectory) -> list[NDArray[np.float64]]:
        """What stood at a place in each variant, (K, channels, H, W), as it is drawn.

        Grey is a channel's mean over the places at a look of the whole network,
        white and black are equally far above and below: a variant is drawn by
        the same measure, so that what changes is seen to change.
        """
        found = [
            self.inside.at(place, variant).states[:, 0].astype(np.float64)
            for variant in self.inside.variants
        ]
        mean = found[0].mean((2, 3), keepdims=True)
        most = brightest(found[0] - mean, (2, 3))
        return [(values - mean) / most for values in found]

    def _station(self, place: Trajectory) -> Shown:
        standing = self._standing(place)
        panels = [
            self.shown([values[:, i : i + 1] for values in standing], self.side, self.theme.line)
            for i in range(standing[0].shape[1])
        ]
        Group(*panels).arrange(RIGHT, buff=px(TILE_GAP))
        return Shown(panels, self.inside.looks, self.playhead)

    def _place_stations(self) -> None:
        across = {"down": 0.0, "middle": 0.5, "up": 1.0}
        for place in self.inside.places:
            station = self.stations[place.facts["name"]]
            self.row(place.facts["level"]).put(station, across[place.facts["side"]], 0.5)
            for panel in station.panels:
                panel.settle()

    def named(self, maths: str, word: str, colour: str) -> VGroup:
        """A symbol, and what it is."""
        symbol = self.letters.maths(maths, colour=colour, size=HEADING_SIZE)
        said = self.letters.words(word, colour=colour, size=SMALL_SIZE)
        return VGroup(symbol, said.next_to(symbol, RIGHT, buff=px(12)))

    def over(self, panel: Panel, station_tile: Panel) -> Panel:
        """Put ``panel`` into the first row, over a tile of the level below."""
        self.row(0).put(panel, 0.5, 0)
        panel.shift(UP * (self.row(0).point()[1] - panel.tile.get_y()))
        panel.shift(RIGHT * (station_tile.tile.get_x() - panel.tile.get_x()))
        return panel.settle()

    def _seen(self) -> Panel:
        run = self.inside.whole
        tile = Tile(Frames.of(run.states[:-1, 0]), cell_for(self.side, run.states.shape[-1]))
        tile.follow(self.playhead)
        label = self.letters.maths("x_t", colour=self.theme.text, size=HEADING_SIZE)
        return self.over(
            Panel(tile, colour=self.theme.text, label=label), self.stations["down 1"].panels[0]
        )

    def _answers(self) -> tuple[Shown, Shown]:
        """ε̂ and the guess that follows from it, over the right arm."""
        inside, theme = self.inside, self.theme
        above = self.stations["up 1"].panels
        asked = [inside.bundle[name] for name in inside.variants]
        named = [run.eps_hat[:, 0] for run in asked if run.eps_hat is not None]
        guessed = [run.x0_hat[:, 0] for run in asked if run.x0_hat is not None]
        sides = (
            (named, ("hat(epsilon)", "noise", theme.noise), above[0]),
            (guessed, ("hat(x)_0", "guess", theme.prediction), above[-1]),
        )
        found = []
        for states, name, under in sides:
            panel = self.shown(states, self.side, name[2], label=self.named(*name))
            found.append(Shown([self.over(panel, under)], inside.looks, self.playhead))
        return found[0], found[1]

    def _told(self) -> dict[str, tuple[Shown, Mobject]]:
        """What every block is told, as the numbers that it is told in, and in words."""
        inside, theme = self.inside, self.theme
        found: dict[str, tuple[Shown, Mobject]] = {}
        edge: Mobject = self.clock
        for name, colour in (("noise level", theme.noise), ("words", theme.guidance)):
            if name not in inside.bundle or (name == "words" and not inside.prompt):
                continue
            usual = inside.bundle[name]
            runs = [inside.bundle.get(at_place(name, v), usual) for v in inside.variants]
            states = [as_square(run.states[:, 0].astype(np.float64)) for run in runs]
            most = brightest(states[0], (1, 2, 3))
            panel = self.shown([values / most for values in states], TOLD_SIDE, colour)
            panel.next_to(edge, RIGHT, buff=px(24)).match_y(self.seen.border)
            shown = Shown([panel.settle()], inside.looks, self.playhead)
            words = self._quoted(inside.prompt) if name == "words" else VGroup()
            words.next_to(panel, RIGHT, buff=px(16))
            found[name] = (shown, words)
            edge = panel
        return found

    def _quoted(self, prompt: str) -> VGroup:
        lines = wrap(f"“{prompt}”", LETTERS, max_lines=3, placeholder=" …”")
        set_lines = [
            self.letters.words(line, colour=self.theme.guidance, size=WORDS_SIZE) for line in lines
        ]
        return VGroup(*set_lines).arrange(DOWN, buff=px(10), aligned_edge=LEFT)

    def asked(self, prompt: str) -> VGroup:
        """Another prompt at the place of the first."""
        _, words = self.told["words"]
        return self._quoted(prompt).move_to(words, aligned_edge=LEFT)

    # -- names and arrows ----------------------------------------------------------------

    def under(self, name: str, words: Mobject) -> Mobject:
        """Put ``words`` under a station, beside the arrow that leads on."""
        station, side = self.stations[name], name.split()[0]
        words.next_to(station, DOWN, buff=px(12))
        if side != "middle":
            inward = RIGHT if side == "down" else LEFT
            outer = station.panels[0 if side == "down" else -1]
            words.align_to(outer.tile.get_center() + inward * px(INSET), -inward)
        return words

    def _shape(self, place: Trajectory) -> Mobject:
        """How large what stands at a place is; the way up has what the way down has."""
        facts = place.facts
        if facts["side"] == "up":
            return VGroup()
        size = f"{facts['size']} × {facts['size']}"
        right = self.stations[facts["name"]].borders.get_right()[0]
        for text in (f"{size}, {facts['channels']} channels", size):
            words = self.letters.words(text, size=SMALL_SIZE, colour=self.theme.quiet)
            self.under(facts["name"], words)
            # Small stations, of a network of many levels, have no room for more.
            if facts["side"] == "down" and words.get_right()[0] < right:
                break
        return words

    def changes(self, variant: str) -> VGroup:
        """By how much each place changes in a variant, in percent."""
        numbers = VGroup()
        for place in self.inside.places:
            percent = 100 * self.inside.change(place, variant)[self.look]
            number = self.letters.maths(
                f'{percent:.0f} "%"', size=HEADING_SIZE, colour=self.theme.guidance
            )
            numbers.add(self.under(place.facts["name"], number))
        return numbers

    def arrow(self, start: NDArray[np.float64], end: NDArray[np.float64]) -> Arrow:
        """From one thing to the next."""
        return Arrow(
            start,
            end,
            buff=px(8),
            stroke_width=4,
            color=self.theme.quiet,
            tip_length=px(14),
            max_tip_length_to_length_ratio=0.5,
        )

    def _flow(self) -> dict[str, Arrow]:
        """The way of the picture: the arrows that lead to each station, and to the answers."""
        noise, guess = (shown.panels[0] for shown in self.answers)
        names = [place.facts["name"] for place in self.inside.places]
        flow = {
            names[0]: self.arrow(
                self.seen.border.get_bottom(), self.stations[names[0]].panels[0].border.get_top()
            )
        }
        for before, after in pairwise(names):
            one, two = self.stations[before], self.stations[after]
            if "middle" in (before, after):
                ends = one.borders.get_right(), two.borders.get_left()
            elif after.startswith("down"):
                ends = one.panels[0].border.get_bottom(), two.panels[0].border.get_top()
            else:
                ends = one.panels[-1].border.get_top(), two.panels[-1].border.get_bottom()
            flow[after] = self.arrow(*ends)
        last = self.stations[names[-1]].panels[0].border
        flow["answer"] = self.arrow(last.get_top(), noise.border.get_bottom())
        flow["guess"] = self.arrow(noise.border.get_right(), guess.border.get_left())
        return flow

    def _skip_facts(self) -> list[dict[str, int]]:
        skips: list[dict[str, int]] = self.inside.bundle[WHOLE].facts["skips"]
        return skips

    def _across(self, skip: dict[str, int]) -> VGroup:
        """The skip connections of a level, as many as there are."""
        level, count = skip["level"], skip["count"]
        one, two = (self.stations[f"{side} {level}"].borders for side in ("down", "up"))
        lines = VGroup()
        for number in range(count):
            if level < self.inside.deepest:
                lift = UP * px(SKIP_GAP) * (number - (count - 1) / 2)
                lines.add(self.arrow(one.get_right() + lift, two.get_left() + lift))
                continue
            start, end = one.get_corner(UP + RIGHT), two.get_corner(UP + LEFT)
            start, end = start + px(8) * (RIGHT + DOWN), end + px(8) * (LEFT + DOWN)
            chord, rise = float(np.linalg.norm(end - start)), px(RISE + number * SKIP_GAP)
            line = CurvedArrow(
                start,
                end,
                angle=-4 * math.atan(2 * rise / chord),
                stroke_width=4,
                color=self.theme.quiet,
                tip_length=px(14),
            )
            lines.add(line)
        return lines

    def told_lines(self) -> VGroup:
        """From what is told to every station."""
        lowest = min(shown.borders.get_bottom()[1] for shown, _ in self.told.values())
        start = np.array([AREA.point()[0], lowest - px(6), 0])
        colour = self.theme.guidance if "words" in self.told else self.theme.noise
        corners = {"down": UP + RIGHT, "middle": UP, "up": UP + LEFT}
        lines = VGroup()
        for name, station in self.stations.items():
            end = station.borders.get_corner(corners[name.split()[0]])
            lines.add(Line(start, end, buff=px(6), stroke_width=3, color=colour))
        return lines


def brightest(values: NDArray[np.floating], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """What is drawn as white: along ``axes`` all but the largest values lie within it."""
    found = np.percentile(np.abs(values), BRIGHTEST, axis=axes, keepdims=True)
    return np.asarray(np.maximum(found, 1e-6))


def fade(lines: VMobject, opacity: float) -> VMobject:
    """Lines and their tips, as faint as ``opacity`` says; what they enclose stays empty."""
    for line in lines.get_family():
        line.set_stroke(opacity=opacity, family=False)
        if line.get_fill_opacity() > 0:
            line.set_fill(opacity=opacity, family=False)
    return lines
