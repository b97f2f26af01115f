r"""What a network says of x_t, whatever it was trained to predict.

x_t = α x_0 + σ ε.  A network may be trained to predict ε (Ho et al. 2020), x_0,
v = α ε − σ x_0 (Salimans and Ho 2022, arXiv:2202.00512, section 4; at α² + σ² = 1)
or the score ∇ log p(x_t) = −ε/σ (Song et al. 2021, arXiv:2011.13456); each of
them and x_t give all the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.workers import evaluate_all

Prediction = Literal["epsilon", "x0", "v", "score"]
PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "x0", "v", "score")


@dataclass(frozen=True)
class Posterior:
    """What is believed of x_0 and ε after seeing x_t; all (B, C, H, W).

    x0_hat and eps_hat always agree: x_t = α_t · x0_hat + σ_t · eps_hat.
    ``eps_cond`` and ``eps_uncond`` are there where guidance made eps_hat of them.
    """

    x0_hat: Tensor
    eps_hat: Tensor
    eps_cond: Tensor | None = None
    eps_uncond: Tensor | None = None

    def score(self, sigma: Tensor) -> Tensor:
        """∇ log p(x_t) = −eps_hat / σ_t, for σ_t > 0."""
        return -self.eps_hat / sigma.to(self.eps_hat.dtype)


class Denoiser(Protocol):
    """Anything that can judge a noisy picture."""

    @property
    def evaluations(self) -> int:
        """How often one call evaluates the network."""
        ...

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W), noisy at time t."""
        ...


def v_target(x_0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """v = α ε − σ x_0, broadcasting; α² + σ² = 1."""
    return alpha * eps - sigma * x_0


def to_posterior(
    output: Tensor, x_t: Tensor, prediction: Prediction, alpha: Tensor, sigma: Tensor
) -> Posterior:
    """Turn a network's output at (α, σ) into x0_hat and eps_hat.

    Computed in float64 and returned in x_t's type: at the ends of a schedule
    α or σ is small, and float32 would lose what is divided by it.

    Parameters
    ----------
    output, x_t
        The network's output and its input, (B, C, H, W).
    prediction
        What ``output`` is an estimate of.
    alpha, sigma
        Weights of picture and noise in x_t, float64 scalars.

    Raises
    ------
    ValueError
        For an unknown prediction, or where the output says nothing of the
        picture ("epsilon" and "score" at α = 0, "x0" at σ = 0).
    """
    x, out = x_t.to(torch.float64), output.to(torch.float64)
    if prediction in ("epsilon", "score"):
        if not alpha > 0:
            raise ValueError(f"{prediction} at α = 0 says nothing of x_0; predict v or x0")
        eps = out if prediction == "epsilon" else -sigma * out
        x0 = (x - sigma * eps) / alpha
    elif prediction == "x0":
        if not sigma > 0:
            raise ValueError("x0 at σ = 0 says nothing of ε")
        x0 = out
        eps = (x - alpha * x0) / sigma
    elif prediction == "v":
        # Brought to α² + σ² = 1, where v is defined.
        norm = (alpha**2 + sigma**2).sqrt()
        x, a, s = x / norm, alpha / norm, sigma / norm
        x0, eps = a * x - s * out, s * x + a * out
    else:
        raise ValueError(f"prediction {prediction!r} is not one of {PREDICTIONS}")
    return Posterior(x0.to(x_t.dtype), eps.to(x_t.dtype))


def from_posterior(
    posterior: Posterior, prediction: Prediction, alpha: Tensor, sigma: Tensor
) -> Tensor:
    """The network output that ``to_posterior`` turns into ``posterior``.

    Raises
    ------
    ValueError
        For an unknown prediction, or "score" at σ = 0.
    """
    if prediction == "epsilon":
        return posterior.eps_hat
    if prediction == "x0":
        return posterior.x0_hat
    eps, x0 = posterior.eps_hat.to(torch.float64), posterior.x0_hat.to(torch.float64)
    if prediction == "v":
        norm = (alpha**2 + sigma**2).sqrt()
        return v_target(x0, eps, alpha / norm, sigma / norm).to(posterior.x0_hat.dtype)
    if prediction == "score":
        if not sigma > 0:
            raise ValueError("the score is not defined at σ = 0")
        return (-eps / sigma).to(posterior.x0_hat.dtype)
    raise ValueError(f"prediction {prediction!r} is not one of {PREDICTIONS}")


def clipped(posterior: Posterior, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Posterior:
    """x0_hat limited to −1 … 1, the range of a picture, and eps_hat derived again.

    Clipping x0_hat alone would leave an eps_hat that no longer makes up x_t.  An
    infinite guess is left as it is: it must not be clipped into a plausible one.
    """
    if not bool(torch.isfinite(posterior.x0_hat).all()):
        return posterior
    return to_posterior(posterior.x0_hat.clamp(-1, 1), x_t, "x0", alpha, sigma)


def check_time(t: int, T: int) -> None:
    """Raise a ValueError unless a denoiser can be asked at ``t``: 0 … T − 1."""
    if not CLEAN < t < T:
        raise ValueError(f"a denoiser is asked at t = 0 … {T - 1}, not at {t}")


class NetworkDenoiser:
    """A network that was trained here, as a denoiser under a schedule.

    Parameters
    ----------
    network
        Called as ``network(x, noise_level)`` with (B, C, H, W) and (B,), where
        x is x_t brought to α² + σ² = 1; and with the rows of ``text`` behind,
        where there are any.
    schedule
        Gives α_t, σ_t and the noise level that the network is told.
    prediction
        What the network was trained to predict.
    text
        The embedding of a caption for every sample, (B, text), or one for all,
        (1, text); a row of zeros for none.
    clip
        Limit x0_hat to −1 … 1 and derive eps_hat again.
    together
        Samples that are evaluated at once; about ``TOGETHER`` values by
        default: four MNIST pictures, many points.
    """

    evaluations = 1
    TOGETHER = 4 * 28 * 28

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        prediction: Prediction = "v",
        *,
        text: Tensor | None = None,
        clip: bool = True,
        together: int | None = None,
    ) -> None:
        self.network, self.schedule = network, schedule
        self.prediction: Prediction = prediction
        self.text, self.clip, self.together = text, clip, together

    @torch.no_grad()
    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, C, H, W) at time t in 0 … T − 1.

        Raises
        ------
        ValueError
            At another time, or where there is not one caption a sample.
        """
        check_time(t, self.schedule.T)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        level = self.schedule.noise_level(t).to(x_t.dtype)
        output = self._evaluate(x_t / self.schedule.norm(t).to(x_t.dtype), level)
        posterior = to_posterior(output, x_t, self.prediction, alpha, sigma)
        return clipped(posterior, x_t, alpha, sigma) if self.clip else posterior

    def _evaluate(self, x: Tensor, level: Tensor) -> Tensor:
        """The network's output, always computed in batches of one size, in one thread each.

        The last bits of a convolution depend on the size of the batch and on
        the number of threads, and a run carries them on; so a sample is the
        same bit for bit in any company and on any number of cores.  On a CPU
        the batches are dealt out to all cores.
        """
        size = self.together or max(1, self.TOGETHER // x[0].numel())
        missing = -len(x) % size
        inputs = [
            torch.cat([x, x.new_zeros(missing, *x.shape[1:])]),
            level.expand(len(x) + missing),
        ]
        if self.text is not None:
            if len(self.text) not in (1, len(x)):
                raise ValueError(f"{len(self.text)} captions for {len(x)} samples")
            text = self.text.to(x).expand(len(x), -1)
            inputs.append(torch.cat([text, text.new_zeros(missing, text.shape[1])]))
        # Samples stay on the CPU, where their noise is drawn; a network may be elsewhere.
        device = next((value.device for value in self.network.parameters()), x.device)
        parts = list(zip(*(value.to(device).split(size) for value in inputs), strict=True))
        return torch.cat(evaluate_all(self.network, parts))[: len(x)].to(x.device)
