r"""Classifier-free guidance: away from what is likely anyway, towards what was asked for.

    eps_hat = ε_uncond + g · (ε_cond − ε_uncond)

(Ho and Salimans 2022, arXiv:2207.12598, eq. 6, with g = 1 + w.)  The scale g is
that of diffusers: g = 1 is no guidance, g = 0 ignores the condition.
"""

from __future__ import annotations

import math

from torch import Tensor

from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.errors import UsageError
from diffusion_core.schedule import Schedule


class GuidedDenoiser:
    """Two judgements of the same x_t, extrapolated.

    Parameters
    ----------
    conditional, unconditional
        What judges with the condition, and without it.
    schedule
        The schedule of both; who drives the run can see that it is the same.
    scale
        g ≥ 0.  At g = 1 only the conditional one is asked.
    """

    def __init__(
        self,
        conditional: Denoiser,
        unconditional: Denoiser,
        schedule: Schedule,
        scale: float,
    ) -> None:
        if not (math.isfinite(scale) and scale >= 0):
            raise UsageError(f"guidance = {scale} must be a finite number of at least 0")
        self.conditional, self.unconditional = conditional, unconditional
        self.schedule, self.scale = schedule, scale

    @property
    def evaluations(self) -> int:
        """Network evaluations a call: both judgements, or one at g = 1."""
        both = self.conditional.evaluations + self.unconditional.evaluations
        return self.conditional.evaluations if self.scale == 1 else both

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W) at time t; both judgements' ε are kept."""
        with_condition = self.conditional(x_t, t)
        if self.scale == 1:
            eps = with_condition.eps_hat
            return Posterior(with_condition.x0_hat, eps, eps_cond=eps)
        without = self.unconditional(x_t, t)
        cond, uncond = with_condition.eps_hat, without.eps_hat
        # x0_hat by the same rule: equal to (x_t − σ eps_hat)/α, and exact where α is small or 0.
        x0_hat = without.x0_hat + self.scale * (with_condition.x0_hat - without.x0_hat)
        return Posterior(x0_hat, uncond + self.scale * (cond - uncond), cond, uncond)
