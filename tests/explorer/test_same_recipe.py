"""What "Make this a scene" asks for is what is on the page: the same arrays, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.dissolving import dissolved
from diffusion_core.errors import LectureError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import SEED_LIMIT, ForwardRecipe
from diffusion_core.runs import run
from explorer.similar import Similar
from explorer.u_turn import DRAWN, UTurn
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.recipes import KEPT_PIXELS, TURNS

NOBODY: Any = None


def played(scene: str, options: SceneOptions, name: str) -> Bundle:
    """What the scene is given."""
    return run_experiment(scene_entry(scene).runs(options)[name])  # type: ignore[arg-type]


def test_each_t_of_the_scene_is_the_slider_at_that_t() -> None:
    page = ForwardRecipe(image="temple", size=40, seed=5, schedule="linear", noise="one")
    brought = json.dumps({"size": page.size, "noise": page.noise})
    options = SceneOptions(image="temple", seed=5, schedule="linear", recipe=brought)
    shown = run(scene_entry("forward_process").runs(options)["forward"])  # type: ignore[arg-type]
    assert len(shown.timesteps) > 200
    for i, t in enumerate(shown.timesteps):
        at = dissolved(page, int(t))
        np.testing.assert_array_equal(shown.states[i, 0], at.x_t)
        if t >= 0:
            np.testing.assert_allclose(shown.noise_weight[i] * shown.eps[i, 0], at.noise, atol=1e-6)


@pytest.mark.parametrize("size", [64, 128, 192, 384, 512])
def test_a_large_picture_is_kept_less_often(size: int) -> None:
    brought = json.dumps({"size": size, "noise": "one"})
    recipe = scene_entry("forward_process").runs(SceneOptions(recipe=brought))["forward"]
    assert isinstance(recipe, ForwardRecipe)
    assert 40 <= recipe.keep <= 250
    assert recipe.keep * size**2 <= KEPT_PIXELS


@pytest.mark.parametrize("seed", [23, SEED_LIMIT - 2])
def test_the_patches_of_the_page_are_new_in_the_scenes_first_picture(seed: int) -> None:
    controls = ("16 17 30", seed, "ddim", 10)
    similar = Similar(NOBODY)
    page = run_experiment(similar.recipe(NOBODY, *controls))
    scene = played("similar_noise", similar.scene(NOBODY, *controls), "similar_noise")
    for name in ("original", "patch"):
        np.testing.assert_array_equal(page[name].states[:, 0], scene[name].states[:, 0])
    for what in ("rms_inside", "rms_outside"):
        assert page["patch"].facts[what][0] == scene["patch"].facts[what][0]


def test_no_patch_is_no_scene() -> None:
    with pytest.raises(LectureError, match="No patch is chosen"):
        Similar(NOBODY).scene(NOBODY, "", 23, "ddim", 10)


@pytest.mark.parametrize(("t", "sampler"), [(640, "ddim"), (0, "ddpm"), (999, "ddim")])
def test_the_turn_of_the_page_is_one_of_the_scenes(t: int, sampler: str) -> None:
    controls = (t, 18, sampler, 10, DRAWN, "")
    turn = UTurn(NOBODY)
    recipe = turn.recipe(NOBODY, *controls)
    page, scene = run_experiment(recipe), played("u_turn", turn.scene(NOBODY, *controls), "u_turn")
    for way in ("states", "x0_hat"):
        ours, theirs = (getattr(one[f"from {t}"], way) for one in (page, scene))
        np.testing.assert_array_equal(ours, theirs)
    at = scene["forward"].timesteps.tolist().index(t)
    np.testing.assert_array_equal(page["forward"].states[1], scene["forward"].states[at])
    turns = scene.facts["recipe"]["turns"]
    assert len(turns) == len(TURNS)
    assert len(set(turns) - set(TURNS)) <= 1
    # The scene's picture with a hole is the same picture.
    repaired = scene_entry("u_turn").runs(turn.scene(NOBODY, *controls))["repair"]
    assert replace(repaired, erase=(), samples=3) == replace(recipe, turns=tuple(turns))  # type: ignore[type-var]
