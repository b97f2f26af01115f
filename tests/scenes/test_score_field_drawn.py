"""The score field of points drawn by hand: what is asked for, and what is said of any drawing."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.errors import UsageError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import ScoreFieldRecipe
from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.score_field.reading import (
    drawn,
    errors,
    gone,
    homewards,
    landed,
    length,
    moment,
    near,
    paths,
    places,
    score,
)
from scenes.score_field.recipe import SHOWN
from scenes.score_field.words import EARLY, LAST, MOST, of_drawing, percent, unlike
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.numbers import fixed
from tests.scenes.test_score_field import check_stage

Rehearse = Callable[..., LectureScene]
Points = list[list[float]]


@dataclass(frozen=True)
class Drawing:
    """Something that somebody may have drawn."""

    points: Points
    std: float
    steps: int
    schedule: str = "cosine"
    seed: int = 0

    def options(self, **more: Any) -> SceneOptions:
        brought = {"drawn": self.points, "std": self.std, "steps": self.steps}
        return SceneOptions(
            seed=self.seed, schedule=self.schedule, recipe=json.dumps(brought), **more
        )

    def recipe(self) -> ScoreFieldRecipe:
        recipe = scene_entry("score_field").runs(self.options())["score_field"]
        assert isinstance(recipe, ScoreFieldRecipe)
        return recipe


def strewn(count: int) -> Points:
    rng = np.random.default_rng(0)
    return np.round(rng.uniform(-2.4, 2.4, (count, 2)), 2).tolist()


DRAWINGS = {
    "one point in a corner": Drawing([[2.5, -2.5]], 0.5, 40),
    "one point in the middle": Drawing([[0.0, 0.0]], 0.02, 10, "linear", 3),
    "two far clusters": Drawing(
        [[-2.0, 1.5], [-1.9, 1.6], [-2.1, 1.4], [2.2, -0.3], [2.0, -0.2]], 0.05, 30, "sigmoid"
    ),
    "a line": Drawing([[x / 10, 0.5] for x in range(-20, 21, 4)], 0.3, 25, "cosine", 5),
    "a hundred": Drawing(strewn(100), 0.08, 100, "cosine", 2**32 - 1),
}
PLAYED = {"one point in a corner": ("dark", "full"), "a hundred": ("light", "short")}

YOUNG = 60
"""Steps of a network that has hardly begun to learn."""


@functools.cache
def run_of(name: str) -> Bundle:
    """What is recorded of a drawing, beside a young network: what is said is true of it, too."""
    found = Store().get(replace(DRAWINGS[name].recipe(), training_steps=YOUNG)).trajectory
    assert isinstance(found, Bundle)
    return found


# -- what is asked for -----------------------------------------------------------------


def test_what_is_brought_is_run_and_the_rest_is_as_usual() -> None:
    recipe = DRAWINGS["a line"].recipe()
    assert recipe.drawn == tuple(map(tuple, DRAWINGS["a line"].points))
    assert (recipe.std, recipe.steps, recipe.seed) == (0.3, 25, 5)
    assert recipe.times == tuple(range(39, 1000, 40))
    usual = scene_entry("score_field").runs(SceneOptions())["score_field"]
    assert isinstance(usual, ScoreFieldRecipe)
    assert (usual.points, usual.drawn, usual.std, usual.reach) == ("spiral", (), 0.1, 2.8)
    assert usual.times == tuple(range(9, 1000, 10))
    for name in ("samples", "side", "density_side", "training_steps"):
        assert getattr(recipe, name) == getattr(usual, name)


@pytest.mark.parametrize(
    ("brought", "says"),
    [
        ({"steps": 50}, "recipe {'steps': 50} has no drawn points, and the rest is theirs"),
        ({"std": 0.1, "steps": 50}, "has no drawn points"),
        ({"drawn": []}, "has no drawn points"),
        ({"drawn": [[0, 0]] * 101}, "101 points are drawn; at most 100"),
        (
            {"drawn": [[0, 2.51]]},
            r"drawn point \(0, 2.51\) lies outside .* ±2.5; draw it",
        ),
        ({"drawn": [[0, 11]]}, "a coordinate of a drawn point = 11 is outside -10 … 10"),
        ({"drawn": [[0, 0, 0]]}, r"a drawn point is \(0, 0, 0\); it must be \(x, y\)"),
        ({"drawn": [[0, 0]], "std": 0.01}, "std = 0.01 is outside 0.02 … 0.5"),
        ({"drawn": [[0, 0]], "steps": 9}, "steps = 9 is outside 10 … 100"),
        ({"drawn": [[0, 0]], "steps": 20.5}, "steps = 20.5 must be a whole number"),
        ({"drawn": [0.1, 0.2]}, "has a value of the wrong kind"),
        ({"drawn": [["a", "b"]]}, "has a value of the wrong kind"),
        ({"drawn": [[0, 0]], "points": "ring"}, "cannot be brought 'points' by --recipe"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_runs(
    brought: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says) as error:
        scene_entry("score_field").runs(SceneOptions(recipe=json.dumps(brought)))
    assert "\n" not in str(error.value)


# -- what is said of any drawing -------------------------------------------------------


@pytest.mark.parametrize("name", DRAWINGS)
def test_the_drawing_dissolves_and_at_first_all_arrows_point_to_the_middle(name: str) -> None:
    found = run_of(name)
    density, field = found["density"], found["field"]
    side, reach = density.facts["side"], density.facts["reach"]
    y, x = np.mgrid[reach : -reach : side * 1j, -reach : reach : side * 1j]
    normal = np.exp(-(x**2 + y**2) / 2) / (2 * np.pi)
    np.testing.assert_allclose(density.states[0, 0, 0], normal, atol=0.02 * normal.max())
    assert homewards(field, 0) > 0.99
    # Particles, arrows and glow are of the same moments, whatever the steps.
    for run in (density, found["ode"], found["sde"], found["ode learned"]):
        np.testing.assert_array_equal(run.timesteps, field.timesteps)


def to_the_nearest(found: Bundle, index: int) -> np.ndarray:
    """How well arrows that are well off the data point to the nearest of what was drawn."""
    where, arrows = places(found["field"]), score(found["field"])[index]
    away = drawn(found) - where[:, None]
    lengths = np.linalg.norm(away, axis=2)
    nearest = np.take_along_axis(away, lengths.argmin(axis=1)[:, None, None], axis=1)[:, 0]
    off = lengths.min(axis=1) > 3 * found.facts["recipe"]["std"]
    along = (nearest * arrows).sum(axis=1)[off]
    return along / (np.linalg.norm(nearest, axis=1) * np.linalg.norm(arrows, axis=1))[off]


@pytest.mark.parametrize("name", DRAWINGS)
def test_arrows_find_the_one_point_and_of_many_the_nearer_counts_the_more(name: str) -> None:
    found = run_of(name)
    last, first = to_the_nearest(found, -1), to_the_nearest(found, 0)
    if "one point" in name:
        assert last.min() > 0.99
        assert of_drawing(found).turning.endswith(
            "all of them point to the one point that was drawn."
        )
    else:
        assert last.mean() > first.mean() + 0.1
        assert np.median(last) > 0.95
        assert "the nearer a drawn point is, the more it counts" in of_drawing(found).turning


@pytest.mark.parametrize("name", DRAWINGS)
def test_particles_follow_and_what_is_said_of_their_ways_was_recorded(name: str) -> None:
    found, words = run_of(name), of_drawing(run_of(name))
    points, std, steps = drawn(found), DRAWINGS[name].std, DRAWINGS[name].steps
    way = np.linalg.norm(np.diff(paths(found["ode"]), axis=0), axis=2)
    behind = way[: steps // 2].sum() / way.sum()
    assert gone(found["ode"], words.parting) == pytest.approx(behind)
    assert f"After {steps // 2} of {steps} steps, {percent(behind)} of the way" in words.first
    # The points that are near decide: particles end by one that was near when they parted.
    x = paths(found["ode"])
    scale = np.sqrt(found["ode"].alpha_bar[words.parting])
    at_parting = np.linalg.norm(x[words.parting][:, None] - scale * points, axis=2)
    ends = np.linalg.norm(x[-1][:, None] - points, axis=2).argmin(axis=1)
    own = np.take_along_axis(at_parting, ends[:, None], axis=1)
    assert own.mean() <= at_parting.mean()
    if len(points) > 1:
        assert own.mean() < at_parting.mean() / 1.5
    there = int((np.linalg.norm(x[-1][:, None] - points, axis=2).min(axis=1) < 3.035 * std).sum())
    assert there == near(found["ode"], points, std) == landed(found, "ode")
    assert words.arriving.startswith("All of them" if there == 400 else f"{there} of 400")
    assert words.arriving.endswith("Noise has become data.") == (there >= 360)


@pytest.mark.parametrize("name", DRAWINGS)
def test_what_is_said_of_the_two_ways_was_recorded(name: str) -> None:
    found, words = run_of(name), of_drawing(run_of(name))
    ode, sde = found["ode"], found["sde"]
    np.testing.assert_array_equal(ode.states[0], sde.states[0])
    apart = np.linalg.norm(paths(ode) - paths(sde), axis=2)
    assert np.median(apart[1:].max(axis=0)) > 0.1  # each goes another way
    ratio = length(sde) / length(ode)
    assert f"{ratio:.0f} times" in words.longer or f"{ratio:.1f} times" in words.longer
    assert ratio > 1.1
    assert ("stay alike" in words.alike) == (unlike(found) <= 0.2)
    assert ("leads to the same data" in words.longer) == (landed(found, "sde") >= MOST * 400)


def test_the_error_of_a_network_that_is_right_is_said_and_seen_to_be_something() -> None:
    """Under the linear schedule there is so much noise at t = 500 that it hardly errs."""
    drawing = DRAWINGS["one point in the middle"]
    assert drawing.schedule == "linear"
    found = Store().get(replace(drawing.recipe(), training_steps=300)).trajectory
    assert isinstance(found, Bundle)
    words = of_drawing(found)
    off = errors(found)[moment(found["ode"], EARLY)]
    assert 0 < off < 0.0095
    said = "While there is much noise, it is right: at t = 499, "
    assert words.early == f"{said}{100 * off:.1f} % off."
    assert float(fixed(words.decimals)(off)) > 0


def test_where_steps_were_too_few_more_bring_more_particles_to_the_data() -> None:
    few = Drawing([[0.3, 0.0], [-0.3, 0.0]], 0.02, 10)
    young = replace(few.recipe(), training_steps=1)
    many = replace(young, steps=100, times=(100, 500))
    found, further = run_experiment(young), run_experiment(many)
    there = landed(found, "ode")
    assert of_drawing(found).arriving == (
        f"{there} of 400 arrive where the data is. For the others, 10 steps were too few."
    )
    assert there < 360 < 390 < landed(further, "ode")


# -- what is shown ---------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAYED)
def test_a_drawing_is_played_as_it_was_recorded(
    rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Also beside a network that has learned little, of which no more is said than it does."""
    monkeypatch.setitem(SHOWN, "training_steps", YOUNG)
    theme, cut = PLAYED[name]
    seen: set[str] = set()

    def look(scene: LectureScene) -> None:
        seen.update(check_stage(scene))

    drawing = DRAWINGS[name]
    scene = rehearse("score_field", look, drawing.options(theme=theme, cut=cut))
    everything = {"glow", "rim", "mark", "field", "field learned", "error", "ode", "ode learned"}
    assert seen == everything | ({"sde"} if cut == "full" else set())
    said = " ".join(cue.sentence.caption for cue in scene.cues)
    for word in ("spiral", "arm"):
        assert word not in said.lower().replace(".", "").split()
    count = len(drawing.points)
    assert f"around {'one point' if count == 1 else f'{count} points'}, drawn by hand" in said
    there = landed(scene.found, "ode learned")
    assert f"By the learned arrows, {there} of 400" in said
    assert (LAST in said) == (there >= MOST * 400)
