"""What a network predicts, turned into a picture and a noise that make up x_t."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from diffusion_core.denoiser import PREDICTIONS, NetworkDenoiser, to_posterior, v_target
from diffusion_core.forward import jump
from diffusion_core.recipe import VP_SCHEDULES
from diffusion_core.schedule import Schedule, make_schedule

SHAPE = (3, 1, 4, 4)
schedules = st.builds(make_schedule, st.sampled_from(VP_SCHEDULES), st.just(1000))
times = st.integers(0, 999)
seeds = st.integers(0, 2**32)


def normal(seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Says(nn.Module):
    """A network that always answers the same, and remembers what it was told."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output
        self.told: list[Tensor] = []

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        self.told.append(noise_level)
        return self.output.to(x.dtype)


@given(schedules, times, seeds)
def test_the_truth_in_each_language_is_the_truth(schedule: Schedule, t: int, seed: int) -> None:
    x_0, eps = normal(seed), normal(seed + 1)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x_t = jump(x_0, t, schedule, eps)
    v = v_target(x_0, eps, alpha, sigma)
    truths = {"epsilon": eps, "x0": x_0, "v": v, "score": -eps / sigma}
    assert set(truths) == set(PREDICTIONS)
    for prediction, output in truths.items():
        posterior = to_posterior(output, x_t, prediction, alpha, sigma)  # type: ignore[arg-type]
        assert torch.allclose(posterior.x0_hat, x_0, rtol=0, atol=1e-9), prediction
        assert torch.allclose(posterior.eps_hat, eps, rtol=0, atol=1e-9), prediction


@given(schedules, times, seeds, st.sampled_from(PREDICTIONS))
def test_any_output_makes_up_x_t_and_comes_back(
    schedule: Schedule, t: int, seed: int, prediction: Any
) -> None:
    """Also of a network that is wrong: there and back gives its own output."""
    x_t, output = normal(seed), normal(seed + 1)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    posterior = to_posterior(output, x_t, prediction, alpha, sigma)
    x0_hat, eps_hat = posterior.x0_hat, posterior.eps_hat
    assert torch.allclose(alpha * x0_hat + sigma * eps_hat, x_t, rtol=0, atol=1e-9)
    v = v_target(x0_hat, eps_hat, alpha, sigma)
    said = {"epsilon": eps_hat, "x0": x0_hat, "v": v, "score": -eps_hat / sigma}
    back = said[prediction]
    assert torch.allclose(back, output, rtol=1e-9, atol=1e-6)


@given(schedules, times, seeds, st.sampled_from(PREDICTIONS))
def test_clipping_derives_the_noise_again(
    schedule: Schedule, t: int, seed: int, prediction: Any
) -> None:
    x_t, output = normal(seed), 3 * normal(seed + 1)
    network = Says(output)
    clipped = NetworkDenoiser(network, schedule, prediction)(x_t, t)
    free = NetworkDenoiser(network, schedule, prediction, clip=False)(x_t, t)
    assert free.x0_hat.abs().max() > 1  # or there was nothing to clip
    assert torch.equal(clipped.x0_hat, free.x0_hat.clamp(-1, 1))
    together = schedule.alpha(t) * clipped.x0_hat + schedule.sigma(t) * clipped.eps_hat
    assert torch.allclose(together, x_t, rtol=0, atol=1e-9)
    assert not torch.allclose(clipped.eps_hat, free.eps_hat, rtol=0, atol=1e-6)


@given(schedules, times, seeds)
def test_what_lies_within_is_left_alone(schedule: Schedule, t: int, seed: int) -> None:
    x_0, eps = normal(seed).tanh(), normal(seed + 1)
    posterior = NetworkDenoiser(Says(x_0), schedule, "x0")(jump(x_0, t, schedule, eps), t)
    assert torch.equal(posterior.x0_hat, x_0)
    assert torch.allclose(posterior.eps_hat, eps, rtol=0, atol=1e-9)


def test_the_network_is_told_the_level_of_each_picture() -> None:
    schedule, network = make_schedule("linear", 1000), Says(torch.zeros(SHAPE))
    NetworkDenoiser(network, schedule)(normal(0, torch.float32), 259)
    assert network.told[0].shape == (NetworkDenoiser.TOGETHER // normal(0)[0].numel(),)
    assert network.told[0].dtype == torch.float32
    assert torch.allclose(network.told[0], torch.tensor(0.5), atol=2e-3)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 11])
def test_batches_of_one_size_give_each_picture_its_own_answer(count: int) -> None:
    sizes: list[int] = []

    class Doubles(nn.Module):
        def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
            sizes.append(len(x))
            return 2 * x

    x_t = torch.arange(count * 4.0).reshape(count, 1, 2, 2)
    schedule = make_schedule("cosine")
    posterior = NetworkDenoiser(Doubles(), schedule, "epsilon", clip=False)(x_t, 500)
    assert torch.equal(posterior.eps_hat, 2 * x_t)
    assert set(sizes) == {NetworkDenoiser.TOGETHER // 4}


def test_no_gradient_is_kept() -> None:
    network = Says(torch.ones(SHAPE, requires_grad=True))
    posterior = NetworkDenoiser(network, make_schedule("cosine"))(normal(0), 5)
    assert not posterior.x0_hat.requires_grad


def test_an_unknown_prediction_is_refused() -> None:
    x, one = normal(0), torch.tensor(0.5)
    with pytest.raises(ValueError, match="'noise' is not one of"):
        to_posterior(x, x, "noise", one, one)  # type: ignore[arg-type]
