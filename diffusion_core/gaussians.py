r"""Gaussian mixtures: data whose score is known exactly at every t, the ground truth.

With x_0 ~ Σ_k w_k N(μ_k, s_k² I) and x_t = α x_0 + σ ε, x_t is a mixture again:

    p_t(x) = Σ_k w_k N(x; α μ_k, v_k I),      v_k = α² s_k² + σ²

and everything that a network has to learn can be written down.  With the
responsibilities r_k(x) = w_k N(x; α μ_k, v_k I) / p_t(x):

    ∇ log p_t(x) = −Σ_k r_k (x − α μ_k) / v_k
    E[x_0 | x]   =  Σ_k r_k (μ_k + α s_k² (x − α μ_k) / v_k)
    E[ε | x]     =  Σ_k r_k σ (x − α μ_k) / v_k

which Tweedie's formula ties together (Efron 2011, "Tweedie's formula and
selection bias"): E[x_0 | x] = (x + σ² ∇ log p_t(x)) / α, that is,
∇ log p_t(x) = −E[ε | x] / σ.  With s_k = 0 the mixture is a set of points, and
E[x_0 | x] the ideal denoiser of Karras et al. 2022 (arXiv:2206.00364, appendix B.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_core.denoiser import Posterior, check_time
from diffusion_core.recipe import check_seed, check_whole
from diffusion_core.schedule import Schedule

MAX_POINTS = 10_000_000


@dataclass(frozen=True, eq=False)
class Mixture:
    """Σ_k w_k N(μ_k, s_k² I) in D dimensions, held in float64.

    Every method takes points (…, D) in float32 or float64, computes in float64
    and answers in the points' type.

    Parameters
    ----------
    weights
        w_k > 0, (K,), summing to 1.
    means
        μ_k, (K, D).
    stds
        s_k ≥ 0, (K,); 0 makes a component a point, which has a posterior but
        no density until noise is added.
    """

    weights: Tensor  # (K,)
    means: Tensor  # (K, D)
    stds: Tensor  # (K,)

    def __post_init__(self) -> None:
        for name in ("weights", "means", "stds"):
            value = torch.as_tensor(getattr(self, name)).to(torch.float64)
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{name} of a mixture must be finite")
            object.__setattr__(self, name, value)
        if self.means.ndim != 2 or 0 in self.means.shape:
            raise ValueError(f"means has shape {tuple(self.means.shape)}; it must be (K, D)")
        components = len(self.means)
        for name in ("weights", "stds"):
            shape = tuple(getattr(self, name).shape)
            if shape != (components,):
                raise ValueError(f"{name} has shape {shape}; it must be ({components},)")
        if not bool((self.weights > 0).all()) or abs(float(self.weights.sum()) - 1) > 1e-6:
            raise ValueError(
                f"weights must be positive and sum to 1; the least is {float(self.weights.min())}, "
                f"the sum {float(self.weights.sum())}: divide them by their sum"
            )
        # What was rounded to float32 need not sum to 1 in float64.
        object.__setattr__(self, "weights", self.weights / self.weights.sum())
        if not bool((self.stds >= 0).all()):
            raise ValueError(f"stds must be at least 0, got {float(self.stds.min())}")

    @property
    def D(self) -> int:
        """Number of dimensions."""
        return self.means.shape[1]

    # -- the distribution itself -------------------------------------------

    def mean(self) -> Tensor:
        """E[x] = Σ_k w_k μ_k, (D,)."""
        return self.weights @ self.means

    def covariance(self) -> Tensor:
        """Σ_k w_k (s_k² I + (μ_k − E[x]) (μ_k − E[x])ᵀ), (D, D)."""
        away = self.means - self.mean()
        within = (self.weights @ self.stds**2) * torch.eye(self.D, dtype=torch.float64)
        return within + (self.weights[:, None] * away).T @ away

    def sample(self, count: int, seed: int) -> Tensor:
        """``count`` independent points (at least 1), (count, D) in float64; the same for a seed."""
        check_whole("count", count, 1, MAX_POINTS)
        rng = torch.Generator().manual_seed(check_seed(seed))
        k = torch.multinomial(self.weights, count, replacement=True, generator=rng)
        noise = torch.randn(count, self.D, generator=rng, dtype=torch.float64)
        return self.means[k] + self.stds[k, None] * noise

    def log_density(self, x: Tensor) -> Tensor:
        """ln p(x) of points (…, D), (…); every s_k must be above 0."""
        return torch.logsumexp(self._log_joint(x), -1).to(x.dtype)

    def responsibilities(self, x: Tensor) -> Tensor:
        """r_k(x), the probability that component k made the points (…, D); (…, K)."""
        return torch.softmax(self._log_joint(x), -1).to(x.dtype)

    def mode_of(self, x: Tensor) -> Tensor:
        """The component that most likely made each of the points (…, D); (…), int64."""
        return self._log_joint(x).argmax(-1)

    def score(self, x: Tensor) -> Tensor:
        """∇ log p(x) = −Σ_k r_k (x − μ_k) / s_k² at points (…, D); (…, D)."""
        pull = self.responsibilities(x.to(torch.float64)) / self.stds**2
        return -(pull[..., None] * self._away(x)).sum(-2).to(x.dtype)

    def _away(self, x: Tensor) -> Tensor:
        """x − μ_k, (…, K, D) in float64."""
        if x.ndim == 0 or x.shape[-1] != self.D or not x.is_floating_point():
            raise ValueError(
                f"x is {x.dtype} of shape {tuple(x.shape)}; it must be real, (…, {self.D})"
            )
        return x.to(torch.float64)[..., None, :] - self.means

    def _log_joint(self, x: Tensor) -> Tensor:
        """ln(w_k N(x; μ_k, s_k² I)), (…, K) in float64."""
        if not bool((self.stds > 0).all()):
            raise ValueError(
                "points have no density; add noise first: mixture.noised(alpha, sigma)"
            )
        exponent = (self._away(x) / self.stds[:, None]).square().sum(-1) / 2
        return self.weights.log() - exponent - self.D * (self.stds * math.sqrt(2 * math.pi)).log()

    # -- with noise added ---------------------------------------------------

    def noised(self, alpha: float | Tensor, sigma: float | Tensor) -> Mixture:
        """The mixture that x_t = α x_0 + σ ε is drawn from; α, σ ≥ 0, scalars."""
        alpha, sigma = _weights(alpha, sigma)
        return Mixture(
            self.weights,
            alpha * self.means,
            torch.hypot(alpha * self.stds, sigma.expand_as(self.stds)),
        )

    def posterior_mean(self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor) -> Tensor:
        """E[x_0 | x_t = x] at points (…, D), for α² s_k² + σ² > 0; (…, D)."""
        return self.posterior(x, alpha, sigma)[0]

    def posterior(
        self, x: Tensor, alpha: float | Tensor, sigma: float | Tensor
    ) -> tuple[Tensor, Tensor]:
        """E[x_0 | x_t = x] and E[ε | x_t = x] at points (…, D); both (…, D).

        Neither is made from the other, so both keep their digits where α or σ
        is small, and both are defined at α = 0.
        """
        alpha, sigma = _weights(alpha, sigma)
        noisy = self.noised(alpha, sigma)
        r = noisy.responsibilities(x.to(torch.float64))[..., None]
        step = noisy._away(x) / noisy.stds[:, None] ** 2
        x0 = r * (self.means + alpha * self.stds[:, None] ** 2 * step)
        eps = r * sigma * step
        return x0.sum(-2).to(x.dtype), eps.sum(-2).to(x.dtype)


def _weights(alpha: float | Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
    """α and σ as float64 scalars; a ValueError for what cannot weigh picture and noise."""
    a, s = (torch.as_tensor(value, dtype=torch.float64) for value in (alpha, sigma))
    if a.ndim or s.ndim or not (0 <= a < math.inf and 0 <= s < math.inf and a + s > 0):
        raise ValueError(
            f"alpha = {a.tolist()}, sigma = {s.tolist()} must be finite scalars ≥ 0, not both 0"
        )
    return a, s


class ExactDenoiser:
    """What a network with no error at all would say: E[x_0 | x_t] and E[ε | x_t].

    It judges points as if they were pictures of D channels and one pixel, so
    that every sampler, loop and recording takes them as they are.

    Parameters
    ----------
    mixture
        What x_0 is drawn from.
    schedule
        Gives α_t and σ_t.
    """

    evaluations = 1

    def __init__(self, mixture: Mixture, schedule: Schedule) -> None:
        self.mixture, self.schedule = mixture, schedule

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Judge ``x_t`` (B, D, 1, 1) at time t in 0 … T − 1.

        Raises
        ------
        ValueError
            For another time or shape.
        """
        check_time(t, self.schedule.T)
        D = self.mixture.D
        if x_t.ndim != 4 or x_t.shape[1:] != (D, 1, 1):
            raise ValueError(
                f"x_t has shape {tuple(x_t.shape)}; points are judged as (B, {D}, 1, 1): "
                "write points[:, :, None, None]"
            )
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        x0, eps = self.mixture.posterior(x_t[:, :, 0, 0], alpha, sigma)
        return Posterior(x0[:, :, None, None], eps[:, :, None, None])
