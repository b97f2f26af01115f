"""Samples on disk: the pictures, and the states that lay on the way to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffusion_core.grids import grid, to_pixels
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import run
from diffusion_core.sheets import STRIP_ROWS, write_samples
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.fakes import TEXTS

SCALE, GAP, SIZE = 3, 2, 8
CELL = SIZE + GAP


def recipe_of(weights: Path, count: int = 3, **options: object) -> ReverseRecipe:
    return ReverseRecipe(
        model=str(weights),
        seeds=tuple(range(count)),
        steps=6,
        T=20,
        **options,  # type: ignore[arg-type]
    )


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture)


def picture_at(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = (SCALE * (GAP + i * CELL) for i in (row, column))
    return sheet[top : top + SCALE * SIZE : SCALE, left : left + SCALE * SIZE : SCALE]


def assert_shows(path: Path, states: np.ndarray) -> None:
    np.testing.assert_array_equal(pixels(path), np.asarray(grid(states, scale=SCALE)))


@pytest.fixture(scope="module")
def recorded(tiny_weights: Path) -> Trajectory:
    return run(recipe_of(tiny_weights, keep=4))


def test_one_grid_and_nothing_else(tiny_weights: Path, tmp_path: Path) -> None:
    written = write_samples(recipe_of(tiny_weights), tmp_path / "samples.png")
    assert (written.picture, written.intermediate) == (tmp_path / "samples.png", ())
    assert written.nfe is None
    assert list(tmp_path.iterdir()) == [tmp_path / "samples.png"]
    assert_shows(written.picture, run(recipe_of(tiny_weights)).states[-1])


class TestStrip:
    def test_a_row_leads_from_noise_to_picture(
        self, tiny_weights: Path, tmp_path: Path, recorded: Trajectory
    ) -> None:
        path = tmp_path / "deep" / "samples.png"
        written = write_samples(recipe_of(tiny_weights, keep=4), path, "strip")
        assert written.intermediate == (tmp_path / "deep" / "samples.strip.png",)
        assert written.nfe == 6
        assert_shows(path, recorded.states[-1])
        strip = pixels(written.intermediate[0])
        N, B = recorded.states.shape[:2]
        assert (N, B) == (5, 3)
        assert strip.shape == (SCALE * (B * CELL + GAP), SCALE * (N * CELL + GAP))
        shown = to_pixels(recorded.states)[:, :, 0]
        for sample in range(B):
            for state in range(N):
                found = picture_at(strip, sample, state)
                np.testing.assert_array_equal(found, shown[state, sample])

    def test_of_many_samples_it_has_the_first(self, tiny_weights: Path, tmp_path: Path) -> None:
        recipe = recipe_of(tiny_weights, count=STRIP_ROWS + 3, keep=1)
        written = write_samples(recipe, tmp_path / "samples.png", "strip")
        strip = pixels(written.intermediate[0])
        assert strip.shape == (SCALE * (STRIP_ROWS * CELL + GAP), SCALE * (2 * CELL + GAP))
        last = to_pixels(run(recipe).states)[-1, STRIP_ROWS - 1, 0]
        np.testing.assert_array_equal(picture_at(strip, STRIP_ROWS - 1, 1), last)


class TestPictures:
    def test_a_grid_for_each_kept_state_in_its_order(
        self, tiny_weights: Path, tmp_path: Path, recorded: Trajectory
    ) -> None:
        recipe = recipe_of(tiny_weights, keep=4)
        written = write_samples(recipe, tmp_path / "samples.png", "pictures")
        folder = tmp_path / "samples.states"
        names = [path.name for path in written.intermediate]
        times = recorded.timesteps.tolist()
        assert times[-1] == -1
        assert names == [f"{i:03d}-t{t:04d}.png" for i, t in enumerate(times[:-1])] + [
            "004-clean.png"
        ]
        assert sorted(folder.iterdir()) == list(written.intermediate)
        for path, states in zip(written.intermediate, recorded.states, strict=True):
            assert_shows(path, states)
        assert_shows(written.picture, recorded.states[-1])


def test_a_prompt_with_guidance_asks_twice_a_step(reading_weights: Path, tmp_path: Path) -> None:
    recipe = recipe_of(reading_weights, keep=2, prompt=TEXTS[0], guidance=4)
    written = write_samples(recipe, tmp_path / "asked.png", "strip")
    assert written.nfe == 12
    unasked = write_samples(recipe_of(reading_weights), tmp_path / "unasked.png")
    assert (pixels(written.picture) != pixels(unasked.picture)).any()
