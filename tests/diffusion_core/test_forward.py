"""The forward process: its steps compose to its jump."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from diffusion_core.forward import forward_step, jump, noise_within
from diffusion_core.recipe import VP_SCHEDULES
from diffusion_core.schedule import CLEAN, Schedule, make_schedule

names = st.sampled_from(VP_SCHEDULES)
ONE, ZERO = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)


def normal(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def weights(s: int, t: int, schedule: Schedule) -> tuple[float, float]:
    """What a step multiplies x_s and the noise by."""
    kept = forward_step(ONE, s, t, schedule, ZERO)
    added = forward_step(ZERO, s, t, schedule, ONE)
    return float(kept), float(added)


@pytest.mark.parametrize("name", VP_SCHEDULES)
def test_the_chain_has_the_marginals_of_the_jump(name: str) -> None:
    """Mean and variance of 20,000 chains, each within five standard errors."""
    n, schedule = 20_000, make_schedule(name, 50)
    x_0 = torch.tensor([-1.0, -0.3, 0.5, 1.0], dtype=torch.float64)
    x = x_0.expand(n, 4)
    for t in range(50):
        x = forward_step(x, t - 1, t, schedule, normal((n, 4), seed=t))
        variance = 1 - float(schedule.alpha_bar(t))
        mean_error = (x.mean(0) - schedule.alpha(t) * x_0).abs().max()
        assert mean_error < 5 * math.sqrt(variance / n), t
        variance_error = (x.var(0) - variance).abs().max()
        assert variance_error < 5 * variance * math.sqrt(2 / n), t


@given(names, st.integers(10, 1000), st.data())
def test_two_steps_are_one(name: str, T: int, data: st.DataObject) -> None:
    schedule = make_schedule(name, T)
    s, u, t = sorted(data.draw(st.sets(st.integers(CLEAN, T - 1), min_size=3, max_size=3)))
    (keep_1, add_1), (keep_2, add_2) = weights(s, u, schedule), weights(u, t, schedule)
    keep, add = weights(s, t, schedule)
    assert math.isclose(keep, keep_1 * keep_2, rel_tol=1e-9)
    assert math.isclose(add**2, (keep_2 * add_1) ** 2 + add_2**2, rel_tol=1e-9)


@given(names, st.integers(10, 300))
def test_single_steps_are_those_of_the_betas(name: str, T: int) -> None:
    schedule = make_schedule(name, T)
    for t in (0, 1, T // 2, T - 1):
        keep, add = weights(t - 1, t, schedule)
        beta = float(schedule.betas[t])
        assert math.isclose(keep**2, 1 - beta, rel_tol=1e-6)
        assert math.isclose(add**2, beta, rel_tol=1e-6)


@given(names, st.sets(st.integers(0, 99), min_size=1), st.integers(0, 2**32))
def test_any_chain_lands_where_a_jump_with_its_noise_lands(
    name: str, stops: set[int], seed: int
) -> None:
    """On samples: the noises of the chain, weighted, are the one ε of the jump."""
    schedule = make_schedule(name, 100)
    x_0 = normal((1, 3, 4, 4), seed)
    x, eps, s = x_0, torch.zeros_like(x_0), CLEAN
    for t in sorted(stops):
        noise = normal(x_0.shape, seed + t + 1)
        x = forward_step(x, s, t, schedule, noise)
        keep, add = weights(s, t, schedule)
        eps, s = keep * eps + add * noise, t
    eps = eps / schedule.sigma(s)
    assert torch.allclose(x, jump(x_0, s, schedule, eps), rtol=0, atol=1e-9)
    assert torch.allclose(noise_within(x, x_0, s, schedule), eps, rtol=0, atol=1e-8)


@given(names, st.integers(0, 999), st.sampled_from([torch.float32, torch.float64]))
def test_the_noise_is_found_again(name: str, t: int, dtype: torch.dtype) -> None:
    schedule = make_schedule(name, 1000)
    x_0, eps = normal((2, 1, 4, 4), 1).to(dtype), normal((2, 1, 4, 4), 2).to(dtype)
    found = noise_within(jump(x_0, t, schedule, eps), x_0, t, schedule)
    assert found.dtype == dtype
    # What rounding x_t costs is divided by the weight of the noise.
    tolerance = 16 * torch.finfo(dtype).eps / float(schedule.sigma(t))
    assert (found - eps).abs().max() < tolerance


def test_cumulative_noise_on_a_noised_picture_is_another_thing() -> None:
    """The mistake this module is built to avoid: ᾱ_t where ᾱ_t/ᾱ_s belongs."""
    schedule = make_schedule("linear", 1000)
    keep, _ = weights(400, 500, schedule)
    assert keep > 2 * float(schedule.alpha(500))


@given(st.integers(-5, 12), st.integers(-5, 12))
def test_times_out_of_order_are_refused(s: int, t: int) -> None:
    assume(not CLEAN <= s < t)
    with pytest.raises(ValueError, match=f"from s = {s} to t = {t}"):
        forward_step(ONE, s, t, make_schedule("linear", 10), ZERO)


def test_times_past_the_end_are_refused() -> None:
    with pytest.raises(IndexError):
        forward_step(ONE, 3, 10, make_schedule("linear", 10), ZERO)
