"""Curves over t as drawings on the page: exact places, the course's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 150
LEFT, RIGHT, TOP, BOTTOM = 30, 12, 12, 26
POINTS = 160
"""Places at which a curve is drawn."""


@dataclass(frozen=True)
class Curve:
    """Values for t = 0 … T − 1, between 0 and 1.

    Parameters
    ----------
    label
        What it is, as HTML.
    colour
        A meaning of the theme.
    values
        (T,).
    """

    label: str
    colour: str
    values: NDArray[np.float64]


def x_at(t: float, T: int) -> float:
    """Where t lies across."""
    return LEFT + (WIDTH - LEFT - RIGHT) * max(t, 0) / (T - 1)


def y_at(value: float) -> float:
    """Where a value lies; 0 is below."""
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value)


def curves(shown: Sequence[Curve], t: int, *, name: str, says: str) -> str:
    """The curves with a point on each at t, as HTML."""
    T = len(shown[0].values)
    keys = "".join(
        f'<li style="--colour:var(--{curve.colour})">{curve.label}</li>' for curve in shown
    )
    ground = (
        f'<path class="rule" d="M{LEFT} {y_at(0)}H{WIDTH - RIGHT}M{LEFT} {y_at(1)}'
        f'H{WIDTH - RIGHT}M{x_at(t, T):.1f} {y_at(0)}V{y_at(1)}"/>'
        f'<text x="{LEFT - 8}" y="{y_at(1) + 4}" text-anchor="end">1</text>'
        f'<text x="{LEFT - 8}" y="{y_at(0) + 4}" text-anchor="end">0</text>'
    )
    ground += "".join(
        f'<text x="{x_at(at, T):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{at}</text>'
        for at, anchor in (
            *((quarter * T // 4, "middle") for quarter in range(4)),
            (T - 1, "end"),
        )
    )
    return (
        f'<figure class="curves" id="{name}"><ul>{keys}</ul>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        f"{ground}{''.join(_drawn(curve, t, T) for curve in shown)}</svg></figure>"
    )


def _drawn(curve: Curve, t: int, T: int) -> str:
    at = np.unique(np.rint(np.linspace(0, T - 1, POINTS)).astype(int))
    line = "L".join(f"{x_at(i, T):.1f} {y_at(float(curve.values[i])):.1f}" for i in at)
    value = float(curve.values[max(t, 0)])
    return (
        f'<g style="--colour:var(--{curve.colour})"><path class="line" d="M{line}"/>'
        f'<circle cx="{x_at(t, T):.1f}" cy="{y_at(value):.1f}" r="5"/></g>'
    )
