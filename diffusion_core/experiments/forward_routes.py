"""Two routes from a picture to noise: every step, or one jump."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from diffusion_core.experiments.checks import check_rising, per_sample
from diffusion_core.experiments.paths import Runs, record_forward, record_jumps
from diffusion_core.files import Facts
from diffusion_core.forward import forward_step
from diffusion_core.schedule import Schedule
from diffusion_core.seeds import SampleNoise


def routes(schedule: Schedule, x_0: Tensor, times: Sequence[int], seeds: Sequence[int]) -> Runs:
    r"""The forward process, step by step and in one jump.

    Do a thousand small steps and one jump arrive at the same distribution?

        steps:  x_t = √(1 − β_t) · x_{t−1} + √β_t · ε_t        for every t
        jump:   x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε              straight from x_0

    (Ho et al. 2020, arXiv:2006.11239, eq. 2 and 4.)  The two are equal in
    distribution at every t, not sample by sample: the jump's ε is fresh, and
    the same for all times of one sample.

    Parameters
    ----------
    schedule
        Any; eq. 2 and 4 are its form where variance is preserved.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    times
        Rising times in 0 … T − 1 that are recorded; all are stepped through.
    seeds
        One a sample; many, for histograms.

    Returns
    -------
    Runs
        "steps" and "jump": x_0 and then x at ``times``, each with its ε.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    x_0 = per_sample(x_0, seeds)
    check_rising("times", times, schedule)
    noise = SampleNoise(seeds, x_0.shape[1:])
    x, states = x_0, []
    for t in range(times[-1] + 1):
        x = forward_step(x, t - 1, t, schedule, noise.draw().to(x_0.dtype))
        if t in times:
            states.append(x)
    # The generators go on, so the jump's noise is none of the steps'.
    eps = [noise.draw()] * len(times)
    facts: Facts = {"experiment": "routes", "seeds": [int(seed) for seed in seeds]}
    steps = {**facts, "route": "every step", "steps": times[-1] + 1}
    jumps = {**facts, "route": "one jump", "steps": 1}
    return {
        "steps": record_forward(x_0, times, states, schedule, steps),
        "jump": record_jumps(x_0, times, eps, schedule, jumps),
    }
