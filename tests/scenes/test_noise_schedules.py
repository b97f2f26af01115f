"""Noise schedules: what is shown is what was recorded, and what is said is true of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.forward_process import equal_weights
from scenes.noise_schedules import LOST, lost_share
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed, significant, whole
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]


@pytest.fixture(params=[0, 7])
def runs(request: pytest.FixtureRequest) -> dict[str, Trajectory]:
    recipes = scene_entry("noise_schedules").recipes(SceneOptions(seed=request.param))
    return {name: Store().get(recipe).trajectory for name, recipe in recipes.items()}


@pytest.mark.parametrize(
    ("theme", "seed", "image"), [("dark", 0, "flower"), ("light", 7, "temple")]
)
def test_tiles_numbers_and_points_are_the_recordings(
    rehearse: Rehearse, theme: str, seed: int, image: str
) -> None:
    checked = {"tiles": 0, "readouts": 0, "points": 0}

    def look(scene: LectureScene) -> None:
        on_stage, tiles = set(scene.get_mobject_family_members()), shown_tiles(scene)
        for name, column in scene.columns.items():
            run, i = scene.run(name), column.index
            assert run.timesteps[i] <= column.now() + 1e-3
            assert i == run.steps or run.timesteps[i + 1] > column.now()
            if column.picture.tile in tiles:
                shown = column.picture.tile.picture
                np.testing.assert_array_equal(shown, as_shown(run.states[i, 0]))
                checked["tiles"] += 1
            if column.snr in on_stage:
                assert column.time.text == whole(float(run.timesteps[i]))
                assert column.alpha_bar.text == fixed(3)(float(run.alpha_bar[i]))
                assert column.snr.text == significant(float(run.snr[i]))
                checked["readouts"] += 1
            for graphs, values in (("shares", run.alpha_bar), ("ratios", run.snr)):
                graph = getattr(scene, graphs, {}).get(name)
                if graph and graph.dot in on_stage and graph.dot.get_fill_opacity() == 1:
                    height = np.interp(
                        column.now(), run.timesteps, np.clip(graph.plot.y.share(values), -1e6, 1e6)
                    )
                    expected = graph.plot.origin + height * graph.plot.up
                    assert graph.dot.get_y() == pytest.approx(expected[1], abs=1e-6)
                    assert graph.dot.get_x() == pytest.approx(graph.plot.at(column.now(), 1)[0])
                    checked["points"] += 1

    scene = rehearse("noise_schedules", look, SceneOptions(theme=theme, seed=seed, image=image))
    assert min(checked.values()) >= 20
    assert set(scene.columns) == {"linear", "sigmoid", "cosine"}


def test_at_their_own_moments_the_pictures_are_equally_noisy(
    runs: dict[str, Trajectory],
) -> None:
    """The claim: at three different times, the three pictures are equally noisy."""
    moments = {name: equal_weights(run) for name, run in runs.items()}
    times = {name: int(runs[name].timesteps[i]) for name, i in moments.items()}
    assert len(set(times.values())) == len(runs)
    for name, i in moments.items():
        run = runs[name]
        assert run.snr[i] == pytest.approx(1, abs=0.02)
        # Measured on the pictures themselves: as much noise as each, and half of it.
        noise = run.states[i, 0] - run.signal_weight[i] * run.states[0, 0]
        assert noise.std() == pytest.approx(np.sqrt(0.5), rel=0.05)


def test_what_is_said_is_what_was_recorded(rehearse: Rehearse) -> None:
    scene = rehearse("noise_schedules", lambda scene: None)
    runs = {name: scene.run(name) for name in scene.columns}
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    times = {name: int(run.timesteps[equal_weights(run)]) for name, run in runs.items()}
    assert times == {"linear": 259, "sigmoid": 439, "cosine": 496}
    assert "The linear schedule hurries: at t = 259 it is half noise already." in said
    assert "The cosine schedule takes its time, until t = 496." in said
    for run in runs.values():
        # "it falls from 1 to nearly 0"
        assert run.alpha_bar[0] == 1
        assert (np.diff(run.alpha_bar) < 0).all()
        assert run.alpha_bar[-1] < 1e-4
    shares = {name: lost_share(run) for name, run in runs.items()}
    assert shares["linear"] == max(shares.values())
    assert shares["cosine"] == min(shares.values())
    assert f"spends {100 * shares['linear']:.0f} percent" in said
    assert f"only {100 * shares['cosine']:.0f}." in said


def test_the_lost_steps_are_counted_to_the_kept_state(runs: dict[str, Trajectory]) -> None:
    """Against ᾱ of every step, which the recording holds at every fourth."""
    from diffusion_core.schedule import make_schedule

    for name, run in runs.items():
        schedule = make_schedule(name)
        snr = np.array([float(schedule.snr(t)) for t in range(schedule.T)])
        assert lost_share(run) == pytest.approx((snr < LOST).mean(), abs=4 / schedule.T)


def test_where_the_ratio_is_lost_next_to_nothing_is_left(runs: dict[str, Trajectory]) -> None:
    """The claim: below one in a hundred, next to nothing of the picture is left."""
    for run in runs.values():
        picture = run.states[0, 0].ravel()
        lost = run.snr < LOST
        likeness = [np.corrcoef(x.ravel(), picture)[0, 1] for x in run.states[:, 0]]
        assert np.array(likeness)[lost].max() < 0.15
        assert np.array(likeness)[run.snr > 10].min() > 0.7
