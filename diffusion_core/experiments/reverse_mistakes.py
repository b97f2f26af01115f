"""MISTAKES of the reverse process, made on purpose, each beside a run without it.

Nothing here is to be copied.  Of each pair "right" has ``facts["mistake"]`` None,
and of "mistake" it says what was left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior, to_posterior
from diffusion_core.experiments.checks import check_time_of_noise
from diffusion_core.experiments.paths import Runs
from diffusion_core.experiments.process import ReverseProcess, describe_sampler, start_noise
from diffusion_core.files import Facts
from diffusion_core.samplers import Evaluation, Sampler
from diffusion_core.schedule import CLEAN, Schedule


class _SameLevel:
    """MISTAKE: a denoiser that believes every x_t as noisy as at one time."""

    def __init__(self, denoiser: Denoiser, schedule: Schedule, told: int) -> None:
        self.denoiser, self.schedule, self.told = denoiser, schedule, told
        self.evaluations = denoiser.evaluations

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """x0_hat as for the time that it is told, and the eps_hat that goes with it at t."""
        x0_hat = self.denoiser(x_t, self.told).x0_hat
        return to_posterior(x0_hat, x_t, "x0", self.schedule.alpha(t), self.schedule.sigma(t))


def mistake_no_time_embedding(
    process: ReverseProcess, seeds: Sequence[int], shape: Sequence[int], told: int
) -> Runs:
    """MISTAKE: the network is not told how noisy its input is.

    Could it not see that for itself?

    It is told the same t all along.  Above that time it takes noise for
    picture, below it picture for noise.

    Parameters
    ----------
    process
        The right one.
    seeds
        One a sample, of the start and of the steps.
    shape
        Of one sample, (C, H, W).
    told
        The time that the network is told at every step, 0 … T − 1.

    Returns
    -------
    Runs
        "right" and "mistake", from the same noise.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    check_time_of_noise("told", told, process.schedule)
    deaf = _SameLevel(process.denoiser, process.schedule, told)
    facts: Facts = {
        "experiment": "mistake_no_time_embedding",
        "mistake": f"the network is told t = {told} at every step",
    }
    return _beside(process, replace(process, denoiser=deaf), seeds, shape, facts)


class _NoisyEnd:
    """MISTAKE: a sampler that adds noise in the step to the clean picture as well."""

    def __init__(self, sampler: Sampler, schedule: Schedule) -> None:
        self.sampler, self.schedule = sampler, schedule

    def needs_noise(self, t: int, s: int) -> bool:
        """The rule's need, and always at s = −1."""
        return s == CLEAN or self.sampler.needs_noise(t, s)

    def evaluations(self, t: int, s: int) -> int:
        """The rule's."""
        return self.sampler.evaluations(t, s)

    def step(
        self,
        x_t: Tensor,
        t: int,
        s: int,
        posterior: Posterior,
        noise: Tensor | None = None,
        *,
        previous: Evaluation | None = None,
        denoiser: Denoiser | None = None,
    ) -> Tensor:
        """The rule's step; at s = −1 with √β_t of the step, σ_t, times the noise."""
        x_s = self.sampler.step(x_t, t, s, posterior, noise, previous=previous, denoiser=denoiser)
        if s != CLEAN:
            return x_s
        if noise is None:
            raise ValueError(f"the step from t = {t} to s = {s} needs noise; give it")
        return x_s + self.schedule.sigma(t).to(x_s.dtype) * noise


def mistake_noise_at_the_end(
    process: ReverseProcess, seeds: Sequence[int], shape: Sequence[int]
) -> Runs:
    """MISTAKE: the last step adds noise like all the others.

    Why is it the only one without?

    Algorithm 2 of Ho et al. 2020 sets z = 0 in its last step.  Without that the
    finished picture keeps grain of standard deviation √β of the last step,
    √(1 − ᾱ_t) for the step from t: the fewer steps, the more.

    Parameters
    ----------
    process
        The right one.
    seeds
        One a sample, of the start and of the steps.
    shape
        Of one sample, (C, H, W).

    Returns
    -------
    Runs
        "right" and "mistake", the same up to the last step.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    noisy = _NoisyEnd(process.sampler, process.schedule)
    facts: Facts = {
        "experiment": "mistake_noise_at_the_end",
        "mistake": "noise is added in the step to the finished picture",
    }
    return _beside(process, replace(process, sampler=noisy), seeds, shape, facts)


def _beside(
    right: ReverseProcess,
    wrong: ReverseProcess,
    seeds: Sequence[int],
    shape: Sequence[int],
    facts: Facts,
) -> Runs:
    """Both processes from the same noise, with the noise of their steps the same."""
    runs: Runs = {}
    for name, process, said in (("right", right, None), ("mistake", wrong, facts["mistake"])):
        eps, noise = start_noise(seeds, shape)
        runs[name] = process.record(
            process.pure_noise(eps),
            noise,
            facts={
                **describe_sampler(right.sampler),
                **facts,
                "seeds": [int(seed) for seed in seeds],
                "mistake": said,
            },
        )
    return runs
