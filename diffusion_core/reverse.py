"""The one loop that turns noise into pictures; every model runs through it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.errors import LectureError
from diffusion_core.samplers import Sampler
from diffusion_core.schedule import CLEAN
from diffusion_core.seeds import SampleNoise


@dataclass(frozen=True)
class Step:
    """One step of a reverse process; tensors are (B, C, H, W)."""

    t: int
    s: int
    x_t: Tensor
    posterior: Posterior
    noise: Tensor | None
    x_s: Tensor


def reverse_process(
    denoiser: Denoiser,
    sampler: Sampler,
    x_T: Tensor,
    times: Sequence[int],
    noise: SampleNoise | None = None,
) -> Iterator[Step]:
    """Walk from ``x_T`` along ``times`` (falling, −1 last), yielding each step.

    Parameters
    ----------
    denoiser, sampler
        What judges x_t, and the rule that uses the judgement.
    x_T
        The state at ``times[0]``, (B, C, H, W).
    times
        N + 1 falling times.
    noise
        Where fresh noise comes from; may be absent for deterministic samplers.

    Raises
    ------
    LectureError
        When the network returns a value that is not finite; says at which t.
    """
    if len(times) < 2 or any(t <= s for t, s in itertools.pairwise(times)) or times[-1] < CLEAN:
        raise ValueError(f"times must fall and end at {CLEAN} or above, got {list(times)}")
    x_t = x_T
    for t, s in itertools.pairwise(times):
        posterior = denoiser(x_t, t)
        if not bool(torch.isfinite(posterior.eps_hat).all()):
            share = float((~torch.isfinite(posterior.eps_hat)).float().mean())
            raise LectureError(
                f"the network's output at t = {t} is not finite ({share:.1%} of its values); "
                "the weights are unfit: train again, or choose another checkpoint"
            )
        needs_noise = noise is not None and sampler.needs_noise(t, s)
        fresh = noise.draw() if noise is not None and needs_noise else None
        x_s = sampler.step(x_t, t, s, posterior, fresh)
        yield Step(t, s, x_t, posterior, fresh, x_s)
        x_t = x_s


def sample(
    denoiser: Denoiser,
    sampler: Sampler,
    times: Sequence[int],
    seeds: Sequence[int],
    shape: Sequence[int],
) -> Tensor:
    """The finished pictures of a run from pure noise, (B, C, H, W) in −1 … 1."""
    noise = SampleNoise(seeds, shape)
    x = noise.draw()
    for step in reverse_process(denoiser, sampler, x, times, noise):
        x = step.x_s
    return x
