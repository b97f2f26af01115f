"""Samplers judged against the truth: orders of convergence, and what DDPM draws.

All in float64 with the exact denoiser of a Gaussian mixture, so that nothing
but the sampler is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from diffusion_core import schedule as schedules
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.ode_samplers import DPMSolverPP2M, Euler, Heun
from diffusion_core.reverse import reverse_process
from diffusion_core.samplers import DDIM, DDPM, Evaluation, Sampler
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.seeds import SampleNoise

# -- orders of convergence --------------------------------------------------

SMOOTH = Mixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    torch.tensor([[-1.2, 0.0], [1.0, 0.8], [0.8, -1.0]], dtype=torch.float64),
    torch.tensor([0.4, 0.5, 0.45], dtype=torch.float64),
)
STEPS = (12, 24, 48, 96, 192)


@dataclass(frozen=True)
class Stretch:
    """A stretch of a schedule with so many levels that even steps in t are smooth in σ̄.

    It begins at t where σ̄ = σ/α is 2 … 6 and ends at s where it is about 0.4,
    well before the clean picture: there the derivatives of the flow stay
    bounded, which is what the theory of order asks for.  t − s is a multiple
    of 192, so that every step count of ``STEPS`` ends at the same s.
    """

    schedule: Schedule
    t: int
    s: int

    def times(self, steps: int) -> list[int]:
        return list(range(self.t, self.s - 1, -((self.t - self.s) // steps)))

    def start(self, mixture: Mixture, count: int = 64) -> Tensor:
        noisy = mixture.noised(self.schedule.alpha(self.t), self.schedule.sigma(self.t))
        return noisy.sample(count, seed=0)[:, :, None, None]


STRETCHES = {
    "linear": Stretch(schedules.linear(20_000), 12_000, 2_400),
    "cosine": Stretch(schedules.cosine(20_000), 14_400, 4_800),
    "karras": Stretch(schedules.karras(20_000), 12_000, 6_240),
}


def flow(mixture: Mixture, stretch: Stretch, x_t: Tensor) -> Tensor:
    """x_s of the probability-flow ODE, by a Runge-Kutta rule of order 8 to 12 digits.

    It shares nothing with the samplers, nor with the schedule's steps: it
    integrates dx̄/dσ̄ = E[ε | x̄] from σ̄_t to σ̄_s with continuous σ̄.
    """
    begin, end = (
        float(stretch.schedule.sigma(t) / stretch.schedule.alpha(t)) for t in (stretch.t, stretch.s)
    )

    def slope(sigma: float, x: np.ndarray) -> np.ndarray:
        return mixture.posterior(torch.from_numpy(x).reshape(-1, 2), 1.0, sigma)[1].numpy().ravel()

    x_bar = (x_t / stretch.schedule.alpha(stretch.t)).numpy().ravel()
    found = solve_ivp(slope, (begin, end), x_bar, method="DOP853", rtol=1e-12, atol=1e-13)
    assert found.success
    return torch.from_numpy(found.y[:, -1]).reshape(x_t.shape) * stretch.schedule.alpha(stretch.s)


def errors(sampler: Sampler, stretch: Stretch, mixture: Mixture = SMOOTH) -> list[float]:
    """Global error at s (root mean square over 64 points) for each of ``STEPS``."""
    x_t = stretch.start(mixture)
    truth = flow(mixture, stretch, x_t)
    found = []
    for steps in STEPS:
        *_, last = reverse_process(
            ExactDenoiser(mixture, stretch.schedule), sampler, x_t, stretch.times(steps)
        )
        assert last.s == stretch.s
        found.append(float((last.x_s - truth).square().mean().sqrt()))
    return found


def order(found: list[float]) -> float:
    """The slope of −ln error over ln steps, by least squares."""
    return float(-np.polyfit(np.log(STEPS), np.log(found), 1)[0])


@pytest.mark.parametrize("name", STRETCHES)
def test_the_reference_is_the_closed_form_of_a_single_gaussian(name: str) -> None:
    """For one Gaussian the flow is known: (x_s − α_s μ) / √v_s = (x_t − α_t μ) / √v_t."""
    stretch, mean, std = STRETCHES[name], torch.tensor([[0.5, -0.8]]).double(), 0.6
    one = Mixture(torch.ones(1), mean, torch.tensor([std]).double())
    x_t = stretch.start(one)
    (a, v), (b, w) = (
        (
            float(stretch.schedule.alpha(t)),
            float(one.noised(stretch.schedule.alpha(t), stretch.schedule.sigma(t)).stds[0]),
        )
        for t in (stretch.t, stretch.s)
    )
    mu = mean[:, :, None, None]
    wanted = b * mu + (x_t - a * mu) * w / v
    assert torch.allclose(flow(one, stretch, x_t), wanted, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", STRETCHES)
@pytest.mark.parametrize(
    ("kind", "expected", "largest"),
    [(DDIM, 1, 4e-3), (Euler, 1, 4e-3), (Heun, 2, 4e-5), (DPMSolverPP2M, 2, 4e-5)],
)
def test_each_solver_of_the_flow_has_the_order_of_its_theory(
    name: str, kind: type[DDIM | Euler | Heun | DPMSolverPP2M], expected: int, largest: float
) -> None:
    """Global error over 12 … 192 even steps in t: slope within 0.1, and small at the end.

    From x at σ̄_t (samples of p_t) to x at σ̄_s, see ``Stretch``, against
    ``flow``.  Measured: 0.997 … 1.001 for DDIM and Euler, 2.01 … 2.03 for
    Heun, 2.03 … 2.06 for DPM-Solver++(2M).
    """
    found = errors(kind(STRETCHES[name].schedule), STRETCHES[name])
    assert order(found) == pytest.approx(expected, abs=0.1), found
    assert found[-1] < largest, found


@pytest.mark.parametrize("name", STRETCHES)
def test_ddim_is_euler(name: str) -> None:
    stretch = STRETCHES[name]
    ends = []
    for sampler in (DDIM(stretch.schedule), Euler(stretch.schedule)):
        denoiser = ExactDenoiser(SMOOTH, stretch.schedule)
        *_, last = reverse_process(denoiser, sampler, stretch.start(SMOOTH), stretch.times(48))
        ends.append(last.x_s)
    assert torch.allclose(*ends, rtol=0, atol=1e-12)


class Forgetful(DPMSolverPP2M):
    """DPM-Solver++ that is never told of the step before."""

    def step(self, *given: object, previous: Evaluation | None = None, **named: object) -> Tensor:
        return super().step(*given, previous=None, **named)  # type: ignore[arg-type]


def test_without_its_memory_dpm_solver_is_of_first_order() -> None:
    """The measure tells orders apart; and the second one comes from remembering."""
    found = errors(Forgetful(STRETCHES["cosine"].schedule), STRETCHES["cosine"])
    assert order(found) == pytest.approx(1, abs=0.1)


# -- what the samplers draw -------------------------------------------------

MODES = Mixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    torch.tensor([[-1.3, -0.2], [1.0, 1.0], [1.0, -1.1]], dtype=torch.float64),
    torch.tensor([0.2, 0.3, 0.1], dtype=torch.float64),
)
"""Far enough apart that ``mode_of`` misplaces less than 1 sample in 1000."""
COUNT = 4000


class OneStream(SampleNoise):
    """Noise for a large batch of points from one generator: thousands would take minutes."""

    def __init__(self, count: int, seed: int) -> None:
        super().__init__([seed], (2, 1, 1))
        self.generators = self.generators * count

    def draw(self) -> Tensor:
        shape = (len(self.generators), *self.shape)
        return torch.randn(shape, generator=self.generators[0], dtype=torch.float64)


def deviations(x: Tensor) -> dict[str, Tensor]:
    """How far samples (N, 2) are from ``MODES``, in standard errors.

    Of the mean, √(Cov_ii / N); of a covariance, the standard deviation of the
    products over √N; of a mode's weight, √(w (1 − w) / N).
    """
    N, covariance = len(x), MODES.covariance()
    away = x - MODES.mean()
    products = torch.stack([away[:, 0] ** 2, away[:, 1] ** 2, away[:, 0] * away[:, 1]], dim=1)
    wanted = torch.stack([covariance[0, 0], covariance[1, 1], covariance[0, 1]])
    found = torch.bincount(MODES.mode_of(x), minlength=3) / N
    w = MODES.weights
    return {
        "mean": away.mean(0) / (covariance.diagonal() / N).sqrt(),
        "covariance": (products.mean(0) - wanted) / (products.std(0) / N**0.5),
        "weights": (found - w) / (w * (1 - w) / N).sqrt(),
    }


def draw(sampler: Sampler, schedule: Schedule) -> Tensor:
    """``COUNT`` samples (COUNT, 2) by all T steps, from pure noise."""
    noise = OneStream(COUNT, seed=0)
    T = schedule.T
    scale = max(1.0, float(schedule.sigma(T - 1)))
    times = list(range(T - 1, CLEAN - 1, -1))
    *_, last = reverse_process(
        ExactDenoiser(MODES, schedule), sampler, scale * noise.draw(), times, noise
    )
    return last.x_s[:, :, 0, 0]


LINEAR, COSINE, KARRAS = schedules.linear(), schedules.cosine(), schedules.karras()


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [
        (DDPM(LINEAR), LINEAR),
        (DDPM(KARRAS), KARRAS),
        (DDPM(LINEAR, "beta"), LINEAR),
        (DDIM(COSINE, eta=1.0), COSINE),
        (DDIM(COSINE), COSINE),
    ],
    ids=["DDPM", "DDPM, exploding", "DDPM, β", "DDIM, η = 1", "DDIM"],
)
def test_samples_have_the_moments_and_the_mode_weights_of_the_mixture(
    sampler: Sampler, schedule: Schedule
) -> None:
    """Mean, covariance and mode weights of 4,000 samples, each within 4 standard errors.

    The spread within each mode, which these hardly see, is right to 10 %:
    7 % are 4 standard errors in the rarest, and T = 1000 steps of β̃ fall 2 % short.
    """
    x = draw(sampler, schedule)
    for what, z in deviations(x).items():
        assert float(z.abs().max()) < 4, (what, z)
    mode = MODES.mode_of(x)
    for k in range(3):
        spread = float((x[mode == k] - MODES.means[k]).square().mean().sqrt())
        assert spread == pytest.approx(float(MODES.stds[k]), rel=0.1)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("schedule", [LINEAR, KARRAS], ids=["linear", "karras"])
def test_where_the_data_is_one_point_every_state_has_the_marginal_of_q(
    schedule: Schedule, eta: float
) -> None:
    """x_t ~ N(α_t x_0, σ_t² I) at every t, for every η and any steps (Song et al. 2021, lemma 1).

    Mean and variance of 20,000 states of 2 coordinates at each of 20 times, to
    4.5 standard errors, which is 3 % of the variance.
    """
    count, point = 20_000, torch.tensor([[0.6, -0.9]], dtype=torch.float64)
    noise, mu = OneStream(count, seed=1), point[:, :, None, None]
    one = Mixture(torch.ones(1), point, torch.zeros(1))
    times = [*range(999, 0, -50), CLEAN]
    x_T = schedule.alpha(999) * mu + schedule.sigma(999) * noise.draw()
    denoiser = ExactDenoiser(one, schedule)
    for step in reverse_process(denoiser, DDIM(schedule, eta), x_T, times, noise):
        z = (step.x_t - schedule.alpha(step.t) * mu) / schedule.sigma(step.t)
        assert float((z.mean(0) * count**0.5).abs().max()) < 4.5, step.t
        assert float(z.square().mean()) == pytest.approx(1, abs=4.5 * (2 / (2 * count)) ** 0.5)
    assert torch.allclose(step.x_s, mu.expand_as(step.x_s), atol=1e-10)


@pytest.mark.parametrize(
    ("wrong", "seen_in"),
    [
        ({"weights": torch.tensor([0.45, 0.35, 0.2])}, "weights"),
        ({"means": MODES.means + 0.1}, "mean"),
        ({"means": MODES.means * 1.1}, "covariance"),
    ],
    ids=["weights", "mean", "size"],
)
def test_the_measure_sees_another_mixture(wrong: dict[str, Tensor], seen_in: str) -> None:
    right = {"weights": MODES.weights, "means": MODES.means, "stds": MODES.stds}
    x = Mixture(**{**right, **wrong}).sample(COUNT, seed=0)
    assert float(deviations(x)[seen_in].abs().max()) > 4
    z = deviations(MODES.sample(COUNT, seed=0))
    assert all(float(value.abs().max()) < 4 for value in z.values())
