"""How noise is laid: what the canvas shows, the brush, the numbers beside it, the weights."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from manim import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Animation,
    FadeIn,
    GrowFromEdge,
    Indicate,
    Line,
    Mobject,
    Rectangle,
    ValueTracker,
    VGroup,
)
from numpy.typing import NDArray

from scenes.noise_brush.canvas import CanvasTelling
from scenes.noise_brush.dabs import DabbingTip, Dabs
from scenes.noise_brush.stroke import Stroke, Tip
from scenes.noise_brush.telling import Telling
from scenes.stage.layout import FRAME, px
from scenes.stage.lettering import HEADING_SIZE, SMALL_SIZE, Lettering
from scenes.stage.numbers import Readout, fixed, whole
from scenes.stage.tiles import Panel, Tile

MOMENTS = 90
"""Pictures of the brush at work, besides the one before it."""
BAR = 300, 22
"""Width and height of the bar of noise, in pixels at 720p."""


class Laying(Protocol):
    """What the scene shows of a brush at work."""

    frames: NDArray[Any]
    """(MOMENTS + 1, C, H, W): the picture, then the canvas at every moment."""

    def moment(self, share: float) -> int:
        """Which of the frames is shown after a share of the way."""
        ...

    def tip(self, tile: Tile) -> Tip | DabbingTip:
        """The brush over the canvas."""
        ...

    def numbers(self, way: ValueTracker, canvas: Panel) -> VGroup:
        """How far it is, in its place; it follows the way."""
        ...

    def weights(self) -> Mobject:
        """How much noise there is."""
        ...

    def appears(self) -> list[Animation]:
        """How that comes onto the stage."""
        ...

    def points(self) -> list[Animation]:
        """What is pointed at then, one after the other."""
        ...


class Stroking:
    """A stroke, under which the picture drowns in the noise of one t.

    Parameters
    ----------
    lettering
        Sets the numbers.
    told
        What was recorded.
    """

    def __init__(self, lettering: Lettering, told: Telling) -> None:
        self.lettering, self.told = lettering, told
        self.stroke = Stroke(told.recipe["path"], told.recipe["radius"], told.mask)
        self.frames: NDArray[Any] = self.stroke.frames(
            told.picture, told.painted.states[1, 0], MOMENTS
        )

    def moment(self, share: float) -> int:
        """Which of the frames is shown after a share of the way."""
        return 1 + int(share * (MOMENTS - 1) + 1e-6) if share > 0 else 0

    def tip(self, tile: Tile) -> Tip:
        """The brush over the canvas."""
        theme = self.lettering.theme
        return Tip(self.stroke, tile, colour=theme.noise, handle=theme.quiet)

    def numbers(self, way: ValueTracker, canvas: Panel) -> VGroup:
        """How many pixels are under noise; it follows the way."""

        def covered() -> float:
            share = way.get_value()
            return float(self.stroke.covered(share).sum()) if share > 0 else 0.0

        count = Readout(
            self.lettering,
            '"pixels under noise"',
            covered,
            whole,
            colour=self.lettering.theme.noise,
        )
        count.next_to(canvas.border, DOWN, buff=px(22)).set_x(FRAME.point()[0])
        return count.follow()

    def weights(self) -> Mobject:
        """The weights of picture and noise."""
        signal, noise = self.told.painted.signal_weight[1], self.told.painted.noise_weight[1]
        self.formula = self.lettering.maths(
            f"{{{{ {signal:.2f} thin x_0 : signal }}}}"
            f" + {{{{ {noise:.2f} thin epsilon : noise }}}}",
            size=HEADING_SIZE,
            signal=self.lettering.theme.signal,
            noise=self.lettering.theme.noise,
        )
        return self.formula

    def appears(self) -> list[Animation]:
        """How they come onto the stage."""
        return [FadeIn(self.formula)]

    def points(self) -> list[Animation]:
        """Noise, then picture."""
        theme = self.lettering.theme
        return [
            Indicate(self.formula.select(part), color=colour)
            for part, colour in (("noise", theme.noise), ("signal", theme.signal))
        ]


class Dabbing:
    """Dabs, each of which adds noise, beside what t stands for.

    Parameters
    ----------
    lettering
        Sets the numbers.
    told
        What was recorded.
    """

    def __init__(self, lettering: Lettering, told: CanvasTelling) -> None:
        self.lettering, self.told = lettering, told
        self.dabs = Dabs(told, MOMENTS)
        self.frames: NDArray[Any] = self.dabs.frames

    def moment(self, share: float) -> int:
        """Which of the frames is shown after a share of the way."""
        return self.dabs.moment(share)

    def tip(self, tile: Tile) -> DabbingTip:
        """The brush over the canvas."""
        theme = self.lettering.theme
        return DabbingTip(self.dabs, tile, colour=theme.noise, handle=theme.quiet)

    def numbers(self, way: ValueTracker, canvas: Panel) -> VGroup:
        """How many dabs there are and how much noise; they follow the way."""
        dabs, colour = self.dabs, self.lettering.theme.noise

        def at(values: np.ndarray) -> float:
            return float(values[dabs.moment(way.get_value())])

        # Left of the canvas: the brush may reach under it.
        count = VGroup(
            Readout(self.lettering, '"dabs"', lambda: at(dabs.laid), whole, colour=colour),
            Readout(self.lettering, '"noise"', lambda: at(dabs.measured), fixed(2), colour=colour),
        )
        # Room for the largest number, which is the last one.
        count[0].number.show(whole(dabs.laid[-1]))
        count.arrange(DOWN, buff=px(30), aligned_edge=LEFT)
        count.next_to(canvas.border, LEFT, buff=px(60)).match_y(canvas.border)
        for readout in count:
            readout.refresh()
            readout.follow()
        return count

    def weights(self) -> Mobject:
        """A bar from 0 to 1 for the noise that was measured, a mark for what t expects."""
        theme, letters, told = self.lettering.theme, self.lettering, self.told
        width, height = (px(side) for side in BAR)
        frame = Rectangle(width=width, height=height, color=theme.line, stroke_width=2)
        left = frame.get_left()
        self.bar = Rectangle(width=max(px(2), min(1, told.laid) * width), height=height)
        self.bar.set_stroke(width=0).set_fill(theme.noise, opacity=1)
        self.bar.move_to(left, aligned_edge=LEFT)
        at, reach = left + RIGHT * told.expected * width, UP * (height / 2 + px(10))
        mark = Line(at - reach, at + reach, color=theme.text, stroke_width=5)
        t = told.removed.facts["turn"]
        expected = letters.words(f"expected at t = {t}: {told.expected:.2f}", size=SMALL_SIZE)
        fits = "it fits" if told.verdict == "enough" else told.verdict
        laid = letters.words(
            f"measured: {told.laid:.2f}, {fits}", size=SMALL_SIZE, colour=theme.noise
        )
        expected.next_to(frame, UP, buff=px(28)).align_to(frame, LEFT)
        laid.next_to(frame, DOWN, buff=px(28)).align_to(frame, LEFT)
        self.expects, self.measured = VGroup(mark, expected), laid
        self.frame = frame
        return VGroup(frame, self.bar, mark, expected, laid)

    def appears(self) -> list[Animation]:
        """How it comes onto the stage."""
        come = (self.frame, self.measured, self.expects)
        return [*(FadeIn(part) for part in come), GrowFromEdge(self.bar, LEFT)]

    def points(self) -> list[Animation]:
        """What was measured, then what t expects."""
        theme = self.lettering.theme
        return [
            Indicate(self.measured, color=theme.noise, scale_factor=1.05),
            Indicate(self.expects, color=theme.text, scale_factor=1.05),
        ]


def laying(lettering: Lettering, told: Telling) -> Laying:
    """What the scene shows of the brush that was recorded."""
    if isinstance(told, CanvasTelling):
        return Dabbing(lettering, told)
    return Stroking(lettering, told)
