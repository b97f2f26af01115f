"""Guidance: what is shown is what was recorded, and what is said is true of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch

from diffusion_core.classifier import classes_of, features_of, load_judge
from diffusion_core.errors import UsageError
from diffusion_core.grids import to_pixels
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.guidance import guesses, share_of_answer, variety, white
from scenes.options import SceneOptions
from scenes.predicted_noise import first_look
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
Runs = dict[str, Trajectory]


def recorded(options: SceneOptions) -> Runs:
    recipes = scene_entry("guidance").recipes(options)
    found = {name: Store().get(recipe).trajectory for name, recipe in recipes.items()}
    return {name: run for name, run in found.items() if isinstance(run, Trajectory)}


@pytest.fixture(params=[0, 7])
def runs(request: pytest.FixtureRequest) -> Runs:
    return recorded(SceneOptions(seed=request.param, steps=10))


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 7)])
def test_tiles_and_numbers_are_the_recordings(rehearse: Rehearse, theme: str, seed: int) -> None:
    checked = {"moment": 0, "line": 0, "rows": 0}

    def look(scene: LectureScene) -> None:
        run, i, tiles = scene.guided, scene.axis.index, shown_tiles(scene)
        if i < run.steps:
            changed = (run.eps_cond[i, 0].astype(float) - run.eps_uncond[i, 0]) * scene.factor
            now = {
                scene.seen.tile: run.states[i, 0],
                scene.without.tile: run.eps_uncond[i, 0],
                scene.with_prompt.tile: run.eps_cond[i, 0],
                scene.changed.tile: changed,
            }
            for tile in tiles:
                if tile in now:
                    np.testing.assert_array_equal(tile.picture, as_shown(now[tile]))
                    checked["moment"] += 1
        for panel, guess in zip(
            getattr(scene, "line", ()), guesses(run, scene.moment, (0, 1, 2, 4, 8)), strict=False
        ):
            if panel.tile in tiles:
                np.testing.assert_array_equal(panel.tile.picture, as_shown(guess))
                checked["line"] += 1
        for panel, scale in zip(getattr(scene, "rows", ()), scene.scales, strict=False):
            if panel.tile in tiles:
                for b in range(7):
                    cell = panel.tile.picture[:, 30 * b : 30 * b + 28]
                    state = scene.run(f"g{scale:g}").states[i, b]
                    np.testing.assert_array_equal(cell, as_shown(state))
                assert scene.clock.text == whole(float(run.timesteps[i]))
                checked["rows"] += 1

    scene = rehearse("guidance", look, SceneOptions(seed=seed, theme=theme, steps=10))
    assert min(checked.values()) >= 10
    assert scene.scales == (1, 2, 4, 8)
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    runs = [scene.run(f"g{scale:g}") for scale in scene.scales]
    percent = 100 * share_of_answer(scene.guided, scene.moment)
    assert f"They differ by {percent:.0f} %." in said
    assert (
        f"they differ {variety(runs[-1]):.2f} on average, instead of {variety(runs[0]):.2f}" in said
    )
    assert f"{100 * (white(runs[-1]) / white(runs[0]) - 1):.0f} % more of their pixels" in said


def test_the_numbers_are_measured_on_the_finished_pictures(runs: Runs) -> None:
    for run in runs.values():
        ends = torch.from_numpy(run.states[-1].copy()).flatten(1).double()
        expected = torch.pdist(ends).mean() / ends.shape[1] ** 0.5
        assert variety(run) == pytest.approx(float(expected), rel=1e-6)
        assert white(run) == pytest.approx(float((ends > 0.9).double().mean()))


def test_every_run_starts_from_the_same_noise(runs: Runs) -> None:
    for one, other in combinations(runs.values(), 2):
        np.testing.assert_array_equal(one.states[0], other.states[0])


def test_the_answers_look_much_the_same(runs: Runs) -> None:
    """The narration says: "Both answers look much the same", and by how much they differ."""
    run = runs["g2"]
    assert run.eps_cond is not None
    assert run.eps_uncond is not None
    i = first_look(run)
    assert 0 < share_of_answer(run, i) < 0.15
    both = run.eps_cond[i, 0].ravel(), run.eps_uncond[i, 0].ravel()
    assert np.corrcoef(*both)[0, 1] > 0.98


def test_the_guesses_lie_on_the_line_of_the_recorded_one(runs: Runs) -> None:
    """The guess by the formula is the one that the run had, at the g of the run."""
    for scale in (2.0, 4.0, 8.0):
        run = runs[f"g{scale:g}"]
        assert run.x0_hat is not None
        for i in range(1, run.steps):
            [guess] = guesses(run, i, (scale,))
            np.testing.assert_allclose(guess, run.x0_hat[i, 0], atol=2e-3 * scale)


def test_the_samples_grow_alike_and_white(runs: Runs) -> None:
    """The narration says: "The samples grow alike", "more of their pixels are white"."""
    assert variety(runs["g8"]) < 0.9 * variety(runs["g1"])
    assert white(runs["g8"]) > 1.2 * white(runs["g1"])


def test_a_little_guidance_makes_the_network_listen(runs: Runs) -> None:
    """Of the samples for "a seven", the judge sees more sevens at g = 2 than at g = 1."""
    judge = load_judge()

    def sevens(run: Trajectory) -> int:
        pictures = torch.from_numpy(to_pixels(run.states[-1]))
        return int((classes_of(features_of(pictures, judge), judge) == 7).sum())

    assert sevens(runs["g2"]) >= sevens(runs["g1"])
    assert sevens(runs["g2"]) > 0.7 * len(runs["g2"].states[-1])


@pytest.mark.parametrize("guidance", [0.0, 1.0, 26.0])
def test_a_scale_that_shows_nothing_is_refused(guidance: float) -> None:
    with pytest.raises(UsageError, match=f"guidance = {guidance:g}"):
        scene_entry("guidance").recipes(SceneOptions(guidance=guidance))


def test_the_chosen_prompt_and_scale_are_run() -> None:
    options = SceneOptions(prompt="a bold two", guidance=3)
    recipes = scene_entry("guidance").recipes(options)
    assert list(recipes) == ["g1", "g3", "g6", "g12"]
    assert {recipe.prompt for recipe in recipes.values()} == {"a bold two"}  # type: ignore[union-attr]
