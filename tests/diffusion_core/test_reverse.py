"""The loop that every reverse process runs through."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from diffusion_core.denoiser import NetworkDenoiser, Prediction
from diffusion_core.errors import LectureError
from diffusion_core.reverse import reverse_process, sample
from diffusion_core.samplers import DDIM, DDPM
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.conftest import one_line

SCHEDULE = make_schedule("cosine", 1000)
SHAPE = (1, 4, 4)


class Fails(nn.Module):
    """Answers zero, and at the ``call``-th call one value that no network may give."""

    def __init__(self, value: float, call: int) -> None:
        super().__init__()
        self.value, self.call, self.calls = value, call, 0

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        self.calls += 1
        output = torch.zeros_like(x)
        if self.calls == self.call:
            output[1, 0, 0, 0] = self.value
        return output


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
@pytest.mark.parametrize("clip", [True, False])
def test_an_output_that_is_not_finite_stops_the_run_and_names_t(
    value: float, prediction: Prediction, clip: bool
) -> None:
    """Also where clipping would make a plausible picture of an infinite guess."""
    network = Fails(value, call=3)
    denoiser = NetworkDenoiser(network, SCHEDULE, prediction, clip=clip)
    times = sampling_times(make_schedule("linear", 1000), 10)
    with pytest.raises(LectureError, match=rf"at t = {times[2]} is not finite \(\d") as error:
        sample(denoiser, DDIM(SCHEDULE), times, [0, 1], SHAPE)
    one_line(error)
    assert network.calls == 3


@pytest.mark.parametrize("steps", [1, 2, 13, 50])
def test_n_steps_ask_the_network_n_times(steps: int) -> None:
    network = Fails(0, call=0)
    denoiser = NetworkDenoiser(network, SCHEDULE, "v")
    x_T = SampleNoise([5], SHAPE).draw()
    times = sampling_times(make_schedule("linear", 1000), steps)
    walk = list(reverse_process(denoiser, DDIM(SCHEDULE), x_T, times))
    assert len(walk) == network.calls == steps
    assert [step.t for step in walk] == times[:-1]
    assert [step.s for step in walk] == times[1:]
    assert torch.equal(walk[0].x_t, x_T)
    for before, after in itertools.pairwise(walk):
        assert torch.equal(before.x_s, after.x_t)
    assert all(step.noise is None for step in walk)


def test_fresh_noise_is_drawn_for_every_step_but_the_last() -> None:
    noise, same = SampleNoise([3, 4], SHAPE), SampleNoise([3, 4], SHAPE)
    denoiser = NetworkDenoiser(Fails(0, call=0), SCHEDULE, "v")
    walk = list(
        reverse_process(
            denoiser,
            DDPM(SCHEDULE),
            noise.draw(),
            sampling_times(make_schedule("linear", 1000), 6),
            noise,
        )
    )
    assert torch.equal(walk[0].x_t, same.draw())
    for step in walk[:-1]:
        assert step.noise is not None
        assert torch.equal(step.noise, same.draw())
    assert walk[-1].noise is None


def test_a_noisy_sampler_without_noise_is_refused() -> None:
    denoiser = NetworkDenoiser(Fails(0, call=0), SCHEDULE, "v")
    x_T = SampleNoise([0], SHAPE).draw()
    with pytest.raises(ValueError, match="needs noise"):
        list(reverse_process(denoiser, DDPM(SCHEDULE), x_T, [999, 500, -1]))


@pytest.mark.parametrize(
    "times", [[], [999], [5, 5], [3, 4, -1], [999, 500, 500, -1], [10, -1, -2], [-1]]
)
def test_times_that_do_not_fall_to_the_clean_picture_are_refused(times: list[int]) -> None:
    denoiser = NetworkDenoiser(Fails(0, call=0), SCHEDULE, "v")
    x_T = SampleNoise([0], SHAPE).draw()
    with pytest.raises(ValueError, match="times must fall"):
        list(reverse_process(denoiser, DDIM(SCHEDULE), x_T, times))
