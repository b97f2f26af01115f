r"""Noise schedules: how much picture and how much noise x_t holds at time t.

Every schedule writes the noisy picture as

    x_t = α_t · x_0 + σ_t · ε,      ε ~ N(0, I)

The variance-preserving ones have α_t = √ᾱ_t and σ_t = √(1 − ᾱ_t) with
ᾱ_t = ∏_{i ≤ t} (1 − β_i); the variance-exploding one has α_t = 1 and a growing
σ_t.  Time is the papers': t = 0 … T − 1, and −1 stands for the clean picture
(α = 1, σ = 0).

Sources: Ho et al. 2020 (arXiv:2006.11239), eq. 2 and 4 (linear); Rombach et al.
2022 (arXiv:2112.10752, scaled linear); Nichol and Dhariwal 2021
(arXiv:2102.09672), eq. 17 (cosine); Xu et al. 2022 (arXiv:2203.02923, sigmoid);
Karras et al. 2022 (arXiv:2206.00364), eq. 5; Lin et al. 2024 (arXiv:2305.08891),
algorithm 1 (zero terminal SNR).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from diffusion_core.errors import UsageError
from diffusion_core.recipe import check_schedule

CLEAN = -1
"""The time that stands for the clean picture, before any noise."""

MAX_BETA = 0.999
"""No single step may destroy more than this share of the variance."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """The weights of picture and noise at every t, in float64.

    Parameters
    ----------
    name
        What the schedule is called in recipes and on screen.
    alphas, sigmas
        α_t ≥ 0 and σ_t > 0 for t = 0 … T − 1, shape (T,); σ_t/α_t must rise.
    """

    name: str
    alphas: Tensor  # (T,)
    sigmas: Tensor  # (T,)
    _alpha: Tensor = field(init=False, repr=False)  # (T + 1,), index t + 1: −1 is clean
    _sigma: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        alphas, sigmas = self.alphas.to(torch.float64), self.sigmas.to(torch.float64)
        if alphas.ndim != 1 or alphas.shape != sigmas.shape or len(alphas) == 0:
            raise ValueError(
                f"alphas {tuple(alphas.shape)} and sigmas {tuple(sigmas.shape)} must both be "
                "(T,) with T ≥ 1"
            )
        finite = torch.isfinite(alphas + sigmas).all()
        if not bool((alphas >= 0).all() and (sigmas > 0).all() and finite):
            raise ValueError(f"{self.name!r} needs finite alphas ≥ 0 and sigmas > 0")
        if not bool((torch.atan2(sigmas, alphas).diff() > 0).all()):
            raise ValueError(f"the noise of {self.name!r} must grow with t")
        object.__setattr__(self, "alphas", alphas)
        object.__setattr__(self, "sigmas", sigmas)
        clean = torch.tensor([1.0, 0.0], dtype=torch.float64)
        object.__setattr__(self, "_alpha", torch.cat([clean[:1], alphas]))
        object.__setattr__(self, "_sigma", torch.cat([clean[1:], sigmas]))

    @classmethod
    def from_alpha_bar(cls, name: str, alpha_bar: Tensor) -> Schedule:
        """The variance-preserving schedule with this ᾱ_t, (T,), in 0 … 1 and falling."""
        alpha_bar = alpha_bar.to(torch.float64)
        return cls(name, alpha_bar.sqrt(), (1 - alpha_bar).sqrt())

    @classmethod
    def from_betas(cls, name: str, betas: Tensor) -> Schedule:
        """The variance-preserving schedule with these β_t, (T,), each in (0, 1)."""
        if not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError(f"betas of {name!r} must lie strictly between 0 and 1")
        return cls.from_alpha_bar(name, torch.cumprod(1 - betas.to(torch.float64), 0))

    @property
    def T(self) -> int:
        """Number of noise levels; the last time is T − 1."""
        return len(self.alphas)

    # -- where the scheduler of a pretrained model says otherwise, it is said by ``OwnSchedule``

    @property
    def last(self) -> int:
        """The level that DDIM's last step lands on: the clean picture."""
        return CLEAN

    @property
    def variance(self) -> Literal["posterior", "beta"]:
        """Of the noise that DDPM adds (see ``samplers.DDPM``)."""
        return "posterior"

    def start(self, t: int) -> Tensor:
        """The standard deviation of x where a run from pure noise begins at ``t``."""
        return self.norm(t)

    def own_times(self, steps: int) -> list[int]:
        """The falling times that a pretrained model's own scheduler visits.

        Raises
        ------
        UsageError
            For a schedule that comes with no model.
        """
        raise UsageError(
            f"spacing 'own' is that of a pretrained model's scheduler, and {self.name!r} has none; "
            "choose trailing, leading, linspace or karras"
        )

    def _at(self, table: Tensor, t: int | Tensor) -> Tensor:
        t = torch.as_tensor(t)
        if t.is_floating_point():
            raise IndexError(f"t = {t.tolist()} must be whole, {CLEAN} … {self.T - 1}")
        if bool((t < CLEAN).any()) or bool((t >= self.T).any()):
            raise IndexError(f"t = {t.tolist()} is outside {CLEAN} … {self.T - 1}")
        return table[t + 1]

    def alpha(self, t: int | Tensor) -> Tensor:
        """α_t, the weight of the picture in x_t; 1 at t = −1.

        Here and below ``t`` is an integer or a tensor of integers in
        −1 … T − 1; the result has its shape and is float64.

        Raises
        ------
        IndexError
            For a time outside −1 … T − 1.
        """
        return self._at(self._alpha, t)

    def sigma(self, t: int | Tensor) -> Tensor:
        """σ_t, the weight of the noise in x_t; 0 at t = −1."""
        return self._at(self._sigma, t)

    def norm(self, t: int | Tensor) -> Tensor:
        """√(α_t² + σ_t²): 1 where variance is preserved; the scale of pure noise at t."""
        return torch.hypot(self.alpha(t), self.sigma(t))

    def alpha_bar(self, t: int | Tensor) -> Tensor:
        """ᾱ_t = α_t² / (α_t² + σ_t²), the share of the variance that is signal; 1 at t = −1."""
        return (self.alpha(t) / self.norm(t)) ** 2

    def beta(self, t: int | Tensor) -> Tensor:
        """β_t = 1 − ᾱ_t/ᾱ_{t−1}, what step t destroys; t in 0 … T − 1."""
        return 1 - self.alpha_bar(t) / self.alpha_bar(torch.as_tensor(t) - 1)

    @property
    def betas(self) -> Tensor:
        """β_t for t = 0 … T − 1, (T,)."""
        return self.beta(torch.arange(self.T))

    def snr(self, t: int | Tensor) -> Tensor:
        """α_t² / σ_t², the signal-to-noise ratio; infinite at t = −1."""
        return (self.alpha(t) / self.sigma(t)) ** 2

    def log_snr(self, t: int | Tensor) -> Tensor:
        """ln SNR; +∞ at t = −1, −∞ where no signal is left."""
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    def noise_level(self, t: int | Tensor) -> Tensor:
        """The angle atan2(σ_t, α_t) in units of a quarter turn: 0 clean, 1 noise.

        This is what the network is told instead of t: the same level means
        the same picture under every schedule, so that one set of weights
        serves them all.  Under the cosine schedule it is almost linear in t.
        """
        return torch.atan2(self.sigma(t), self.alpha(t)) / (math.pi / 2)

    def with_zero_terminal_snr(self) -> Schedule:
        """The same schedule, stretched so that at T − 1 no signal is left (Lin et al. 2024).

        √ᾱ_t is shifted and scaled so that it ends in 0 and begins as it did.
        Only a network that predicts v or x0 can start from there.

        Raises
        ------
        ValueError
            For a schedule that is not variance-preserving.
        """
        if not bool(torch.allclose(self.alphas**2 + self.sigmas**2, torch.ones(1).double())):
            raise ValueError(f"{self.name!r} does not preserve variance")
        first, last = self.alphas[0], self.alphas[-1]
        stretched = (self.alphas - last) * first / (first - last)
        return Schedule.from_alpha_bar(f"{self.name}, zero terminal SNR", stretched**2)


def linear(T: int = 1000) -> Schedule:
    """β rises evenly from 1e-4 to 0.02 at T = 1000 (Ho et al. 2020, section 4).

    For another T the betas are scaled by 1000 / T, so that as much signal is
    destroyed in all; unscaled, half the steps would leave a visible picture.
    """
    return _from_scaled_betas("linear", torch.linspace(1e-4, 0.02, T, dtype=torch.float64))


def scaled_linear(T: int = 1000) -> Schedule:
    """√β rises evenly from √0.00085 to √0.012 at T = 1000, as in Stable Diffusion.

    Scaled to other T like ``linear``.  It ends with √ᾱ = 0.068: more signal
    than the others leave.
    """
    root = torch.linspace(math.sqrt(0.00085), math.sqrt(0.012), T, dtype=torch.float64)
    return _from_scaled_betas("scaled_linear", root**2)


def sigmoid(T: int = 1000) -> Schedule:
    """β rises from 1e-4 to 0.02 along a sigmoid from −6 to 6 (Xu et al. 2022, GeoDiff).

    Scaled to other T like ``linear``.
    """
    rise = torch.sigmoid(torch.linspace(-6, 6, T, dtype=torch.float64))
    return _from_scaled_betas("sigmoid", 1e-4 + (0.02 - 1e-4) * rise)


def _from_scaled_betas(name: str, betas: Tensor) -> Schedule:
    return Schedule.from_betas(name, (betas * 1000 / len(betas)).clamp(max=MAX_BETA))


def cosine(T: int = 1000, offset: float = 0.008) -> Schedule:
    """ᾱ_t falls as a squared cosine (Nichol and Dhariwal 2021, eq. 17), β at most 0.999."""
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2
    return Schedule.from_betas("cosine", (1 - f[1:] / f[:-1]).clamp(max=MAX_BETA))


def karras(
    T: int = 1000, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> Schedule:
    """α = 1, σ_t rises from ``sigma_min`` to ``sigma_max``, evenly in σ^(1/ρ).

    Variance-exploding (Karras et al. 2022, eq. 5, there from noise to picture).
    """
    u = torch.arange(T, dtype=torch.float64) / max(1, T - 1)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return Schedule("karras", torch.ones(T, dtype=torch.float64), (low + u * (high - low)) ** rho)


_MAKERS = {
    "linear": linear,
    "scaled_linear": scaled_linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "karras": karras,
}


def make_schedule(name: str, T: int = 1000, *, zero_terminal_snr: bool = False) -> Schedule:
    """The schedule called ``name`` with ``T`` levels, 10 … 100,000.

    Raises
    ------
    UsageError
        For an unknown name, a T outside that range (with fewer levels no
        schedule ends in noise by steps that each keep some signal), or zero
        terminal SNR asked of a schedule that does not preserve variance.
    """
    T = check_schedule(name, T, zero_terminal_snr)
    schedule = _MAKERS[name](T)
    return schedule.with_zero_terminal_snr() if zero_terminal_snr else schedule
