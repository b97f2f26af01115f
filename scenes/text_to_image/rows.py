"""Prompts as stripes, one under the other, in the order of the first one's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from manim import DOWN, LEFT, RIGHT, UP, Group, Typst, ValueTracker

from scenes.stage import quoting
from scenes.stage.barcodes import barcode, reach, sorting, stripes
from scenes.stage.layout import CAPTIONS, TALL_STAGE, Zone, px
from scenes.stage.lettering import SMALL_SIZE, Lettering
from scenes.stage.numbers import fixed
from scenes.stage.tiles import Tile

CELL = 2
"""Screen pixels at 720p that a stripe is wide."""
HEIGHT = 30
"""Pixels of a stripe's height."""
WHOLE_STAGE = Zone(TALL_STAGE.left, TALL_STAGE.top, TALL_STAGE.right, CAPTIONS.top - 6)
"""The stage while there is no time axis."""
LONGEST = 40
"""Letters that are shown of a prompt."""


def quoted(prompt: str, most: int = LONGEST) -> str:
    """The prompt in quotation marks, its beginning where it is long."""
    return quoting.quoted(prompt, most)


def cosine(one: list[float], other: list[float]) -> float:
    """Of the angle between two embeddings."""
    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))


class Row(Group):
    """A prompt, its stripes, and a number at the right.

    Parameters
    ----------
    caption, number
        Set above the stripes, at their left and their right.
    stripes
        The picture of the numbers.
    """

    def __init__(self, caption: Typst, stripes: Tile, number: Typst) -> None:
        self.caption, self.stripes, self.number = caption, stripes, number
        stripes.name = f"stripes of {caption.name}"
        caption.next_to(stripes, UP, buff=px(10)).align_to(stripes, LEFT)
        number.match_y(caption).align_to(stripes, RIGHT)
        super().__init__(caption, stripes, number)


def rows_of(
    words: Mapping[str, Any], prompts: list[str], lettering: Lettering, sorter: ValueTracker
) -> list[Row]:
    """A row a prompt; the first one's stripes are sorted as ``sorter`` goes on.

    Parameters
    ----------
    words
        What a recording says of prompts (``diffusion_core.text.words_as_numbers``).
    prompts
        At least one, in the order of the rows.
    lettering
        Sets words and numbers.
    sorter
        From 0, as the numbers come, to ``barcodes.MOMENTS``, the largest first.
    """
    theme, embeddings = lettering.theme, words["embeddings"]
    first = embeddings[prompts[0]]
    order, most = np.argsort(-np.asarray(first), kind="stable"), reach(first)
    rows: list[Row] = []
    for prompt in prompts:
        colours = stripes(embeddings[prompt], most, theme.background, theme.guidance)
        if rows:
            tile = Tile(barcode(colours[:, order], HEIGHT), CELL)
            number = f'"cosine" {fixed(2)(cosine(first, embeddings[prompt]))}'
        else:
            tile = Tile(sorting(first, colours, theme.background, HEIGHT), CELL).follow(sorter)
            number = f'{len(first)} "numbers"'
        caption = lettering.words(quoted(prompt), colour=theme.guidance, size=SMALL_SIZE)
        rows.append(Row(caption, tile, lettering.maths(number, size=SMALL_SIZE)))
    WHOLE_STAGE.put(Group(*rows).arrange(DOWN, buff=px(26), aligned_edge=LEFT), 0.5, 0.5)
    return rows
