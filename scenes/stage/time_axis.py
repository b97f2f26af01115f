"""The time axis with its playhead: the same thing in every scene."""

from __future__ import annotations

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, Dot, Line, ValueTracker, VGroup, VMobject
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.layout import Zone, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.numbers import Readout, whole


class TimeAxis(VGroup):
    """A line from one end of a run to the other; a knob stands at the playhead.

    Under it, between the words at its ends, stand the readouts of the moment.

    Parameters
    ----------
    lettering
        Sets the labels.
    run
        The recording whose states the playhead counts.
    playhead
        The index of the state that is shown; between states the one before.
    zone
        The axis spans its width, at its foot.
    start, end
        Words at the two ends, with their colours.
    colour
        Of the part that lies behind the playhead.
    """

    def __init__(
        self,
        lettering: Lettering,
        run: Trajectory,
        playhead: ValueTracker,
        zone: Zone,
        *,
        start: tuple[str, str],
        end: tuple[str, str],
        colour: str,
    ) -> None:
        super().__init__()
        self.run, self.playhead = run, playhead
        self.left, self.right = zone.point(0, 0.68), zone.point(1, 0.68)
        theme = lettering.theme
        self.line = Line(self.left, self.right, color=theme.line, stroke_width=4)
        self.done = Line(self.left, self.left + RIGHT * px(1), color=colour, stroke_width=5)
        self.knob = Dot(self.left, radius=px(9), color=theme.text)
        self.time = Readout(lettering, "t", lambda: float(self.t), whole)
        self.ends = VGroup()
        sides = ((start, self.left, LEFT), (end, self.right, RIGHT))
        for (word, word_colour), point, side in sides:
            label = lettering.words(word, size=SMALL_SIZE, colour=word_colour)
            label.next_to(point, DOWN, buff=px(16)).align_to(point, side)
            self.ends.add(label)
        self.add(self.line, self.done, self.ends, self.knob)
        self.refresh()

    @property
    def index(self) -> int:
        """Which state of the run is shown."""
        return int(min(max(self.playhead.get_value() + 1e-6, 0), self.run.steps))

    @property
    def t(self) -> int:
        """The time of that state; −1, the clean picture, before the first or after the last."""
        return int(self.run.timesteps[self.index])

    def at(self, index: float) -> NDArray[np.float64]:
        """The point of the axis that belongs to a playhead at ``index``."""
        times = np.interp(index, np.arange(self.run.steps + 1), self.run.timesteps)
        first, last = self.run.timesteps[0], self.run.timesteps[-1]
        return self.left + (self.right - self.left) * (times - first) / (last - first)

    def refresh(self) -> None:
        """Move the knob, the line behind it and the time to the playhead."""
        point = self.at(self.playhead.get_value())
        self.knob.move_to(point)
        self.done.put_start_and_end_on(self.left, np.maximum(point, self.left + RIGHT * px(1)))

    def readouts(self, *more: Readout) -> VGroup:
        """t and ``more``, in a row under the axis, following the playhead."""
        row = VGroup(self.time, *more).arrange(RIGHT, buff=px(64))
        row.match_y(self.ends)
        for readout in row:
            # Aligned by their baselines: names differ in height, and a row must not.
            readout.shift(UP * (self.time.number.origin() - readout.number.origin())[1])
            readout.follow()
        return row.set_x((self.left + self.right)[0] / 2)

    def follow(self) -> TimeAxis:
        """Stay with the playhead from now on."""
        self.add_updater(lambda axis: axis.refresh())
        return self


class Curve(VGroup):
    """A value of the run drawn over the time axis, with a dot at the playhead.

    Parameters
    ----------
    axis
        Whose points in time are used.
    values
        (N + 1,) in 0 … 1, one a state.
    height
        Of the value 1 above the foot, in manim's units.
    lift
        From the axis to the foot.
    """

    def __init__(
        self,
        axis: TimeAxis,
        values: NDArray[np.floating],
        *,
        colour: str,
        height: float,
        lift: float,
    ) -> None:
        super().__init__()
        self.axis, self.values, self.height_of_one, self.lift = axis, values, height, lift
        points = [self.at(i) for i in range(len(values))]
        self.path = VMobject(color=colour, stroke_width=4).set_points_as_corners(points)
        self.dot = Dot(points[0], radius=px(6), color=colour)
        self.add(self.path, self.dot)

    def at(self, index: float) -> NDArray[np.float64]:
        """The point of the curve at a playhead of ``index``."""
        value = np.interp(index, np.arange(len(self.values)), self.values)
        return self.axis.at(index) + UP * (self.lift + value * self.height_of_one)

    def follow(self) -> Curve:
        """Keep the dot at the playhead from now on."""
        self.add_updater(lambda c: c.dot.move_to(c.at(c.axis.playhead.get_value())))
        return self
