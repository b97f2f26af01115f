"""Distance to the converged answer over evaluations of the network, a line for each rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from manim import RIGHT, UP, Circle, Mobject, Square, Triangle, VGroup, VMobject

from scenes.sampler_race.results import Result, Results
from scenes.stage.layout import Zone, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.plots import DIMMED, Plot, Scale

RULES = ("ddpm", "ddim", "heun", "dpmpp")
"""Whose lines are drawn; Euler's is DDIM's."""
MARKS: dict[str, Callable[..., VMobject]] = {
    "ddpm": Circle,
    "ddim": Circle,
    "heun": Square,
    "dpmpp": Triangle,
}
"""Shapes, so that lines of one colour are told apart where they meet."""
SIZE = 16
"""Pixels at 720p of a mark."""
ROOM = 36
"""Pixels at 720p from one label to the next."""


class Trace(VGroup):
    """The line of a rule, a mark at each measurement, and its name at the end."""

    def __init__(
        self, plot: Plot, row: Sequence[Result], mark: Callable[[], VMobject], colour: str
    ) -> None:
        points = [plot.at(result.nfe, result.distance) for result in row]
        self.path = VMobject(color=colour, stroke_width=4).set_points_as_corners(points)
        self.dots = VGroup(*(mark().move_to(point) for point in points))
        self.end = points[-1]
        self.label = VGroup()
        super().__init__(self.path, self.dots, self.label)

    def put_name(self, label: Mobject, height: float) -> None:
        """Set the name right of the line's end, at ``height``."""
        label.next_to(self.end, RIGHT, buff=px(20)).set_y(height)
        self.label.add(label)

    def recede(self) -> Trace:
        """Make room for another; a name is not seen faintly."""
        return self._shown(DIMMED, 0)

    def come_forward(self) -> Trace:
        """Be seen fully."""
        return self._shown(1, 1)

    def _shown(self, line: float, name: float) -> Trace:
        self.path.set_stroke(opacity=line)
        self.dots.set_opacity(line)
        self.label.set_opacity(name)
        return self


class Chart(VGroup):
    """Both scales logarithmic, so that a power of the number of evaluations is a straight line.

    Parameters
    ----------
    lettering
        Sets names and numbers.
    zone
        What the scales span.
    results
        What is drawn: the mean over the samples.
    colour, called
        Of a rule, its colour and its name.
    """

    def __init__(
        self,
        lettering: Lettering,
        zone: Zone,
        results: Results,
        colour: Callable[[str], str],
        called: Callable[[str], str],
    ) -> None:
        rows = {name: results.row(name) for name in RULES}
        every = [result for row in rows.values() for result in row]
        low = min(result.distance for result in every)
        high = max(result.distance for result in every)
        used = [result.nfe for result in every]
        theme = lettering.theme
        self.plot = Plot(
            lettering,
            zone,
            Scale(min(used) / 1.15, max(used) * 1.08, log=True),
            Scale(low / 1.3, high * 1.3, log=True),
            x_ticks={float(n): str(n) for n in results.budgets},
            y_ticks={d: f"{d:g}" for d in TICKS if low / 1.3 <= d <= high * 1.3},
            x_name=lettering.words("NFE", size=SMALL_SIZE, colour=theme.quiet),
            y_name=None,
        )
        self.said = lettering.words(
            "distance to the converged answer (mean RMS)", size=SMALL_SIZE, colour=theme.quiet
        )
        self.said.next_to(self.plot.origin + self.plot.up, UP, buff=px(14))
        self.said.align_to(self.plot, direction=(-1, 0, 0))
        self.lines = {
            name: Trace(self.plot, row, self._mark(name, colour(name)), colour(name))
            for name, row in rows.items()
        }
        names = {
            name: lettering.words(called(name), size=SMALL_SIZE, colour=colour(name))
            for name in RULES
        }
        heights = spread([float(line.end[1]) for line in self.lines.values()], px(ROOM))
        for (name, line), height in zip(self.lines.items(), heights, strict=True):
            mark = self._mark(name, colour(name))()
            line.put_name(VGroup(mark, names[name]).arrange(RIGHT, buff=px(10)), height)
        super().__init__(self.plot, self.said)

    def drawn(self, runner: str) -> list[Trace]:
        """The lines that were drawn before that of ``runner``."""
        return [self.lines[name] for name in RULES[: RULES.index(runner)]]

    @staticmethod
    def _mark(runner: str, colour: str) -> Callable[[], VMobject]:
        def mark() -> VMobject:
            shape = MARKS[runner](color=colour, fill_color=colour, fill_opacity=1, stroke_width=0)
            return shape.scale_to_fit_height(px(SIZE))

        return mark


TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights at least ``gap`` apart, in their order, as near to those given as can be.

    Where some are too close, they are spread about the middle of where they were.
    """
    order = np.argsort(heights)
    groups: list[tuple[float, int]] = []  # middle and size of what stands together, rising
    for height in np.asarray(heights)[order]:
        middle, size = float(height), 1
        while groups and middle - groups[-1][0] < gap * (size + groups[-1][1]) / 2:
            below, many = groups.pop()
            middle = (middle * size + below * many) / (size + many)
            size += many
        groups.append((middle, size))
    placed = [middle + (i - (size - 1) / 2) * gap for middle, size in groups for i in range(size)]
    found = np.empty(len(heights))
    found[order] = placed
    return [float(height) for height in found]
