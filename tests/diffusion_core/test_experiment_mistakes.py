"""The deliberate mistakes are labelled, and do harm that is measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion_core.experiments import (
    Runs,
    mistake_no_noise_weight,
    mistake_no_rescaling,
    mistake_no_time_embedding,
    mistake_noise_at_the_end,
)
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.schedule import Schedule
from tests.diffusion_core.experiment_cases import (
    CORNERS,
    COSINE,
    POINT,
    SEEDS,
    points,
    process,
    to_nearest,
)


def exact(schedule: Schedule) -> ExactDenoiser:
    return ExactDenoiser(CORNERS, schedule)


# Data that are not around 0: the start without rescaling is in the wrong place.
ASIDE = Mixture(torch.ones(1), torch.ones(1, 2), torch.tensor([0.1]))


def off(runs: Runs) -> tuple[float, float]:
    """How far the finished points are from the data, on average: right, mistaken."""
    right, wrong = (to_nearest(runs[name].states[-1]).mean() for name in ("right", "mistake"))
    return float(right), float(wrong)


ALL = {
    "mistake_no_rescaling": lambda: mistake_no_rescaling(
        lambda schedule: ExactDenoiser(ASIDE, schedule), points((1.0, 1.0)), 50, SEEDS
    ),
    "mistake_no_noise_weight": lambda: mistake_no_noise_weight(
        process(), points((1.0, 1.0)), [20, 60], SEEDS
    ),
    "mistake_no_time_embedding": lambda: mistake_no_time_embedding(process(), SEEDS, POINT, 100),
    "mistake_noise_at_the_end": lambda: mistake_noise_at_the_end(
        process("ddpm", steps=10), SEEDS, POINT
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_a_mistake_is_labelled_and_does_harm(name: str) -> None:
    runs = ALL[name]()
    for which, run in runs.items():
        assert run.facts["experiment"] == name
        assert (run.facts["mistake"] is None) == which.startswith("right")
    right, wrong = off(runs)
    assert right < 0.2  # the clouds' own standard deviation is 0.1
    assert wrong > 1.5 * right


def test_unscaled_betas_leave_the_picture_at_the_end() -> None:
    runs = ALL["mistake_no_rescaling"]()
    assert runs["right"].facts["signal_left"] < 0.02
    assert runs["mistake"].facts["signal_left"] == pytest.approx(0.78, abs=0.01)
    end = runs["mistake_forward"].states[-1].mean(0).ravel()
    assert end == pytest.approx([0.78, 0.78], abs=4 * 0.63 / 40**0.5)
    assert runs["right_forward"].states[-1].mean(0).ravel() == pytest.approx([0, 0], abs=0.64)
    # Both began with the same noise.
    assert np.array_equal(runs["right"].states[0], runs["mistake"].states[0])


def test_noise_without_its_weight_has_variance_over_one() -> None:
    runs = ALL["mistake_no_noise_weight"]()
    wrong = runs["mistake_forward"]
    assert wrong.eps is not None
    for i, t in enumerate((20, 60), 1):
        drawn = runs["right_forward"].eps[i]
        assert wrong.eps[i] == pytest.approx(drawn / float(COSINE.sigma(t)), rel=1e-3, abs=1e-3)
    assert wrong.facts["nfe"] == 0


def test_a_deaf_network_is_right_at_the_one_time_it_believes_in() -> None:
    there = process(steps=200)
    runs = mistake_no_time_embedding(there, SEEDS, POINT, 100)
    right, wrong = runs["right"], runs["mistake"]
    said = exact(COSINE)(torch.from_numpy(wrong.states[99]), int(wrong.timesteps[99]))
    assert wrong.timesteps[99] == 100
    assert np.allclose(said.x0_hat, wrong.x0_hat[99], atol=1e-6)
    assert not np.allclose(right.x0_hat[150], wrong.x0_hat[150], atol=1e-2)


def test_noise_at_the_end_is_all_that_differs() -> None:
    runs = ALL["mistake_noise_at_the_end"]()
    right, wrong = runs["right"], runs["mistake"]
    assert np.array_equal(right.states[:-1], wrong.states[:-1])
    grain = wrong.states[-1] - right.states[-1]
    sigma = float(COSINE.sigma(int(right.timesteps[-2])))
    assert wrong.noise is not None
    assert grain == pytest.approx(sigma * wrong.noise[-1], abs=1e-6)
    assert grain.std() == pytest.approx(sigma, rel=0.3)
