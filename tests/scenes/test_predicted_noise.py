"""Predicted noise: what is shown is what was recorded, and what is said is true of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.predicted_noise import EARLY, first_look, half_way, moments, to_go
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
CHOICES = (SceneOptions(), SceneOptions(seed=7, steps=10), SceneOptions(sampler="ddpm", steps=20))


@pytest.fixture(params=CHOICES, ids=["usual", "another seed", "another sampler"])
def run(request: pytest.FixtureRequest) -> Trajectory:
    recipes = scene_entry("predicted_noise").recipes(request.param)
    recorded = Store().get(recipes["reverse"]).trajectory
    assert isinstance(recorded, Trajectory)
    return recorded


def blurred(guesses: np.ndarray) -> float:
    """The share of pixels that are neither nearly black nor nearly white."""
    return float((abs(guesses) < 0.8).mean())


def apart(pictures: np.ndarray) -> float:
    """RMS distance of two of the pictures (B, C, H, W), averaged over all pairs."""
    pairs = combinations(pictures, 2)
    return float(np.mean([np.sqrt(((a - b) ** 2).mean()) for a, b in pairs]))


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 7)])
def test_tiles_and_readouts_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    checked = {"one moment": 0, "several": 0, "many": 0, "readouts": 0}

    def look(scene: LectureScene) -> None:
        run, i = scene.reverse, scene.axis.index
        asked = min(i, run.steps - 1)  # at the finished picture nothing is asked any more
        now = {
            scene.seen.tile: run.states[i, 0],
            scene.named.tile: run.eps_hat[asked, 0],
            scene.guessed.tile: run.x0_hat[asked, 0],
        }
        for index, column in zip(moments(run), getattr(scene, "columns", ()), strict=False):
            arrays = (run.states, run.eps_hat, run.x0_hat)
            for tile, array in zip(column.tiles, arrays, strict=True):
                if tile in shown_tiles(scene):
                    np.testing.assert_array_equal(tile.picture, as_shown(array[index, 0]))
                    checked["several"] += 1
        for tile in shown_tiles(scene):
            if tile in now:
                np.testing.assert_array_equal(tile.picture, as_shown(now[tile]))
                checked["one moment"] += 1
            elif hasattr(scene, "mosaic") and tile is scene.mosaic.tile:
                for b in range(20):
                    top, left = b // 10 * 30, b % 10 * 30
                    cell = tile.picture[top : top + 28, left : left + 28]
                    np.testing.assert_array_equal(cell, as_shown(run.x0_hat[asked, b]))
                checked["many"] += 1
        if scene.level in scene.get_mobject_family_members():
            assert scene.axis.time.text == whole(float(run.timesteps[i]))
            assert scene.level.text == fixed(3)(float(np.sqrt(1 - run.alpha_bar[i])))
            checked["readouts"] += 1

    rehearse("predicted_noise", look, SceneOptions(seed=seed, theme=theme, steps=10))
    assert min(checked.values()) >= 10


def test_the_curves_are_distances_of_the_recording(rehearse: Rehearse) -> None:
    scene = rehearse("predicted_noise", lambda scene: None)
    run = scene.reverse
    guess, seen = scene.curves
    for i in range(run.steps):
        for curve, array in ((guess, run.x0_hat), (seen, run.states)):
            far = [
                np.mean(
                    [np.sqrt(((array[k, b] - run.states[-1, b]) ** 2).mean()) for b in range(24)]
                )
                for k in (0, i)
            ]
            assert curve.values[i] == pytest.approx(far[1] / far[0], rel=1e-4)
    assert guess.values[-1] == seen.values[-1] == 0


def test_the_times_that_are_said_are_those_of_the_run(rehearse: Rehearse) -> None:
    scene = rehearse("predicted_noise", lambda scene: None)
    run, said = scene.reverse, [cue.sentence.caption for cue in scene.cues]
    t = [int(run.timesteps[half_way(left)]) for left in to_go(run)]
    assert f"At t = {t[0]}, the guesses have come half of the way." in said
    assert f"The noisy pictures are half way only at t = {t[1]}." in said


def test_the_guess_follows_from_the_named_noise(run: Trajectory) -> None:
    """The narration says: "Subtract that noise, stretch the rest"."""
    assert run.x0_hat is not None
    assert run.eps_hat is not None
    for i in range(1, run.steps):
        rest = run.states[i] - run.noise_weight[i] * run.eps_hat[i]
        np.testing.assert_allclose(rest / run.signal_weight[i], run.x0_hat[i], atol=2e-3)


def test_the_first_look_is_at_a_picture_that_is_nearly_all_noise(run: Trajectory) -> None:
    i = first_look(run)
    assert run.alpha_bar[i] >= EARLY
    assert run.noise_weight[i] > run.signal_weight[i]


def test_the_first_guess_is_a_blur_and_it_sharpens(run: Trajectory) -> None:
    """The narration says: "A grey blur", "the less noise is left, the sharper"."""
    assert run.x0_hat is not None
    shares = [blurred(run.x0_hat[i, 0]) for i in moments(run)]
    assert shares[0] > 2 * shares[-1]
    averaged = [blurred(run.x0_hat[i]) for i in moments(run)]
    assert (np.diff(averaged) < 0).all()
    assert (np.diff(run.noise_weight) < 0).all()


def test_at_first_all_guesses_are_the_average_of_what_can_come(run: Trajectory) -> None:
    """The narration says: "At first all get the same blur: the average of what can come"."""
    assert run.x0_hat is not None
    assert apart(run.x0_hat[0]) < 0.15 * apart(run.states[-1])
    likeness = np.corrcoef(run.x0_hat[0].mean(0).ravel(), run.states[-1].mean(0).ravel())[0, 1]
    assert likeness > 0.9


def test_the_guess_is_ahead_of_the_picture(run: Trajectory) -> None:
    """The narration says: "The noisy pictures are half way only at …"."""
    guess, seen = to_go(run)
    assert half_way(guess) < half_way(seen)
    from_there = slice(half_way(guess), -1)
    assert (guess[from_there] < seen[from_there]).all()


def test_the_shape_is_settled_early(run: Trajectory) -> None:
    """The narration says: "The shape is settled early. What is left of the run draws the edges"."""
    assert run.x0_hat is not None
    middle = half_way(to_go(run)[1])
    for sample in range(run.states.shape[1]):
        guess, end = run.x0_hat[middle, sample].ravel(), run.states[-1, sample].ravel()
        assert np.corrcoef(guess, end)[0, 1] > 0.85
    # What changes from there on lies where the finished pictures have edges.
    end = run.states[-1, :, 0]
    slope = np.hypot(*np.gradient(end, axis=(1, 2)))
    change = abs(run.x0_hat[middle, :, 0] - end)
    assert change[slope > 0.3].mean() > 3 * change[slope <= 0.3].mean()
