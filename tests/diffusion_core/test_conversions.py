"""Properties of schedules, and of ε, x_0, v and score as four words for one thing."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffusion_core.denoiser import (
    PREDICTIONS,
    Posterior,
    Prediction,
    clipped,
    from_posterior,
    to_posterior,
)
from diffusion_core.forward import jump
from diffusion_core.recipe import SCHEDULES, VP_SCHEDULES
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from tests.diffusion_core.fakes import FakeDenoiser, normal

quick = settings(deadline=None, max_examples=60)

# The weight of the picture at the last level, for T = 10 … 100,000.  Where betas are
# scaled, −½ Σ β tends to −½ · 1000 · (the mean β), and what clamping and finite steps do
# takes more away: linear and sigmoid have the mean (1e-4 + 0.02)/2, scaled linear that of
# the squares between √0.00085 and √0.012.  Cosine: √(ᾱ_{T−2} · 0.001), the largest for
# T = 10.  Scaled linear is the one that ends with a visible picture.
SCALED_LINEAR_MEAN = (0.00085 + math.sqrt(0.00085 * 0.012) + 0.012) / 3
SIGNAL_LEFT = {
    "linear": math.exp(-5.025),
    "scaled_linear": math.exp(-500 * SCALED_LINEAR_MEAN),
    "cosine": 0.00491,
    "sigmoid": math.exp(-5.025),
}

LENGTHS = st.integers(10, 3000)
ENDS = st.sampled_from([0, 1, 998, 999])
TIMES = st.integers(0, 999) | ENDS
SEEDS = st.integers(0, 2**20)
TABLES = {name: make_schedule(name) for name in SCHEDULES}
names = st.sampled_from(SCHEDULES)
languages = st.sampled_from(PREDICTIONS)


def all_times(schedule: Schedule) -> Tensor:
    return torch.arange(schedule.T)


class TestSchedules:
    @quick
    @given(names, LENGTHS)
    def test_the_picture_fades_and_the_noise_grows(self, name: str, T: int) -> None:
        schedule = make_schedule(name, T)
        t = torch.arange(CLEAN, T)
        assert (schedule.alpha_bar(t).diff() < 0).all()
        assert (schedule.log_snr(t).diff() < 0).all()
        assert (schedule.noise_level(t).diff() > 0).all()
        assert ((schedule.sigma(t) / schedule.alpha(t)).diff() > 0).all()
        if name in VP_SCHEDULES:
            assert (schedule.alpha(t).diff() < 0).all()
        assert (schedule.alpha(CLEAN), schedule.sigma(CLEAN)) == (1, 0)

    @quick
    @given(st.sampled_from(VP_SCHEDULES), LENGTHS, st.booleans())
    def test_variance_is_preserved(self, name: str, T: int, zero: bool) -> None:
        schedule = make_schedule(name, T, zero_terminal_snr=zero)
        t = torch.arange(CLEAN, T)
        total = schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2
        assert float((total - 1).abs().max()) < 1e-14
        assert float((schedule.norm(t) - 1).abs().max()) < 1e-14

    @quick
    @given(LENGTHS)
    def test_where_variance_explodes_the_picture_keeps_its_weight(self, T: int) -> None:
        schedule = make_schedule("karras", T)
        t = all_times(schedule)
        assert (schedule.alpha(t) == 1).all()
        assert float(schedule.sigma(0)) == pytest.approx(0.002)
        assert float(schedule.sigma(T - 1)) == pytest.approx(80)
        assert torch.allclose(schedule.norm(t) ** 2, 1 + schedule.sigma(t) ** 2)

    @quick
    @given(st.sampled_from(VP_SCHEDULES), LENGTHS | st.just(100_000))
    def test_so_much_signal_is_left_and_no_more(self, name: str, T: int) -> None:
        assert 0 < float(make_schedule(name, T).alpha(T - 1)) <= SIGNAL_LEFT[name]

    def test_the_bounds_are_near_what_is_left(self) -> None:
        """Or they would say nothing: 0.007 and 0.069 are met to 2 % by some T."""
        for name, bound in SIGNAL_LEFT.items():
            most = max(float(make_schedule(name, T).alpha(T - 1)) for T in (10, 1000, 3000))
            assert most > 0.98 * bound
        assert SIGNAL_LEFT["scaled_linear"] < 0.07
        assert all(bound < 0.01 for name, bound in SIGNAL_LEFT.items() if name != "scaled_linear")

    @quick
    @given(st.sampled_from(VP_SCHEDULES), LENGTHS)
    def test_zero_terminal_snr_ends_in_noise_and_begins_as_before(self, name: str, T: int) -> None:
        before, after = make_schedule(name, T), make_schedule(name, T, zero_terminal_snr=True)
        t = all_times(after)
        assert after.alpha(T - 1) == 0
        assert after.sigma(T - 1) == 1
        assert after.alpha_bar(T - 1) == after.snr(T - 1) == 0
        assert after.log_snr(T - 1) == -math.inf
        assert after.noise_level(T - 1) == 1
        assert after.beta(T - 1) == 1
        assert float(after.alpha(0)) == pytest.approx(float(before.alpha(0)), rel=1e-14)
        assert (after.alpha(t) <= before.alpha(t) + 1e-15).all()
        assert (after.alpha(t).diff() < 0).all()
        assert after.name == f"{name}, zero terminal SNR"

    @quick
    @given(names, LENGTHS, st.data())
    def test_what_follows_from_the_table(self, name: str, T: int, data: st.DataObject) -> None:
        schedule, t = make_schedule(name, T), data.draw(st.integers(0, T - 1))
        alpha_bar = float(schedule.alpha_bar(t))
        snr = float(schedule.snr(t))
        assert math.log(snr) == pytest.approx(float(schedule.log_snr(t)), rel=1e-9, abs=1e-9)
        assert alpha_bar == pytest.approx(snr / (1 + snr), rel=1e-9)
        kept = torch.cumprod(1 - schedule.beta(all_times(schedule)), 0)[t]
        assert alpha_bar == pytest.approx(float(kept), rel=1e-6)
        angle = float(schedule.noise_level(t)) * math.pi / 2
        assert math.tan(angle) == pytest.approx(snr**-0.5, rel=1e-4)

    def test_at_the_clean_picture(self) -> None:
        for schedule in TABLES.values():
            assert schedule.log_snr(CLEAN) == schedule.snr(CLEAN) == math.inf
            assert schedule.alpha_bar(CLEAN) == 1
            assert schedule.noise_level(CLEAN) == 0


def output_in(prediction: Prediction, posterior: Posterior, schedule: Schedule, t: int) -> Tensor:
    return from_posterior(posterior, prediction, schedule.alpha(t), schedule.sigma(t))


def judged(
    output: Tensor, x_t: Tensor, prediction: Prediction, schedule: Schedule, t: int
) -> Posterior:
    return to_posterior(output, x_t, prediction, schedule.alpha(t), schedule.sigma(t))


def lost(dtype: torch.dtype, schedule: Schedule, t: int) -> float:
    """How much of a picture and a noise of size 5 rounding may take on a way through x_t.

    What was rounded at the size of x_t is divided by α for the picture and by σ
    for the noise.
    """
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return 8 * 5 * torch.finfo(dtype).eps * max(1.0, sigma) / min(alpha, sigma, 1)


def apart(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).abs().max())


class TestConversions:
    def test_four_languages(self) -> None:
        assert set(PREDICTIONS) == {"epsilon", "x0", "v", "score"}

    @quick
    @given(names, TIMES, SEEDS, languages)
    def test_the_truth_in_any_language_is_the_truth(
        self, name: str, t: int, seed: int, prediction: Prediction
    ) -> None:
        schedule = TABLES[name]
        x_0, eps = normal(seed, dtype=torch.float64).tanh(), normal(seed + 1, dtype=torch.float64)
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x_t = jump(x_0, t, schedule, eps)
        norm = (alpha**2 + sigma**2).sqrt()
        truth = {
            "epsilon": eps,
            "x0": x_0,
            "v": (alpha * eps - sigma * x_0) / norm,
            "score": -(x_t - alpha * x_0) / sigma**2,  # of N(α x_0, σ²)
        }
        found = judged(truth[prediction], x_t, prediction, schedule, t)
        assert apart(found.x0_hat, x_0) < 1e-9
        assert apart(found.eps_hat, eps) < 1e-9
        said = output_in(prediction, Posterior(x_0, eps), schedule, t)
        assert apart(said, truth[prediction]) < 1e-9 * max(1, float(1 / sigma))
        assert apart(found.score(sigma), truth["score"]) < 1e-9 * max(1, float(1 / sigma))

    @quick
    @given(names, TIMES, SEEDS, languages, st.sampled_from([torch.float64, torch.float32]))
    def test_any_output_comes_back(
        self, name: str, t: int, seed: int, prediction: Prediction, dtype: torch.dtype
    ) -> None:
        """Also of a network that is wrong; and the two of a posterior always make up x_t."""
        schedule = TABLES[name]
        norm = float(schedule.norm(t))
        x_t, output = norm * normal(seed, dtype=dtype), normal(seed + 1, dtype=dtype)
        if prediction == "score":
            output = output / float(schedule.sigma(t))
        posterior = judged(output, x_t, prediction, schedule, t)
        assert posterior.x0_hat.dtype == posterior.eps_hat.dtype == dtype
        back = output_in(prediction, posterior, schedule, t)
        assert back.dtype == dtype
        # v is made of both, and is as exact as the greater of them.
        size = float(max(output.abs().max(), posterior.x0_hat.abs().max() * (prediction == "v")))
        assert apart(back, output) <= (1e-12 if dtype == torch.float64 else 1e-6) * size
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        x0_hat, eps_hat = posterior.x0_hat.double(), posterior.eps_hat.double()
        largest = float(max((alpha * x0_hat).abs().max(), (sigma * eps_hat).abs().max()))
        together = alpha * x0_hat + sigma * eps_hat
        assert apart(together, x_t) <= 4 * torch.finfo(dtype).eps * max(largest, norm)

    @quick
    @given(names, TIMES, SEEDS)
    def test_every_pair_of_languages_in_float64(self, name: str, t: int, seed: int) -> None:
        """Round trips to 1e-9, at both ends of every schedule of 1,000 levels."""
        schedule = TABLES[name]
        x_0, eps = normal(seed, dtype=torch.float64).tanh(), normal(seed + 1, dtype=torch.float64)
        x_t = jump(x_0, t, schedule, eps)
        for one, other in itertools.permutations(PREDICTIONS, 2):
            first = judged(output_in(one, Posterior(x_0, eps), schedule, t), x_t, one, schedule, t)
            second = judged(output_in(other, first, schedule, t), x_t, other, schedule, t)
            assert apart(second.x0_hat, x_0) < 1e-9, (one, other)
            assert apart(second.eps_hat, eps) < 1e-9, (one, other)

    @quick
    @given(names, LENGTHS, st.data(), SEEDS)
    def test_every_pair_of_languages_loses_only_what_rounding_takes(
        self, name: str, T: int, data: st.DataObject, seed: int
    ) -> None:
        """Any length, in float32 as in float64: what is divided by α or σ sets the limit."""
        schedule = make_schedule(name, T)
        t = data.draw(st.integers(0, T - 1) | st.sampled_from([0, T - 1]))
        for dtype in (torch.float64, torch.float32):
            x_0, eps = normal(seed, dtype=dtype).tanh(), normal(seed + 1, dtype=dtype)
            x_t = jump(x_0.double(), t, schedule, eps.double()).to(dtype)
            limit = lost(dtype, schedule, t)
            for one, other in itertools.permutations(PREDICTIONS, 2):
                said = output_in(one, Posterior(x_0, eps), schedule, t)
                first = judged(said, x_t, one, schedule, t)
                second = judged(output_in(other, first, schedule, t), x_t, other, schedule, t)
                assert apart(second.x0_hat, x_0) <= limit, (one, other, dtype)
                assert apart(second.eps_hat, eps) <= limit, (one, other, dtype)

    @quick
    @given(st.sampled_from(VP_SCHEDULES), st.integers(100, 900), SEEDS)
    def test_every_pair_of_languages_in_float32_away_from_the_ends(
        self, name: str, t: int, seed: int
    ) -> None:
        schedule = TABLES[name]
        x_0, eps = normal(seed).tanh(), normal(seed + 1)
        x_t = jump(x_0, t, schedule, eps)
        for one, other in itertools.permutations(PREDICTIONS, 2):
            first = judged(output_in(one, Posterior(x_0, eps), schedule, t), x_t, one, schedule, t)
            second = judged(output_in(other, first, schedule, t), x_t, other, schedule, t)
            assert apart(second.x0_hat, x_0) < 1e-4, (one, other)
            assert apart(second.eps_hat, eps) < 1e-4, (one, other)


class TestWhereNothingIsLeft:
    """At zero terminal SNR x_t is the noise: v and x0 still name a picture, ε and score do not."""

    schedule = make_schedule("cosine", zero_terminal_snr=True)

    @pytest.mark.parametrize("prediction", ["v", "x0"])
    def test_v_and_x0_name_a_picture(self, prediction: Prediction) -> None:
        x_t, output = normal(0), normal(1)
        posterior = judged(output, x_t, prediction, self.schedule, 999)
        assert torch.equal(posterior.eps_hat, x_t)
        assert torch.equal(posterior.x0_hat, -output if prediction == "v" else output)
        assert torch.equal(output_in(prediction, posterior, self.schedule, 999), output)

    @pytest.mark.parametrize("prediction", ["epsilon", "score"])
    def test_epsilon_and_score_do_not(self, prediction: Prediction) -> None:
        with pytest.raises(ValueError, match=f"{prediction} at α = 0 says nothing of x_0"):
            judged(normal(1), normal(0), prediction, self.schedule, 999)
        judged(normal(1), normal(0), prediction, self.schedule, 998)

    def test_the_clean_picture_names_no_noise(self) -> None:
        with pytest.raises(ValueError, match="x0 at σ = 0 says nothing of ε"):
            judged(normal(1), normal(0), "x0", self.schedule, CLEAN)
        with pytest.raises(ValueError, match="score is not defined at σ = 0"):
            output_in("score", Posterior(normal(0), normal(1)), self.schedule, CLEAN)


class TestClipping:
    @quick
    @given(names, TIMES, SEEDS, languages, st.sampled_from([torch.float64, torch.float32]))
    def test_the_noise_is_derived_again(
        self, name: str, t: int, seed: int, prediction: Prediction, dtype: torch.dtype
    ) -> None:
        schedule = TABLES[name]
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x_t = float(schedule.norm(t)) * normal(seed, dtype=dtype)
        free = judged(3 * normal(seed + 1, dtype=dtype), x_t, prediction, schedule, t)
        cut = clipped(free, x_t, alpha, sigma)
        assert torch.equal(cut.x0_hat, free.x0_hat.clamp(-1, 1))
        assert cut.eps_hat.dtype == dtype
        # α x0_hat + σ eps_hat = x_t, to the rounding of the three.
        parts = [float(alpha) * cut.x0_hat.double(), float(sigma) * cut.eps_hat.double(), x_t]
        limit = 4 * torch.finfo(dtype).eps * max(float(part.abs().max()) for part in parts)
        assert apart(parts[0] + parts[1], x_t) <= limit
        again = clipped(cut, x_t, alpha, sigma)
        assert torch.equal(again.x0_hat, cut.x0_hat)
        assert torch.equal(again.eps_hat, cut.eps_hat)

    @quick
    @given(names, TIMES, SEEDS)
    def test_what_lies_within_stays(self, name: str, t: int, seed: int) -> None:
        schedule = TABLES[name]
        x_0, eps = normal(seed, dtype=torch.float64).tanh(), normal(seed + 1, dtype=torch.float64)
        x_t = jump(x_0, t, schedule, eps)
        cut = clipped(Posterior(x_0, eps), x_t, schedule.alpha(t), schedule.sigma(t))
        assert torch.equal(cut.x0_hat, x_0)
        assert apart(cut.eps_hat, eps) < 1e-9

    @pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
    @pytest.mark.parametrize("prediction", PREDICTIONS)
    def test_an_infinite_guess_is_not_made_plausible(
        self, value: float, prediction: Prediction
    ) -> None:
        schedule = TABLES["cosine"]
        output = normal(1)
        output[0, 0, 0, 0] = value
        denoiser = FakeDenoiser(lambda x, t: output, schedule, prediction, clip=True)
        posterior = denoiser(normal(0), 500)
        assert not torch.isfinite(posterior.eps_hat).all()
        assert not torch.isfinite(posterior.x0_hat).all()
