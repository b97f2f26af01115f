"""The U-turn without a browser: the way out, the way back, what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.experiments.paths import saying
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import UTurnRecipe
from explorer.u_turn import SHOWN, times_out, trip, verdict, way_out
from tests.diffusion_core.conftest import save_tiny
from tests.explorer.test_boards import decoded


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> UTurnRecipe:
    weights = save_tiny(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    return UTurnRecipe(model=str(weights), samples=2, turns=(70,), steps=5, T=100)


@pytest.fixture(scope="module")
def run(recipe: UTurnRecipe) -> Bundle:
    return run_experiment(recipe)


@pytest.mark.parametrize("t", [0, 1, 7, 15, 16, 500, 999])
def test_the_way_out_ends_at_t(t: int) -> None:
    times = times_out(t)
    assert times[0] == -1
    assert times[-1] == t
    assert list(times) == sorted(set(times))
    assert len(times) == min(SHOWN, t + 1) + 1


def test_each_moment_of_the_way_out_is_the_jump_that_the_core_makes(
    recipe: UTurnRecipe, run: Bundle
) -> None:
    """The experiment itself jumps to 30 and 70 with one noise."""
    both = run_experiment(replace(recipe, turns=(30, 70)))["forward"]
    np.testing.assert_allclose(way_out(run, (-1, 30, 70)), both.states, atol=1e-6)


def test_the_trip_goes_out_and_back(run: Bundle) -> None:
    sent, back = trip(run), run["from 70"]
    assert sent["times"][sent["turn"]] == 70
    assert sent["times"][0] == sent["times"][-1] == -1
    assert sent["times"][sent["turn"] :] == back.timesteps.tolist()
    assert len(sent["ways"]) == len(sent["times"])
    assert sent["ways"][sent["turn"]] == "turning"
    picture, *samples = (decoded(one["frames"], "u1", *one["size"]) for one in sent["panels"])
    x_0 = to_pixels(run["forward"].states[0, 0])[0]
    assert (picture[..., 0] == x_0).all()
    for i, frames in enumerate(samples):
        np.testing.assert_array_equal(frames[0, ..., 0], x_0)
        np.testing.assert_array_equal(
            frames[sent["turn"] :, ..., 0], to_pixels(back.states[:, i, 0])
        )
        assert f"{back.facts['rms_to_x0'][i]:.2f} from the picture" in sent["panels"][1 + i]["note"]


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ([3, 3], "All are still read as a <b>3</b>"),
        ([3, 8], "1 of 2 is still read"),
        ([8, 9], "None are still read"),
    ],
)
def test_the_verdict_counts_what_came_back(run: Bundle, after: list[int], says: str) -> None:
    read = {
        "forward": saying(run["forward"], **{"class": 3}),
        "from 70": saying(run["from 70"], final_class=after),
    }
    said = verdict(Bundle(read, run.common))
    assert says in said
    assert f"ᾱ = {run['forward'].alpha_bar[1]:.3f}" in said
    assert "read as" not in verdict(run)  # the tiny network draws no digits
    assert f"reads as a <b>{after[0]}</b>" in trip(Bundle(read, run.common))["panels"][1]["note"]
