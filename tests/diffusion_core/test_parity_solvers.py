"""Euler, Heun and DPM-Solver++ as diffusers has them, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from diffusion_core.denoiser import Prediction
from diffusion_core.ode_samplers import DPMSolverPP2M, Euler, Heun
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.fakes import Outputs, normal
from tests.diffusion_core.oracle import (
    ATOL,
    NEAR,
    THEIR_PREDICTION,
    assert_close,
    from_sigma_space,
    known,
    network,
    our_run,
    scheduler,
    to_sigma_space,
)

# numpy 2 beside their np.array(tensor).
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class TestEulerAndHeun:
    @staticmethod
    def their_run(
        oracle: Any, outputs: Outputs, schedule: Schedule, times: Sequence[int]
    ) -> list[Tensor]:
        """Their states at ``times`` after the first, brought back from x̄ to x."""
        oracle.set_timesteps(timesteps=list(times[:-1]))
        x_bar = to_sigma_space(normal(0), schedule, times[0])
        states = []
        for t in oracle.timesteps:
            x = oracle.scale_model_input(x_bar, t)  # α · x̄
            x_bar = oracle.step(outputs(x, float(t)), t, x_bar).prev_sample
            # Of Heun's two evaluations a step the second makes the state; the last has but one.
            if getattr(oracle, "state_in_first_order", True) or len(states) == len(times) - 2:
                states.append(from_sigma_space(x_bar, schedule, times[len(states) + 1]))
        return states

    @pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing", "karras"])
    @pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
    @pytest.mark.parametrize("name", NEAR)
    def test_euler(self, name: str, prediction: Prediction, spacing: str) -> None:
        schedule = make_schedule(name)
        options = {"prediction_type": THEIR_PREDICTION[prediction]}
        oracle = scheduler("EulerDiscreteScheduler", schedule, **options)
        outputs, denoiser = network(schedule, prediction)
        times = sampling_times(schedule, 20, spacing)
        theirs = self.their_run(oracle, outputs, schedule, times)
        assert_close(our_run(Euler(schedule), denoiser, normal(0), times), theirs)

    @pytest.mark.parametrize("prediction", ["v", "x0"])
    @pytest.mark.parametrize("spacing", ["linspace", "trailing"])
    def test_euler_from_afar(self, prediction: Prediction, spacing: str) -> None:
        """Difference: theirs holds x̄ = x/α in float32, and of 20,000 that leaves 1e-3.

        Ours is written in x: it is its own float64 run to 1e-5, and DDIM's with η = 0.
        """
        schedule = make_schedule("cosine")
        options = {"prediction_type": THEIR_PREDICTION[prediction]}
        oracle = scheduler("EulerDiscreteScheduler", schedule, **options)
        outputs, denoiser = network(schedule, prediction)
        times = sampling_times(schedule, 20, spacing)
        ours = our_run(Euler(schedule), denoiser, normal(0), times)
        exact = our_run(Euler(schedule), denoiser, normal(0).double(), times)
        assert_close(ours, [state.float() for state in exact])
        assert_close(ours, our_run(DDIM(schedule), denoiser, normal(0), times))
        theirs = self.their_run(oracle, outputs, schedule, times)
        assert_close(ours, theirs, 2**-23 / float(schedule.alpha(999)))
        assert float((ours[-1] - theirs[-1]).abs().max()) > 1e-4

    @pytest.mark.parametrize("spacing", ["leading", "linspace", "trailing", "karras"])
    @pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
    @pytest.mark.parametrize("name", NEAR)
    def test_heun(self, name: str, prediction: Prediction, spacing: str) -> None:
        schedule = make_schedule(name)
        options = {"prediction_type": THEIR_PREDICTION[prediction]}
        oracle = scheduler("HeunDiscreteScheduler", schedule, **options)
        outputs, denoiser = network(schedule, prediction)
        times = sampling_times(schedule, 20, spacing)
        theirs = self.their_run(oracle, outputs, schedule, times)
        assert len(oracle.timesteps) == 2 * 20 - 1
        assert_close(our_run(Heun(schedule), denoiser, normal(0), times), theirs)
        assert len(denoiser.asked) == 2 * 20 - 1

    def test_heun_takes_one_slope_from_afar(self) -> None:
        """Difference: beyond σ/α = 1000 ours is Euler's step; theirs averages there as well.

        The cosine schedule begins at 20,000.  From the same state at the second
        time on, where σ/α is small, the two agree.
        """
        schedule = make_schedule("cosine")
        outputs, denoiser = network(schedule)
        times = sampling_times(schedule, 20, "trailing")
        ours = our_run(Heun(schedule), denoiser, normal(0), times)
        euler = our_run(Euler(schedule), denoiser, normal(0), times)
        assert torch.equal(ours[0], euler[0])
        oracle = scheduler("HeunDiscreteScheduler", schedule, prediction_type="v_prediction")
        theirs = self.their_run(oracle, outputs, schedule, times)
        assert float((ours[0] - theirs[0]).abs().max()) > 1e-4
        oracle = scheduler("HeunDiscreteScheduler", schedule, prediction_type="v_prediction")
        theirs = self.their_run(oracle, outputs, schedule, times[1:])
        assert_close(our_run(Heun(schedule), denoiser, normal(0), times[1:]), theirs)


class TestDPMSolver:
    @staticmethod
    def their_run(oracle: Any, outputs: Outputs, times: Sequence[int]) -> list[Tensor]:
        oracle.set_timesteps(timesteps=list(times[:-1]))
        x, states = normal(0), []
        for t in oracle.timesteps:
            x = oracle.step(outputs(x, int(t)), t, x).prev_sample
            states.append(x)
        return states

    @staticmethod
    def oracle(schedule: Schedule, **options: Any) -> Any:
        return scheduler(
            "DPMSolverMultistepScheduler",
            schedule,
            algorithm_type="dpmsolver++",
            solver_order=2,
            **options,
        )

    @pytest.mark.parametrize("steps", [1, 2, 10, 20])
    @pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
    @pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine"])
    def test_a_whole_run(self, name: str, prediction: Prediction, steps: int) -> None:
        """Their final_sigmas_type "zero": the last step, to the picture, is of first order."""
        schedule = make_schedule(name)
        oracle = self.oracle(schedule, prediction_type=THEIR_PREDICTION[prediction])
        outputs, denoiser = network(schedule, prediction)
        times = sampling_times(schedule, steps, "trailing")
        theirs = self.their_run(oracle, outputs, times)
        ours = our_run(DPMSolverPP2M(schedule), denoiser, normal(0), times)
        assert_close(ours, theirs, known(prediction, schedule, times[0]))

    def test_to_the_least_noise(self) -> None:
        """Their final_sigmas_type "sigma_min" is our run that ends at t = 0, not at −1."""
        schedule = make_schedule("linear")
        outputs, denoiser = network(schedule)
        times = [*sampling_times(schedule, 20, "trailing")[:-1], 0]
        oracle = self.oracle(
            schedule, prediction_type="v_prediction", final_sigmas_type="sigma_min"
        )
        theirs = self.their_run(oracle, outputs, times)
        assert_close(our_run(DPMSolverPP2M(schedule), denoiser, normal(0), times), theirs)

    def test_below_15_steps_to_the_least_noise_theirs_is_of_first_order(self) -> None:
        """Difference: their lower_order_final; ours is of first order to the clean picture only."""
        schedule = make_schedule("linear")
        outputs, denoiser = network(schedule)
        times = [*sampling_times(schedule, 10, "trailing")[:-1], 0]
        ours = our_run(DPMSolverPP2M(schedule), denoiser, normal(0), times)
        for lower, same in ((True, False), (False, True)):
            oracle = self.oracle(
                schedule,
                prediction_type="v_prediction",
                final_sigmas_type="sigma_min",
                lower_order_final=lower,
            )
            theirs = self.their_run(oracle, outputs, times)
            assert_close(ours[:-1], theirs[:-1])
            assert torch.allclose(ours[-1], theirs[-1], rtol=0, atol=ATOL) == same

    def test_from_zero_terminal_snr(self) -> None:
        """Theirs begins at ᾱ = 2⁻²⁴ instead of 0: the same to 1e-3, and ours is exact.

        Both x_s of the first step are α_s x0_hat + σ_s ε, with ε = x_t in ours.
        """
        schedule = make_schedule("linear", zero_terminal_snr=True)
        outputs, denoiser = network(schedule)
        times = sampling_times(schedule, 20, "trailing")
        ours = our_run(DPMSolverPP2M(schedule), denoiser, normal(0), times)
        first = denoiser(normal(0), 999)
        alpha, sigma = schedule.alpha(times[1]).float(), schedule.sigma(times[1]).float()
        assert_close([ours[0]], [alpha * first.x0_hat + sigma * normal(0)])
        oracle = self.oracle(schedule, prediction_type="v_prediction")
        oracle.alphas_cumprod[-1] = 2**-24
        theirs = self.their_run(oracle, outputs, times)
        assert_close(ours, theirs, 1e-3)
