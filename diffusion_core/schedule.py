r"""Noise schedules: how much picture and how much noise x_t holds at time t.

A variance-preserving schedule writes the noisy picture as

    x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε,      ε ~ N(0, I)

with ᾱ_t = ∏_{i ≤ t} (1 − β_i).  Time is the papers': t = 0 … T − 1, and −1
stands for the clean picture (ᾱ = 1).

Sources: Ho et al. 2020 (arXiv:2006.11239), eq. 2 and 4, for the linear table;
Nichol and Dhariwal 2021 (arXiv:2102.09672), eq. 17, for the cosine table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_core.recipe import SCHEDULES, check_name, check_range

CLEAN = -1
"""The time that stands for the clean picture, before any noise."""

MAX_BETA = 0.999
"""No single step may destroy more than this share of the variance."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """A table of β_t and what follows from it, all in float64.

    Parameters
    ----------
    name
        What the schedule is called in recipes and on screen.
    betas
        β_t for t = 0 … T − 1, shape (T,), each in (0, 1).
    """

    name: str
    betas: Tensor  # (T,)

    def __post_init__(self) -> None:
        betas = self.betas.to(torch.float64)
        if betas.ndim != 1 or len(betas) == 0:
            raise ValueError(f"betas has shape {tuple(betas.shape)}; it must be (T,) with T ≥ 1")
        if not bool(((betas > 0) & (betas < 1)).all()):
            raise ValueError(f"betas of {self.name!r} must lie strictly between 0 and 1")
        table = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - betas, 0)])
        object.__setattr__(self, "betas", betas)
        object.__setattr__(self, "_alpha_bar", table)  # index t + 1, so that −1 is clean

    _alpha_bar: Tensor = None  # type: ignore[assignment]

    @property
    def T(self) -> int:
        """Number of noise levels; the last time is T − 1."""
        return len(self.betas)

    def alpha_bar(self, t: int | Tensor) -> Tensor:
        """ᾱ_t, the share of x_t's variance that is signal; 1 at t = −1.

        ``t`` is an integer or a tensor of integers in −1 … T − 1; the result
        has the shape of ``t`` and is float64.

        Raises
        ------
        IndexError
            For a time outside −1 … T − 1.
        """
        t = torch.as_tensor(t)
        if bool((t < CLEAN).any()) or bool((t >= self.T).any()):
            raise IndexError(f"t = {t.tolist()} is outside {CLEAN} … {self.T - 1}")
        return self._alpha_bar[t + 1]

    def alpha(self, t: int | Tensor) -> Tensor:
        """√ᾱ_t, the weight of the picture in x_t."""
        return self.alpha_bar(t).sqrt()

    def sigma(self, t: int | Tensor) -> Tensor:
        """√(1 − ᾱ_t), the weight of the noise in x_t; 0 at t = −1."""
        return (1 - self.alpha_bar(t)).sqrt()

    def snr(self, t: int | Tensor) -> Tensor:
        """ᾱ_t / (1 − ᾱ_t), the signal-to-noise ratio; infinite at t = −1."""
        return self.alpha_bar(t) / (1 - self.alpha_bar(t))

    def noise_level(self, t: int | Tensor) -> Tensor:
        """The angle atan2(√(1 − ᾱ_t), √ᾱ_t) in units of a quarter turn: 0 clean, 1 noise.

        This is what the network is told instead of t: the same level means
        the same picture under every schedule, so that one set of weights
        serves them all.  Under the cosine schedule it is almost linear in t.
        """
        return torch.atan2(self.sigma(t), self.alpha(t)) / (math.pi / 2)


def linear(T: int = 1000) -> Schedule:
    """β rises evenly from 1e-4 to 0.02 at T = 1000 (Ho et al. 2020, section 4).

    For another T the betas are scaled by 1000 / T, so that as much signal is
    destroyed in all; unscaled, half the steps would leave a visible picture.
    """
    scale = 1000 / T
    betas = torch.linspace(1e-4 * scale, 0.02 * scale, T, dtype=torch.float64)
    return Schedule("linear", betas.clamp(max=MAX_BETA))


def cosine(T: int = 1000, offset: float = 0.008) -> Schedule:
    """ᾱ_t falls as a squared cosine (Nichol and Dhariwal 2021, eq. 17), β at most 0.999."""
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((u + offset) / (1 + offset) * math.pi / 2) ** 2
    return Schedule("cosine", (1 - f[1:] / f[:-1]).clamp(max=MAX_BETA))


def make_schedule(name: str, T: int = 1000) -> Schedule:
    """The schedule called ``name`` with ``T`` levels, 10 … 100,000.

    Raises
    ------
    UsageError
        For an unknown name, or a T outside that range (with fewer levels no
        schedule ends in noise by steps that each keep some signal).
    """
    check_name("schedule", name, SCHEDULES)
    check_range("T", T, 10, 100_000)
    return {"linear": linear, "cosine": cosine}[name](T)
