"""Similar noise without a browser: patches, both ways, the difference."""

from __future__ import annotations

import numpy as np
import pytest

from diffusion_core.errors import LectureError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import SimilarNoiseRecipe
from explorer.similar import PATCHES, change, chosen_patches, compared, corners, noise_message
from tests.diffusion_core.conftest import save_tiny
from tests.explorer.test_boards import decoded


@pytest.mark.parametrize("side", [28, 32, 8])
def test_the_patches_tile_the_picture(side: int) -> None:
    covered = np.zeros((side, side), int)
    for top, left, height, width in corners(tuple(range(PATCHES**2)), side):
        covered[top : top + height, left : left + width] += 1
    assert (covered == 1).all()


def test_patches_are_counted_in_reading_order() -> None:
    assert corners((0, 1, PATCHES), 28) == ((0, 0, 4, 4), (0, 4, 4, 4), (4, 0, 4, 4))
    assert chosen_patches(" 8 3  8 ") == (3, 8)
    assert chosen_patches("") == ()


@pytest.mark.parametrize("text", ["49", "-1", "1.5", "a", "²", "1,2", "9" * 50])
def test_what_is_no_patch_is_refused(text: str) -> None:
    with pytest.raises(LectureError, match="is none: there are 49"):
        chosen_patches(text)


def test_what_is_shown_is_the_run_and_the_difference(tmp_path: object) -> None:
    weights = save_tiny(tmp_path / "tiny.safetensors")  # type: ignore[operator]
    patches = corners((0, 9), 8)
    recipe = SimilarNoiseRecipe(
        model=str(weights), patch=patches[0], further=patches[1:], steps=4, T=100
    )
    run = run_experiment(recipe)
    sent = compared(run)
    one, other, differs = (
        decoded(panel["frames"], "u1", *panel["size"])[..., 0] for panel in sent["panels"]
    )
    np.testing.assert_array_equal(one, to_pixels(run["original"].states)[:, 0, 0])
    np.testing.assert_array_equal(other, to_pixels(run["patch"].states)[:, 0, 0])
    both = run["original"].states[:, 0], run["patch"].states[:, 0]
    np.testing.assert_array_equal(differs, to_pixels(change(*both))[:, 0])
    assert (differs[0] > 0).sum() == sum(height * width for *_, height, width in patches)
    inside = run["patch"].facts["rms_inside"][0]
    assert f"changed by {inside:.2f} inside" in sent["panels"][2]["note"]
    # The grid holds both noises, so that it can show either in each patch.
    grid = noise_message(recipe, (0, 9))
    first, fresh = decoded(grid["frames"], "u1", *grid["size"])[..., 0]
    np.testing.assert_array_equal(first, to_pixels(run["original"].states[0, 0, 0] / 2))
    new = differs[0] > 0
    np.testing.assert_array_equal(fresh[new], to_pixels(run["patch"].states[0, 0, 0] / 2)[new])
    assert grid["chosen"] == [0, 9]
