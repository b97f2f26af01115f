"""MISTAKES of the forward process, made on purpose, each beside a run without it.

Nothing here is to be copied.  Of each pair "right" has ``facts["mistake"]`` None,
and of "mistake" it says what was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser
from diffusion_core.experiments.checks import check_rising, per_sample
from diffusion_core.experiments.paths import Runs, record_forward, record_jumps
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.recipe import check_whole
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule, linear
from diffusion_core.timesteps import sampling_times


def unscaled_linear(T: int) -> Schedule:
    """MISTAKE: β from 1e-4 to 0.02 whatever T is; √ᾱ at the end is 0.78 at T = 50."""
    betas = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    return Schedule.from_betas("linear, betas not rescaled (a mistake)", betas)


def mistake_no_rescaling(
    make_denoiser: Callable[[Schedule], Denoiser],
    x_0: Tensor,
    T: int,
    seeds: Sequence[int],
    *,
    facts: Facts | None = None,
) -> Runs:
    """MISTAKE: T is made small, and the betas stay as they were.

    What does it leave of the picture at T − 1, and what comes of that?

    The betas of Ho et al. 2020 (1e-4 … 0.02) are made for T = 1000.  With fewer
    steps and the same betas the forward process ends in a picture that is
    still to be seen, and the reverse process, which begins with pure noise,
    begins where no training picture ever was.

    Parameters
    ----------
    make_denoiser
        The same network under either schedule.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    T
        Noise levels of both schedules, 10 … 500.
    seeds
        One a sample, of the forward noise and of the start.
    facts
        What every recording should say besides.

    Returns
    -------
    Runs
        "right_forward" and "mistake_forward": x_0 and x at all T times, one ε
        a sample; "right" and "mistake": DDIM through all T times from pure
        noise.  All say "signal_left", √ᾱ at T − 1.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    x_0 = per_sample(x_0, seeds)
    check_whole("T", T, 10, 500)
    facts = {
        **(facts or {}),
        "experiment": "mistake_no_rescaling",
        "seeds": [int(seed) for seed in seeds],
    }
    eps = start_noise(seeds, x_0.shape[1:])[0].to(x_0.dtype)
    said = "the betas for T = 1000 are used as they are for a smaller T"
    runs: Runs = {}
    for name, schedule, mistake in (
        ("right", linear(T), None),
        ("mistake", unscaled_linear(T), said),
    ):
        process = ReverseProcess(
            make_denoiser(schedule), DDIM(schedule), schedule, sampling_times(schedule, T)
        )
        own = {
            **facts,
            "mistake": mistake,
            "signal_left": float(schedule.alpha_bar(T - 1).sqrt()),
        }
        runs[f"{name}_forward"] = record_jumps(x_0, range(T), [eps] * T, schedule, own)
        runs[name] = process.record(process.pure_noise(eps), facts=own)
    return runs


def mistake_no_noise_weight(
    process: ReverseProcess, x_0: Tensor, times: Sequence[int], seeds: Sequence[int]
) -> Runs:
    """MISTAKE: the noise is added without √(1 − ᾱ_t).

    Does the weight of the noise matter, if there is noise enough?

    x_t = √ᾱ_t x_0 + ε has more noise than the denoiser is told, the more so the
    smaller t is: it takes out what it was told of, and the rest stays in the
    picture as specks.  In a right recording the ``eps`` that makes up x_t has
    variance 1 at every t; here it is ε/√(1 − ᾱ_t).

    Parameters
    ----------
    process
        Under a variance-preserving schedule; its times below ``times[-1]`` are visited.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    times
        Rising times in 0 … T − 1 that the forward recordings hold; from the
        last of them the reverse process starts.
    seeds
        One a sample, of the noise and of the steps.

    Returns
    -------
    Runs
        "right_forward", "mistake_forward", "right" and "mistake".

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, or a schedule
        that does not preserve variance.
    """
    x_0 = per_sample(x_0, seeds)
    schedule = process.schedule
    check_rising("times", times, schedule)
    norms = schedule.norm(torch.arange(schedule.T))
    if not bool(torch.allclose(norms, torch.ones_like(norms))):
        raise ValueError(f"{schedule.name!r} does not preserve variance; choose one that does")
    facts: Facts = {"experiment": "mistake_no_noise_weight", "seeds": [int(seed) for seed in seeds]}
    said = "the noise is added with weight 1 instead of √(1 − ᾱ_t)"
    runs: Runs = {}
    for name, mistake in (("right", None), ("mistake", said)):
        eps, noise = start_noise(seeds, x_0.shape[1:])
        eps = eps.to(x_0.dtype)
        own = {**facts, "mistake": mistake}
        said_forward = {**process.facts, **own}
        if mistake:
            noisy = [schedule.alpha(t).to(x_0.dtype) * x_0 + eps for t in times]
            forward = record_forward(x_0, times, noisy, schedule, said_forward)
        else:
            jumps = [eps] * len(times)
            forward = record_jumps(x_0, times, jumps, schedule, said_forward)
        back = process.starting_at(times[-1])
        runs[f"{name}_forward"] = forward
        runs[name] = back.record(torch.from_numpy(forward.states[-1]), noise, facts=own)
    return runs
