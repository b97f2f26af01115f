"""Sheets of samples: the right pixels in the right places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_core.errors import LectureError
from diffusion_core.grids import grid, save_grid, to_pixels


def test_levels() -> None:
    values = np.array([-2, -1, -0.5, 0, 0.5, 1, 7])
    assert to_pixels(values).tolist() == [0, 0, 64, 128, 191, 255, 255]
    levels = np.arange(256)
    np.testing.assert_array_equal(to_pixels(levels / 127.5 - 1), levels)


@pytest.mark.parametrize(
    ("count", "asked", "columns", "rows"),
    [
        (1, None, 1, 1),
        (5, None, 3, 2),
        (7, None, 3, 3),
        (64, None, 8, 8),
        (6, 6, 6, 1),
        (6, 1, 1, 6),
        (7, 4, 4, 2),
        (2, 5, 5, 1),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_picture_is_in_its_place(
    count: int, asked: int | None, columns: int, rows: int, channels: int
) -> None:
    H, W, gap, scale = 4, 6, 2, 3
    generator = np.random.default_rng(0)
    states = generator.uniform(-1.2, 1.2, (count, channels, H, W)).astype(np.float32)
    sheet = np.asarray(grid(states, scale=scale, gap=gap, columns=asked))
    expected = (scale * (rows * (H + gap) + gap), scale * (columns * (W + gap) + gap))
    assert sheet.shape[:2] == expected
    small = sheet[::scale, ::scale]
    np.testing.assert_array_equal(small.repeat(scale, 0).repeat(scale, 1), sheet)
    for i, picture in enumerate(to_pixels(states).transpose(0, 2, 3, 1)):
        top, left = gap + i // columns * (H + gap), gap + i % columns * (W + gap)
        found = small[top : top + H, left : left + W].reshape(H, W, channels)
        np.testing.assert_array_equal(found, picture)


def test_it_is_written_whole(tmp_path: Path, below_a_file: Path) -> None:
    states = np.zeros((4, 1, 8, 8), np.float32)
    save_grid(tmp_path / "sheet.png", states, scale=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (sheet.format, sheet.size) == ("PNG", grid(states, scale=2).size)
    save_grid(tmp_path / "strip.png", states, gap=1, columns=4)
    with Image.open(tmp_path / "strip.png") as sheet:
        assert sheet.size == (4 * 9 + 1, 9 + 1)
    with pytest.raises(LectureError, match="cannot be written"):
        save_grid(below_a_file / "sheet.png", states)
