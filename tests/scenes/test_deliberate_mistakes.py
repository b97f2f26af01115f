"""Deliberate mistakes: what is shown is what was recorded, and each does the harm that is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.recipe import MistakesRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.deliberate_mistakes import excess, grain, grey, weight_left
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from tests.scenes.test_on_screen import as_shown, shown_tiles

Rehearse = Callable[..., LectureScene]
Bundles = dict[str, Bundle]


def recorded(options: SceneOptions) -> Bundles:
    recipes = scene_entry("deliberate_mistakes").recipes(options)
    found = {name: Store().get(recipe).trajectory for name, recipe in recipes.items()}
    return {name: bundle for name, bundle in found.items() if isinstance(bundle, Bundle)}


@pytest.fixture(params=[0, 1])
def bundles(request: pytest.FixtureRequest) -> Bundles:
    return recorded(SceneOptions(seed=request.param, steps=10))


def white_share(bundle: Bundle, name: str) -> float:
    return float((bundle[name].states[-1] > 0).mean())


def grey_share(bundle: Bundle, name: str) -> float:
    return float((np.abs(bundle[name].states[-1]) < 0.8).mean())


def written(scene: LectureScene) -> set[str]:
    """All words that are on the stage."""
    family = scene.get_mobject_family_members()
    return {member.writing.text for member in family if hasattr(member, "writing")}


def as_laid_out(run: Trajectory, index: int, forward: bool) -> np.ndarray:
    """The first sample, or all six in two rows with a gap between that is left out."""
    if forward:
        return as_shown(run.states[index, 0])
    cells = [as_shown(state) for state in run.states[index]]
    return np.concatenate([np.concatenate(cells[:3], axis=1), np.concatenate(cells[3:], axis=1)])


def without_gaps(picture: np.ndarray) -> np.ndarray:
    """A mosaic of three by two, its gaps left out."""
    rows = np.r_[0:28, 30:58]
    columns = np.r_[0:28, 30:58, 60:88]
    return picture[rows][:, columns]


@pytest.mark.parametrize(("theme", "seed"), [("dark", 0), ("light", 1)])
def test_tiles_and_numbers_are_the_recording(rehearse: Rehearse, theme: str, seed: int) -> None:
    words: set[str] = set()
    seen: set[tuple[str, int]] = set()
    weighed = []

    def look(scene: LectureScene) -> None:
        tiles, i = shown_tiles(scene), scene.axis.index
        words.update(written(scene))
        for panel, run in zip(scene.panels, scene.shown, strict=True):
            if panel.tile in tiles:
                forward = run.eps is not None
                picture = panel.tile.picture
                picture = picture if forward else without_gaps(picture)
                np.testing.assert_array_equal(picture, as_laid_out(run, i, forward))
                seen.add((run.facts["experiment"], i))
        if getattr(scene, "weights", None) in scene.mobjects:
            for readout, run in zip(scene.weights, scene.shown, strict=True):
                assert readout.text == fixed(2)(np.sqrt(run.alpha_bar[i]))
                weighed.append(readout.text)

    options = SceneOptions(seed=seed, steps=10, theme=theme)
    scene = rehearse("deliberate_mistakes", look, options)
    bundles = recorded(options)
    for bundle in bundles.values():
        experiment = bundle["right"].facts["experiment"]
        assert {(experiment, 0), (experiment, bundle["right"].steps)} <= seen
        for name in ("right", "mistake"):
            assert f"{100 * grey_share(bundle, name):.0f} % grey" in words
    assert len(set(weighed)) >= 3
    for panels, name in zip(scene.summary, ("right", "mistake"), strict=True):
        for panel, key in zip(panels, SUMMARY, strict=True):
            expected = as_shown(bundles[key][name].states[-1, 0])
            np.testing.assert_array_equal(panel.tile.picture, expected)
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    T = bundles["no_rescaling"]["right"].steps
    left = np.sqrt(bundles["no_rescaling"]["mistake_forward"].alpha_bar[-1])
    assert f"With {T} steps instead of a thousand" in said
    assert f"keeps a weight of {left:.2f}." in said
    factor = bundles["no_noise_weight"]["mistake_forward"].eps[-1].std()
    assert f"At t = 200, there is {factor:.1f} times the noise" in said
    assert f"{factor:.1f} × the noise" in words
    assert "Always told t = 800" in said
    assert "Always told t = 200" in said


SUMMARY = ("no_rescaling", "no_noise_weight", "told_little", "noise_at_the_end")


def test_only_without_rescaling_the_picture_is_left(bundles: Bundles) -> None:
    bundle = bundles["no_rescaling"]
    right, wrong = bundle["right_forward"], bundle["mistake_forward"]
    assert float(weight_left(right)) < 0.01
    assert float(weight_left(wrong)) > 0.5
    assert weight_left(wrong) == f"{wrong.facts['signal_left']:.2f}"
    x_0 = right.states[0].astype(np.float64)

    def likeness(states: np.ndarray) -> float:
        return float(np.corrcoef(states.ravel(), x_0.ravel())[0, 1])

    assert likeness(wrong.states[-1]) > 0.5 > 0.2 > abs(likeness(right.states[-1]))
    # The way back starts from the same pure noise, and ends in strokes all over the picture.
    np.testing.assert_array_equal(bundle["right"].states[0], bundle["mistake"].states[0])
    assert white_share(bundle, "mistake") > 2 * white_share(bundle, "right")
    assert grey_share(bundle, "mistake") > 2 * grey_share(bundle, "right")


def test_without_its_weight_there_is_more_noise_than_was_told(bundles: Bundles) -> None:
    bundle = bundles["no_noise_weight"]
    assert excess(bundle["right_forward"]) == "1.0"
    wrong = bundle["mistake_forward"]
    # x_t = √ᾱ x_0 + ε: as much too large as its weight is left out.
    assert float(excess(wrong)) == pytest.approx(1 / wrong.noise_weight[-1], rel=0.05)
    x_0 = wrong.states[0].astype(np.float64)
    away = {
        name: np.sqrt(((bundle[name].states[-1] - x_0) ** 2).mean())
        for name in ("right", "mistake")
    }
    assert away["mistake"] > 3 * away["right"]
    assert grey_share(bundle, "mistake") > 2 * grey_share(bundle, "right")


def steepness(bundle: Bundle, name: str) -> float:
    """How sharp the strokes are: the mean square of the steps from pixel to pixel, over all."""
    x = bundle[name].states[-1].astype(np.float64)
    steps = (np.diff(x, axis=-1) ** 2).mean() + (np.diff(x, axis=-2) ** 2).mean()
    return float(steps / x.var())


def test_a_network_believes_what_it_is_told(bundles: Bundles) -> None:
    much, little = bundles["told_much"], bundles["told_little"]
    for name, array in much["right"].arrays().items():
        np.testing.assert_array_equal(array, little["right"].arrays()[name])
    for bundle in (much, little):
        np.testing.assert_array_equal(bundle["mistake"].states[0], bundle["right"].states[0])
        assert grey_share(bundle, "mistake") > 1.3 * grey_share(bundle, "right")
    # Much noise: a blur.  Little noise: strokes where there was noise.
    assert steepness(much, "mistake") < 0.8 * steepness(much, "right")
    assert steepness(little, "mistake") > 1.3 * steepness(little, "right")
    assert white_share(little, "mistake") > 2 * white_share(little, "right")


def test_noise_at_the_end_stays(bundles: Bundles) -> None:
    bundle = bundles["noise_at_the_end"]
    right, wrong = bundle["right"], bundle["mistake"]
    assert right.steps == 8
    np.testing.assert_array_equal(right.states[:-1], wrong.states[:-1])
    assert float(grain(bundle)) == pytest.approx(right.noise_weight[-2], rel=0.1)
    assert grey_share(bundle, "mistake") > 2 * grey_share(bundle, "right")


def test_the_share_of_grey_is_of_all_finished_pictures() -> None:
    states = np.zeros((2, 2, 1, 1, 4))
    states[-1] = [[[[-1, 1, 0.5, -0.79]]], [[[-0.9, 0.81, 1, -1]]]]
    run = Trajectory(states=states, timesteps=np.array([5, -1]), alpha_bar=np.ones(2))
    assert grey(run) == "25 %"


@pytest.mark.parametrize(("steps", "T", "last"), [(50, 50, 8), (5, 10, 5), (1000, 100, 8)])
def test_as_many_levels_as_steps_within_reason(steps: int, T: int, last: int) -> None:
    recipes = scene_entry("deliberate_mistakes").recipes(SceneOptions(steps=steps))
    found = recipes["no_rescaling"], recipes["noise_at_the_end"], recipes["told_much"]
    rescaling, end, told = (r for r in found if isinstance(r, MistakesRecipe))
    assert (rescaling.T, rescaling.steps, end.steps, told.steps) == (T, T, last, steps)
