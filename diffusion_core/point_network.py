"""A small network that learns the score of points in the plane.

It is trained as the U-Net is, told x and the noise level, and takes points as
pictures of two channels and one pixel: ``NetworkDenoiser(network, schedule,
prediction, clip=False)`` drives it, and ``gaussians.ExactDenoiser`` says what
it should have answered.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.denoiser import Denoiser, Posterior, Prediction, from_posterior
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.recipe import check_name, check_seed, check_whole
from diffusion_core.schedule import Schedule
from diffusion_core.unet import embed_level

TRAINABLE: tuple[Prediction, ...] = ("v", "epsilon", "x0")
"""What a network may predict here; the score would have to be weighted by σ², and is then ε."""


class PointNetwork(nn.Module):
    """(x, noise level) → an estimate the shape of x: three hidden layers.

    Parameters
    ----------
    width
        Of the hidden layers.
    D
        Dimensions of a point.
    """

    FREQUENCIES = 8

    def __init__(self, width: int = 128, D: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(D, width)
        self.level = nn.Linear(2 * self.FREQUENCIES, width)
        self.hidden = nn.Sequential(
            nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.leave = nn.Linear(width, D)

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        """Predict from x (B, D, 1, 1), brought to α² + σ² = 1, at levels (B,) in 0 … 1."""
        e = embed_level(noise_level, self.FREQUENCIES)
        h = self.hidden(self.enter(x.flatten(1)) + self.level(e))
        return self.leave(h)[:, :, None, None]


@dataclass(frozen=True, kw_only=True)
class PointTraining:
    """What a training run is; two runs with equal settings give equal weights.

    Parameters
    ----------
    steps, batch_size
        How many updates, of how many points each; at least 1.
    prediction
        "v", "epsilon" or "x0".
    learning_rate
        Where half a cosine down to 0 begins, in (0, 1].
    ema
        Decay of the average of the weights that is returned, in [0, 1); 0 for none.
    width
        Of the network's hidden layers.
    seed
        Of the weights, the points, the times and the noise.
    """

    steps: int = 2000
    batch_size: int = 512
    prediction: Prediction = "v"
    learning_rate: float = 3e-3
    ema: float = 0.99
    width: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_name("prediction", self.prediction, TRAINABLE)
        for name in ("steps", "batch_size", "width"):
            check_whole(name, getattr(self, name), 1, 1_000_000)
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning_rate = {self.learning_rate} is outside (0, 1]")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema = {self.ema} is outside [0, 1)")


Watch = Callable[[int, float, PointNetwork], None]
"""Called after every step with the steps done, the loss and the averaged network."""


def unwatched(step: int, loss: float, network: PointNetwork) -> None:
    """The watch over a training that nobody looks at."""


def train_point_network(
    data: Tensor | Mixture,
    schedule: Schedule,
    settings: PointTraining | None = None,
    watch: Watch = unwatched,
) -> PointNetwork:
    """A network that has learnt ``data``, ready for inference.

    Parameters
    ----------
    data
        Points (N, D), drawn from again and again, or a mixture, of which every
        batch is new.
    schedule
        Whose noise levels are trained on, each t as often as the others.
    settings
        How; the usual ones by default.
    watch
        Told after every step; it must not change the network.

    Raises
    ------
    ValueError
        For points that are not (N, D) or not finite.
    LectureError
        When the loss is not finite.
    """
    settings = settings or PointTraining()
    if isinstance(data, Tensor) and (data.ndim != 2 or not bool(torch.isfinite(data).all())):
        raise ValueError(f"data has shape {tuple(data.shape)}; it must be (N, D) and finite")
    rng = torch.Generator().manual_seed(settings.seed)
    D = data.D if isinstance(data, Mixture) else data.shape[1]
    with torch.random.fork_rng(devices=[]):  # the weights' seed is nobody else's
        torch.manual_seed(settings.seed)
        network = PointNetwork(settings.width, D)
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    for step in range(1, settings.steps + 1):
        x_0 = _batch(data, settings.batch_size, rng)
        loss = point_loss(network, x_0, schedule, settings.prediction, rng)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise LectureError(f"the loss is {value} at step {step}; lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        decay.step()
        # The decay warms up, so that the average forgets the random start quickly.
        forget = 1 - min(settings.ema, step / (9 + step))
        with torch.no_grad():
            torch._foreach_lerp_([*averaged.parameters()], [*network.parameters()], forget)
        watch(step, value, averaged)
    return averaged


def _batch(data: Tensor | Mixture, size: int, rng: torch.Generator) -> Tensor:
    """(size, D) in float32."""
    if isinstance(data, Mixture):
        return data.sample(size, int(torch.randint(2**32, (1,), generator=rng))).float()
    return data[torch.randint(len(data), (size,), generator=rng)].float()


def point_loss(
    network: nn.Module,
    x_0: Tensor,
    schedule: Schedule,
    prediction: Prediction,
    rng: torch.Generator,
) -> Tensor:
    """Mean squared error of what ``network`` predicts of points (B, D), one time a point.

    The times are stratified over 0 … T − 1, as in training pictures.
    """
    B = len(x_0)
    u = (torch.rand(1, generator=rng) + torch.arange(B) / B) % 1
    t = (u * schedule.T).long().clamp(max=schedule.T - 1)
    norm = torch.hypot(schedule.alpha(t), schedule.sigma(t))
    alpha = (schedule.alpha(t) / norm).to(x_0.dtype)[:, None]
    sigma = (schedule.sigma(t) / norm).to(x_0.dtype)[:, None]
    eps = torch.randn(x_0.shape, generator=rng, dtype=x_0.dtype)
    target = from_posterior(Posterior(x_0, eps), prediction, alpha, sigma)
    x = alpha * x_0 + sigma * eps
    output = network(x[:, :, None, None], schedule.noise_level(t).to(x_0.dtype))
    return F.mse_loss(output.flatten(1), target)


@dataclass(frozen=True)
class ScoreComparison:
    """Two scores on a square grid at one t; row i of every tensor is one place.

    Parameters
    ----------
    places
        x_t, (N, 2) in float64, N = side².
    learned, exact
        ∇ log p_t there, (N, 2).
    density
        p_t there, (N,).
    """

    places: Tensor
    learned: Tensor
    exact: Tensor
    density: Tensor

    @property
    def relative_error(self) -> float:
        """√(Σ p ‖learned − exact‖² / Σ p ‖exact‖²) over the grid.

        Weighted by the density, because elsewhere no x_t comes by, neither in
        training nor in sampling.
        """
        wrong = (self.density @ (self.learned - self.exact).square().sum(1)).sqrt()
        return float(wrong / (self.density @ self.exact.square().sum(1)).sqrt())


def compare_scores(
    learned: Denoiser, exact: ExactDenoiser, t: int, *, side: int = 41, reach: float = 4.0
) -> ScoreComparison:
    """The score that ``learned`` implies against the exact one, at time t.

    Parameters
    ----------
    learned
        Judges points in float32, under the schedule of ``exact``.
    exact
        The truth, for points in the plane.
    t
        0 … T − 1.
    side
        Points a side of the grid, 2 … 1000.
    reach
        Half the grid's side, in standard deviations √(tr Cov[x_t] / 2) about the
        mean of x_t; above 0.
    """
    check_whole("side", side, 2, 1000)
    if exact.mixture.D != 2:
        raise ValueError(f"scores are compared in the plane, not in {exact.mixture.D} dimensions")
    if not 0 < reach < math.inf:
        raise UsageError(f"reach = {reach} must be finite and above 0")
    alpha, sigma = exact.schedule.alpha(t), exact.schedule.sigma(t)
    noisy = exact.mixture.noised(alpha, sigma)
    half = reach * (noisy.covariance().trace() / noisy.D).sqrt()
    line = torch.linspace(-1, 1, side, dtype=torch.float64) * half
    places = noisy.mean() + torch.cartesian_prod(line, line)
    said = learned(places.float()[:, :, None, None], t).score(sigma)
    return ScoreComparison(
        places, said[:, :, 0, 0].double(), noisy.score(places), noisy.log_density(places).exp()
    )
