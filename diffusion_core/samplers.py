r"""Samplers: from x_t and what the network says of it to x_s, s < t.

A sampler holds no state: ``step`` is given both times, so nothing guesses the
previous one; the noise comes from outside, so a run can be replayed with the
same noise under another sampler; and what a multistep rule remembers is handed
to it by the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.recipe import SAMPLERS, check_name, check_range
from diffusion_core.schedule import CLEAN, Schedule


@dataclass(frozen=True)
class Evaluation:
    """What was said at an earlier time of the same run."""

    t: int
    posterior: Posterior


class Sampler(Protocol):
    """One rule for going from t to s."""

    def needs_noise(self, t: int, s: int) -> bool:
        """Whether ``step`` from t to s has to be given fresh noise."""
        ...

    def evaluations(self, t: int, s: int) -> int:
        """How often a step asks the denoiser, the posterior it is given included."""
        ...

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

        Parameters
        ----------
        posterior
            What the denoiser says of x_t.
        noise
            Standard normal, where ``needs_noise`` says so.
        previous
            The evaluation of the step before; multistep rules use it.
        denoiser
            For rules that ask again within a step.
        """
        ...


def check_step(t: int, s: int, T: int) -> None:
    """Raise a ValueError unless −1 ≤ s < t ≤ T − 1."""
    if not CLEAN <= s < t < T:
        raise ValueError(f"cannot step from t = {t} to s = {s}: it takes {CLEAN} ≤ s < t ≤ {T - 1}")


class DDIM:
    r"""Song et al. 2021 (arXiv:2010.02502), eq. 12: deterministic at η = 0.

        x_s = α_s · x0_hat + √(σ_s² − std²) · eps_hat + std · noise
        std² = η² · σ_s²/σ_t² · (σ_t² − σ_s² · α_t²/α_s²)

    η = 1 samples the posterior q(x_s | x_t, x0_hat), as DDPM does.

    Parameters
    ----------
    schedule
        Gives α_t and σ_t.
    eta
        How much of the posterior's noise is put back at each step, 0 … 1.
    """

    def __init__(self, schedule: Schedule, eta: float = 0.0) -> None:
        check_range("eta", eta, 0, 1)
        self.schedule, self.eta = schedule, eta

    def posterior_std(self, t: int, s: int) -> Tensor:
        """Standard deviation of the noise put back from t to s; 0 at s = −1."""
        return self.eta * self.schedule.sigma(s) / self.schedule.sigma(t) * self.fresh_std(t, s)

    def fresh_std(self, t: int, s: int) -> Tensor:
        """√β of the forward step from s to t: √(σ_t² − σ_s² · α_t²/α_s²)."""
        ratio = self.schedule.alpha(t) / self.schedule.alpha(s)
        kept = ratio * self.schedule.sigma(s)
        return (self.schedule.sigma(t) ** 2 - kept**2).clamp(min=0).sqrt()

    def noise_std(self, t: int, s: int) -> Tensor:
        """Standard deviation of the noise that is really added."""
        return self.posterior_std(t, s)

    def needs_noise(self, t: int, s: int) -> bool:
        """True unless η = 0 or s is the clean picture."""
        return self.eta > 0 and s != CLEAN

    def evaluations(self, t: int, s: int) -> int:
        """One."""
        return 1

    def lands(self, s: int) -> int:
        """The level of what a step to s returns: s, or where the schedule ends.

        Some pretrained models were configured to end at t = 0 instead of at the
        clean picture (``set_alpha_to_one`` of their scheduler): a little of
        eps_hat is left.
        """
        return self.schedule.last if s == CLEAN else s

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
        """x_s by eq. 12; the step to s = −1 returns x0_hat and adds no noise (see ``lands``).

        Raises
        ------
        ValueError
            When s is not below t, or noise is missing where it is needed.
        """
        check_step(t, s, self.schedule.T)
        level = self.lands(s)
        alpha_s, sigma_s = self.schedule.alpha(level), self.schedule.sigma(level)
        towards_x_t = (sigma_s**2 - self.posterior_std(t, s) ** 2).clamp(min=0).sqrt()
        dtype = x_t.dtype
        x_s = alpha_s.to(dtype) * posterior.x0_hat + towards_x_t.to(dtype) * posterior.eps_hat
        if not self.needs_noise(t, s):
            return x_s
        if noise is None:
            raise ValueError(f"the step from t = {t} to s = {s} needs noise")
        return x_s + self.noise_std(t, s).to(dtype) * noise


Variance = Literal["posterior", "beta"]


class DDPM(DDIM):
    """Ho et al. 2020: samples the posterior q(x_s | x_t, x0_hat) at every step.

    With every t visited this is algorithm 2 of the paper.

    Parameters
    ----------
    schedule
        Gives α_t and σ_t.
    variance
        "posterior": β̃, that of the posterior (eq. 7), right for data that is
        one point; "beta": β, that of the forward step, right for data that is
        standard normal.  The paper saw no difference (section 3.2).
    """

    def __init__(self, schedule: Schedule, variance: Variance = "posterior") -> None:
        check_name("variance", variance, ("posterior", "beta"))
        super().__init__(schedule, eta=1.0)
        self.variance = variance

    def lands(self, s: int) -> int:
        """s itself."""
        return s

    def noise_std(self, t: int, s: int) -> Tensor:
        """√β̃ or √β of the step from t to s; 0 at s = −1."""
        if self.variance == "posterior" or s == CLEAN:
            return self.posterior_std(t, s)
        return self.fresh_std(t, s)


def make_sampler(name: str, schedule: Schedule, eta: float = 0.0) -> Sampler:
    """The sampler called ``name`` under ``schedule``; ``eta`` is for "ddim".

    Raises
    ------
    UsageError
        For an unknown name, or an η outside 0 … 1.
    """
    from diffusion_core.ode_samplers import DPMSolverPP2M, Euler, Heun

    check_name("sampler", name, SAMPLERS)
    if name == "ddim":
        return DDIM(schedule, eta)
    if name == "ddpm":
        return DDPM(schedule, schedule.variance)
    makers: dict[str, type[Euler | Heun | DPMSolverPP2M]] = {
        "euler": Euler,
        "heun": Heun,
        "dpmpp": DPMSolverPP2M,
    }
    return makers[name](schedule)
