"""What no run could use is refused before the network is asked: by name, with its range."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from diffusion_core.denoiser import NetworkDenoiser, Posterior
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipe import SAMPLERS, ForwardRecipe, ReverseRecipe, check_seed
from diffusion_core.recording import Policy, record
from diffusion_core.reverse import reverse_process, sample
from diffusion_core.samplers import DDIM, DDPM, make_sampler
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.fakes import Refuses, normal

SCHEDULE = make_schedule("linear", 100)
SHAPE = (1, 4, 4)
X_T = normal(0, (2, *SHAPE))
TIMES = [99, 50, -1]
NOT_NUMBERS = [math.nan, math.inf, -math.inf]


def refused(act: Callable[[], Any], says: str, error: type[Exception] = UsageError) -> None:
    """``act`` says ``says`` and does nothing else; what users meet is one line."""
    with pytest.raises(error, match=re.escape(says)) as raised:
        act()
    if isinstance(raised.value, LectureError):
        assert "\n" not in str(raised.value)


class MayNotBeAsked(nn.Module):
    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        raise AssertionError("the network was asked")


class TestTimes:
    @pytest.mark.parametrize("t", [-2, 100, 1000, torch.tensor([0, 100]), torch.tensor([-2])])
    @pytest.mark.parametrize(
        "what", ["alpha", "sigma", "alpha_bar", "snr", "log_snr", "norm", "noise_level"]
    )
    def test_a_level_that_is_not_there(self, what: str, t: int | Tensor) -> None:
        said = t if isinstance(t, int) else t.tolist()
        refused(
            lambda: getattr(SCHEDULE, what)(t), f"t = {said} is outside -1 … 99", error=IndexError
        )

    @pytest.mark.parametrize("t", [0.5, 50.0, math.nan, math.inf])
    def test_a_level_between_levels(self, t: Any) -> None:
        refused(lambda: SCHEDULE.alpha(t), f"t = {t} must be whole, -1 … 99", error=IndexError)

    @pytest.mark.parametrize("t", [-2, -1, 100, math.nan])
    def test_a_network_is_not_asked_there(self, t: Any) -> None:
        denoiser = NetworkDenoiser(MayNotBeAsked(), SCHEDULE)
        says = f"a denoiser is asked at t = 0 … 99, not at {t}"
        refused(lambda: denoiser(X_T, t), says, error=ValueError)

    @pytest.mark.parametrize(("t", "s"), [(5, 5), (5, 6), (100, 5), (5, -2), (-1, -1), (0, 0)])
    @pytest.mark.parametrize("name", SAMPLERS)
    def test_a_step_that_does_not_go_down(self, name: str, t: int, s: int) -> None:
        sampler = make_sampler(name, SCHEDULE)
        says = f"cannot step from t = {t} to s = {s}: it takes -1 ≤ s < t ≤ 99"
        refused(
            lambda: sampler.step(X_T, t, s, Posterior(X_T, X_T), X_T, denoiser=Refuses()),
            says,
            error=ValueError,
        )

    @pytest.mark.parametrize(
        "times", [[], [99], [50, 99, -1], [99, 50, 50, -1], [-1, 99], [10, -1, -2], [99, 50, 60]]
    )
    @pytest.mark.parametrize("keep", [None, 1])
    def test_times_that_do_not_fall(self, times: list[int], keep: int | None) -> None:
        says = f"times must fall, be at least two and none below -1, got {times}"

        def walk() -> None:
            next(reverse_process(Refuses(), DDIM(SCHEDULE), X_T, times))

        refused(walk, says, error=ValueError)
        # A policy looks at the times before the walk begins.
        with pytest.raises((ValueError, IndexError)):
            record(Refuses(), DDIM(SCHEDULE), X_T, times, SCHEDULE, policy=Policy(keep))

    def test_a_run_from_a_level_that_is_not_there(self) -> None:
        denoiser = NetworkDenoiser(MayNotBeAsked(), SCHEDULE)
        for keep in (None, 1):
            with pytest.raises((ValueError, IndexError), match=r"100.* outside|not at 100"):
                record(denoiser, DDIM(SCHEDULE), X_T, [100, 50, -1], SCHEDULE, policy=Policy(keep))


class TestRuns:
    @pytest.mark.parametrize("value", NOT_NUMBERS)
    def test_a_start_that_is_not_finite(self, value: float) -> None:
        x_T = X_T.clone()
        x_T[1, 0, 3, 3] = value
        refused(
            lambda: record(Refuses(), DDIM(SCHEDULE), x_T, TIMES, SCHEDULE),
            "x_T holds values that are not finite",
            error=ValueError,
        )

    @pytest.mark.parametrize("shape", [(4, 4), SHAPE, (1, 2, *SHAPE)])
    def test_a_start_of_another_rank(self, shape: tuple[int, ...]) -> None:
        refused(
            lambda: record(Refuses(), DDIM(SCHEDULE), normal(0, shape), TIMES, SCHEDULE),
            f"x_T has shape {shape}; it must be (B, C, H, W)",
            error=ValueError,
        )

    @pytest.mark.parametrize("sampler", [DDPM(SCHEDULE), DDIM(SCHEDULE, 0.1)])
    def test_missing_noise(self, sampler: DDIM) -> None:
        refused(
            lambda: record(Refuses(), sampler, X_T, TIMES, SCHEDULE),
            "the step from t = 99 to s = 50 needs noise",
            error=ValueError,
        )

    @pytest.mark.parametrize(
        ("seeds", "shape"),
        [([0], SHAPE), ([0, 1, 2], SHAPE), ([0, 1], (1, 4, 5)), ([0, 1], (4, 4))],
    )
    def test_noise_of_another_shape(self, seeds: list[int], shape: tuple[int, ...]) -> None:
        """Broadcasting would make one sample of two, or two of one, without a word."""
        noise = SampleNoise(seeds, shape)
        refused(
            lambda: record(Refuses(), DDPM(SCHEDULE), X_T, TIMES, SCHEDULE, noise=noise),
            f"the noise has shape {(len(seeds), *shape)}, x_T has {tuple(X_T.shape)}",
            error=ValueError,
        )

    def test_no_noise_is_missed_where_none_is_needed(self) -> None:
        class Still:
            evaluations = 1

            def __call__(self, x_t: Tensor, t: int) -> Posterior:
                return Posterior(x_t, x_t)

        for times in (TIMES, [99, -1]):
            record(Still(), DDIM(SCHEDULE), X_T, times, SCHEDULE)
        record(Still(), DDPM(SCHEDULE), X_T, [99, -1], SCHEDULE)  # the last step takes none


class TestNumbers:
    @pytest.mark.parametrize("steps", [0, -1, 101, *NOT_NUMBERS])
    def test_steps(self, steps: Any) -> None:
        says = f"steps = {steps} is outside 1 … 100"
        for spacing in ("trailing", "leading", "linspace", "karras"):
            refused(lambda: sampling_times(SCHEDULE, steps, spacing), says)  # noqa: B023
        refused(lambda: ReverseRecipe(T=100, steps=steps), says)

    @pytest.mark.parametrize("steps", [1.5, 50.0])
    def test_steps_that_are_not_whole(self, steps: Any) -> None:
        says = f"steps = {steps} must be a whole number, 1 … 100"
        refused(lambda: sampling_times(SCHEDULE, steps), says)
        refused(lambda: ReverseRecipe(T=100, steps=steps), says)

    @pytest.mark.parametrize("rho", [0, -1, 0.99, 101, *NOT_NUMBERS])
    def test_rho(self, rho: float) -> None:
        says = f"rho = {rho} is outside 1 … 100"
        refused(lambda: sampling_times(SCHEDULE, 10, "karras", rho=rho), says)

    @pytest.mark.parametrize("T", [0, 9, 100_001, *NOT_NUMBERS])
    @pytest.mark.parametrize("name", ["linear", "karras"])
    def test_levels(self, name: str, T: Any) -> None:
        refused(lambda: make_schedule(name, T), f"T = {T} is outside 10 … 100000")

    @pytest.mark.parametrize("eta", [-0.01, 1.01, *NOT_NUMBERS])
    def test_eta(self, eta: float) -> None:
        says = f"eta = {eta} is outside 0 … 1"
        refused(lambda: DDIM(SCHEDULE, eta), says)
        refused(lambda: make_sampler("ddim", SCHEDULE, eta), says)
        refused(lambda: ReverseRecipe(eta=eta), says)

    @pytest.mark.parametrize("seed", [-1, 2**32, 2**64, math.nan])
    def test_seeds(self, seed: Any) -> None:
        says = f"seed = {seed} is outside 0 … 4294967295"
        for act in (
            lambda: check_seed(seed),
            lambda: SampleNoise([0, seed], SHAPE),
            lambda: sample(Refuses(), DDIM(SCHEDULE), TIMES, [0, seed], SHAPE),
            lambda: ReverseRecipe(seeds=(0, seed)),
            lambda: ForwardRecipe(seed=seed),
        ):
            refused(act, says)

    def test_no_seeds(self) -> None:
        says = "seeds is empty; give at least one"
        for act in (
            lambda: SampleNoise([], SHAPE),
            lambda: sample(Refuses(), DDIM(SCHEDULE), TIMES, [], SHAPE),
            lambda: ReverseRecipe(seeds=()),
        ):
            refused(act, says)

    @pytest.mark.parametrize("keep", [0, -3, math.nan, math.inf])
    def test_kept_states(self, keep: Any) -> None:
        refused(lambda: Policy(keep), f"keep = {keep} must be at least 1")


class TestNames:
    @pytest.mark.parametrize("name", ["", "Linear", "cosin", "karras "])
    def test_each_unknown_name_is_told_with_those_there_are(self, name: str) -> None:
        for act, says in (
            (lambda: make_schedule(name), f"schedule {name!r} is unknown; choose one of: linear, "),
            (lambda: make_sampler(name, SCHEDULE), f"sampler {name!r} is unknown; choose one of: "),
            (lambda: sampling_times(SCHEDULE, 5, name), f"spacing {name!r} is unknown; choose one"),
            (lambda: DDPM(SCHEDULE, name), f"variance {name!r} is unknown; choose one of: "),  # type: ignore[arg-type]
            (lambda: Policy(rule=name), f"rule {name!r} is unknown; choose one of: log_snr, t"),
            (lambda: ReverseRecipe(schedule=name), f"schedule {name!r} is unknown"),
            (lambda: ReverseRecipe(sampler=name), f"sampler {name!r} is unknown"),
            (lambda: ReverseRecipe(spacing=name), f"spacing {name!r} is unknown"),
            (lambda: ForwardRecipe(schedule=name), f"schedule {name!r} is unknown"),
        ):
            refused(act, says)


class TestRecipes:
    @pytest.mark.parametrize(
        ("recipe", "field", "low", "high"),
        [
            (ReverseRecipe, "T", 10, 100_000),
            (ReverseRecipe, "steps", 1, 1000),
            (ReverseRecipe, "keep", 1, 50),
            (ReverseRecipe, "eta", 0, 1),
            (ForwardRecipe, "T", 10, 100_000),
            (ForwardRecipe, "keep", 1, 1000),
            (ForwardRecipe, "size", 8, 512),
            (ForwardRecipe, "seed", 0, 2**32 - 1),
        ],
    )
    def test_every_number_has_its_range(
        self, recipe: type, field: str, low: int, high: int
    ) -> None:
        for value in (low - 1, high + 1, *NOT_NUMBERS):
            says = f"{field} = {value} is outside {low} … {high}"
            refused(lambda: recipe(**{field: value}), says)  # noqa: B023
        if field != "eta":
            says = f"{field} = {low + 0.5} must be a whole number, {low} … {high}"
            refused(lambda: recipe(**{field: low + 0.5}), says)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"T": 100, "steps": 101}, "steps = 101 is outside 1 … 100"),
            ({"steps": 10, "keep": 11}, "keep = 11 is outside 1 … 10"),
            ({"steps": math.nan, "keep": 3}, "steps = nan is outside 1 … 1000"),
            ({"sampler": "ddpm", "eta": 0.5}, "eta = 0.5 is for the sampler 'ddim', not 'ddpm'"),
            (
                {"schedule": "karras", "zero_terminal_snr": True},
                "schedule 'karras' always keeps its signal; zero terminal SNR is for linear, ",
            ),
        ],
    )
    def test_fields_that_do_not_go_together(self, options: dict[str, Any], says: str) -> None:
        refused(lambda: ReverseRecipe(**options), says)

    def test_a_forward_recipe_preserves_variance(self) -> None:
        refused(lambda: ForwardRecipe(schedule="karras"), "schedule 'karras' is unknown")
        refused(
            lambda: make_schedule("karras", zero_terminal_snr=True),
            "zero terminal SNR is for linear, scaled_linear, cosine, sigmoid",
        )


class TestSchedules:
    @pytest.mark.parametrize(
        ("alphas", "sigmas"),
        [
            ([], []),
            ([0.9, 0.5], [0.1]),
            ([[0.9]], [[0.1]]),
            ([0.9, 0.9], [0.1, 0.1]),  # noise that does not grow
            ([0.5, 0.9], [0.5, 0.1]),
            ([0.9, math.nan], [0.1, 0.5]),
            ([math.inf, 0.9], [0.1, 0.5]),
            ([0.9, 0.5], [0.1, math.inf]),
            ([0.9, 0.5], [0.0, 0.5]),
            ([0.9, -0.5], [0.1, 0.5]),
        ],
    )
    def test_tables_that_make_no_schedule(self, alphas: list[Any], sigmas: list[Any]) -> None:
        with pytest.raises(ValueError, match=r"alphas|noise of"):
            Schedule("bad", torch.tensor(alphas), torch.tensor(sigmas))

    @pytest.mark.parametrize("beta", [0.0, 1.0, -0.1, math.nan])
    def test_betas_that_make_no_schedule(self, beta: float) -> None:
        with pytest.raises(ValueError, match="betas of 'bad' must lie strictly between 0 and 1"):
            Schedule.from_betas("bad", torch.tensor([0.1, beta]))

    def test_zero_terminal_snr_where_variance_explodes(self) -> None:
        with pytest.raises(ValueError, match="'karras' does not preserve variance"):
            make_schedule("karras").with_zero_terminal_snr()


def test_numbers_of_numpy_are_numbers() -> None:
    """What is whole is taken, whichever library counted it."""
    recipe = ReverseRecipe(seeds=tuple(np.arange(2)), steps=np.int32(5), T=np.int64(100))  # type: ignore[arg-type]
    assert recipe == ReverseRecipe(seeds=(0, 1), steps=5, T=100)
    assert sampling_times(SCHEDULE, np.int64(4)) == [99, 74, 49, 24, -1]  # type: ignore[arg-type]
