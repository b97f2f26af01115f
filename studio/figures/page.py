"""A page that a figure is laid out on, in millimetres from its upper left corner.

Pictures lie on whole dots and are enlarged by whole factors, so that a PNG shows
each of their pixels as a square.  SVG and PDF hold them as small as they are
and say that nothing is to be smoothed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.files import written_whole
from diffusion_core.grids import to_pixels
from studio.figures.fonts import FAMILY
from studio.figures.style import DOTS, HALF_PAGE, LABEL, SMALL, Style, matplotlib_as_here

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCH = 25.4
MARGIN = 1.0
LEADING = 2.75
"""Millimetres from one line of small print to the next."""


class Page:
    """One figure, ``HALF_PAGE`` wide as it is laid out.

    Parameters
    ----------
    style
        Colours and width.
    height
        Millimetres of what is drawn, the margins and the caption not counted.
    tile, pixels
        Millimetres and pixels of a picture's side; ``self.tile`` is the former
        rounded to whole dots.
    caption
        The small print at the foot; "" for none.
    """

    def __init__(
        self, style: Style, *, height: float, tile: float, pixels: int, caption: str = ""
    ) -> None:
        from matplotlib.figure import Figure

        self.style, self.theme = style, style.theme
        factor = max(1, math.ceil(DOTS * tile * style.scale / INCH / pixels))
        self.factor = factor
        self.dots = factor * pixels / (tile * style.scale / INCH)  # an inch
        self.dot = tile / (factor * pixels)
        self.tile = tile
        lines = self._wrapped(caption) if caption else []
        foot = 2.2 + LEADING * len(lines) if lines else 0
        self.columns = round(HALF_PAGE / self.dot)
        self.rows = round((height + 2 * MARGIN + foot) / self.dot)
        self.width, self.height = self.columns * self.dot, self.rows * self.dot
        inches = (self.columns / self.dots, self.rows / self.dots)
        self.figure = Figure(figsize=inches, dpi=self.dots)
        for i, line in enumerate(lines):
            self.text(
                MARGIN,
                self.height - MARGIN - foot + 2.2 + LEADING * (i + 0.7),
                line,
                size=SMALL,
                colour=self.theme.quiet,
                across="left",
                down="baseline",
                literal=True,
            )

    # -- words -----------------------------------------------------------------

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = LABEL,
        colour: str | None = None,
        across: str = "center",
        down: str = "center",
        bold: bool = False,
        literal: bool = False,
    ) -> None:
        """Words at (x, y); between dollars mathematics, unless they are taken literally."""
        self.figure.text(
            x / self.width,
            1 - y / self.height,
            words,
            size=size * self.style.scale,
            color=colour or self.theme.text,
            ha=across,
            va="center_baseline" if down == "center" else down,
            weight=600 if bold else 400,
            parse_math=not literal,
        )

    def extent(self, words: str, size: float = SMALL) -> float:
        """How wide ``words`` are set, in millimetres of the layout."""
        from matplotlib.font_manager import FontProperties
        from matplotlib.textpath import text_to_path

        font = FontProperties(family=[FAMILY, "DejaVu Sans"], size=size)
        wide, _, _ = text_to_path.get_text_width_height_descent(words, font, ismath=False)
        return float(wide) * INCH / 72

    def _wrapped(self, words: str) -> list[str]:
        lines = [""]
        for word in words.split(" "):  # a space that does not break stays
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and self.extent(longer) > HALF_PAGE - 2 * MARGIN:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    # -- pictures --------------------------------------------------------------

    def picture(
        self, x: float, y: float, state: NDArray[Any], name: str, *, frame: str | None = None
    ) -> Axes:
        """A recorded state (C, H, W) with its upper left corner at (x, y), or a dot beside.

        ``name`` is what it is called in the SVG; ``frame`` a colour.
        """
        pixels = to_pixels(state)
        C, H, W = pixels.shape
        shown = np.broadcast_to(pixels, (3, H, W)) if C == 1 else pixels
        left, top = round(x / self.dot), round(y / self.dot)
        wide, high = W * self.factor, H * self.factor
        place = (
            left / self.columns,
            1 - (top + high) / self.rows,
            wide / self.columns,
            high / self.rows,
        )
        axes = self.figure.add_axes(place, label=name)
        axes.imshow(shown.transpose(1, 2, 0), interpolation="none", aspect="auto")
        axes.set_axis_off()
        axes.images[0].set_gid(name)
        if frame is not None:
            self._frame(left, top, wide, high, frame)
        return axes

    def _frame(self, left: int, top: int, wide: int, high: int, colour: str) -> None:
        thick = max(1, round(0.22 / self.dot))  # whole dots, outside of the picture
        # It lies below the picture, so that nothing shows between the two.
        self.box(
            (left - thick) * self.dot,
            (top - thick) * self.dot,
            (wide + 2 * thick) * self.dot,
            (high + 2 * thick) * self.dot,
            colour,
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle with its upper left corner at (x, y), below all pictures."""
        from matplotlib.patches import Rectangle

        self.figure.add_artist(
            Rectangle(
                (x / self.width, 1 - (y + height) / self.height),
                width / self.width,
                height / self.height,
                facecolor=colour,
                edgecolor="none",
                zorder=-1,
                transform=self.figure.transFigure,
            )
        )

    def plot(self, x: float, y: float, width: float, height: float, name: str) -> Axes:
        """Axes whose plotting area has its upper left corner at (x, y)."""
        place = (
            x / self.width,
            1 - (y + height) / self.height,
            width / self.width,
            height / self.height,
        )
        return self.figure.add_axes(place, label=name)

    # -- what comes of it --------------------------------------------------------

    @property
    def shown(self) -> dict[str, NDArray[np.uint8]]:
        """The pixels (H, W, 3) of every picture, by its name."""
        return {
            str(axes.get_label()): np.asarray(axes.images[0].get_array())
            for axes in self.figure.axes
            if axes.images
        }

    def save(self, path: Path, kind: str, title: str, description: str) -> None:
        """Write the page as ``kind``, whole; the same page has the same bytes.

        Raises
        ------
        LectureError
            When it cannot be written.
        """
        told = {
            "png": {"Title": title, "Description": description},
            "svg": {"Title": title, "Description": description, "Date": None},
            "pdf": {"Title": title, "Subject": description, "CreationDate": None},
        }
        with matplotlib_as_here(self.style), written_whole(path) as partial:
            self.figure.savefig(partial, format=kind, dpi=self.dots, metadata=told[kind])


def heads_of(page: Page, times: Sequence[int], room: float) -> list[str]:
    """Times as they stand above pictures: "t = 0" each where there is room, else the first."""
    full = [f"t = {t}" for t in times]
    if max(page.extent(head) for head in full) <= room:
        return full
    # Beside bare numbers there is more room.
    first = full[0] if page.extent(full[0]) <= room + 1.2 else str(times[0])
    return [first, *(str(t) for t in times[1:])]


def tile_size(columns: int, *, room: float, gap: float, most: float = 16.0) -> float:
    """Millimetres of a picture's side where ``columns`` of them share ``room``."""
    return min(most, (room - gap * (columns - 1)) / columns)


def listed(values: Sequence[object]) -> str:
    """Values in words: "3", "3 and 5", "0 to 5" of numbers in a row, "3, 5 and 9"."""
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) == len(values) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
