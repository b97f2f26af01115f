"""diffusers as the oracle: its schedulers, and ours, given the same.

Theirs are given our ᾱ table (tables are compared on their own), the same
starting noise, the same fresh noise and the same fixed random function of
(x, t) as the network; all states are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffusion_core.denoiser import Prediction
from diffusion_core.reverse import reverse_process
from diffusion_core.samplers import Sampler
from diffusion_core.schedule import Schedule
from diffusion_core.vision import import_torchvision
from tests.diffusion_core.fakes import FakeDenoiser, Outputs, RandomFunction, normal

ATOL = 1e-5
TABLES: dict[str, dict[str, Any]] = {
    "linear": {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02},
    "scaled_linear": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
    "sigmoid": {"beta_schedule": "sigmoid", "beta_start": 1e-4, "beta_end": 0.02},
}
THEIR_PREDICTION = {"epsilon": "epsilon", "v": "v_prediction", "x0": "sample"}
NEAR = ["linear", "scaled_linear"]
"""Schedules whose σ/α ends below 1000: Heun never takes one slope from afar."""


def scheduler(kind: str, schedule: Schedule | None = None, **options: Any) -> Any:
    """A scheduler of diffusers, given the ᾱ of ``schedule`` where one is named."""
    import_torchvision()
    import diffusers

    theirs = getattr(diffusers, kind)(num_train_timesteps=1000, **options)
    if schedule is not None:
        theirs.alphas_cumprod = schedule.alpha_bar(torch.arange(schedule.T))
    return theirs


def to_sigma_space(x: Tensor, schedule: Schedule, t: int) -> Tensor:
    """x̄ = x/α: what their Euler and Heun call a sample; the clean picture is itself."""
    return x / schedule.alpha(t).to(x.dtype)


def from_sigma_space(x_bar: Tensor, schedule: Schedule, t: int) -> Tensor:
    """x = α · x̄."""
    return schedule.alpha(t).to(x_bar.dtype) * x_bar


def fresh(t: int) -> Tensor:
    """The noise of the step from t, the same for ours and theirs."""
    return normal(10_000 + t)


def our_run(
    sampler: Sampler,
    denoiser: FakeDenoiser,
    x_T: Tensor,
    times: Sequence[int],
) -> list[Tensor]:
    """The states after each step, with the noise of ``fresh``."""

    class Fresh:
        def __init__(self) -> None:
            self.generators, self.shape = [None] * len(x_T), x_T.shape[1:]
            self.left = iter(times)

        def draw(self) -> Tensor:
            return fresh(next(self.left))

    noise: Any = Fresh()
    return [step.x_s for step in reverse_process(denoiser, sampler, x_T, times, noise)]


def assert_close(ours: Sequence[Tensor], theirs: Sequence[Tensor], atol: float = ATOL) -> None:
    assert len(ours) == len(theirs)
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.dtype == torch.float32
        assert torch.isfinite(mine).all()
        difference = float((mine - other).abs().max())
        assert difference <= atol, f"step {i}: {difference}"


def network(
    schedule: Schedule, prediction: Prediction = "v", *, clip: bool = False
) -> tuple[Outputs, FakeDenoiser]:
    """A network for theirs, and the same as a denoiser for ours."""
    outputs = Outputs(prediction, schedule, RandomFunction())
    return outputs, FakeDenoiser(outputs, schedule, prediction, clip=clip)


def known(prediction: Prediction, schedule: Schedule, t: int) -> float:
    """How exactly the picture is known at t: an ε in float32 is divided by α_t to find it."""
    return max(ATOL, 2**-21 / float(schedule.alpha(t))) if prediction == "epsilon" else ATOL
