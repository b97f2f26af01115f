r"""Samplers: from x_t and what the network says of it to x_s, s < t.

A sampler holds no state: ``step`` is given both times, so nothing guesses the
previous one, and the noise comes from outside, so a run can be replayed with
the same noise under another sampler.

Every rule here has the form (Song et al. 2021, arXiv:2010.02502, eq. 12)

    x_s = √ᾱ_s · x0_hat + √(1 − ᾱ_s − σ²) · eps_hat + σ · noise

with σ² = η² · (1 − ᾱ_s)/(1 − ᾱ_t) · (1 − ᾱ_t/ᾱ_s).  η = 0 is DDIM; η = 1 is
the posterior q(x_s | x_t, x_0) that DDPM samples (Ho et al. 2020, eq. 6 and 7).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from diffusion_core.denoiser import Posterior
from diffusion_core.recipe import SAMPLERS, check_name, check_range
from diffusion_core.schedule import CLEAN, Schedule


class Sampler(Protocol):
    """One rule for going from t to s."""

    def needs_noise(self, t: int, s: int) -> bool:
        """Whether ``step`` from t to s has to be given fresh noise."""
        ...

    def step(
        self, x_t: Tensor, t: int, s: int, posterior: Posterior, noise: Tensor | None = None
    ) -> Tensor:
        """x_s (B, C, H, W) from x_t, for −1 ≤ s < t."""
        ...


class DDIM:
    """Song et al. 2021: deterministic at η = 0, as noisy as DDPM at η = 1.

    Parameters
    ----------
    schedule
        Gives ᾱ_t.
    eta
        How much of the posterior's noise is put back at each step, 0 … 1.
    """

    def __init__(self, schedule: Schedule, eta: float = 0.0) -> None:
        check_range("eta", eta, 0, 1)
        self.schedule, self.eta = schedule, eta

    def posterior_std(self, t: int, s: int) -> Tensor:
        """Standard deviation of the noise put back from t to s; 0 at s = −1."""
        a_t, a_s = self.schedule.alpha_bar(t), self.schedule.alpha_bar(s)
        return self.eta * ((1 - a_s) / (1 - a_t) * (1 - a_t / a_s)).clamp(min=0).sqrt()

    def needs_noise(self, t: int, s: int) -> bool:
        """True unless η = 0 or s is the clean picture."""
        return self.eta > 0 and s != CLEAN

    def step(
        self, x_t: Tensor, t: int, s: int, posterior: Posterior, noise: Tensor | None = None
    ) -> Tensor:
        """x_s by eq. 12; the step to s = −1 returns x0_hat and adds no noise.

        Raises
        ------
        ValueError
            When s is not below t, or noise is missing where it is needed.
        """
        if not CLEAN <= s < t:
            raise ValueError(f"cannot step from t = {t} to s = {s}: s must lie in {CLEAN} … t − 1")
        a_s, std = self.schedule.alpha_bar(s), self.posterior_std(t, s)
        towards_x_t = (1 - a_s - std**2).clamp(min=0).sqrt()
        alpha = a_s.sqrt().to(x_t.dtype)
        x_s = alpha * posterior.x0_hat + towards_x_t.to(x_t.dtype) * posterior.eps_hat
        if not self.needs_noise(t, s):
            return x_s
        if noise is None:
            raise ValueError(f"the step from t = {t} to s = {s} needs noise")
        return x_s + std.to(x_t.dtype) * noise


class DDPM(DDIM):
    """Ho et al. 2020: samples the posterior q(x_s | x_t, x0_hat) at every step.

    The variance is β̃, that of the posterior itself (eq. 7).  With every t
    visited this is algorithm 2 of the paper.
    """

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(schedule, eta=1.0)


def make_sampler(name: str, schedule: Schedule) -> Sampler:
    """The sampler called ``name`` under ``schedule``.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    check_name("sampler", name, SAMPLERS)
    return {"ddim": DDIM, "ddpm": DDPM}[name](schedule)


def sampling_times(T: int, steps: int) -> list[int]:
    """The times of a run of ``steps`` steps: T − 1 first, −1 last, N + 1 in all.

    Evenly spaced and counted from the noisy end ("trailing", Lin et al. 2024,
    arXiv:2305.08891), so that a run always starts from pure noise.

    Raises
    ------
    UsageError
        For ``steps`` outside 1 … T.
    """
    check_range("steps", steps, 1, T)
    times = torch.linspace(T, 0, steps + 1, dtype=torch.float64).round().to(torch.int64) - 1
    return times.tolist()
