"""Flow matching: a network that predicts where x_t goes, ε − x_0, as a posterior.

Lipman et al. 2023 (arXiv:2210.02747); Esser et al. 2024 (arXiv:2403.03206), for
Stable Diffusion 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion_core.denoiser import Posterior


def flow_posterior(velocity: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Posterior:
    """x0_hat and eps_hat from ε − x_0, at x_t = α x_0 + σ ε.

    x_t − σ (ε − x_0) = (α + σ) x_0, and x_t + α (ε − x_0) = (α + σ) ε; of flow
    matching α + σ is 1.  In float64, as ``denoiser.to_posterior``.
    """
    x, v = x_t.to(torch.float64), velocity.to(torch.float64)
    whole = alpha + sigma
    x0, eps = (x - sigma * v) / whole, (x + alpha * v) / whole
    return Posterior(x0.to(x_t.dtype), eps.to(x_t.dtype))
