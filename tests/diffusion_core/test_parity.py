"""Tables, DDPM and DDIM as diffusers has them; and where it is wrong, the formula."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from diffusion_core.denoiser import Posterior, Prediction
from diffusion_core.forward import jump
from diffusion_core.samplers import DDIM, DDPM, Variance
from diffusion_core.schedule import CLEAN, karras, make_schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.vision import import_torchvision
from tests.diffusion_core.fakes import FakeDenoiser, Outputs, normal
from tests.diffusion_core.oracle import (
    ATOL,
    NEAR,
    TABLES,
    THEIR_PREDICTION,
    assert_close,
    fresh,
    known,
    network,
    our_run,
    scheduler,
)

# numpy 2 beside their np.array(tensor).
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class TestTables:
    @pytest.mark.parametrize("name", TABLES)
    @pytest.mark.parametrize("zero_terminal_snr", [False, True])
    def test_alpha_bar(self, name: str, zero_terminal_snr: bool) -> None:
        """Theirs are products of 1,000 float32 numbers; ours are float64."""
        theirs = scheduler(
            "DDPMScheduler", **TABLES[name], rescale_betas_zero_snr=zero_terminal_snr
        ).alphas_cumprod
        schedule = make_schedule(name, zero_terminal_snr=zero_terminal_snr)
        ours = schedule.alpha_bar(torch.arange(1000))
        assert ours.dtype == torch.float64
        assert float((ours - theirs).abs().max()) < 1e-6
        if zero_terminal_snr:
            assert ours[-1] == theirs[-1] == 0
        else:
            assert float((ours / theirs - 1).abs().max()) < 2e-5

    @pytest.mark.parametrize("kind", ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
    def test_zero_terminal_snr_is_not_quite_zero_in_their_solvers(self, kind: str) -> None:
        """Difference: they put 2⁻²⁴ for ᾱ_{T−1}, since their σ/α must be finite; ours is 0."""
        theirs = scheduler(kind, **TABLES["linear"], rescale_betas_zero_snr=True).alphas_cumprod
        ours = make_schedule("linear", zero_terminal_snr=True).alpha_bar(torch.arange(1000))
        assert theirs[-1] == 2**-24
        assert ours[-1] == 0
        assert float((ours[:-1] - theirs[:-1]).abs().max()) < 1e-6

    @pytest.mark.parametrize("T", [10, 50, 1000])
    def test_karras_sigmas(self, T: int) -> None:
        import_torchvision()
        from diffusers import EDMEulerScheduler

        theirs = EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, rho=7.0)
        theirs.set_timesteps(T)
        assert theirs.sigmas[-1] == 0
        ours = karras(T).sigma(torch.arange(T)).flip(0)
        assert float((ours / theirs.sigmas[:-1] - 1).abs().max()) < 1e-5
        assert (float(ours[0]), float(ours[-1])) == (pytest.approx(80), pytest.approx(0.002))

    @pytest.mark.parametrize("name", NEAR)
    def test_sigma_over_alpha_is_what_they_step_along(self, name: str) -> None:
        theirs = scheduler("EulerDiscreteScheduler", **TABLES[name])
        schedule, t = make_schedule(name), torch.arange(1000)
        ours = (schedule.sigma(t) / schedule.alpha(t)).flip(0)
        assert float((ours / theirs.sigmas[:-1] - 1).abs().max()) < 1e-3  # 1 − ᾱ in float32
        assert float((ours / theirs.sigmas[:-1] - 1).abs().max()) > 1e-5


class TestDDPM:
    @pytest.mark.parametrize(
        ("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")]
    )
    @pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
    @pytest.mark.parametrize("name", TABLES)
    def test_every_single_step(
        self, name: str, prediction: Prediction, variance: Variance, theirs: str
    ) -> None:
        schedule = make_schedule(name)
        options = {"prediction_type": THEIR_PREDICTION[prediction], "clip_sample": True}
        oracle = scheduler("DDPMScheduler", schedule, variance_type=theirs, **options)
        outputs, denoiser = network(schedule, prediction, clip=True)
        sampler = DDPM(schedule, variance)
        for t in (*range(999, 0, -37), 2, 1, 0):
            x_t = normal(t)
            generator = torch.Generator().manual_seed(10_000 + t)
            expected = oracle.step(outputs(x_t, t), t, x_t, generator=generator)
            posterior = denoiser(x_t, t)
            found = sampler.step(x_t, t, t - 1, posterior, fresh(t))
            guess = [expected.pred_original_sample]
            assert_close([posterior.x0_hat], guess, known(prediction, schedule, t))
            assert_close([found], [expected.prev_sample])

    @pytest.mark.parametrize(
        ("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")]
    )
    @pytest.mark.parametrize("steps", [20, 1000])
    def test_a_whole_run(self, variance: Variance, theirs: str, steps: int) -> None:
        schedule = make_schedule("linear")
        oracle = scheduler(
            "DDPMScheduler", schedule, variance_type=theirs, prediction_type="v_prediction"
        )
        oracle.set_timesteps(steps)  # leading, their default
        outputs, denoiser = network(schedule, clip=True)
        times = sampling_times(schedule, steps, "leading")
        assert oracle.timesteps.tolist() == times[:-1]
        x, expected = normal(0), []
        for t in times[:-1]:
            generator = torch.Generator().manual_seed(10_000 + t)
            x = oracle.step(outputs(x, t), t, x, generator=generator).prev_sample
            expected.append(x)
        assert_close(our_run(DDPM(schedule, variance), denoiser, normal(0), times), expected)

    def test_the_last_step_adds_no_noise(self) -> None:
        """Difference: theirs leaves out the noise where t = 0, not where s is the clean picture.

        With trailing times and variance "beta" they add √β of noise to the
        finished picture.
        """
        schedule = make_schedule("linear")
        oracle = scheduler(
            "DDPMScheduler",
            schedule,
            variance_type="fixed_large",
            prediction_type="v_prediction",
            timestep_spacing="trailing",
        )
        oracle.set_timesteps(50)
        t = int(oracle.timesteps[-1])
        assert t == 19
        outputs, denoiser = network(schedule, clip=True)
        x_t = normal(0)
        generator = torch.Generator().manual_seed(10_000 + t)
        theirs = oracle.step(outputs(x_t, t), t, x_t, generator=generator).prev_sample
        ours = DDPM(schedule, "beta").step(x_t, t, CLEAN, denoiser(x_t, t), fresh(t))
        assert torch.equal(ours, denoiser(x_t, t).x0_hat)
        added = schedule.sigma(t).float() * fresh(t)
        assert_close([theirs], [ours + added])
        assert float(added.abs().max()) > 0.1

    def test_beta_where_variance_explodes(self) -> None:
        """They have no such schedule: √β is what the forward step adds, √(σ_t² − σ_s²)."""
        schedule = karras(100)
        sampler = DDPM(schedule, "beta")
        for t, s in ((99, 98), (60, 20), (1, 0)):
            added = (schedule.sigma(t) ** 2 - schedule.sigma(s) ** 2).sqrt()
            assert float(sampler.noise_std(t, s)) == pytest.approx(float(added))


class TestDDIM:
    @staticmethod
    def their_run(oracle: Any, outputs: Outputs, times: Sequence[int], eta: float) -> list[Tensor]:
        x, states = normal(0), []
        for t in times[:-1]:
            # use_clipped_model_output is their name for deriving ε̂ again.
            x = oracle.step(
                outputs(x, t),
                t,
                x,
                eta=eta,
                use_clipped_model_output=True,
                variance_noise=fresh(t) if eta else None,
            ).prev_sample
            states.append(x)
        return states

    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize(
        ("spacing", "steps"), [("leading", 50), ("leading", 30), ("trailing", 50), ("trailing", 8)]
    )
    @pytest.mark.parametrize("name", ["linear", "cosine"])
    def test_a_whole_run(self, name: str, spacing: str, steps: int, eta: float) -> None:
        schedule = make_schedule(name)
        oracle = scheduler(
            "DDIMScheduler", schedule, prediction_type="v_prediction", timestep_spacing=spacing
        )
        oracle.set_timesteps(steps)
        outputs, denoiser = network(schedule, clip=True)
        times = sampling_times(schedule, steps, spacing)
        assert oracle.timesteps.tolist() == times[:-1]
        ours = our_run(DDIM(schedule, eta), denoiser, normal(0), times)
        assert_close(ours, self.their_run(oracle, outputs, times, eta))

    def test_a_run_with_their_own_table(self) -> None:
        """Nothing of ours in it: the table's last digits show, and no more."""
        schedule = make_schedule("linear")
        oracle = scheduler("DDIMScheduler", timestep_spacing="leading", **TABLES["linear"])
        oracle.set_timesteps(50)
        outputs, denoiser = network(schedule, "epsilon", clip=True)
        times = sampling_times(schedule, 50, "leading")
        ours = our_run(DDIM(schedule), denoiser, normal(0), times)
        assert_close(ours, self.their_run(oracle, outputs, times, 0.0), 5e-5)

    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    def test_from_zero_terminal_snr(self, eta: float) -> None:
        schedule = make_schedule("linear", zero_terminal_snr=True)
        oracle = scheduler(
            "DDIMScheduler", schedule, prediction_type="v_prediction", timestep_spacing="trailing"
        )
        oracle.set_timesteps(25)
        outputs, denoiser = network(schedule, clip=True)
        times = sampling_times(schedule, 25, "trailing")
        ours = our_run(DDIM(schedule, eta), denoiser, normal(0), times)
        assert_close(ours, self.their_run(oracle, outputs, times, eta))

    @pytest.mark.parametrize(
        ("spacing", "steps"), [("linspace", 50), ("linspace", 7), ("trailing", 30), ("trailing", 7)]
    )
    def test_each_step_lands_where_it_says(self, spacing: str, steps: int) -> None:
        """Difference: theirs goes to t − T//N whatever the next time is (#11347, #12633).

        Given the true x_0 and ε a step must land on q(x_s | x_0, ε) = α_s x_0 + σ_s ε.
        Ours does; theirs lands beside it for linspace, and for trailing where
        N does not divide T.
        """
        schedule = make_schedule("linear")
        oracle = scheduler("DDIMScheduler", schedule, clip_sample=False, timestep_spacing=spacing)
        oracle.set_timesteps(steps)
        x_0, eps = normal(1).tanh(), normal(2)
        times = sampling_times(schedule, steps, spacing)
        assert oracle.timesteps.tolist() == times[:-1]
        beside = []
        for t, s in itertools.pairwise(times):
            x_t = jump(x_0, t, schedule, eps)
            formula = jump(x_0, s, schedule, eps) if s != CLEAN else x_0
            ours = DDIM(schedule).step(x_t, t, s, Posterior(x_0, eps))
            assert_close([ours], [formula])
            theirs = oracle.step(eps, t, x_t).prev_sample
            guessed = max(CLEAN, t - 1000 // steps)
            landed = jump(x_0, guessed, schedule, eps) if guessed != CLEAN else x_0
            assert_close([theirs], [landed], 1e-4)  # they divide by α in float32
            beside.append(float((theirs - formula).abs().max()))
        assert max(beside) > 100 * ATOL

    def test_their_run_of_seven_steps_ends_before_the_picture(self) -> None:
        """Difference: 1000 // 7 = 142, so the last step, from t = 142, goes to t = 0."""
        schedule = make_schedule("linear")
        times = sampling_times(schedule, 7, "trailing")
        assert times[-2:] == [142, CLEAN]
        oracle = scheduler(
            "DDIMScheduler", schedule, clip_sample=False, timestep_spacing="trailing"
        )
        oracle.set_timesteps(7)
        x_0, eps = normal(1).tanh(), normal(2)
        theirs = oracle.step(eps, 142, jump(x_0, 142, schedule, eps)).prev_sample
        assert_close([theirs], [jump(x_0, 0, schedule, eps)])
        assert float((theirs - x_0).abs().max()) > 1e-2

    def test_a_clipped_guess_and_its_noise_make_up_x_t(self) -> None:
        """Difference: by default they clip x̂0 and keep the ε̂ that belonged to the other x̂0."""
        schedule, t, s = make_schedule("linear"), 499, 479  # two times of a trailing run of 50
        oracle = scheduler("DDIMScheduler", schedule, timestep_spacing="trailing")
        oracle.set_timesteps(50)
        x_t, eps = 2 * normal(1), normal(2)
        alpha, sigma = schedule.alpha(t).float(), schedule.sigma(t).float()
        guess = (x_t - sigma * eps) / alpha
        assert float(guess.abs().max()) > 2
        cut = guess.clamp(-1, 1)
        again = (x_t - alpha * cut) / sigma
        posterior = FakeDenoiser(lambda x, t: eps, schedule, "epsilon", clip=True)(x_t, t)
        assert_close([posterior.x0_hat, posterior.eps_hat], [cut, again])
        assert_close([alpha * posterior.x0_hat + sigma * posterior.eps_hat], [x_t])
        assert float((alpha * cut + sigma * eps - x_t).abs().max()) > 0.5
        theirs = oracle.step(eps, t, x_t)
        a, b = schedule.alpha(s).float(), schedule.sigma(s).float()
        assert_close([theirs.prev_sample], [a * theirs.pred_original_sample + b * eps])
        ours = DDIM(schedule).step(x_t, t, s, posterior)
        assert float((ours - theirs.prev_sample).abs().max()) > 0.5
