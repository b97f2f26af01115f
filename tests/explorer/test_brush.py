"""The noise brush without a browser: what it measures, says and shows is the core's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.errors import LectureError
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.experiments.canvas import dabbed
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import CanvasRecipe
from explorer.brush import (
    DRAWN,
    KEEP,
    LET_GO,
    Brush,
    Measure,
    canvas,
    canvas_message,
    gone,
    measure,
    meter,
    read_as,
)
from explorer.people import Person
from explorer.serving import Work
from scenes.catalog import scene_entry
from tests.diffusion_core.conftest import save_tiny
from tests.explorer.test_boards import decoded


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> CanvasRecipe:
    weights: Path = save_tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    dabs = ((0.3, 0.4), (0.5, 0.5), (0.5, 0.6))
    return CanvasRecipe(model=str(weights), dabs=dabs, t=60, steps=5, T=100, outside="free")


@pytest.fixture(scope="module")
def run(recipe: CanvasRecipe) -> Bundle:
    return run_experiment(recipe)


def test_the_measure_is_that_of_the_run(recipe: CanvasRecipe, run: Bundle) -> None:
    found, facts = measure(recipe), run["painted"].facts
    assert found.painted == pytest.approx(facts["painted_std"][0])
    assert found.expected == pytest.approx(facts["sigma"])
    sigmas = np.array([measure(CanvasRecipe(t=t, T=100), painted=False).expected for t in (0, 99)])
    assert (np.diff(sigmas) > 0).all()
    assert measure(recipe, painted=False).painted == 0


def test_the_canvas_mixes_what_the_run_mixes(recipe: CanvasRecipe, run: Bundle) -> None:
    x_0, eps = canvas(recipe)
    np.testing.assert_allclose(x_0, run["painted"].states[0, 0], atol=1e-5)
    std = dabbed(recipe.dabs, recipe.radius, recipe.strength, 8, 8).numpy()
    mixed = np.sqrt(1 - std**2) * x_0 + std * eps
    np.testing.assert_allclose(mixed, run["painted"].states[1, 0], atol=1e-5)
    sent = canvas_message(recipe)
    assert sent["size"] == [1, 8, 8, 1]
    np.testing.assert_array_equal(decoded(sent["picture"], "<f4", 8, 8), x_0[0])
    np.testing.assert_array_equal(decoded(sent["noise"], "<f4", 8, 8), eps[0])


def test_the_film_is_the_run(run: Bundle) -> None:
    removed, sent = run["removed"], gone(run)
    assert sent["times"] == removed.timesteps.tolist()
    states, guesses = (decoded(one["frames"], "u1", *one["size"]) for one in sent["panels"])
    np.testing.assert_array_equal(states[..., 0], to_pixels(removed.states)[:, 0, 0])
    assert removed.x0_hat is not None
    expected = to_pixels(removed.x0_hat.astype(np.float32))[:, 0, 0]
    np.testing.assert_array_equal(guesses[:-1, ..., 0], expected)
    np.testing.assert_array_equal(guesses[-1], states[-1])


@pytest.mark.parametrize(
    ("painted", "says"),
    [
        (0.0, "There is no noise yet"),
        (0.5, "Too little noise for t = 600"),
        (0.71, "Too little"),
        (0.75, "The noise fits t = 600"),
        (0.87, "The noise fits"),
        (0.9, "More noise than t = 600 stands for"),
    ],
)
def test_the_hint_says_how_much_is_missing(painted: float, says: str) -> None:
    found = Measure(painted, 0.8, 600, 321)
    assert says in found.hint
    assert ("t = 321" in found.hint) == ("oo little" in says or "More" in says)
    shown = meter(found)
    assert f"<strong>{painted:.2f}</strong>" in shown
    assert "t = 600 stands for 0.80" in shown
    assert ('class="hint"' in shown) == ("t = 321" in found.hint)


def test_a_network_that_draws_no_digits_is_not_read(run: Bundle) -> None:
    moved = run["removed"].facts["rms_to_x0"][0]
    said = f"The picture differs from what it was by {moved:.2f} (RMS, of a range of 2)."
    assert read_as(run) == f"<p>{said}</p>"


def test_a_picture_that_was_brought_is_not_said_to_be_a_digit(recipe: CanvasRecipe) -> None:
    asked = replace(CanvasRecipe(t=60, steps=2, T=100, seed=3), dabs=recipe.dabs)
    assert "A second network read a" in read_as(run_experiment(asked))
    brought = run_experiment(replace(asked, image="flower"))
    assert "class" in brought["painted"].facts
    assert "second network" not in read_as(brought)


# -- from play to lecture ------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ("0.4,0.3;0.4,0.36;0.45,0.4", 600, 0.12, 0.25, KEEP, 19, 3, DRAWN, ""),
        ("0.5,0.5;0.1,0.913", 333, 0.2, 0.05, LET_GO, 2**32 - 1, 3, "flower", ""),
    ],
)
def test_the_scene_begins_with_what_is_on_the_page(
    work: Work, person: Person, values: tuple[Any, ...]
) -> None:
    brush = Brush(work)
    page = run_experiment(brush.recipe(person, *values))
    asked = scene_entry("noise_brush").runs(brush.scene(person, *values))["brush"]
    assert isinstance(asked, CanvasRecipe)
    scene = run_experiment(asked)
    for name, run in page.items():
        shown = scene[name].arrays()
        for what, values_of_page in run.arrays().items():
            same = shown[what][:, :1] if shown[what].ndim == 5 else shown[what]
            np.testing.assert_array_equal(same, values_of_page, err_msg=f"{name} {what}")
        assert scene[name].facts["std"] == run.facts["std"]
        assert scene[name].facts["painted_std"][0] == run.facts["painted_std"][0]
    assert len(scene["removed"].facts["painted_std"]) == 9
    # The others have other noise.
    ends = scene["painted"].states[1]
    assert all((ends[0] != end).any() for end in ends[1:])


def test_without_a_dab_there_is_no_scene(work: Work, person: Person) -> None:
    values = ("", 600, 0.12, 0.25, KEEP, None, 10, DRAWN, "")
    with pytest.raises(LectureError, match="no noise yet: move the brush"):
        Brush(work).scene(person, *values)
