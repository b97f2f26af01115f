"""The score as a field of arrows in the plane, and particles that follow it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser
from diffusion_core.experiments.checks import check_rising
from diffusion_core.experiments.paths import Runs
from diffusion_core.experiments.process import ReverseProcess, check_same_schedule, start_noise
from diffusion_core.files import Facts
from diffusion_core.gaussians import Mixture
from diffusion_core.recipe import check_range, check_whole
from diffusion_core.recording import environment, stack
from diffusion_core.samplers import DDIM, DDPM, Sampler
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory


def field(
    denoiser: Denoiser,
    schedule: Schedule,
    times: Sequence[int],
    *,
    side: int,
    reach: float,
    facts: Facts | None = None,
) -> Trajectory:
    """What ``denoiser`` says at every place of a square grid, at each of ``times``.

    The score there is −eps_hat / √(1 − ᾱ_t).  The states are the places, the
    same at all times: nothing moves, it is only asked.

    Parameters
    ----------
    denoiser
        Judges points (B, 2, 1, 1).
    times
        Rising, in 0 … T − 1; recorded falling, as a reverse run has them.
    side, reach
        Places a side, at least 2, and half the side's length.

    Returns
    -------
    Trajectory
        side² samples, row by row from the lowest x; at t = −1 nothing is asked.
    """
    check_rising("times", times, schedule)
    check_whole("side", side, 2, 1000)
    check_range("reach", reach, 0, 1000)
    line = torch.linspace(-reach, reach, side)
    places = torch.cartesian_prod(line, line)[:, :, None, None]
    falling = sorted(times, reverse=True)
    said = [denoiser(places, t) for t in falling]
    at = torch.tensor([*falling, CLEAN])
    return Trajectory(
        states=stack([places] * len(at)),
        timesteps=at.numpy(),
        alpha_bar=schedule.alpha_bar(at).numpy(),
        x0_hat=stack([answer.x0_hat for answer in said]),
        eps_hat=stack([answer.eps_hat for answer in said]),
        facts={
            "experiment": "score_field",
            "nfe": len(falling) * denoiser.evaluations,
            "schedule": schedule.name,
            "side": side,
            "reach": reach,
            **environment(),
            **(facts or {}),
        },
    )


def density(
    mixture: Mixture, schedule: Schedule, times: Sequence[int], *, side: int, reach: float
) -> Trajectory:
    """How likely every place of a square grid is, at each of ``times`` and of the data.

    The states are one picture a time: p_t at (row, column), the highest y
    first, so that it lies as the plane does.

    Parameters
    ----------
    mixture
        What x_0 is drawn from; its stds are above 0.
    times
        Rising, in 0 … T − 1; recorded falling, and at last the data at t = −1.
    side, reach
        Places a side, at least 2, and half the side's length.
    """
    check_rising("times", times, schedule)
    check_whole("side", side, 2, 1000)
    check_range("reach", reach, 0, 1000)
    if not bool((mixture.stds > 0).all()):
        raise ValueError("a mixture of points has no density; give its Gaussians a std above 0")
    line = torch.linspace(-reach, reach, side, dtype=torch.float64)
    at = torch.tensor([*sorted(times, reverse=True), CLEAN])
    p = [
        _at_places(mixture.noised(schedule.alpha(t), schedule.sigma(t)), line) for t in at.tolist()
    ]
    return Trajectory(
        states=torch.stack(p)[:, None, None].float().numpy(),
        timesteps=at.numpy(),
        alpha_bar=schedule.alpha_bar(at).numpy(),
        facts={
            "experiment": "score_field",
            "nfe": 0,
            "schedule": schedule.name,
            "side": side,
            "reach": reach,
            **environment(),
        },
    )


def _at_places(mixture: Mixture, line: Tensor) -> Tensor:
    """The density at every (y, x) of a square grid over ``line``, the highest y first."""
    # A round Gaussian is a product of one factor an axis: its places need not be gone through.
    x, y = (
        torch.exp(-((line[:, None] - means) / mixture.stds).square() / 2)
        for means in mixture.means.unbind(1)
    )
    return (y.flip(0) * (mixture.weights / (2 * math.pi * mixture.stds**2))) @ x.T


def score_field(
    denoisers: Mapping[str, Denoiser],
    schedule: Schedule,
    times: Sequence[int],
    seeds: Sequence[int],
    *,
    steps: int,
    side: int = 21,
    reach: float = 2.5,
) -> Runs:
    """The field of the score, and particles along its ODE and its SDE.

    What does a network really learn, and where does it lead?

    From the same noise the particles of the ODE (DDIM, Song et al. 2021,
    arXiv:2011.13456, eq. 13) go smooth ways, and those of the SDE (DDPM, eq. 6)
    jitter; at every t both crowds have the same distribution.

    Parameters
    ----------
    denoisers
        By the ending of the runs' names: "" the exact one, " learned" a network.
    times, side, reach
        Of the fields (``field``).
    seeds
        One a particle, of the start and of the SDE's steps.
    steps
        Of the particles' ways.

    Returns
    -------
    Runs
        "field", "ode" and "sde" for each denoiser, its ending behind them.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    if not denoisers:
        raise ValueError("denoisers is empty; give at least one")
    for denoiser in denoisers.values():
        check_same_schedule("denoiser", denoiser, schedule)
    rules: dict[str, Sampler] = {"ode": DDIM(schedule), "sde": DDPM(schedule)}
    visited = sampling_times(schedule, steps)
    start_noise(seeds, (2, 1, 1))
    runs: Runs = {}
    for ending, denoiser in denoisers.items():
        own: Facts = {"score": ending.strip() or "exact"}
        runs[f"field{ending}"] = field(denoiser, schedule, times, side=side, reach=reach, facts=own)
        for name, sampler in rules.items():
            process = ReverseProcess(denoiser, sampler, schedule, visited)
            eps, noise = start_noise(seeds, (2, 1, 1))
            said = {
                "experiment": "score_field",
                "seeds": [int(seed) for seed in seeds],
                "way": name,
                **own,
            }
            runs[f"{name}{ending}"] = process.record(process.pure_noise(eps), noise, facts=said)
    return runs
