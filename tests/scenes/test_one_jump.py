"""One jump: both routes arrive at the same distribution, and the screen shows the runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from diffusion_core.bundle import Bundle
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.forward_process import equal_weights
from scenes.one_jump import EDGES, bell, brightest, shares_within, values_of
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]


@pytest.fixture(params=[0, 7])
def both(request: pytest.FixtureRequest) -> Bundle:
    [recipe] = scene_entry("one_jump").recipes(SceneOptions(seed=request.param)).values()
    recorded = Store().get(recipe).trajectory
    assert isinstance(recorded, Bundle)
    return recorded


@pytest.mark.parametrize(
    ("theme", "seed", "schedule"), [("dark", 0, "cosine"), ("light", 7, "linear")]
)
def test_tiles_bars_and_numbers_are_the_recording(
    rehearse: Rehearse, theme: str, seed: int, schedule: str
) -> None:
    checked = {"tiles": 0, "bars": 0, "numbers": 0}

    def look(scene: LectureScene) -> None:
        on_stage, i = set(scene.get_mobject_family_members()), scene.axis.index
        shown = shown_tiles(scene)
        for name, panel, bars in (
            ("steps", scene.walked, scene.bars),
            ("jump", scene.leapt, scene.skyline),
        ):
            run = scene.runs("routes")[name]
            values = run.states[:, :, *scene.pixel]
            if panel.tile in shown:
                np.testing.assert_array_equal(
                    panel.tile.picture, as_shown(run.states[panel.tile.index, 0])
                )
                checked["tiles"] += 1
            if bars in on_stage:
                assert bars.index == i
                counted, _ = np.histogram(values[i], EDGES)
                np.testing.assert_allclose(bars.heights[i] * len(values[i]), counted)
                checked["bars"] += 1
            mean, spread = scene.measures[name]
            if mean in on_stage:
                assert panel.tile.index == i
                assert mean.text == fixed(2)(float(values[i].astype(np.float64).mean()))
                assert spread.text == fixed(2)(float(values[i].astype(np.float64).std()))
                checked["numbers"] += 1

    scene = rehearse("one_jump", look, SceneOptions(theme=theme, seed=seed, schedule=schedule))
    assert min(checked.values()) >= 10
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    assert "a thousand steps" in said
    assert scene.steps.facts["steps"] == 1000
    assert f"each route {scene.steps.states.shape[1]} times" in said


def test_both_routes_make_the_same_bell(both: Bundle) -> None:
    """The claim: at every t the two differ only by chance (Kolmogorov and Smirnov)."""
    pixel = brightest(both["steps"])
    walked, leapt = (values_of(both[name], pixel) for name in ("steps", "jump"))
    for one, other in zip(walked[1:], leapt[1:], strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-3
    # Over all pixels, no more of them differ than chance would have it.
    i = equal_weights(both["steps"])
    one, other = (both[name].states[i].reshape(len(walked[0]), -1) for name in ("steps", "jump"))
    low = stats.ks_2samp(one, other).pvalue < 0.05
    assert low.mean() < 0.1


def test_the_bell_is_the_formula(both: Bundle) -> None:
    """The claim: its centre is what is left of the picture, its width is the noise."""
    pixel = brightest(both["steps"])
    start = float(both["steps"].states[0, 0][pixel])
    for run in both.values():
        values = values_of(run, pixel)
        error = run.noise_weight / np.sqrt(values.shape[1])
        assert (np.abs(values.mean(axis=1) - run.signal_weight * start) <= 4 * error + 1e-6).all()
        np.testing.assert_allclose(values.std(axis=1), run.noise_weight, rtol=0.1, atol=1e-6)
        middles = (EDGES[:-1] + EDGES[1:]) / 2
        expected, counted = bell(run, start, middles), shares_within(values)
        assert np.abs(expected - counted)[2:].max() < 0.06
        assert expected[0].max() == 0


def test_the_single_pictures_differ(both: Bundle) -> None:
    """The claim: the two pictures are not the same; and the value fades and spreads."""
    i = equal_weights(both["steps"])
    one, other = both["steps"].states[i, 0], both["jump"].states[i, 0]
    assert np.abs(one - other).mean() > 0.3
    pixel = brightest(both["steps"])
    values = values_of(both["steps"], pixel)
    assert abs(values[-1].mean()) < 0.2 < abs(values[0].mean())
    assert values[0].std() == 0
    assert values[-1].std() > values[1].std()


def test_a_bar_holds_the_values_between_its_edges() -> None:
    values = np.array([[EDGES[0] + 0.01, EDGES[0] + 0.02, EDGES[5] + 0.01, 99.0]])
    shares = shares_within(values)
    assert shares.shape == (1, len(EDGES) - 1)
    assert shares[0, 0] == 0.5
    assert shares[0, 5] == 0.25
    assert shares.sum() == 0.75  # what lies outside is counted, and not shown
