"""One rule for every step; diffusers and the papers' own formulas agree with it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from diffusion_core.denoiser import NetworkDenoiser, Posterior, to_posterior
from diffusion_core.errors import UsageError
from diffusion_core.forward import jump, noise_within
from diffusion_core.recipe import SAMPLERS
from diffusion_core.reverse import reverse_process
from diffusion_core.samplers import DDIM, DDPM, make_sampler
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.vision import import_torchvision

SHAPE = (2, 1, 4, 4)
THEIRS = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
# Those whose tables diffusers and the papers of both samplers share.
SCHEDULES = ("linear", "cosine")
schedules = st.builds(make_schedule, st.sampled_from(SCHEDULES), st.integers(10, 1000))


def normal(seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def opinion(x_t: Tensor, t: int, schedule: Schedule, seed: int) -> Posterior:
    """A consistent judgement of x_t, right or wrong."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    return to_posterior(normal(seed).tanh(), x_t, "x0", alpha, sigma)


class Wavy(nn.Module):
    """A network that is cheap, bounded, and different at every level."""

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        return torch.sin(2 * x + 5 * noise_level[:, None, None, None])


class Knows:
    """The perfect denoiser of one picture."""

    evaluations = 1

    def __init__(self, x_0: Tensor, schedule: Schedule) -> None:
        self.x_0, self.schedule = x_0, schedule

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        return Posterior(self.x_0.expand_as(x_t), noise_within(x_t, self.x_0, t, self.schedule))


@st.composite
def steps_down(draw: st.DrawFn) -> tuple[Schedule, int, int]:
    schedule = draw(schedules)
    t = draw(st.integers(0, schedule.T - 1))
    return schedule, t, draw(st.integers(CLEAN, t - 1))


class TestAgainstTheFormulas:
    @given(steps_down(), st.integers(0, 2**32))
    def test_ddpm_samples_the_posterior(self, step: tuple[Schedule, int, int], seed: int) -> None:
        """Ho et al. 2020, eq. 6 and 7, for any s below t."""
        schedule, t, s = step
        x_t, noise = normal(seed), normal(seed + 1)
        posterior = opinion(x_t, t, schedule, seed + 2)
        a_t, a_s = float(schedule.alpha_bar(t)), float(schedule.alpha_bar(s))
        kept = a_t / a_s
        mean = math.sqrt(a_s) * (1 - kept) / (1 - a_t) * posterior.x0_hat
        mean += math.sqrt(kept) * (1 - a_s) / (1 - a_t) * x_t
        variance = (1 - a_s) / (1 - a_t) * (1 - kept)
        expected = mean + math.sqrt(variance) * noise
        found = DDPM(schedule).step(x_t, t, s, posterior, noise)
        assert torch.allclose(found, expected, rtol=0, atol=1e-7)

    @given(steps_down(), st.integers(0, 2**32))
    def test_ddim_with_full_eta_is_ddpm(self, step: tuple[Schedule, int, int], seed: int) -> None:
        schedule, t, s = step
        x_t, noise = normal(seed), normal(seed + 1)
        posterior = opinion(x_t, t, schedule, seed + 2)
        ddim, ddpm = DDIM(schedule, eta=1.0), DDPM(schedule)
        assert ddim.needs_noise(t, s) == ddpm.needs_noise(t, s)
        ours = ddim.step(x_t, t, s, posterior, noise)
        assert torch.equal(ours, ddpm.step(x_t, t, s, posterior, noise))

    @given(steps_down(), st.floats(0, 1), st.integers(0, 2**32))
    def test_every_eta_keeps_the_variance(
        self, step: tuple[Schedule, int, int], eta: float, seed: int
    ) -> None:
        """From the true x_0 and ε a step lands on the marginal at s, whatever η."""
        schedule, t, s = step
        one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        sampler = DDIM(schedule, eta)
        only_eps = sampler.step(zero, t, s, Posterior(zero, one), zero)
        only_noise = sampler.step(zero, t, s, Posterior(zero, zero), one)
        total = float(only_eps**2 + only_noise**2)
        assert math.isclose(total, 1 - float(schedule.alpha_bar(s)), rel_tol=1e-9, abs_tol=1e-12)

    @given(steps_down(), st.integers(0, 2**32))
    def test_ddim_keeps_the_noise_it_named(
        self, step: tuple[Schedule, int, int], seed: int
    ) -> None:
        schedule, t, s = step
        x_0, eps = normal(seed), normal(seed + 1)
        x_t = jump(x_0, t, schedule, eps)
        found = DDIM(schedule).step(x_t, t, s, Posterior(x_0, eps))
        expected = x_0 if s == CLEAN else jump(x_0, s, schedule, eps)
        assert torch.allclose(found, expected, rtol=0, atol=1e-9)


class TestAgainstDiffusers:
    """Their schedulers, given our table in float64 (theirs is compared in test_schedule)."""

    @staticmethod
    def scheduler(kind: str, schedule: Schedule, **options: Any) -> Any:
        import_torchvision()
        import diffusers

        theirs = getattr(diffusers, kind)(
            num_train_timesteps=schedule.T,
            beta_schedule=THEIRS[schedule.name],
            clip_sample=True,
            timestep_spacing="trailing",
            **options,
        )
        theirs.alphas_cumprod = schedule.alpha_bar(torch.arange(schedule.T))
        return theirs

    @pytest.mark.parametrize("name", SCHEDULES)
    @pytest.mark.parametrize("prediction", ["epsilon", "v"])
    def test_ddpm_at_every_step(self, name: str, prediction: Any) -> None:
        schedule = make_schedule(name, 1000)
        theirs = self.scheduler(
            "DDPMScheduler",
            schedule,
            variance_type="fixed_small",
            prediction_type={"epsilon": "epsilon", "v": "v_prediction"}[prediction],
        )
        x_t, output = normal(0), normal(1)

        class Says(nn.Module):
            def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
                return output

        denoise = NetworkDenoiser(Says(), schedule, prediction)
        for t in range(999, -1, -1):
            generator = torch.Generator().manual_seed(t)
            expected = theirs.step(output, t, x_t, generator=generator)
            posterior = denoise(x_t, t)
            assert torch.allclose(posterior.x0_hat, expected.pred_original_sample, atol=1e-7)
            found = DDPM(schedule).step(x_t, t, t - 1, posterior, normal(t))
            assert torch.allclose(found, expected.prev_sample, rtol=0, atol=1e-6), t

    @pytest.mark.parametrize("name", SCHEDULES)
    @pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
    @pytest.mark.parametrize("steps", [10, 50, 1000])
    def test_ddim_along_a_whole_run(self, name: str, eta: float, steps: int) -> None:
        schedule = make_schedule(name, 1000)
        theirs = self.scheduler("DDIMScheduler", schedule, prediction_type="v_prediction")
        theirs.set_timesteps(steps)
        times = sampling_times(make_schedule("linear", 1000), steps)
        assert theirs.timesteps.tolist() == times[:-1]
        network, sampler = Wavy(), DDIM(schedule, eta)
        denoise = NetworkDenoiser(network, schedule, "v")
        ours = x = normal(3)
        for t, s in itertools.pairwise(times):
            noise = normal(100 + t)
            level = schedule.noise_level(t).expand(len(x))
            # use_clipped_model_output is their name for deriving ε̂ again.
            x = theirs.step(
                network(x, level),
                t,
                x,
                eta=eta,
                use_clipped_model_output=True,
                variance_noise=noise,
            ).prev_sample
            ours = sampler.step(ours, t, s, denoise(ours, t), noise)
            assert torch.allclose(ours, x, rtol=0, atol=1e-5), t


class TestTheLastStep:
    @given(schedules, st.sampled_from(SAMPLERS), st.data())
    def test_it_returns_the_guess_and_adds_nothing(
        self, schedule: Schedule, name: str, data: st.DataObject
    ) -> None:
        t = data.draw(st.integers(0, schedule.T - 1))
        sampler = make_sampler(name, schedule)
        x_t = normal(1)
        posterior = opinion(x_t, t, schedule, 2)
        assert not sampler.needs_noise(t, CLEAN)
        assert torch.equal(sampler.step(x_t, t, CLEAN, posterior), posterior.x0_hat)
        loud = 1000 * normal(3)
        assert torch.equal(sampler.step(x_t, t, CLEAN, posterior, loud), posterior.x0_hat)


class TestAPerfectDenoiser:
    @pytest.mark.parametrize("name", SCHEDULES)
    @pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
    def test_ddim_walks_straight_to_the_picture(self, name: str, steps: int) -> None:
        schedule = make_schedule(name, 1000)
        x_0, x_T = normal(1).tanh(), normal(2)
        eps = noise_within(x_T, x_0, 999, schedule)
        times = sampling_times(make_schedule("linear", 1000), steps)
        walk = list(reverse_process(Knows(x_0, schedule), DDIM(schedule), x_T, times))
        for step in walk[:-1]:
            assert torch.allclose(step.x_s, jump(x_0, step.s, schedule, eps), rtol=0, atol=1e-8)
        assert torch.allclose(walk[-1].x_s, x_0, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("name", SCHEDULES)
    def test_ddpm_arrives_by_way_of_the_marginals(self, name: str) -> None:
        """4,000 walks of 10 steps: variance at every state, within five standard errors."""
        n, schedule = 4000, make_schedule(name, 1000)
        x_0 = torch.tensor([[-0.7, 0.1, 0.9]]).reshape(1, 1, 1, 3)
        noise = SampleNoise(range(n), (1, 1, 3))
        walk = reverse_process(
            Knows(x_0, schedule),
            DDPM(schedule),
            noise.draw(),
            sampling_times(make_schedule("linear", 1000), 10),
            noise,
        )
        for step in walk:
            variance = 1 - float(schedule.alpha_bar(step.s))
            mean_error = (step.x_s.mean(0) - schedule.alpha(step.s) * x_0).abs().max()
            assert mean_error < 5 * math.sqrt(variance / n) + 1e-6
            variance_error = (step.x_s.var(0) - variance).abs().max()
            assert variance_error < 5 * variance * math.sqrt(2 / n) + 1e-6


class TestTimes:
    @given(st.integers(10, 4000), st.data())
    def test_n_steps_give_n_and_one_falling_times(self, T: int, data: st.DataObject) -> None:
        steps = data.draw(st.integers(1, T))
        times = sampling_times(make_schedule("linear", T), steps)
        assert len(times) == steps + 1
        assert (times[0], times[-1]) == (T - 1, CLEAN)
        assert all(t > s for t, s in itertools.pairwise(times))
        even = [T * (steps - i) / steps - 1 for i in range(steps + 1)]
        assert all(abs(t - exact) <= 0.5 for t, exact in zip(times, even, strict=True))
        assert all(type(t) is int for t in times)

    def test_all_steps_visit_all_times(self) -> None:
        assert sampling_times(make_schedule("linear", 1000), 1000) == list(range(999, -2, -1))

    @pytest.mark.parametrize("steps", [-1, 0, 1001])
    def test_too_few_or_too_many_steps_are_refused(self, steps: int) -> None:
        with pytest.raises(UsageError, match=f"steps = {steps} is outside 1 … 1000"):
            sampling_times(make_schedule("linear", 1000), steps)


class TestRefusals:
    @pytest.mark.parametrize("eta", [-0.01, 1.01, math.nan, math.inf])
    def test_eta_out_of_range(self, eta: float) -> None:
        with pytest.raises(UsageError, match=r"eta = \S+ is outside 0 … 1"):
            DDIM(make_schedule("cosine"), eta)

    def test_an_unknown_sampler(self) -> None:
        with pytest.raises(UsageError, match="'rk4' is unknown; choose one of: ddim, ddpm"):
            make_sampler("rk4", make_schedule("cosine"))

    @given(st.integers(-3, 12), st.integers(-3, 12), st.sampled_from(SAMPLERS))
    def test_a_step_that_does_not_go_down(self, t: int, s: int, name: str) -> None:
        assume(not CLEAN <= s < t)
        sampler, x = make_sampler(name, make_schedule("linear", 10)), normal(0)
        with pytest.raises(ValueError, match=f"from t = {t} to s = {s}"):
            sampler.step(x, t, s, Posterior(x, x), x)

    @given(steps_down(), st.floats(0.01, 1))
    def test_missing_noise(self, step: tuple[Schedule, int, int], eta: float) -> None:
        schedule, t, s = step
        assume(s != CLEAN)
        x = normal(0)
        with pytest.raises(ValueError, match=f"from t = {t} to s = {s} needs noise"):
            DDIM(schedule, eta).step(x, t, s, Posterior(x, x))

    def test_noise_is_not_missed_where_none_is_needed(self) -> None:
        schedule, x = make_schedule("linear", 10), normal(0)
        assert not DDIM(schedule).needs_noise(5, 3)
        assert DDIM(schedule, 0.1).needs_noise(5, 3)
        DDIM(schedule).step(x, 5, 3, Posterior(x, x))
