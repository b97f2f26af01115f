"""Colours with one meaning through the whole course, in a dark and a light theme."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3: the least contrast at which small text is readable."""
LARGE_CONTRAST = 3.0
"""The same of large text, whose letters are at least 24 pixels high."""


@dataclass(frozen=True, slots=True)
class Theme:
    """What each colour means; every one but ``line`` is readable on ``background``."""

    name: str
    background: str
    text: str
    quiet: str
    line: str  # rules and axes, never text
    signal: str
    noise: str
    prediction: str
    guidance: str

    def readable(self) -> dict[str, str]:
        """The colours that text may have, by meaning."""
        names = ("text", "quiet", "signal", "noise", "prediction", "guidance")
        return {name: getattr(self, name) for name in names}


DARK = Theme(
    name="dark",
    background="#0f1218",
    text="#e8eaed",
    quiet="#a3acb8",
    line="#59636e",
    signal="#6cb6ff",
    noise="#f2a65a",
    prediction="#4cc38a",
    guidance="#d08ad8",
)
LIGHT = Theme(
    name="light",
    background="#fbfaf7",
    text="#1f2328",
    quiet="#59636e",
    line="#a8b0ba",
    signal="#0b62b8",
    noise="#a84a00",
    prediction="#0f7a47",
    guidance="#8a3b95",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}


def channels(colour: str) -> NDArray[np.float64]:
    """Red, green and blue of ``#rrggbb``, 0 … 1."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def relative_luminance(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative luminance of colours (…, 3) in 0 … 1 (WCAG 2.2)."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    weighed: NDArray[np.float64] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return weighed


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 … 1 (WCAG 2.2)."""
    return float(relative_luminance(channels(colour)))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 … 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
