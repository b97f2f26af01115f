"""Two dimensions without a browser: points as text, and what comes of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import LectureError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.points import as_mixture
from diffusion_core.recipe import ScoreFieldRecipe
from diffusion_core.schedule import make_schedule
from explorer.addresses import LONGEST
from explorer.lecture import LONGEST_TYPED
from explorer.people import Person
from explorer.plane import (
    Plane,
    example,
    flow,
    glow,
    read_address,
    read_points,
    recipe_of,
    scene_options,
    written,
)
from explorer.serving import Work
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.score_field.reading import score as score_of
from scenes.score_field.recipe import MOST, REACH
from tests.explorer.test_boards import decoded

COORDINATE = st.integers(-250, 250).map(lambda n: n / 100)


@given(st.lists(st.tuples(COORDINATE, COORDINATE), max_size=MOST))
def test_points_are_read_as_they_were_written(points: list[tuple[float, float]]) -> None:
    text = written(tuple(points))
    np.testing.assert_allclose(np.array(read_points(text)), np.array(points), atol=1e-9)
    assert written(read_points(text)) == text == read_address(text)
    assert len(text) <= LONGEST


def test_what_lies_outside_is_brought_to_the_edge() -> None:
    assert read_points(written(((99.0, -99.0),))) == ((REACH, -REACH),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abc", "are not four letters or digits each"),
        ("ab-d", "are not four letters or digits each"),
        ("äöüß", "are not four letters or digits each"),
        ("zzzz", "lies outside ±2.5"),
        ("0000" * (MOST + 1), "101 points are drawn; at most 100"),
    ],
)
def test_what_no_hand_drew_is_refused(text: str, says: str) -> None:
    with pytest.raises(LectureError, match=says) as error:
        read_points(text)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=says):
        read_address(text)


@pytest.mark.parametrize("name", ["spiral", "letters", "ring"])
def test_every_example_lies_on_the_plane(name: str) -> None:
    points = np.array(example(name))
    assert points.shape == (80, 2)
    assert np.abs(points).max() < REACH


def test_what_is_shown_is_the_exact_score_of_what_was_drawn() -> None:
    points = ((-1.0, 0.5), (1.0, 0.25), (0.5, -1.5))
    recipe = recipe_of(points, 0.1, 3, 10)
    run = run_experiment(recipe)
    schedule = make_schedule(recipe.schedule, recipe.T)
    field, density = run["field"], run["density"]
    # The particles, the arrows and the glow are of the same moments.
    assert field.timesteps.tolist() == run["ode"].timesteps.tolist() == density.timesteps.tolist()
    mixture = as_mixture(torch.tensor(points, dtype=torch.float64), 0.1)
    for i, t in enumerate(field.timesteps[:-1].tolist()):
        noisy = mixture.noised(schedule.alpha(t), schedule.sigma(t))
        places = torch.from_numpy(field.states[i, ..., 0, 0]).double()
        expected = noisy.score(places).numpy()
        np.testing.assert_allclose(score_of(field)[i], expected, rtol=2e-3, atol=2e-3)
    light = glow(density)
    assert (light.max(axis=(1, 2)) == 255).all()
    row, column = np.unravel_index(light[-1].argmax(), light[-1].shape)
    side = light.shape[-1] - 1
    brightest = (column / side * 2 - 1) * REACH, (1 - row / side * 2) * REACH
    assert np.linalg.norm(np.array(points) - brightest, axis=1).min() < 2 * REACH / side

    sent = flow(run, "ode")
    count, frames = sent["count"], len(sent["times"])
    particles = decoded(sent["particles"], "<f4", frames, count, 2)
    np.testing.assert_array_equal(particles, run["ode"].states[..., 0, 0])
    arrows = decoded(sent["score"], "<f4", frames - 1, sent["side"] ** 2, 2)
    np.testing.assert_array_equal(arrows, score_of(field).astype(np.float32))
    np.testing.assert_allclose(read_points(sent["drawn"]), points, atol=1e-9)
    assert flow(run, "sde")["particles"] != sent["particles"]


# -- from the page to the scene ----------------------------------------------------------


@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=MOST))
def test_the_scene_runs_what_is_on_the_page_and_trains_a_network_beside_it(
    points: list[tuple[float, float]],
) -> None:
    on_page = read_points(written(tuple(points)))
    options = scene_options(on_page, 0.15, 3, 50)
    (scene,) = scene_entry("score_field").runs(options).values()
    assert scene == replace(recipe_of(on_page, 0.15, 3, 50), training_steps=2000)
    # Exactly the numbers that are on the page: hundredths.
    brought = json.loads(options.recipe)
    assert brought == {"drawn": [list(point) for point in points], "std": 0.15, "steps": 50}
    assert "0000" not in options.recipe
    assert "9999" not in options.recipe
    assert len(options.recipe) < LONGEST_TYPED


def test_what_is_on_the_page_is_in_the_scene_bit_for_bit() -> None:
    points = ((-1.0, 0.5), (1.0, 0.25), (0.5, -1.5))
    page = run_experiment(recipe_of(points, 0.1, 3, 10))
    (asked,) = scene_entry("score_field").runs(scene_options(points, 0.1, 3, 10)).values()
    assert isinstance(asked, ScoreFieldRecipe)
    # The network learns beside; how long makes no difference to what is exact.
    scene = run_experiment(replace(asked, training_steps=3))
    assert set(page) == {"field", "ode", "sde", "density"} < set(scene)
    for name, run in page.items():
        np.testing.assert_array_equal(run.states, scene[name].states)
        np.testing.assert_array_equal(run.timesteps, scene[name].timesteps)
    np.testing.assert_array_equal(score_of(page["field"]), score_of(scene["field"]))


def test_without_a_point_there_is_no_scene(work: Work, person: Person) -> None:
    for text in ("", None):
        with pytest.raises(LectureError, match="draw a few points on the plane first"):
            Plane(work).asked(person, text, 0.1, 0, 50)


def test_the_scene_that_is_offered_is_that_of_all_settings(work: Work, person: Person) -> None:
    text = written(((0.1, -0.4), (1.2, 0.8)))
    options = Plane(work).asked(person, text, 0.15, None, 50)
    assert options == SceneOptions(
        seed=0, recipe='{"drawn":[[0.1,-0.4],[1.2,0.8]],"std":0.15,"steps":50}'
    )
    assert Plane(work).asked(person, text, 0.15, 7, 50).seed == 7
