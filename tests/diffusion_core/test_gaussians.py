"""The ground truth, against what does not share its formulas."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from diffusion_core.errors import UsageError
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.recording import record
from diffusion_core.samplers import DDIM, DDPM
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.seeds import SampleNoise

SCHEDULES = ["linear", "cosine", "karras"]
THREE = Mixture(
    torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
    torch.tensor([[-1.2, 0.0], [1.0, 0.8], [0.8, -1.0]], dtype=torch.float64),
    torch.tensor([0.25, 0.35, 0.15], dtype=torch.float64),
)


def single(mean: list[float], std: float) -> Mixture:
    return Mixture(torch.ones(1), torch.tensor([mean]), torch.tensor([std]))


def normal(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=rng, dtype=torch.float64)


def noisy_points(mixture: Mixture, schedule: Schedule, t: int, count: int = 50) -> Tensor:
    """Points (count, D) such as are met at time t."""
    return mixture.noised(schedule.alpha(t), schedule.sigma(t)).sample(count, seed=3)


# -- density and score ------------------------------------------------------


def test_the_density_is_that_of_torch_distributions() -> None:
    theirs = MixtureSameFamily(
        Categorical(THREE.weights),
        Independent(Normal(THREE.means, THREE.stds[:, None].expand(3, 2)), 1),
    )
    x = normal(100, 2) * 2
    assert torch.allclose(THREE.log_density(x), theirs.log_prob(x), rtol=1e-12, atol=1e-12)


def test_mean_and_covariance_are_the_integrals_of_the_density() -> None:
    line = torch.linspace(-6, 6, 601, dtype=torch.float64)
    x = torch.cartesian_prod(line, line)
    mass = THREE.log_density(x).exp() * (line[1] - line[0]) ** 2
    assert float(mass.sum()) == pytest.approx(1, abs=1e-9)
    mean = mass @ x
    assert torch.allclose(THREE.mean(), mean, atol=1e-9)
    away = x - mean
    assert torch.allclose(THREE.covariance(), away.T @ (mass[:, None] * away), atol=1e-9)


@pytest.mark.parametrize("t", [0, 1, 250, 500, 998, 999])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_score_is_the_gradient_of_the_log_density(name: str, t: int) -> None:
    schedule = make_schedule(name)
    noisy = THREE.noised(schedule.alpha(t), schedule.sigma(t))
    x = noisy_points(THREE, schedule, t).requires_grad_()
    gradient = torch.autograd.grad(noisy.log_density(x).sum(), x)[0]
    assert torch.allclose(noisy.score(x.detach()), gradient, rtol=1e-10, atol=1e-12)
    x = x.detach()[:, :, None, None]
    said = ExactDenoiser(THREE, schedule)(x, t).score(schedule.sigma(t))
    assert torch.allclose(said[:, :, 0, 0], gradient, rtol=1e-9, atol=1e-10)


def test_far_from_everything_the_score_points_home() -> None:
    x = torch.tensor([[1e6, -1e6], [-1e8, 0.0]], dtype=torch.float64)
    score = THREE.score(x)
    assert torch.isfinite(score).all()
    assert torch.isfinite(THREE.log_density(x)).all()
    assert bool(((score * x).sum(1) < 0).all())


# -- the posterior ----------------------------------------------------------


@pytest.mark.parametrize(("alpha", "sigma"), [(0.9, 0.44), (0.6, 0.8), (1.0, 2.0)])
def test_the_posterior_mean_is_that_of_weighted_samples(alpha: float, sigma: float) -> None:
    """E[x_0 | x] by importance: samples of x_0 weighted with N(x; α x_0, σ²), to 5 standard errors.

    The standard error is that of a ratio estimate, √(Σ w² (x_0 − mean)²) / Σ w.
    """
    x0 = THREE.sample(400_000, seed=1)
    x = torch.tensor([[0.1, 0.2], [-0.8, 0.5], [0.6, -0.3]], dtype=torch.float64)
    said, eps = THREE.posterior(x, alpha, sigma)
    for i in range(len(x)):
        w = torch.softmax(-((x[i] - alpha * x0) ** 2).sum(1) / (2 * sigma**2), 0)[:, None]
        mean = (w * x0).sum(0)
        error = (w**2 * (x0 - mean) ** 2).sum(0).sqrt()
        assert float(error.max()) < 0.01  # the measure is sharp
        assert bool(((said[i] - mean).abs() < 5 * error).all()), (said[i], mean, error)
        assert torch.allclose(eps[i], (x[i] - alpha * said[i]) / sigma)
    assert torch.equal(said, THREE.posterior_mean(x, alpha, sigma))


@pytest.mark.parametrize("t", [0, 300, 999])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_single_gaussian_is_known_in_closed_form(name: str, t: int) -> None:
    """Precisions add: E[x_0 | x] = (μ/s² + α x/σ²) / (1/s² + α²/σ²)."""
    mean, std = [0.7, -1.5], 0.6
    schedule = make_schedule(name)
    a, s = float(schedule.alpha(t)), float(schedule.sigma(t))
    mixture = single(mean, std)
    x = noisy_points(mixture, schedule, t)
    posterior = ExactDenoiser(mixture, schedule)(x[:, :, None, None], t)
    mu = torch.tensor([mean]).double()
    wanted = (mu / std**2 + a * x / s**2) / (1 / std**2 + a**2 / s**2)
    assert torch.allclose(posterior.x0_hat[:, :, 0, 0], wanted, rtol=1e-7, atol=1e-7)
    score = (a * mu - x) / (a**2 * std**2 + s**2)
    said = posterior.score(schedule.sigma(t))[:, :, 0, 0]
    assert torch.allclose(said, score, rtol=1e-7, atol=1e-7)


def in_fifty_digits(
    mixture: Mixture, x: list[float], alpha: float, sigma: float
) -> tuple[list[float], list[float]]:
    """E[x_0 | x] and E[ε | x] from their definitions, in arithmetic of 50 digits."""
    with mpmath.workdps(50):
        a, sg, point = mpmath.mpf(alpha), mpmath.mpf(sigma), [mpmath.mpf(value) for value in x]
        likelihoods, means = [], []
        for w, mu, std in zip(
            mixture.weights.tolist(), mixture.means.tolist(), mixture.stds.tolist(), strict=True
        ):
            v = (a * std) ** 2 + sg**2
            away = [p - a * m for p, m in zip(point, mu, strict=True)]
            likelihoods.append(w * mpmath.exp(-sum(d**2 for d in away) / (2 * v)) / v)
            means.append(
                [m + a * mpmath.mpf(std) ** 2 * d / v for m, d in zip(mu, away, strict=True)]
            )
        total = sum(likelihoods)
        x0 = [
            sum(like * m[i] for like, m in zip(likelihoods, means, strict=True)) / total
            for i in range(len(x))
        ]
        eps = [(p - a * value) / sg for p, value in zip(point, x0, strict=True)]
        return [float(value) for value in x0], [float(value) for value in eps]


@pytest.mark.parametrize("t", [0, 999])
@pytest.mark.parametrize("name", [*SCHEDULES, "sigmoid", "scaled_linear"])
def test_both_ends_of_a_schedule_keep_their_digits(name: str, t: int) -> None:
    """At t = 0, ε is a small difference of large numbers; at T − 1, x_0 is one."""
    schedule = make_schedule(name)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x = noisy_points(THREE, schedule, t, count=8)
    posterior = ExactDenoiser(THREE, schedule)(x[:, :, None, None], t)
    for i, point in enumerate(x.tolist()):
        x0, eps = in_fifty_digits(THREE, point, float(alpha), float(sigma))
        said = posterior.x0_hat[i, :, 0, 0], posterior.eps_hat[i, :, 0, 0]
        assert said[0].tolist() == pytest.approx(x0, rel=1e-10, abs=1e-12)
        assert said[1].tolist() == pytest.approx(eps, rel=1e-10, abs=1e-12)


def test_where_there_is_no_noise_x_is_the_clean_point() -> None:
    x = normal(5, 2)
    x0, eps = THREE.posterior(x, 1.0, 0.0)
    assert torch.allclose(x0, x)
    assert torch.equal(eps, torch.zeros(5, 2).double())


def test_where_no_signal_is_left_the_mean_is_all_that_is_known() -> None:
    schedule = make_schedule("cosine", zero_terminal_snr=True)
    x = normal(5, 2, 1, 1)
    posterior = ExactDenoiser(THREE, schedule)(x, 999)
    mean = THREE.mean()[None, :, None, None].expand(5, 2, 1, 1)
    assert torch.allclose(posterior.x0_hat, mean)
    assert torch.allclose(posterior.eps_hat, x)


@settings(max_examples=60, deadline=None)
@given(
    t=st.integers(0, 999),
    name=st.sampled_from(SCHEDULES),
    x=st.lists(st.floats(-200, 200), min_size=2, max_size=2),
    stds=st.lists(st.floats(0, 3), min_size=3, max_size=3),
)
def test_both_halves_of_a_judgement_always_make_up_x_t(
    t: int, name: str, x: list[float], stds: list[float]
) -> None:
    schedule = make_schedule(name)
    mixture = Mixture(THREE.weights, THREE.means, torch.tensor(stds, dtype=torch.float64))
    x_t = torch.tensor([x], dtype=torch.float64)[:, :, None, None]
    posterior = ExactDenoiser(mixture, schedule)(x_t, t)
    made = schedule.alpha(t) * posterior.x0_hat + schedule.sigma(t) * posterior.eps_hat
    assert torch.allclose(made, x_t, rtol=1e-11, atol=1e-11)


def test_a_set_of_points_has_the_ideal_denoiser_of_karras() -> None:
    """Appendix B.3: D(x; σ) = Σ_i N(x; y_i, σ²) y_i / Σ_i N(x; y_i, σ²)."""
    y = normal(40, 2, seed=1)
    mixture = Mixture(torch.full((40,), 1 / 40).double(), y, torch.zeros(40))
    x = normal(30, 2)
    for sigma in (0.02, 0.5, 30.0):
        near = Normal(0.0, sigma).log_prob(
            torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
        )
        wanted = torch.softmax(near.double(), 1) @ y
        assert torch.allclose(mixture.posterior_mean(x, 1.0, sigma), wanted, atol=1e-9)
    nearest = y[torch.cdist(x, y).argmin(1)]
    assert torch.allclose(mixture.posterior_mean(x, 1.0, 1e-3), nearest)
    with pytest.raises(ValueError, match=r"no density; add noise first"):
        mixture.log_density(x)


def test_modes_are_told_apart() -> None:
    assert THREE.mode_of(THREE.means).tolist() == [0, 1, 2]
    r = THREE.responsibilities(normal(20, 2).float())
    assert torch.allclose(r.sum(1), torch.ones(20))
    counted = torch.bincount(THREE.mode_of(THREE.sample(100_000, 0)), minlength=3) / 100_000
    assert torch.allclose(counted.double(), THREE.weights, atol=0.006)


# -- as a denoiser ----------------------------------------------------------


@pytest.mark.parametrize("t", [0, 500, 999])
def test_float32_is_computed_in_float64_and_returned_as_it_came(t: int) -> None:
    schedule = make_schedule("linear")
    denoiser = ExactDenoiser(THREE, schedule)
    x = noisy_points(THREE, schedule, t).float()[:, :, None, None]
    single_precision, exact = denoiser(x, t), denoiser(x.double(), t)
    for said, wanted in (
        (single_precision.x0_hat, exact.x0_hat),
        (single_precision.eps_hat, exact.eps_hat),
    ):
        assert said.dtype == torch.float32
        assert said.shape == x.shape
        assert wanted.dtype == torch.float64
        assert torch.equal(said, wanted.float())
    noisy = THREE.noised(0.5, 0.5)
    for answer in (noisy.score, noisy.log_density, noisy.responsibilities):
        assert answer(x[:, :, 0, 0]).dtype == torch.float32


def test_points_are_recorded_as_pictures_are() -> None:
    schedule = make_schedule("cosine")
    noise = SampleNoise([0, 1, 2], (2, 1, 1))
    times = [999, 750, 500, 250, -1]
    recording = record(
        ExactDenoiser(THREE, schedule), DDPM(schedule), noise.draw(), times, schedule, noise=noise
    )
    assert recording.states.shape == (5, 3, 2, 1, 1)
    assert recording.facts["nfe"] == 4
    assert recording.x0_hat is not None
    assert np.array_equal(recording.states[-1], recording.x0_hat[-1])


def test_one_gaussian_is_sampled_by_one_straight_step_per_axis() -> None:
    """Under DDIM a single point is reached exactly in one step from anywhere."""
    schedule = make_schedule("linear")
    point = single([0.3, -0.4], 0.0)
    x = normal(6, 2, 1, 1)
    posterior = ExactDenoiser(point, schedule)(x, 700)
    x_0 = DDIM(schedule).step(x, 700, -1, posterior)
    assert torch.allclose(x_0[:, :, 0, 0], torch.tensor([[0.3, -0.4]]).double().expand(6, 2))


# -- samples and refusals ---------------------------------------------------


def test_samples_follow_their_seed() -> None:
    assert torch.equal(THREE.sample(10, 5), THREE.sample(10, 5))
    assert not torch.equal(THREE.sample(10, 5), THREE.sample(10, 6))
    assert THREE.sample(10, 5).dtype == torch.float64
    before = torch.random.get_rng_state()
    THREE.sample(10, 5)
    assert torch.equal(before, torch.random.get_rng_state())
    for count, seed in ((0, 0), (2.5, 0), (10, -1), (10, 2**32)):
        with pytest.raises(UsageError):
            THREE.sample(count, seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [0.5, 0.6, 0.2]}, "sum to 1"),
        ({"weights": [1.0, 0.5, -0.5]}, "must be positive"),
        ({"weights": [0.5, 0.5]}, r"weights has shape \(2,\); it must be \(3,\)"),
        ({"weights": [float("nan"), 0.5, 0.5]}, "weights of a mixture must be finite"),
        ({"means": [1.0, 2.0, 3.0]}, r"means has shape \(3,\)"),
        ({"means": [[], [], []]}, r"means has shape \(3, 0\)"),
        ({"means": [[0.0, 0.0], [1.0, float("inf")], [1.0, 1.0]]}, "means .* finite"),
        ({"stds": [0.1, 0.1, -0.1]}, r"stds must be at least 0, got -0\.1"),
        ({"stds": [[0.1], [0.1], [0.1]]}, r"stds has shape \(3, 1\)"),
    ],
)
def test_what_is_no_mixture_is_refused(change: dict[str, Any], message: str) -> None:
    good = {"weights": THREE.weights, "means": THREE.means, "stds": THREE.stds}
    given = {name: torch.tensor(value, dtype=torch.float64) for name, value in change.items()}
    with pytest.raises(ValueError, match=message):
        Mixture(**{**good, **given})


@pytest.mark.parametrize(
    ("alpha", "sigma"),
    [(-0.1, 1.0), (1.0, -0.1), (0.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))],
)
def test_weights_that_weigh_nothing_are_refused(alpha: float, sigma: float) -> None:
    with pytest.raises(ValueError, match="finite scalars ≥ 0, not both 0"):
        THREE.noised(alpha, sigma)


def test_points_of_another_shape_and_times_outside_are_refused() -> None:
    denoiser = ExactDenoiser(THREE, make_schedule("linear"))
    for shape in ((4, 2), (4, 3, 1, 1), (4, 2, 2, 2)):
        with pytest.raises(ValueError, match=r"points are judged as \(B, 2, 1, 1\)"):
            denoiser(torch.zeros(shape), 5)
    for t in (-1, 1000):
        with pytest.raises(ValueError, match="0 … 999"):
            denoiser(torch.zeros(4, 2, 1, 1), t)
    with pytest.raises(ValueError, match=r"must be real, \(…, 2\)"):
        THREE.score(torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"must be real"):
        THREE.score(torch.zeros(4, 2, dtype=torch.int64))
