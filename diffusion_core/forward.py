r"""The forward process q: from a picture to noise, in steps or in one jump.

    q(x_t | x_s) = N((α_t/α_s) · x_s,  (σ_t² − σ_s² · α_t²/α_s²) · I)     for s < t

Where variance is preserved that is N(√(ᾱ_t/ᾱ_s) · x_s, (1 − ᾱ_t/ᾱ_s) · I): Ho et
al. 2020, eq. 2 for t = s + 1 and eq. 4 for s = −1; the general case follows
because Gaussian steps compose (Kingma et al. 2021, arXiv:2107.00630, eq. 19).
"""

from __future__ import annotations

from torch import Tensor

from diffusion_core.schedule import CLEAN, Schedule


def forward_step(x_s: Tensor, s: int, t: int, schedule: Schedule, noise: Tensor) -> Tensor:
    """A sample of q(x_t | x_s) from standard normal ``noise``, the shape of x_s.

    With s = −1 it is the jump from the clean picture.  The share of the
    variance that is kept is the *ratio* ᾱ_t/ᾱ_s: using ᾱ_t on a picture that
    is noisy already would destroy what is left of it twice.

    Raises
    ------
    ValueError
        When t is not above s.
    """
    if not CLEAN <= s < t:
        raise ValueError(f"cannot noise from s = {s} to t = {t}: t must lie above s ≥ {CLEAN}")
    ratio = schedule.alpha(t) / schedule.alpha(s)
    fresh = (schedule.sigma(t) ** 2 - (ratio * schedule.sigma(s)) ** 2).clamp(min=0).sqrt()
    return ratio.to(x_s.dtype) * x_s + fresh.to(x_s.dtype) * noise


def jump(x_0: Tensor, t: int, schedule: Schedule, eps: Tensor) -> Tensor:
    """x_t = α_t · x_0 + σ_t · ε, without the steps between."""
    return forward_step(x_0, CLEAN, t, schedule, eps)


def noise_within(x_t: Tensor, x_0: Tensor, t: int, schedule: Schedule) -> Tensor:
    """The ε for which x_t = α_t · x_0 + σ_t · ε; t ≥ 0."""
    return (x_t - schedule.alpha(t).to(x_t.dtype) * x_0) / schedule.sigma(t).to(x_t.dtype)
