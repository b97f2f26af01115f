"""Recorded states as pictures, one at a time: nothing is copied from a recording ahead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.grids import to_pixels

Pixels = NDArray[np.uint8]
States = NDArray[Any]
"""Values in −1 … 1, or levels 0 … 255 as uint8."""


def levels(states: States) -> Pixels:
    """As a screen shows them; previews are recorded so."""
    return states if states.dtype == np.uint8 else to_pixels(states)


def blocked(pictures: States, block: int) -> States:
    """The means of blocks of ``block`` pixels a side of pictures (…, H, W), what is over cut off.

    Levels stay levels.
    """
    if block == 1:
        return pictures
    *many, height, width = pictures.shape
    rows, columns = height // block, width // block
    cut = pictures[..., : rows * block, : columns * block]
    means = cut.reshape(*many, rows, block, columns, block).mean((-3, -1), dtype=np.float32)
    return np.rint(means).astype(np.uint8) if pictures.dtype == np.uint8 else means


class Frames:
    """Pictures in a row in time, shared by every copy of a tile.

    A picture is made of its state when it is shown, into memory that the tile
    keeps; a recording that is mapped into memory stays on disk until then.

    Parameters
    ----------
    states
        (N, C, H, W) in −1 … 1 or in levels, one or three channels; a view will do.
    weights
        (N,) factors of the states; 1 by default.
    block
        Pixels a side that are shown as one, by their mean.
    """

    def __init__(
        self, states: States, weights: NDArray[np.floating[Any]] | None = None, block: int = 1
    ) -> None:
        self.states, self.weights, self.block = states, weights, block

    def __deepcopy__(self, memo: dict[int, Any]) -> Frames:
        return self  # manim copies mobjects freely; recordings are not copied with them

    def __len__(self) -> int:
        return len(self.states)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture, in the pixels that are shown."""
        height, width = self.states.shape[-2:]
        return height // self.block, width // self.block

    @classmethod
    def of(
        cls,
        states: States,
        weights: NDArray[np.floating[Any]] | None = None,
        *,
        block: int = 1,
    ) -> Frames:
        """Recorded states (N, C, H, W) in −1 … 1, each times its weight."""
        return cls(states, weights, block)

    @classmethod
    def mosaic(
        cls, states: States, columns: int, gap: int, background: str, *, block: int = 1
    ) -> Frames:
        """Recorded states (N, B, C, H, W): the samples of each moment side by side."""
        return Mosaic(states, columns, gap, background, block)

    def _state(self, index: int) -> States:
        state: States = self.states[index]
        if self.weights is not None:
            state = self.weights[index] * state
        return blocked(state, self.block)

    def prepare(self, out: Pixels) -> None:
        """Fill what stays the same in ``out`` (H, W, 3) for every picture."""

    def paint(self, index: int, out: Pixels) -> None:
        """Write the picture at ``index`` into ``out`` (H, W, 3)."""
        out[:] = levels(self._state(index)).transpose(1, 2, 0)


class Mosaic(Frames):
    """The samples of each moment side by side, as one picture.

    Parameters
    ----------
    states
        (N, B, C, H, W) in −1 … 1 or in levels.
    columns
        Samples in a row.
    gap
        Shown pixels of ``background`` ("#rrggbb") between them.
    block
        Pixels a side that are shown as one, by their mean.
    """

    def __init__(
        self, states: States, columns: int, gap: int, background: str, block: int = 1
    ) -> None:
        super().__init__(states, block=block)
        self.columns, self.gap = columns, gap
        self.background = [int(background[i : i + 2], 16) for i in (1, 3, 5)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole."""
        H, W = super().size
        rows = math.ceil(self.states.shape[1] / self.columns)
        return rows * (H + self.gap) - self.gap, self.columns * (W + self.gap) - self.gap

    def prepare(self, out: Pixels) -> None:
        """Fill ``out`` with the background."""
        out[:] = self.background

    def paint(self, index: int, out: Pixels) -> None:
        """Write the samples at ``index`` into ``out``, over its background."""
        H, W = super().size
        for i, sample in enumerate(levels(self._state(index))):
            top, left = i // self.columns * (H + self.gap), i % self.columns * (W + self.gap)
            out[top : top + H, left : left + W] = sample.transpose(1, 2, 0)
