"""How figures look: three themes, sizes that can be read at half a page, files that repeat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from scenes.stage.theme import LIGHT, THEMES, Theme
from studio.figures.fonts import FAMILY, register

PAPER = replace(LIGHT, name="paper", background="#ffffff", text="#000000", quiet="#4a525c")
"""White ground and black text; the colours that have a meaning are those of the light theme."""
FIGURE_THEMES = {PAPER.name: PAPER, **THEMES}
FORMATS = ("png", "svg", "pdf")

HALF_PAGE = 80.0
"""Millimetres in which figures are laid out: half the width of a page's text, a column.

A figure of another width is the same, scaled as a whole."""
SMALL = 6.0
"""Points of the smallest letters at that width: the least that print should have."""
LABEL = 6.5
DOTS = 300
"""Dots per inch that a PNG has at least."""


@dataclass(frozen=True, slots=True)
class Style:
    """The colours and the width of a figure.

    Parameters
    ----------
    theme
        One of ``FIGURE_THEMES``.
    width
        Millimetres.
    """

    theme: Theme = PAPER
    width: float = 2 * HALF_PAGE

    @property
    def scale(self) -> float:
        """How much larger it is than it was laid out."""
        return self.width / HALF_PAGE


@contextmanager
def matplotlib_as_here(style: Style) -> Iterator[None]:
    """Draw and save with the course's font, and so that the same figure has the same bytes.

    Letters are outlines in an SVG, since few programs read a font that it
    brings along; in a PDF they are text, in TrueType fonts that it holds.
    """
    import matplotlib

    register()
    theme, thin = style.theme, 0.5 * style.scale
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever this machine's own settings say
        settings: Any = {
            "font.family": [FAMILY, "DejaVu Sans"],
            "font.size": LABEL * style.scale,
            "mathtext.fontset": "cm",
            "svg.fonttype": "path",
            "svg.hashsalt": "diffusion-lectures",
            "pdf.fonttype": 42,
            "figure.facecolor": theme.background,
            "savefig.facecolor": theme.background,
            "text.color": theme.text,
            "axes.facecolor": "none",
            "axes.edgecolor": theme.line,
            "axes.linewidth": thin,
            "axes.labelcolor": theme.text,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.unicode_minus": True,
            "lines.linewidth": 1.0 * style.scale,
            "lines.solid_capstyle": "round",
        } | {
            f"{axis}tick.{name}": value
            for axis in ("x", "y")
            for name, value in {
                "color": theme.line,
                "labelcolor": theme.quiet,
                "labelsize": SMALL * style.scale,
                "major.size": 2 * style.scale,
                "minor.size": 0,
                "major.width": thin,
                "major.pad": 1.5 * style.scale,
            }.items()
        }
        matplotlib.rcParams.update(settings)
        yield
