"""Classifier-free guidance in the convention of diffusers: g = 1 is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_core.errors import UsageError
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.recipe import SAMPLERS, SCHEDULES
from diffusion_core.recording import record
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.fakes import FakeDenoiser, RandomFunction, Refuses, normal

quick = settings(deadline=None, max_examples=60)
TABLES = {name: make_schedule(name) for name in SCHEDULES}
ZERO = make_schedule("cosine", zero_terminal_snr=True)
SEEDS = st.integers(0, 2**20)
SHAPE = (1, 4, 4)


def pair(schedule: Schedule) -> tuple[FakeDenoiser, FakeDenoiser]:
    """A conditional and an unconditional network that disagree."""
    return (
        FakeDenoiser(RandomFunction(5), schedule),
        FakeDenoiser(RandomFunction(50), schedule),
    )


def test_at_one_there_is_no_guidance_and_one_network_is_asked() -> None:
    schedule = TABLES["linear"]
    conditional, _ = pair(schedule)
    guided = GuidedDenoiser(conditional, Refuses(), schedule, 1.0)
    found, alone = guided(normal(0), 500), conditional(normal(0), 500)
    assert torch.equal(found.x0_hat, alone.x0_hat)
    assert torch.equal(found.eps_hat, alone.eps_hat)
    assert guided.evaluations == 1
    assert conditional.asked == [500, 500]


def test_at_nought_the_condition_does_not_count() -> None:
    schedule = TABLES["linear"]
    conditional, unconditional = pair(schedule)
    found = GuidedDenoiser(conditional, unconditional, schedule, 0.0)(normal(0), 500)
    alone = unconditional(normal(0), 500)
    assert torch.equal(found.x0_hat, alone.x0_hat)
    assert torch.equal(found.eps_hat, alone.eps_hat)
    assert found.eps_cond is not None
    assert not torch.equal(found.eps_cond, alone.eps_hat)


@quick
@given(st.sampled_from(SCHEDULES), st.integers(0, 999), st.floats(0, 20), SEEDS)
def test_the_guess_is_linear_in_g(name: str, t: int, g: float, seed: int) -> None:
    """ε_uncond + g (ε_cond − ε_uncond), of ε and of x_0 alike; together they make up x_t."""
    schedule = TABLES[name]
    conditional, unconditional = pair(schedule)
    alpha, sigma, norm = schedule.alpha(t), schedule.sigma(t), float(schedule.norm(t))
    x_t = norm * normal(seed, dtype=torch.float64)
    found = GuidedDenoiser(conditional, unconditional, schedule, g)(x_t, t)
    cond, uncond = conditional(x_t, t), unconditional(x_t, t)
    for mine, there, here in (
        (found.eps_hat, cond.eps_hat, uncond.eps_hat),
        (found.x0_hat, cond.x0_hat, uncond.x0_hat),
    ):
        assert torch.allclose(mine, here + g * (there - here), rtol=1e-12, atol=1e-9)
    size = max(1.0, g) * norm
    together = alpha * found.x0_hat + sigma * found.eps_hat
    assert torch.allclose(together, x_t, rtol=0, atol=1e-12 * size)
    if g != 1:
        assert found.eps_uncond is not None
        assert torch.equal(found.eps_uncond, uncond.eps_hat)
    assert found.eps_cond is not None
    assert torch.equal(found.eps_cond, cond.eps_hat)


def test_it_is_the_convention_of_diffusers() -> None:
    """Stable Diffusion's pipeline: noise_pred_uncond + g · (noise_pred_text − …), g = 1 + w."""
    schedule = TABLES["scaled_linear"]
    conditional, unconditional = pair(schedule)
    x_t, t, w = normal(0), 700, 6.5
    cond, uncond = conditional(x_t, t).eps_hat, unconditional(x_t, t).eps_hat
    paper = (1 + w) * cond - w * uncond  # Ho and Salimans 2022, eq. 6
    found = GuidedDenoiser(conditional, unconditional, schedule, 1 + w)(x_t, t)
    assert torch.allclose(found.eps_hat, paper, rtol=0, atol=1e-5)


@pytest.mark.parametrize("g", [0.0, 1.0, 4.0])
def test_where_no_signal_is_left(g: float) -> None:
    """At α = 0 both networks say ε = x_t; the picture is guided all the same."""
    conditional, unconditional = pair(ZERO)
    x_t = normal(0)
    found = GuidedDenoiser(conditional, unconditional, ZERO, g)(x_t, 999)
    cond, uncond = conditional(x_t, 999).x0_hat, unconditional(x_t, 999).x0_hat
    assert torch.allclose(found.eps_hat, x_t, rtol=0, atol=1e-6)
    assert torch.allclose(found.x0_hat, uncond + g * (cond - uncond), rtol=0, atol=1e-5)


def test_where_little_signal_is_left_float32_is_enough() -> None:
    """The cosine schedule ends at α = 5e-5: (x_t − σ ε)/α in float32 would be off by 1e-2."""
    schedule = TABLES["cosine"]
    conditional, unconditional = pair(schedule)
    found = GuidedDenoiser(conditional, unconditional, schedule, 3.0)(normal(0), 999)
    exact = GuidedDenoiser(conditional, unconditional, schedule, 3.0)(normal(0).double(), 999)
    assert torch.allclose(found.x0_hat.double(), exact.x0_hat, rtol=0, atol=1e-5)
    by_eps = (normal(0) - schedule.sigma(999).float() * found.eps_hat) / schedule.alpha(999).float()
    assert float((by_eps - exact.x0_hat).abs().max()) > 1e-3


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("g", [1.0, 2.5])
def test_both_judgements_are_recorded_and_every_evaluation_counts(name: str, g: float) -> None:
    schedule = TABLES["linear"]
    conditional, unconditional = pair(schedule)
    guided = GuidedDenoiser(conditional, unconditional, schedule, g)
    noise = SampleNoise([3, 4], SHAPE)
    times = sampling_times(schedule, 6)
    run = record(guided, make_sampler(name, schedule), noise.draw(), times, schedule, noise=noise)
    assert run.facts["nfe"] == len(conditional.asked) + len(unconditional.asked)
    per_step = 2 if name == "heun" else 1
    assert run.facts["nfe"] == (1 if g == 1 else 2) * (per_step * 6 - (per_step - 1))
    assert run.eps_cond is not None
    if g == 1:
        assert run.eps_uncond is None
        np.testing.assert_array_equal(run.eps_cond, run.eps_hat)
        return
    assert run.eps_uncond is not None
    assert run.eps_hat is not None
    made = run.eps_uncond + np.float32(g) * (run.eps_cond - run.eps_uncond)
    np.testing.assert_allclose(run.eps_hat, made, rtol=0, atol=1e-6)
    again_conditional, again_unconditional = pair(schedule)
    for i, t in enumerate(times[:-1]):
        x_t = torch.from_numpy(run.states[i])
        said = (
            again_conditional(x_t, t).eps_hat.numpy(),
            again_unconditional(x_t, t).eps_hat.numpy(),
        )
        np.testing.assert_array_equal(run.eps_cond[i], said[0])
        np.testing.assert_array_equal(run.eps_uncond[i], said[1])


def test_a_run_without_guidance_records_no_halves() -> None:
    schedule = TABLES["linear"]
    conditional, _ = pair(schedule)
    x_T = SampleNoise([3], SHAPE).draw()
    times = sampling_times(schedule, 3)
    run = record(conditional, make_sampler("ddim", schedule), x_T, times, schedule)
    assert run.eps_cond is None
    assert run.eps_uncond is None


@pytest.mark.parametrize("g", [math.nan, math.inf, -math.inf, -1.0, -1e-9])
def test_a_scale_that_is_none_is_refused(g: float) -> None:
    with pytest.raises(UsageError, match=f"guidance = {g} must be a finite number of at least 0"):
        GuidedDenoiser(Refuses(), Refuses(), TABLES["linear"], g)
