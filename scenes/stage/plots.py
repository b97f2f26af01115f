"""Plots: curves with a point that moves along them, and bars that follow the playhead.

Lines, numbers and names are in the theme's colours and the stage's lettering; a
curve has its name beside it, so that nothing has to be looked up in a legend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, DashedLine, Dot, Line, Mobject, VGroup, VMobject
from numpy.typing import ArrayLike, NDArray

from scenes.stage.layout import Zone, px
from scenes.stage.lettering import SMALL_SIZE, Lettering

Floats = NDArray[np.float64]
DIMMED = 0.3
"""Opacity of what is not spoken of."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to shares of a length: ``low`` lies at 0 and ``high`` at 1.

    Parameters
    ----------
    low, high
        The values at the ends; above 0 on a logarithmic scale.
    log
        Whether equal ratios, rather than equal differences, are equally long.
    """

    low: float
    high: float
    log: bool = False

    def share(self, values: ArrayLike) -> Floats:
        """Where ``values`` lie, in the shape given; −∞ for 0 on a logarithmic scale."""
        given = np.asarray(values, float)
        if not self.log:
            return np.asarray((given - self.low) / (self.high - self.low))
        with np.errstate(divide="ignore"):
            shares = np.log(given / self.low) / np.log(self.high / self.low)
        return np.asarray(shares)


def decades(*exponents: int) -> dict[float, str]:
    """Ticks at powers of ten: from value to Typst maths."""
    return {10.0**e: "1" if e == 0 else "10" if e == 1 else f"10^({e})" for e in exponents}


class Plot(VGroup):
    """Two scales that span a zone, with a line and numbers at its foot and its left.

    Parameters
    ----------
    lettering
        Sets names and numbers.
    zone
        What the scales span; numbers and names stand outside of it.
    x, y
        The scales.
    x_ticks, y_ticks
        From values to what is written there, as Typst maths; with no ticks a side
        has no line.
    x_name, y_name
        Set under the middle of the foot, and above the left side.
    size
        Of the lettering.
    """

    def __init__(
        self,
        lettering: Lettering,
        zone: Zone,
        x: Scale,
        y: Scale,
        *,
        x_ticks: Mapping[float, str] | None = None,
        y_ticks: Mapping[float, str] | None = None,
        x_name: Mobject | None = None,
        y_name: Mobject | None = None,
        size: float = SMALL_SIZE,
    ) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.origin, self.across, self.up = zone.point(0, 1), RIGHT * zone.width, UP * zone.height
        line = lettering.theme.line
        for ticks, end, side in ((x_ticks, self.across, DOWN), (y_ticks, self.up, LEFT)):
            if ticks:
                self.add(Line(self.origin, self.origin + end, color=line, stroke_width=3))
            for value, text in (ticks or {}).items():
                at = self.at(value, y.low) if side is DOWN else self.at(x.low, value)
                number = lettering.maths(text, size=size, colour=lettering.theme.quiet)
                number.next_to(at, side, buff=px(14))
                self.add(Line(at, at + side * px(7), color=line, stroke_width=3), number)
        if x_name is not None:
            x_name.next_to(self, DOWN, buff=px(8)).set_x((self.origin + self.across / 2)[0])
            self.add(x_name)
        if y_name is not None:
            y_name.next_to(self.origin + self.up, UP, buff=px(14))
            self.add(y_name)

    def at(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """The points of these values, (…, 3), for x and y of one shape (…)."""
        return self.point(np.stack([self.x.share(x), self.y.share(y)], axis=-1))

    def point(self, shares: Floats) -> Floats:
        """The points, (…, 3), at these shares of the plot's width and height, (…, 2)."""
        across, up = shares[..., :1], shares[..., 1:]
        return np.asarray(self.origin + across * self.across + up * self.up)

    def level(self, y: float, *, colour: str) -> DashedLine:
        """A dashed line at ``y``, from the left to the right."""
        ends = self.at(self.x.low, y), self.at(self.x.high, y)
        return DashedLine(*ends, color=colour, stroke_width=3)


class Graph(VGroup):
    """One value over another, with a point that moves along the line.

    What lies above or below the plot is cut off, and the point is not seen there.

    Parameters
    ----------
    plot
        Where it is drawn.
    x, y
        (N,), x rising.
    colour
        Of line and point.
    label
        What it is called; ``put_label`` says where it stands.
    width
        Of the line.
    """

    def __init__(
        self,
        plot: Plot,
        x: ArrayLike,
        y: ArrayLike,
        *,
        colour: str,
        label: Mobject | None = None,
        width: float = 4,
    ) -> None:
        super().__init__()
        self.plot, self.colour = plot, colour
        self.shares = np.stack([plot.x.share(x), plot.y.share(y)], axis=1)
        self.path = VMobject(color=colour, stroke_width=width)
        for piece in pieces_within(self.shares):
            self.path.start_new_path(self.plot.point(piece[0]))
            self.path.add_points_as_corners(self.plot.point(piece[1:]))
        self.dot = Dot(radius=px(7), color=colour)
        self.label = label or VGroup()
        self.opacity = 1.0
        self.add(self.path, self.dot, self.label)
        self.show(float(np.asarray(x, float)[0]))

    def share_at(self, x: float) -> Floats:
        """The point of the line at ``x``, as shares of the plot's width and height."""
        across = float(self.plot.x.share(x))
        height = np.interp(across, *self.shares.T)
        return np.array([across, height])

    def at(self, x: float) -> Floats:
        """The point of the line at ``x``."""
        return self.plot.point(self.share_at(x))

    def put_label(self, x: float, side: Floats, gap: float = 10) -> Graph:
        """Set the label ``gap`` pixels to the ``side`` of the line at ``x``."""
        self.label.next_to(self.at(x), side, buff=px(gap))
        return self

    def show(self, x: float) -> Graph:
        """Move the point to ``x``."""
        share = self.share_at(x)
        seen = np.isfinite(share[1]) and -1e-9 <= share[1] <= 1 + 1e-9
        self.dot.move_to(self.plot.point(np.clip(share, 0, 1)))
        self.dot.set_opacity(self.opacity if seen else 0)
        return self

    def follow(self, x: Callable[[], float]) -> Graph:
        """Keep the point at what ``x`` gives, from now on."""
        self.add_updater(lambda graph: graph.show(x()))
        return self

    def light(self, opacity: float = 1.0) -> Graph:
        """Be seen fully, or recede; ``graph.animate.light(DIMMED)`` does it in time.

        The label of what recedes is not seen at all: faint words are hard to read.
        """
        self.opacity = opacity
        self.path.set_stroke(opacity=opacity)
        self.dot.set_opacity(opacity)
        self.label.set_opacity(1 if opacity == 1 else 0)
        return self

    def part(self, start: float, end: float, *, colour: str, width: float = 7) -> VMobject:
        """The stretch of the line from ``start`` to ``end``, drawn once more over it."""
        low, high = (float(self.plot.x.share(x)) for x in (start, end))
        between = self.shares[(self.shares[:, 0] > low) & (self.shares[:, 0] < high)]
        shares = np.concatenate([[self.share_at(start)], between, [self.share_at(end)]])
        stretch = VMobject(color=colour, stroke_width=width)
        for piece in pieces_within(shares):
            stretch.start_new_path(self.plot.point(piece[0]))
            stretch.add_points_as_corners(self.plot.point(piece[1:]))
        return stretch


def pieces_within(shares: Floats) -> list[Floats]:
    """The pieces of a line (N, 2) that lie at heights of 0 … 1, cut where they leave it."""
    pieces: list[Floats] = []
    piece: list[Floats] = []
    finite = np.clip(shares, -1e3, 1e3)  # an infinite height has no slope to cut
    for one, other in pairwise(finite):
        rise = other[1] - one[1]
        # Where along this segment the line enters and leaves the band.
        cuts = [0.0, 1.0] if rise == 0 else sorted(((0 - one[1]) / rise, (1 - one[1]) / rise))
        if rise == 0 and not 0 <= one[1] <= 1:
            cuts = [1.0, 0.0]
        enter, leave = max(0.0, cuts[0]), min(1.0, cuts[1])
        if enter >= leave or (one == other).all():
            continue
        if not piece or enter > 0:
            piece = [one + enter * (other - one)]
            pieces.append(np.empty((0, 2)))
        piece.append(one + leave * (other - one))
        pieces[-1] = np.array(piece)
        if leave < 1:
            piece = []
    return pieces


class Bars(VMobject):
    """Bars side by side whose heights follow the playhead: a histogram of the moment.

    They are one mobject, whose outline is made anew for each moment.

    Parameters
    ----------
    plot
        Where they stand; they begin at its foot and are cut off at its top.
    edges
        (K + 1,), rising: bar k stands from edge k to edge k + 1.
    heights
        (N, K), one row a moment.
    colour
        Of the bars.
    outline
        Only their skyline is drawn, to be laid over other bars.
    """

    def __init__(
        self,
        plot: Plot,
        edges: ArrayLike,
        heights: ArrayLike,
        *,
        colour: str,
        outline: bool = False,
    ) -> None:
        if outline:
            super().__init__(color=colour, stroke_width=4)
        else:
            super().__init__(color=colour, stroke_width=0, fill_opacity=0.75)
        self.plot, self.outline = plot, outline
        self.edges, self.heights = np.asarray(edges, float), np.asarray(heights, float)
        if self.heights.shape[1:] != (len(self.edges) - 1,):
            raise ValueError(
                f"heights has shape {self.heights.shape}; {len(self.edges)} edges take "
                f"(N, {len(self.edges) - 1})"
            )
        self.index = 0
        self.show(0)

    def tops(self) -> Floats:
        """Heights of the bars as shown, (K,), as shares of the plot's."""
        return np.clip(self.plot.y.share(self.heights[self.index]), 0, 1)

    def show(self, index: float) -> Bars:
        """Show the moment at ``index``, rounded down and kept within what there is."""
        self.index = int(min(max(index + 1e-6, 0), len(self.heights) - 1))
        left, right = self.plot.x.share(self.edges[:-1]), self.plot.x.share(self.edges[1:])
        tops, foot = self.tops(), np.zeros(len(left))
        if self.outline:
            corners = np.stack([left, tops, right, tops], axis=1).reshape(-1, 2)
            ends = np.array([[left[0], 0.0]]), np.array([[right[-1], 0.0]])
            corners = np.concatenate([ends[0], corners, ends[1]])
            starts, stops = corners[:-1], corners[1:]
        else:
            round_trip = np.stack(
                [left, foot, left, tops, right, tops, right, foot, left, foot], axis=1
            ).reshape(-1, 5, 2)
            starts = round_trip[:, :-1].reshape(-1, 2)
            stops = round_trip[:, 1:].reshape(-1, 2)
        self.points = self._lines(starts, stops)
        return self

    def _lines(self, starts: Floats, stops: Floats) -> Floats:
        """Straight cubic curves, as manim keeps them, between these shares of the plot."""
        steps = np.linspace(0, 1, 4)[:, None, None]
        shares = starts + steps * (stops - starts)
        return self.plot.point(shares.transpose(1, 0, 2).reshape(-1, 2))

    def follow(self, index: Callable[[], float]) -> Bars:
        """Show the moment that ``index`` gives, from now on."""
        self.add_updater(lambda bars: bars.show(index()))
        return self


class Profile(VMobject):
    """A line whose heights follow the playhead: a curve of the moment.

    Parameters
    ----------
    plot
        Where it is drawn; what lies above or below it is cut off.
    x
        (K,), rising.
    heights
        (N, K), one row a moment.
    colour
        Of the line.
    """

    def __init__(self, plot: Plot, x: ArrayLike, heights: ArrayLike, *, colour: str) -> None:
        super().__init__(color=colour, stroke_width=5)
        self.plot, self.across = plot, plot.x.share(x)
        self.heights, self.index = np.asarray(heights, float), 0
        self.show(0)

    def show(self, index: float) -> Profile:
        """Show the moment at ``index``, rounded down and kept within what there is."""
        self.index = int(min(max(index + 1e-6, 0), len(self.heights) - 1))
        shares = np.stack([self.across, self.plot.y.share(self.heights[self.index])], axis=1)
        self.clear_points()
        for piece in pieces_within(shares):
            self.start_new_path(self.plot.point(piece[0]))
            self.add_points_as_corners(self.plot.point(piece[1:]))
        return self

    def follow(self, index: Callable[[], float]) -> Profile:
        """Show the moment that ``index`` gives, from now on."""
        self.add_updater(lambda profile: profile.show(index()))
        return self
