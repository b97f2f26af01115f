"""The one loop that turns noise into pictures; every model runs through it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.errors import LectureError
from diffusion_core.samplers import Evaluation, Sampler
from diffusion_core.schedule import CLEAN
from diffusion_core.seeds import SampleNoise


@dataclass(frozen=True)
class Step:
    """One step of a reverse process; tensors are (B, C, H, W).

    ``evaluations`` counts what it asked of the network.
    """

    t: int
    s: int
    x_t: Tensor
    posterior: Posterior
    noise: Tensor | None
    x_s: Tensor
    evaluations: int


def check_times(times: Sequence[int]) -> None:
    """Raise a ValueError unless ``times`` fall and there are at least two, none below −1."""
    if len(times) < 2 or any(t <= s for t, s in itertools.pairwise(times)) or times[-1] < CLEAN:
        raise ValueError(
            f"times must fall, be at least two and none below {CLEAN}, got {list(times)}"
        )


def reverse_process(
    denoiser: Denoiser,
    sampler: Sampler,
    x_T: Tensor,
    times: Sequence[int],
    noise: SampleNoise | None = None,
) -> Iterator[Step]:
    """Walk from ``x_T`` along ``times``, yielding each step.

    Parameters
    ----------
    denoiser, sampler
        What judges x_t, and the rule that uses the judgement.
    x_T
        The state at ``times[0]``, (B, C, H, W).
    times
        N + 1 falling times; −1 last for finished pictures.
    noise
        Where fresh noise comes from; may be absent for deterministic samplers.

    Raises
    ------
    ValueError
        When the times do not fall, x_T is not finite, or noise is missing or of
        another shape than x_T; before the network is asked.
    LectureError
        When the network returns a value that is not finite; says at which t.
    """
    check_times(times)
    if not bool(torch.isfinite(x_T).all()):
        raise ValueError("x_T holds values that are not finite")
    _check_noise(sampler, x_T, times, noise)
    x_t, previous = x_T, None
    for t, s in itertools.pairwise(times):
        posterior = denoiser(x_t, t)
        _check_finite(posterior.eps_hat, t)
        fresh = noise.draw() if noise is not None and sampler.needs_noise(t, s) else None
        x_s = sampler.step(x_t, t, s, posterior, fresh, previous=previous, denoiser=denoiser)
        _check_finite(x_s, t)
        evaluations = sampler.evaluations(t, s) * denoiser.evaluations
        yield Step(t, s, x_t, posterior, fresh, x_s, evaluations)
        x_t, previous = x_s, Evaluation(t, posterior)


def _check_noise(
    sampler: Sampler, x_T: Tensor, times: Sequence[int], noise: SampleNoise | None
) -> None:
    for t, s in itertools.pairwise(times):
        if not sampler.needs_noise(t, s):
            continue
        if noise is None:
            raise ValueError(f"the step from t = {t} to s = {s} needs noise; give its source")
        drawn = (len(noise.generators), *noise.shape)
        if drawn != x_T.shape:
            raise ValueError(f"the noise has shape {drawn}, x_T has {tuple(x_T.shape)}")
        return


def _check_finite(values: Tensor, t: int) -> None:
    finite = torch.isfinite(values)
    if not bool(finite.all()):
        raise LectureError(
            f"the network's output at t = {t} is not finite ({float((~finite).float().mean()):.1%} "
            "of its values); the weights are unfit: train again, or choose another checkpoint"
        )


def sample(
    denoiser: Denoiser,
    sampler: Sampler,
    times: Sequence[int],
    seeds: Sequence[int],
    shape: Sequence[int],
    scale: float = 1.0,
) -> Tensor:
    """The finished pictures of a run from pure noise, (B, C, H, W).

    ``scale`` is the standard deviation of x at ``times[0]``: 1 where variance is
    preserved, σ where it explodes.
    """
    noise = SampleNoise(seeds, shape)
    x = scale * noise.draw()
    for step in reverse_process(denoiser, sampler, x, times, noise):
        x = step.x_s
    return x
