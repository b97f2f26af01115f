"""DDPM and DDIM: what is shown is what was recorded, and what is said is true of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
Both = tuple[Trajectory, list[Trajectory]]


@pytest.fixture(params=[SceneOptions(), SceneOptions(seed=7, steps=10)], ids=["usual", "other"])
def both(request: pytest.FixtureRequest) -> Both:
    recipes = scene_entry("ddpm_and_ddim").recipes(request.param)
    ddim = Store().get(recipes["ddim"]).trajectory
    ddpm = Store().get(recipes["ddpm"]).trajectory
    assert isinstance(ddim, Trajectory)
    assert isinstance(ddpm, Bundle)
    return ddim, list(ddpm.values())


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 7)])
def test_tiles_and_readouts_are_the_recordings(rehearse: Rehearse, theme: str, seed: int) -> None:
    checked = {"DDIM": 0, "DDPM": 0, "readouts": 0}

    def look(scene: LectureScene) -> None:
        i = scene.axis.index
        recorded = {
            "DDIM": [scene.ddim.states[i, number] for number in range(5)],
            "DDPM": [run.states[i, 0] for run in scene.runs("ddpm").values()],
        }
        tiles = shown_tiles(scene)
        for name, row in scene.rows.items():
            for panel, state in zip(row, recorded[name], strict=True):
                if panel.tile in tiles:
                    np.testing.assert_array_equal(panel.tile.picture, as_shown(state))
                    checked[name] += 1
        if scene.readouts in scene.mobjects:
            assert scene.axis.time.text == whole(float(scene.ddim.timesteps[i]))
            for name, readout in scene.differences.items():
                assert readout.text == fixed(2)(scene.spread[name][i])
            checked["readouts"] += 1

    scene = rehearse("ddpm_and_ddim", look, SceneOptions(seed=seed, theme=theme, steps=10))
    assert min(checked["DDIM"], checked["DDPM"]) > 40
    assert checked["readouts"] > 5
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    half = int(np.argmax(scene.spread["DDPM"] >= scene.spread["DDPM"][-1] / 2))
    assert f"At t = {scene.ddim.timesteps[half]} the runs are half as different" in said
    assert "five times by DDIM" in said


def test_the_curves_are_distances_between_the_guesses(rehearse: Rehearse) -> None:
    scene = rehearse("ddpm_and_ddim", lambda scene: None)
    guesses = [run.x0_hat for run in scene.runs("ddpm").values() if run.x0_hat is not None]
    assert len(guesses) == 5
    for i in range(scene.ddim.steps):
        far = [
            np.sqrt(((a[i].astype(float) - b[i]) ** 2).mean()) for a, b in combinations(guesses, 2)
        ]
        assert scene.spread["DDPM"][i] == pytest.approx(np.mean(far), rel=1e-6)
    assert (scene.spread["DDIM"] == 0).all()


def test_all_start_from_the_same_noise(both: Both) -> None:
    ddim, branches = both
    for start in (*ddim.states[0], *(run.states[0, 0] for run in branches)):
        np.testing.assert_array_equal(start, ddim.states[0, 0])


def test_ddim_arrives_at_one_picture_to_the_last_bit(both: Both) -> None:
    """The narration says: "Five runs, one picture, equal to the last bit"."""
    ddim, _ = both
    for number in range(1, ddim.states.shape[1]):
        np.testing.assert_array_equal(ddim.states[:, number], ddim.states[:, 0])


def test_ddpm_arrives_at_as_many_pictures_as_runs(both: Both) -> None:
    """The narration says: "Five runs, five pictures"; no two are nearly the same."""
    _, branches = both
    assert len(branches) == 5
    for a, b in combinations(branches, 2):
        assert np.sqrt(((a.states[-1] - b.states[-1]) ** 2).mean()) > 0.25


def test_only_ddpm_takes_noise_on_the_way(both: Both) -> None:
    """The narration says: "DDPM then adds fresh noise at every step. DDIM adds none"."""
    ddim, branches = both
    assert ddim.noise is not None
    assert not ddim.noise.any()
    for run in branches:
        assert run.noise is not None
        # All but the last step, which arrives at the picture.
        assert [bool(noise.any()) for noise in run.noise] == [True] * (run.steps - 1) + [False]
        assert run.noise[0].std() == pytest.approx(1, abs=0.1)


def test_the_formula_is_the_step_of_both(both: Both) -> None:
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z, with σ = 0 for DDIM and DDPM's own otherwise."""
    ddim, branches = both
    for run, random in ((ddim, False), (branches[0], True)):
        assert run.x0_hat is not None
        assert run.eps_hat is not None
        assert run.noise is not None
        for i in range(run.steps):
            a_t, a_s = run.alpha_bar[i], run.alpha_bar[i + 1]
            # The variance of q(x_s | x_t, x_0): Ho et al. 2020, eq. 7.
            sigma2 = (1 - a_s) / (1 - a_t) * (1 - a_t / a_s) if random else 0.0
            x_s = np.sqrt(a_s) * run.x0_hat[i] + np.sqrt(sigma2) * run.noise[i]
            x_s = x_s + np.sqrt(max(1 - a_s - sigma2, 0)) * run.eps_hat[i]
            np.testing.assert_allclose(x_s, run.states[i + 1], atol=5e-3)
