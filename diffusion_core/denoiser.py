r"""What a network says of x_t, whatever it was trained to predict.

x_t = α x_0 + σ ε with α = √ᾱ_t, σ = √(1 − ᾱ_t).  A network may be trained to
predict ε (Ho et al. 2020), x_0, or v = α ε − σ x_0 (Salimans and Ho 2022,
arXiv:2202.00512, section 4); each of them and x_t give the other two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from diffusion_core.schedule import Schedule

Prediction = Literal["epsilon", "x0", "v"]
PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "x0", "v")


@dataclass(frozen=True)
class Posterior:
    """What is believed of x_0 and ε after seeing x_t; both (B, C, H, W).

    The two always agree: x_t = √ᾱ_t · x0_hat + √(1 − ᾱ_t) · eps_hat.
    """

    x0_hat: Tensor
    eps_hat: Tensor


class Denoiser(Protocol):
    """Anything that can judge a noisy picture."""

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W), noisy at time t."""
        ...


def v_target(x_0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """v = α ε − σ x_0, broadcasting."""
    return alpha * eps - sigma * x_0


def to_posterior(
    output: Tensor, x_t: Tensor, prediction: Prediction, alpha: Tensor, sigma: Tensor
) -> Posterior:
    """Turn a network's output at (α, σ) into x0_hat and eps_hat.

    Parameters
    ----------
    output, x_t
        The network's output and its input, (B, C, H, W).
    prediction
        What ``output`` is an estimate of: "epsilon", "x0" or "v".
    alpha, sigma
        Weights of picture and noise in x_t, float64 scalars with α² + σ² = 1.
        "epsilon" needs α > 0, "x0" needs σ > 0.
    """
    alpha, sigma = alpha.to(x_t.dtype), sigma.to(x_t.dtype)
    if prediction == "epsilon":
        return Posterior((x_t - sigma * output) / alpha, output)
    if prediction == "x0":
        return Posterior(output, (x_t - alpha * output) / sigma)
    if prediction == "v":
        return Posterior(alpha * x_t - sigma * output, sigma * x_t + alpha * output)
    raise ValueError(f"prediction {prediction!r} is not one of {PREDICTIONS}")


class NetworkDenoiser:
    """A network that was trained here, as a denoiser under a schedule.

    Parameters
    ----------
    network
        Called as ``network(x_t, noise_level)`` with (B, C, H, W) and (B,).
    schedule
        Gives ᾱ_t and the noise level that the network is told.
    prediction
        What the network was trained to predict.
    clip
        Limit x0_hat to [−1, 1], the range of a picture, and derive eps_hat
        again so that both still make up x_t.
    """

    TOGETHER = 4

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        prediction: Prediction = "v",
        *,
        clip: bool = True,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.prediction: Prediction = prediction
        self.clip = clip

    @torch.no_grad()
    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W) at time t in 0 … T − 1."""
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        output = self._evaluate(x_t, self.schedule.noise_level(t).to(x_t.dtype))
        posterior = to_posterior(output, x_t, self.prediction, alpha, sigma)
        # An infinite guess must not be clipped into a plausible one.
        if not self.clip or not bool(torch.isfinite(posterior.x0_hat).all()):
            return posterior
        x0_hat = posterior.x0_hat.clamp(-1, 1)
        return to_posterior(x0_hat, x_t, "x0", alpha, sigma)

    def _evaluate(self, x_t: Tensor, level: Tensor) -> Tensor:
        """The network's output, always computed in batches of ``TOGETHER``.

        The last bits of a convolution depend on the size of the batch, and a
        run carries them on; so a sample is the same bit for bit in any company.
        """
        missing = -len(x_t) % self.TOGETHER
        padded = torch.cat([x_t, x_t.new_zeros(missing, *x_t.shape[1:])])
        levels = level.expand(self.TOGETHER)
        outputs = [self.network(part, levels) for part in padded.split(self.TOGETHER)]
        return torch.cat(outputs)[: len(x_t)]
