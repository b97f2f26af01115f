"""Recorded states as pictures, one at a time: nothing is copied from a recording ahead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.grids import to_pixels

Pixels = NDArray[np.uint8]
States = NDArray[np.floating[Any]]


class Frames:
    """Pictures in a row in time, shared by every copy of a tile.

    A picture is made of its state when it is shown, into memory that the tile
    keeps; a recording that is mapped into memory stays on disk until then.

    Parameters
    ----------
    states
        (N, C, H, W) in −1 … 1, one or three channels; a view will do.
    weights
        (N,) factors of the states; 1 by default.
    """

    def __init__(self, states: States, weights: NDArray[np.floating[Any]] | None = None) -> None:
        self.states, self.weights = states, weights

    def __deepcopy__(self, memo: dict[int, Any]) -> Frames:
        return self  # manim copies mobjects freely; recordings are not copied with them

    def __len__(self) -> int:
        return len(self.states)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture, in its own pixels."""
        height, width = self.states.shape[-2:]
        return height, width

    @classmethod
    def of(cls, states: States, weights: NDArray[np.floating[Any]] | None = None) -> Frames:
        """Recorded states (N, C, H, W) in −1 … 1, each times its weight."""
        return cls(states, weights)

    @classmethod
    def mosaic(cls, states: States, columns: int, gap: int, background: str) -> Frames:
        """Recorded states (N, B, C, H, W): the samples of each moment side by side."""
        return Mosaic(states, columns, gap, background)

    def _state(self, index: int) -> States:
        state: States = self.states[index]
        return state if self.weights is None else self.weights[index] * state

    def prepare(self, out: Pixels) -> None:
        """Fill what stays the same in ``out`` (H, W, 3) for every picture."""

    def paint(self, index: int, out: Pixels) -> None:
        """Write the picture at ``index`` into ``out`` (H, W, 3)."""
        out[:] = to_pixels(self._state(index)).transpose(1, 2, 0)


class Mosaic(Frames):
    """The samples of each moment side by side, as one picture.

    Parameters
    ----------
    states
        (N, B, C, H, W) in −1 … 1.
    columns
        Samples in a row.
    gap
        Pixels of ``background`` ("#rrggbb") between them.
    """

    def __init__(self, states: States, columns: int, gap: int, background: str) -> None:
        super().__init__(states)
        self.columns, self.gap = columns, gap
        self.background = [int(background[i : i + 2], 16) for i in (1, 3, 5)]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole."""
        _, B, _, H, W = self.states.shape
        rows = math.ceil(B / self.columns)
        return rows * (H + self.gap) - self.gap, self.columns * (W + self.gap) - self.gap

    def prepare(self, out: Pixels) -> None:
        """Fill ``out`` with the background."""
        out[:] = self.background

    def paint(self, index: int, out: Pixels) -> None:
        """Write the samples at ``index`` into ``out``, over its background."""
        H, W = self.states.shape[-2:]
        for i, sample in enumerate(to_pixels(self._state(index))):
            top, left = i // self.columns * (H + self.gap), i % self.columns * (W + self.gap)
            out[top : top + H, left : left + W] = sample.transpose(1, 2, 0)
