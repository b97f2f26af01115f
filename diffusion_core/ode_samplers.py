r"""Samplers of the probability-flow ODE: deterministic, one picture for one noise.

With x̄ = x/α and σ̄ = σ/α the flow is dx̄/dσ̄ = eps_hat (Song et al. 2021,
arXiv:2010.02502, eq. 14; Karras et al. 2022, arXiv:2206.00364, eq. 1): a step is
a step of an ordinary solver from σ̄_t down to σ̄_s.  It is written in x, where it
stays finite at σ̄ = ∞ (zero terminal SNR).
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.samplers import Evaluation, check_step
from diffusion_core.schedule import CLEAN, Schedule


class _Deterministic:
    """What the solvers of the flow share: no noise, one evaluation a step."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def needs_noise(self, t: int, s: int) -> bool:
        """False: the flow is deterministic."""
        return False

    def evaluations(self, t: int, s: int) -> int:
        """One."""
        return 1

    def _euler(self, t: int, s: int, x_t: Tensor, eps: Tensor, posterior: Posterior) -> Tensor:
        """x_s when eps_hat stays ``eps`` on the way.

        Written as α_s x0_hat + σ_s eps_hat, and what ``eps`` adds: x̄ would be
        infinite at α_t = 0, and near it float32 would lose what is divided by α_t.
        """
        check_step(t, s, self.schedule.T)
        alpha_t, sigma_t = self.schedule.alpha(t), self.schedule.sigma(t)
        alpha_s, sigma_s = self.schedule.alpha(s), self.schedule.sigma(s)
        x0_hat, eps_hat = posterior.x0_hat.to(torch.float64), posterior.eps_hat.to(torch.float64)
        x_s = alpha_s * x0_hat + sigma_s * eps_hat
        if eps is not posterior.eps_hat:
            x_s = x_s + (sigma_s - alpha_s / alpha_t * sigma_t) * (eps.to(torch.float64) - eps_hat)
        return x_s.to(x_t.dtype)


class Euler(_Deterministic):
    """x̄_s = x̄_t + (σ̄_s − σ̄_t) · eps_hat: first order.

    In exact arithmetic this is DDIM with η = 0; the race shows them together.
    """

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
        """x_s (B, C, H, W) from x_t, for −1 ≤ s < t."""
        return self._euler(t, s, x_t, posterior.eps_hat, posterior)


class Heun(_Deterministic):
    """Euler's step, then again with the mean of both ends' eps_hat: second order.

    Karras et al. 2022, algorithm 1 without churn.  It asks the denoiser twice
    a step, except for the last to s = −1, where there is nothing to ask, and
    beyond σ̄ = 1000, where the slope is taken from one end: there x_t holds
    nothing of the picture, and a step in σ̄ would multiply every error by σ̄.
    """

    FAR = 1000.0

    def evaluations(self, t: int, s: int) -> int:
        """Two; one for the step to the clean picture, and for one from afar."""
        far = self.schedule.sigma(t) > self.FAR * self.schedule.alpha(t)
        return 1 if s == CLEAN or far else 2

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
        """x_s (B, C, H, W) from x_t, for −1 ≤ s < t.

        Raises
        ------
        ValueError
            When the denoiser is missing where it is needed.
        """
        guess = self._euler(t, s, x_t, posterior.eps_hat, posterior)
        if self.evaluations(t, s) == 1:
            return guess
        if denoiser is None:
            raise ValueError(f"Heun's step from t = {t} to s = {s} needs the denoiser")
        slope = (posterior.eps_hat + denoiser(guess, s).eps_hat) / 2
        return self._euler(t, s, x_t, slope, posterior)


class DPMSolverPP2M(_Deterministic):
    r"""DPM-Solver++(2M): second order from one evaluation a step, by remembering the last.

        x_s = (σ_s/σ_t) · x_t − α_s · (e^{−h} − 1) · D
        D = x0_hat + (x0_hat − x0_hat_before) · h / (2 h_before)

    with λ = ln(α/σ), h = λ_s − λ_t (Lu et al. 2022, arXiv:2211.01095, algorithm
    2).  The first step and the one to s = −1 are of first order.
    """

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
        """x_s (B, C, H, W) from x_t, for −1 ≤ s < t."""
        check_step(t, s, self.schedule.T)
        if s == CLEAN:
            return posterior.x0_hat
        alpha_s = self.schedule.alpha(s)
        sigma_t, sigma_s = self.schedule.sigma(t), self.schedule.sigma(s)
        h = (self.schedule.log_snr(s) - self.schedule.log_snr(t)) / 2
        data = posterior.x0_hat.to(torch.float64)
        if previous is not None:
            h_before = (self.schedule.log_snr(t) - self.schedule.log_snr(previous.t)) / 2
            before = previous.posterior.x0_hat.to(torch.float64)
            data = data + (data - before) * (h / (2 * h_before))
        x_s = sigma_s / sigma_t * x_t.to(torch.float64) - alpha_s * torch.expm1(-h) * data
        return x_s.to(x_t.dtype)
