"""The plane: times that are those of the steps, the density, and runs beside a network's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffusion_core.experiment_runs import run_experiment
from diffusion_core.experiments.field import density
from diffusion_core.points import as_mixture
from diffusion_core.recipe import ScoreFieldRecipe, fingerprint
from diffusion_core.schedule import make_schedule
from diffusion_core.timesteps import sampling_times

SMALL = ScoreFieldRecipe(
    drawn=((-1.0, 0.5), (1.5, 0.25)),
    training_steps=0,
    samples=5,
    steps=7,
    times=(),
    side=5,
    density_side=9,
)


@pytest.mark.parametrize("T", [10, 1000, 997])
def test_times_that_are_not_given_are_those_of_the_steps(T: int) -> None:
    schedule = make_schedule("cosine", T)
    for steps in {*range(1, min(T, 105)), T // 2, T - 1, T}:
        recipe = ScoreFieldRecipe(steps=steps, T=T, times=())
        assert [*recipe.times[::-1], -1] == sampling_times(schedule, steps)


def test_a_recipe_is_the_same_whether_its_times_are_given_or_not() -> None:
    given = replace(SMALL, steps=100, times=tuple(range(9, 1000, 10)))
    left = replace(SMALL, steps=100, times=())
    assert given == left
    assert fingerprint(given) == fingerprint(left)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_density_at_every_place_is_that_of_the_mixture(schedule: str) -> None:
    levels = make_schedule(schedule, 1000)
    mixture = as_mixture(torch.tensor([[-1.0, 0.5], [2.4, -2.5], [0.1, 0.1]]).double(), 0.02)
    run = density(mixture, levels, (9, 400, 999), side=21, reach=2.5)
    line = torch.linspace(-2.5, 2.5, 21, dtype=torch.float64)
    places = torch.cartesian_prod(line, line).reshape(21, 21, 2)  # by x, then y
    for state, t in zip(run.states[:, 0, 0], run.timesteps.tolist(), strict=True):
        noisy = mixture.noised(levels.alpha(t), levels.sigma(t))
        expected = noisy.log_density(places).exp().T.flip(0).float()
        np.testing.assert_allclose(state, expected, rtol=1e-6, atol=1e-38)


def test_points_without_a_spread_have_no_density() -> None:
    mixture = as_mixture(torch.zeros(1, 2).double())
    with pytest.raises(ValueError, match="give its Gaussians a std above 0"):
        density(mixture, make_schedule("cosine", 1000), (9,), side=3, reach=1)


def test_what_is_exact_is_the_same_beside_a_network_and_in_any_company() -> None:
    """The page runs it without a network, the scene with one."""
    alone = run_experiment(SMALL)
    beside = run_experiment(replace(SMALL, training_steps=3, samples=7))
    assert set(beside) - set(alone) == {f"{name} learned" for name in ("field", "ode", "sde")}
    for name, run in alone.items():
        found = beside[name].states
        kept = found[:, :5] if name in ("ode", "sde") else found
        np.testing.assert_array_equal(run.states, kept)
