"""Noise schedules: the tables, and what the lectures say of them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import UsageError
from diffusion_core.recipe import VP_SCHEDULES
from diffusion_core.runs import equal_weights_time
from diffusion_core.schedule import CLEAN, MAX_BETA, Schedule, cosine, linear, make_schedule
from diffusion_core.vision import import_torchvision

LENGTHS = (*range(10, 60), 100, 137, 250, 300, 500, 999, 1000, 1234, 2000, 4000, 100_000)

names = st.sampled_from(VP_SCHEDULES)
schedules = st.builds(make_schedule, names, st.integers(10, 3000))


@pytest.mark.parametrize(
    ("name", "theirs"), [("linear", "linear"), ("cosine", "squaredcos_cap_v2")]
)
def test_tables_are_those_of_diffusers(name: str, theirs: str) -> None:
    import_torchvision()
    from diffusers import DDPMScheduler

    expected = DDPMScheduler(num_train_timesteps=1000, beta_schedule=theirs)
    schedule = make_schedule(name, 1000)
    alpha_bar = schedule.alpha_bar(torch.arange(1000))
    assert alpha_bar.dtype == torch.float64
    assert torch.allclose(alpha_bar, expected.alphas_cumprod.double(), rtol=0, atol=1e-6)
    assert torch.allclose(schedule.betas, expected.betas.double(), rtol=0, atol=1e-6)


# The weight of the picture at the last level.  Linear: the betas are scaled so that
# −½ Σ β tends to −(0.1 + 20)/4, from which clamping and finite steps only take away.
# Cosine: √(ᾱ_{T−2} · 0.001), the largest for the fewest levels.
@pytest.mark.parametrize(("name", "bound"), [("linear", math.exp(-5.025)), ("cosine", 0.00491)])
def test_every_length_ends_in_noise(name: str, bound: float) -> None:
    left = {T: float(make_schedule(name, T).alpha(T - 1)) for T in LENGTHS}
    assert max(left.values()) <= bound < 0.01
    assert min(left.values()) > 0


def test_unscaled_betas_would_leave_a_picture() -> None:
    betas = torch.linspace(1e-4, 0.02, 300, dtype=torch.float64)
    assert float(Schedule.from_betas("unscaled", betas).alpha(299)) > 0.2
    assert float(linear(300).alpha(299)) < 0.01


@pytest.mark.parametrize(("make", "t"), [(linear, 259), (cosine, 496)])
def test_signal_and_noise_are_equal_long_before_or_about_the_middle(make, t: int) -> None:
    schedule = make(1000)
    assert schedule.alpha(t - 1) > schedule.sigma(t - 1)
    assert schedule.alpha(t) <= schedule.sigma(t)
    assert equal_weights_time(schedule) == t


@given(schedules)
def test_signal_falls_and_noise_rises_at_every_step(schedule: Schedule) -> None:
    t = torch.arange(CLEAN, schedule.T)
    assert (schedule.alpha_bar(t).diff() < 0).all()
    assert (schedule.snr(t)[1:].diff() < 0).all()
    assert (schedule.noise_level(t).diff() > 0).all()
    assert schedule.noise_level(CLEAN) == 0
    assert 0.95 < schedule.noise_level(schedule.T - 1) < 1
    assert (schedule.betas > 0).all()
    assert (schedule.betas <= MAX_BETA).all()


@given(schedules, st.data())
def test_what_follows_from_the_table(schedule: Schedule, data: st.DataObject) -> None:
    t = data.draw(st.integers(0, schedule.T - 1))
    product = math.prod(1 - beta for beta in schedule.betas[: t + 1].tolist())
    alpha_bar = float(schedule.alpha_bar(t))
    assert math.isclose(alpha_bar, product, rel_tol=1e-9)
    assert math.isclose(float(schedule.alpha(t)) ** 2, alpha_bar, rel_tol=1e-9)
    assert math.isclose(float(schedule.sigma(t)) ** 2, 1 - alpha_bar, rel_tol=1e-9)
    assert math.isclose(float(schedule.snr(t)), alpha_bar / (1 - alpha_bar), rel_tol=1e-9)
    angle = float(schedule.noise_level(t)) * math.pi / 2
    assert math.isclose(math.sin(angle), float(schedule.sigma(t)), rel_tol=1e-6)


def test_before_the_first_step_the_picture_is_clean() -> None:
    schedule = cosine(10)
    assert schedule.alpha_bar(CLEAN) == 1
    assert schedule.sigma(CLEAN) == 0
    assert schedule.snr(CLEAN) == math.inf


@pytest.mark.parametrize("t", [-2, 10, 11, torch.tensor([0, 10]), torch.tensor([[-2], [3]])])
@pytest.mark.parametrize("what", ["alpha_bar", "alpha", "sigma", "snr", "noise_level"])
def test_a_time_outside_is_refused(what: str, t: int | torch.Tensor) -> None:
    with pytest.raises(IndexError, match="outside -1 … 9"):
        getattr(linear(10), what)(t)


def test_many_times_at_once_keep_their_shape() -> None:
    t = torch.tensor([[0, 5], [9, -1]])
    table = linear(10).alpha_bar(t)
    assert table.shape == (2, 2)
    assert table[1, 0] == linear(10).alpha_bar(9)


@pytest.mark.parametrize("name", VP_SCHEDULES)
@pytest.mark.parametrize("T", [10, 1000, 100_000])
def test_every_name_constructs(name: str, T: int) -> None:
    schedule = make_schedule(name, T)
    assert (schedule.name, schedule.T) == (name, T)


def test_unknown_names_and_lengths_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'square' is unknown; choose one of: linear, scaled"):
        make_schedule("square")
    for T in (0, 9, 100_001):
        with pytest.raises(UsageError, match=f"T = {T} is outside 10 … 100000"):
            make_schedule("linear", T)


@pytest.mark.parametrize("betas", [[], [[0.1]], [0.1, 0.0], [0.1, 1.0], [-0.1], [math.nan]])
def test_betas_that_make_no_schedule_are_refused(betas: list[float]) -> None:
    with pytest.raises(ValueError, match=r"betas|alphas"):
        Schedule.from_betas("bad", torch.tensor(betas))
