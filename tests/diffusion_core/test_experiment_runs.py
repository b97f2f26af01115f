"""Recipes of experiments are run as they say, and kept as one recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from diffusion_core.bundle import Bundle
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.experiments.brush import brushed
from diffusion_core.experiments.canvas import dabbed, fitting_time
from diffusion_core.experiments.process import start_noise
from diffusion_core.pictures import load_picture
from diffusion_core.points import as_mixture, point_set, ring
from diffusion_core.recipe import (
    BrushRecipe,
    CanvasRecipe,
    ExperimentRecipe,
    ForksRecipe,
    InpaintingRecipe,
    InsideRecipe,
    InterpolationRecipe,
    LatentRecipe,
    MistakesRecipe,
    NoisingRecipe,
    RaceRecipe,
    ReverseRecipe,
    RoutesRecipe,
    ScoreFieldRecipe,
    SensitivityRecipe,
    SimilarNoiseRecipe,
    TrainingRecipe,
    UTurnRecipe,
    describe,
)
from diffusion_core.runs import draw, run
from diffusion_core.schedule import make_schedule
from diffusion_core.store import Store
from tests.diffusion_core.fakes import small_history
from tests.diffusion_core.latents import save_tiny_latent

FEW = {"steps": 3, "T": 100}


@pytest.fixture
def recipes(
    tiny_weights: Path, reading_weights: Path, tmp_path: Path
) -> dict[str, tuple[Any, set[str]]]:
    """A small recipe of each kind (and more), and the names of its runs."""
    history = tmp_path / "small" / "history.safetensors"
    small_history().save(history)
    tiny = {"model": str(tiny_weights), **FEW}
    forward = {"right", "mistake", "right_forward", "mistake_forward"}
    return {
        "routes": (RoutesRecipe(size=8, samples=3, T=20, keep=2), {"steps", "jump"}),
        "noising": (NoisingRecipe(times=(10, 90), samples=2, **tiny), {"forward"}),
        "u_turn": (
            UTurnRecipe(turns=(10, 90), samples=2, **tiny),
            {"forward", "from 10", "from 90"},
        ),
        "repair": (
            UTurnRecipe(turns=(10,), erase=(2, 2, 3, 3), image="flower", **tiny),
            {"forward", "from 10"},
        ),
        "brush": (BrushRecipe(t=50, **tiny), {"painted", "removed"}),
        "canvas": (CanvasRecipe(t=50, outside="free", **tiny), {"painted", "removed"}),
        "inpainting": (InpaintingRecipe(hole=(0, 0, 4, 8), **tiny), {"inpainting"}),
        "inside": (
            InsideRecipe(
                model=str(reading_weights), prompt="dark", other="bright", samples=2, **FEW
            ),
            {
                f"{name}{of}"
                for name in ("down 1", "down 2", "middle", "up 2", "up 1")
                for of in ("", ", without skips", ", without depths", ", other words")
            }
            | {"whole", "without skips", "without depths", "other words"}
            | {"noise level", "words", "noise level, other words", "words, other words"},
        ),
        "similar": (
            SimilarNoiseRecipe(patch=(1, 1, 2, 2), entry=1, samples=2, **tiny),
            {"original", "patch", "entry"},
        ),
        "similar_patches": (
            SimilarNoiseRecipe(patch=(1, 1, 2, 2), further=((5, 5, 2, 2),), **tiny),
            {"original", "patch"},
        ),
        "sensitivity": (SensitivityRecipe(rows=2, columns=4, **tiny), {"original", "changed"}),
        "interpolation": (InterpolationRecipe(points=3, **tiny), {"lerp", "slerp"}),
        "race": (
            RaceRecipe(
                model=str(tiny_weights),
                T=100,
                nfe=4,
                reference_steps=5,
                samplers=("ddpm", "heun"),
            ),
            {"reference", "ddpm", "heun"},
        ),
        "forks": (
            ForksRecipe(
                model=str(reading_weights),
                prompts=("", "seven"),
                reseeds=(9,),
                guidance=2,
                sampler="ddpm",
                after=1,
                samples=2,
                **FEW,
            ),
            {"", "seven", "seed 9"},
        ),
        "no_rescaling": (
            MistakesRecipe(
                mistake="no_rescaling", schedule="linear", model=str(tiny_weights), T=10, steps=3
            ),
            forward,
        ),
        "no_noise_weight": (MistakesRecipe(mistake="no_noise_weight", t=60, **tiny), forward),
        "no_time_embedding": (
            MistakesRecipe(mistake="no_time_embedding", t=60, **tiny),
            {"right", "mistake"},
        ),
        "noise_at_the_end": (
            MistakesRecipe(mistake="noise_at_the_end", **tiny),
            {"right", "mistake"},
        ),
        "latent": (
            LatentRecipe(
                model=str(save_tiny_latent(tmp_path / "latent" / "it.safetensors")),
                picture_model=str(tiny_weights),
                **FEW,
            ),
            {"pixels", "latents", "returned", "small", "enlarged", "erased latents", "erased"}
            | {"process", "decoded"},
        ),
        "score_field": (
            ScoreFieldRecipe(
                samples=4,
                steps=3,
                T=100,
                times=(20, 80),
                side=3,
                training_steps=2,
                points="spiral",
                density_side=4,
            ),
            {f"{run}{end}" for run in ("field", "ode", "sde") for end in ("", " learned")}
            | {"density"},
        ),
        "training": (
            TrainingRecipe(model=str(history)),
            {"step 0", "step 1", "step 2"},
        ),
    }


def test_every_experiment_runs_once_and_is_found_again(
    recipes: dict[str, tuple[Any, set[str]]], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    assert {type(recipe) for recipe, _ in recipes.values()} == set(get_args(ExperimentRecipe))
    for name, (recipe, runs) in recipes.items():
        first, second = store.get(recipe), store.get(recipe)
        assert (first.fresh, second.fresh) == (True, False), name
        found = second.trajectory
        assert isinstance(found, Bundle)
        assert set(found) == runs, name
        assert found.facts["recipe"]["kind"] == describe(recipe)["kind"]
        for run_name, trajectory in found.items():
            for array, values in first.trajectory[run_name].arrays().items():
                np.testing.assert_array_equal(trajectory.arrays()[array], values, strict=True)
    files = {path.name.split("-")[0] for path in tmp_path.glob("*.safetensors")}
    assert {"uturn", "forks", "scorefield", "routes"} <= files


def test_a_damaged_bundle_is_run_again(tmp_path: Path) -> None:
    store, recipe = Store(tmp_path), RoutesRecipe(size=8, samples=2, T=10, keep=2)
    whole = store.get(recipe)
    content = bytearray(whole.path.read_bytes())
    content[-5] ^= 8
    whole.path.write_bytes(content)
    again = store.get(recipe)
    assert again.fresh
    np.testing.assert_array_equal(again.trajectory["jump"].states, whole.trajectory["jump"].states)


def test_the_models_own_picture_is_the_sample_of_the_seed(tiny_weights: Path) -> None:
    usual = {"model": str(tiny_weights), **FEW}
    turned = run_experiment(UTurnRecipe(turns=(50,), seed=4, **usual))
    drawn = draw(ReverseRecipe(seeds=(4,), **usual)).clip(-1, 1)
    np.testing.assert_array_equal(turned["forward"].states[0], drawn)


def test_a_photograph_is_brought_to_what_the_model_knows(tiny_weights: Path) -> None:
    recipe = UTurnRecipe(turns=(50,), image="flower", model=str(tiny_weights), **FEW)
    x_0 = run_experiment(recipe)["forward"].states[0, 0]
    red, green, blue = load_picture("flower", 8)
    np.testing.assert_allclose(x_0[0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-6)


def test_similar_noise_starts_where_a_run_of_the_seed_starts(tiny_weights: Path) -> None:
    usual = {"model": str(tiny_weights), **FEW}
    found = run_experiment(SimilarNoiseRecipe(seed=7, samples=2, entry=0, **usual))
    plain = run(ReverseRecipe(seeds=(7, 8), **usual))
    np.testing.assert_array_equal(found["original"].states[-1], plain.states[-1])
    np.testing.assert_array_equal(found["entry"].states[0, 1], plain.states[0, 1])
    assert (found["entry"].states[0, 0] != plain.states[0, 0]).all()


def test_the_judge_reads_what_the_shipped_model_draws() -> None:
    recipe = UTurnRecipe(turns=(20,), steps=5, samples=2)
    found = run_experiment(recipe)
    assert found["forward"].facts["class"] in range(10)
    assert len(found["from 20"].facts["final_class"]) == 2


def test_the_judge_keeps_silent_on_what_it_does_not_know(tiny_weights: Path) -> None:
    found = run_experiment(UTurnRecipe(turns=(20,), model=str(tiny_weights), **FEW))
    assert "class" not in found["forward"].facts


def test_the_field_is_the_score_of_the_data() -> None:
    recipe = ScoreFieldRecipe(training_steps=0, samples=2, steps=2, times=(100, 900), side=5)
    field = run_experiment(recipe)["field"]
    assert field.timesteps.tolist() == [900, 100, -1]
    assert field.eps_hat is not None
    # Almost all noise at t = 900: the score is that of the standard normal, −x.
    score = -field.eps_hat[0, :, :, 0, 0] / field.noise_weight[0]
    np.testing.assert_allclose(score, -field.states[0, :, :, 0, 0], atol=0.1)


def test_the_density_is_that_of_the_data_and_lies_as_the_plane_does() -> None:
    recipe = ScoreFieldRecipe(
        points="two_moons",
        training_steps=0,
        samples=2,
        steps=2,
        times=(100, 900),
        reach=4.0,
        std=0.2,
        density_side=81,
    )
    density = run_experiment(recipe)["density"]
    assert density.timesteps.tolist() == [900, 100, -1]
    p = density.states[:, 0, 0].astype(np.float64)
    np.testing.assert_allclose(p.sum((1, 2)) * 0.1**2, 1, rtol=0.02)
    y, x = np.mgrid[4:-4:81j, -4:4:81j]
    np.testing.assert_allclose(p[0], np.exp(-(x**2 + y**2) / 2) / (2 * np.pi), atol=0.02)
    data = as_mixture(point_set("two_moons", recipe.count, recipe.seed), recipe.std)
    there = torch.tensor(np.stack([x, y], axis=-1)[30, 20:60])
    np.testing.assert_allclose(p[-1, 30, 20:60], data.log_density(there).exp(), rtol=1e-5)


def test_the_particles_of_both_ways_arrive_at_the_data() -> None:
    recipe = ScoreFieldRecipe(training_steps=0, samples=200, steps=100, times=(500,))
    found = run_experiment(recipe)
    means = ring(std=recipe.std).means.numpy()
    np.testing.assert_array_equal(found["ode"].states[0], found["sde"].states[0])
    for name in ("ode", "sde"):
        ends = found[name].states[-1, :, :, 0, 0]
        away = np.linalg.norm(ends[:, None] - means, axis=2)
        # Of two independent normals of std s the mean distance to their centre is s √(π/2).
        expected = recipe.std * np.sqrt(np.pi / 2)
        assert away.min(1).mean() == pytest.approx(expected, rel=0.2), name
        assert len(set(away.argmin(1).tolist())) == 8, name


class TestBrush:
    def test_a_dab_is_a_disc(self) -> None:
        mask = brushed(((0.5, 0.5),), 0.25, 8, 8)
        rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        away = ((rows - 3.5) ** 2 + (columns - 3.5) ** 2).sqrt()
        assert torch.equal(mask, (away <= 2).float())

    def test_a_stroke_is_joined(self) -> None:
        mask = brushed(((0.5, 0.0), (0.5, 1.0)), 0.01, 8, 8)
        assert mask.any(0).all()  # every column, however thin the brush
        assert not mask[0].any()
        assert not mask[-1].any()


def test_several_patches_are_replaced_together_and_nothing_else(tiny_weights: Path) -> None:
    usual = {"model": str(tiny_weights), "seed": 3, **FEW}
    found = run_experiment(SimilarNoiseRecipe(patch=(0, 0, 2, 2), further=((4, 6, 3, 2),), **usual))
    one, other = (found[name].states[0, 0, 0] for name in ("original", "patch"))
    expected = np.zeros((8, 8), bool)
    expected[:2, :2] = expected[4:7, 6:8] = True
    np.testing.assert_array_equal(one != other, expected)
    assert found["patch"].facts["replaced"] == (
        "rows 0 … 1, columns 0 … 1; rows 4 … 6, columns 6 … 7"
    )


def test_drawn_points_are_the_data_where_they_were_drawn() -> None:
    drawn = ((-2.0, 1.0), (1.5, 0.0), (1.0, -2.0))
    recipe = ScoreFieldRecipe(
        drawn=drawn, std=0.01, training_steps=0, samples=40, steps=100, times=(500,)
    )
    found = run_experiment(recipe)
    ends = found["ode"].states[-1, :, :, 0, 0]
    away = np.linalg.norm(ends[:, None] - np.array(drawn), axis=2)
    assert away.min(1).max() < 0.05
    assert set(away.argmin(1).tolist()) == {0, 1, 2}


class TestCanvas:
    def test_dabs_add_variance_until_nothing_is_left(self) -> None:
        once = dabbed(((0.5, 0.5),), 0.25, 0.6, 8, 8)
        rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        within = ((rows - 3.5) ** 2 + (columns - 3.5) ** 2).sqrt() <= 2
        torch.testing.assert_close(once, 0.6 * within.float())
        twice = dabbed(((0.5, 0.5),) * 2, 0.25, 0.6, 8, 8)
        torch.testing.assert_close(twice, 0.6 * 2**0.5 * within.float())
        assert dabbed(((0.5, 0.5),) * 3, 0.25, 0.6, 8, 8).max() == 1
        assert int((dabbed(((0.1, 0.9),), 1e-9, 0.5, 8, 8) > 0).sum()) == 1  # however thin

    def test_the_canvas_is_given_to_the_network_as_it_is(self, tiny_weights: Path) -> None:
        usual = {"model": str(tiny_weights), "dabs": ((0.5, 0.2), (0.5, 0.3)), **FEW}
        found = run_experiment(CanvasRecipe(t=60, outside="free", seed=2, **usual))
        painted, removed = found["painted"], found["removed"]
        std = dabbed(usual["dabs"], 0.15, 0.3, 8, 8).numpy()
        x_0, canvas = painted.states[:, 0, 0]
        (eps,) = start_noise([3], (1, 8, 8))[0].numpy()[:, 0]
        np.testing.assert_allclose(canvas, np.sqrt(1 - std**2) * x_0 + std * eps, atol=1e-6)
        np.testing.assert_array_equal(removed.states[0], painted.states[1])
        laid = (std * eps)[std > 0]
        assert painted.facts["painted_std"] == [pytest.approx(np.sqrt((laid**2).mean()))]
        assert painted.facts["sigma"] == pytest.approx(removed.noise_weight[0])

    def test_what_has_no_noise_is_put_back_when_it_is_kept(self, tiny_weights: Path) -> None:
        usual = {"model": str(tiny_weights), "dabs": ((0.5, 0.2),), **FEW}
        kept = run_experiment(CanvasRecipe(t=60, outside="kept", **usual))
        bare = dabbed(usual["dabs"], 0.15, 0.3, 8, 8).numpy() == 0
        ends, x_0 = kept["removed"].states[-1, 0, 0], kept["painted"].states[0, 0, 0]
        np.testing.assert_array_equal(ends[bare], x_0[bare])
        assert (ends[~bare] != x_0[~bare]).all()
        free = run_experiment(CanvasRecipe(t=60, outside="free", **usual))
        assert (free["removed"].states[-1, 0, 0][bare] != x_0[bare]).any()

    def test_as_much_noise_as_t_has_is_the_noise_brush(self, tiny_weights: Path) -> None:
        """Where s = σ_t under the brush, both experiments are one."""
        usual = {"model": str(tiny_weights), "t": 60, **FEW}
        sigma = float(make_schedule("cosine", 100).sigma(60))
        dab = ((0.5, 0.5),)
        one = run_experiment(CanvasRecipe(dabs=dab, radius=0.3, strength=sigma, **usual))
        other = run_experiment(BrushRecipe(path=dab, radius=0.3, **usual))
        np.testing.assert_allclose(one["removed"].states, other["removed"].states, atol=1e-4)

    def test_the_fitting_time_is_the_one_with_as_much_noise(self) -> None:
        schedule = make_schedule("cosine", 1000)
        for t in (0, 300, 999):
            assert fitting_time(schedule, float(schedule.sigma(t))) == t
        assert fitting_time(schedule, 0.0) == 0
