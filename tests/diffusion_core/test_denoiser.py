"""What a network predicts, turned into a picture and a noise that make up x_t."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
from tests.diffusion_core.conftest import READS, tiny_network
from tests.diffusion_core.fakes import vocabulary

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


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def as_it_is_elsewhere() -> int:
    """The number of threads that a new thread may use."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


SMALL = (130, 1, 8, 8)  # three batches of 49


def noisy(count: int = SMALL[0]) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(SMALL, generator=generator)[:count]


@pytest.fixture(scope="module")
def alone() -> dict[int, tuple[Tensor, Tensor]]:
    """What is said of some samples, each by itself; without words, and with."""
    schedule, network = make_schedule("cosine"), tiny_network(config=READS)
    text = torch.from_numpy(vocabulary().embeddings).float()
    free = NetworkDenoiser(network, schedule)
    return {
        i: (
            free(noisy()[i : i + 1], 400).eps_hat[0],
            NetworkDenoiser(network, schedule, text=text[i % 4][None])(
                noisy()[i : i + 1], 400
            ).eps_hat[0],
        )
        for i in (0, 1, 48, 49, 129)
    }


class TestCompany:
    schedule = make_schedule("cosine")

    @pytest.mark.parametrize("count", [1, 49, 50, 130])
    def test_a_sample_is_the_same_bit_for_bit_in_any_company_and_on_any_cores(
        self, alone: dict[int, tuple[Tensor, Tensor]], threads: int, count: int
    ) -> None:
        network = tiny_network(config=READS)
        rows = torch.from_numpy(vocabulary().embeddings).float()
        text = rows[torch.arange(count) % 4]
        free = NetworkDenoiser(network, self.schedule)(noisy(count), 400)
        asked = NetworkDenoiser(network, self.schedule, text=text)(noisy(count), 400)
        for i, (unasked_alone, asked_alone) in alone.items():
            if i < count:
                assert torch.equal(free.eps_hat[i], unasked_alone), i
                assert torch.equal(asked.eps_hat[i], asked_alone), i
                assert not torch.equal(unasked_alone, asked_alone)

    def test_the_number_of_threads_is_left_as_it_was(self, threads: int) -> None:
        elsewhere = as_it_is_elsewhere()
        NetworkDenoiser(tiny_network(), self.schedule)(noisy(), 400)
        assert torch.get_num_threads() == threads
        assert as_it_is_elsewhere() == elsewhere

    def test_more_may_be_evaluated_at_once(self) -> None:
        sizes: list[int] = []

        class Echo(nn.Module):
            def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
                sizes.append(len(x))
                return x

        NetworkDenoiser(Echo(), self.schedule, together=64)(noisy(), 400)
        assert sizes == [64, 64, 64]


class Reads(nn.Module):
    """A network whose output is the first number of its words."""

    def forward(self, x: Tensor, noise_level: Tensor, text: Tensor) -> Tensor:
        return torch.zeros_like(x) + text[:, :1, None, None]


class TestText:
    schedule = make_schedule("cosine")

    def said(self, text: Tensor, count: int) -> list[float]:
        denoiser = NetworkDenoiser(Reads(), self.schedule, "epsilon", text=text, clip=False)
        eps = denoiser(torch.zeros(count, 1, 2, 2), 400).eps_hat
        assert eps.shape == (count, 1, 2, 2)
        assert torch.equal(eps, eps[:, :1, :1, :1].expand_as(eps))
        return eps[:, 0, 0, 0].tolist()

    def test_one_for_all(self) -> None:
        assert self.said(torch.tensor([[3.0, 7.0]]), 900) == [3.0] * 900

    @pytest.mark.parametrize("count", [1, 5, 900])
    def test_one_each(self, count: int) -> None:
        """900 samples are two batches, the second of them not full."""
        text = torch.arange(2.0 * count).reshape(count, 2)
        assert self.said(text, count) == text[:, 0].tolist()

    def test_in_half_precision_it_is_brought_to_that_of_the_samples(self) -> None:
        assert self.said(torch.tensor([[0.5]], dtype=torch.float16), 2) == [0.5, 0.5]

    @pytest.mark.parametrize(("captions", "samples"), [(2, 3), (3, 2), (0, 2), (2, 1)])
    def test_another_number_is_refused(self, captions: int, samples: int) -> None:
        with pytest.raises(ValueError, match=f"{captions} captions for {samples} samples"):
            self.said(torch.zeros(captions, 2), samples)


def test_a_network_on_another_device_is_asked_there_and_heard_here() -> None:
    """Samples stay where their noise is drawn.  "meta" is a device that every machine has."""

    class Elsewhere(nn.Linear):
        def forward(self, x: Tensor, *told: Tensor) -> Tensor:
            assert {value.device.type for value in (x, *told)} == {"meta"}
            return torch.ones(x.shape)

    denoiser = NetworkDenoiser(
        Elsewhere(1, 1, device="meta"),
        make_schedule("cosine"),
        "epsilon",
        text=torch.zeros(1, 3),
        clip=False,
    )
    posterior = denoiser(noisy(), 400)
    assert posterior.eps_hat.device.type == "cpu"
    assert torch.equal(posterior.eps_hat, torch.ones(SMALL))
