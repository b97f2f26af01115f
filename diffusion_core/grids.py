"""States as pictures on disk: grids of samples."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffusion_core.files import written_whole


def to_pixels(states: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values in −1 … 1 as levels 0 … 255; what lies outside is cut off, as a screen does."""
    return np.asarray(np.rint((np.clip(states, -1, 1) + 1) * 127.5), dtype=np.uint8)


def grid(
    states: NDArray[np.floating], *, scale: int = 1, gap: int = 2, columns: int | None = None
) -> Image.Image:
    """A grid of the pictures (B, C, H, W), pixels enlarged by ``scale``.

    Parameters
    ----------
    states
        Values in −1 … 1; one channel (grey) or three.
    scale
        Screen pixels a picture's pixel, whole.
    gap
        Pixels of background between pictures, before scaling.
    columns
        Pictures a row; as many as make it nearly square by default.
    """
    pixels = to_pixels(states)
    B, C, H, W = pixels.shape
    columns = columns or math.ceil(math.sqrt(B))
    rows = math.ceil(B / columns)
    sheet = np.full((rows * (H + gap) + gap, columns * (W + gap) + gap, C), 64, np.uint8)
    for i, picture in enumerate(pixels):
        top, left = (gap + (i // columns) * (H + gap), gap + (i % columns) * (W + gap))
        sheet[top : top + H, left : left + W] = picture.transpose(1, 2, 0)
    sheet = sheet.repeat(scale, axis=0).repeat(scale, axis=1)
    return Image.fromarray(sheet[..., 0] if C == 1 else sheet)


def save_grid(
    path: Path,
    states: NDArray[np.floating],
    *,
    scale: int = 1,
    gap: int = 2,
    columns: int | None = None,
) -> None:
    """Write ``grid`` as a PNG, whole."""
    picture = grid(states, scale=scale, gap=gap, columns=columns)
    with written_whole(path) as partial:
        picture.save(partial, format="PNG")
