"""Which levels a run visits: the formulas, and diffusers beside them."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion_core.errors import UsageError
from diffusion_core.recipe import SCHEDULES, SPACINGS
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.vision import import_torchvision

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

quick = settings(deadline=None, max_examples=60)
STEPS = (*range(1, 64), 96, 103, 121, 250, 333, 500, 999, 1000)
LINEAR = make_schedule("linear")


def oracle(kind: str, spacing: str, **options: Any) -> Any:
    import_torchvision()
    import diffusers

    return getattr(diffusers, kind)(timestep_spacing=spacing, **options)


def times_of(theirs: Any, steps: int) -> list[float]:
    theirs.set_timesteps(steps)
    return theirs.timesteps.tolist()


def formula(spacing: str, T: int, steps: int) -> tuple[list[int], set[int]]:
    """Lin et al. 2024, table 2, in whole numbers; and the positions at which a half is rounded."""
    if spacing == "leading":
        exact = [Fraction(i * (T // steps)) for i in range(steps)][::-1]
    elif spacing == "linspace":
        exact = [Fraction(i * (T - 1), max(1, steps - 1)) for i in range(steps)][::-1]
    else:
        exact = [Fraction(T * (steps - i), steps) for i in range(steps)]
    shift = 1 if spacing == "trailing" else 0
    halves = {i for i, value in enumerate(exact) if value.denominator == 2}
    return [round(value) - shift for value in exact], halves


@st.composite
def runs(draw: st.DrawFn) -> tuple[str, Schedule, int]:
    name, T = draw(st.sampled_from(SCHEDULES)), draw(st.integers(10, 1500))
    spacing = draw(st.sampled_from(SPACINGS))
    return spacing, make_schedule(name, T), draw(st.integers(1, T))


@quick
@given(runs())
def test_any_run_falls_through_as_many_levels_as_it_has_steps(
    run: tuple[str, Schedule, int],
) -> None:
    spacing, schedule, steps = run
    times = sampling_times(schedule, steps, spacing)
    assert len(times) == steps + 1
    assert times[-1] == CLEAN
    assert all(t > s for t, s in itertools.pairwise(times))
    assert all(type(t) is int for t in times)
    assert 0 <= times[0] < schedule.T


@quick
@given(st.integers(10, 3000), st.data())
def test_the_even_spacings_are_their_formulas(T: int, data: st.DataObject) -> None:
    steps, schedule = data.draw(st.integers(1, T)), make_schedule("linear", T)
    for spacing in ("leading", "trailing", "linspace"):
        if (spacing, steps) != ("linspace", 1):
            expected, _ = formula(spacing, T, steps)
            assert sampling_times(schedule, steps, spacing)[:-1] == expected, spacing


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_halves_go_to_the_even_level_whatever_the_length(spacing: str) -> None:
    """In floating point some would not: 49 for 50 in 75 linspaced steps through 100 levels."""
    for T, lengths in ((100, range(2, 101)), (1000, (59, 96, 103, 112, 117, 176, 625))):
        schedule = make_schedule("linear", T)
        for steps in lengths:
            expected, _ = formula(spacing, T, steps)
            assert sampling_times(schedule, steps, spacing)[:-1] == expected, (T, steps)


def test_which_ends_each_spacing_visits() -> None:
    """Of those of diffusers only trailing and linspace begin at pure noise."""
    ends = {
        spacing: (times[0], times[-2])
        for spacing in SPACINGS
        for times in [sampling_times(LINEAR, 30, spacing)]
    }
    assert ends == {
        "trailing": (999, 32),
        "leading": (957, 0),
        "linspace": (999, 0),
        "karras": (999, 0),
    }


@pytest.mark.parametrize("spacing", SPACINGS)
def test_one_step_and_all_steps(spacing: str) -> None:
    """One step begins at pure noise, but for leading, which has only t = 0 to begin at."""
    assert sampling_times(LINEAR, 1, spacing) == [0 if spacing == "leading" else 999, CLEAN]
    assert sampling_times(LINEAR, 1000, spacing) == list(range(999, -2, -1))


class TestAgainstDiffusers:
    @pytest.mark.parametrize("kind", ["DDIMScheduler", "DDPMScheduler"])
    @pytest.mark.parametrize("offset", [0, 1])
    def test_leading(self, kind: str, offset: int) -> None:
        """steps_offset moves every time up; ours has none, and is theirs less the offset."""
        theirs = oracle(kind, "leading", steps_offset=offset)
        for steps in STEPS:
            ours = sampling_times(LINEAR, steps, "leading")[:-1]
            assert times_of(theirs, steps) == [t + offset for t in ours]

    @pytest.mark.parametrize("kind", ["DDIMScheduler", "DDPMScheduler"])
    def test_linspace(self, kind: str) -> None:
        """Difference: a half goes to the even level exactly; theirs, in float64, to either.

        One step begins at T − 1 in ours, at 0 in theirs.
        """
        theirs = oracle(kind, "linspace")
        differ = 0
        for steps in STEPS[1:]:
            ours, found = sampling_times(LINEAR, steps, "linspace")[:-1], times_of(theirs, steps)
            _, halves = formula("linspace", 1000, steps)
            apart = {
                i: abs(a - b) for i, (a, b) in enumerate(zip(ours, found, strict=True)) if a != b
            }
            assert apart.keys() <= halves, steps
            assert set(apart.values()) <= {1}
            differ += bool(apart)
        assert differ > 0
        assert times_of(theirs, 1) == [0]

    @pytest.mark.parametrize("kind", ["DDIMScheduler", "DDPMScheduler"])
    def test_trailing(self, kind: str) -> None:
        """Difference: theirs adds up T/N in float64, and halves fall on either side."""
        theirs = oracle(kind, "trailing")
        differ = 0
        for steps in STEPS:
            ours, found = sampling_times(LINEAR, steps, "trailing")[:-1], times_of(theirs, steps)
            _, halves = formula("trailing", 1000, steps)
            assert found[steps:] in ([], [-1])
            apart = {
                i: abs(a - b) for i, (a, b) in enumerate(zip(ours, found, strict=False)) if a != b
            }
            assert apart.keys() <= halves, steps
            assert set(apart.values()) <= {1}
            differ += bool(apart)
            if 1000 % steps == 0:
                assert found == ours
        assert differ > 0

    @pytest.mark.parametrize("steps", [61, 103, 121])
    def test_trailing_with_a_step_too_many(self, steps: int) -> None:
        """Difference: their sum misses 0 by a rounding error, and the run has a step from t = −1.

        There Python's index gives them ᾱ_{T−1}, the noisiest level, for the cleanest.
        """
        found = times_of(oracle("DDIMScheduler", "trailing"), steps)
        assert len(found) == steps + 1
        assert found[-1] == -1
        ours = sampling_times(LINEAR, steps, "trailing")
        assert len(ours) == steps + 1
        assert found == ours  # but our −1 is where a run ends, not a level to ask the network at

    @pytest.mark.parametrize(("steps", "first"), [(7, 142), (30, 33), (300, 3)])
    def test_trailing_where_n_does_not_divide_t(self, steps: int, first: int) -> None:
        """Steps are T/N apart to one level, from T − 1 to the clean picture."""
        times = sampling_times(LINEAR, steps, "trailing")
        assert times[0] == 999
        apart = {t - s for t, s in itertools.pairwise(times)}
        assert apart == {first, first + 1}

    @pytest.mark.parametrize("kind", ["EulerDiscreteScheduler", "HeunDiscreteScheduler"])
    def test_theirs_may_lie_between_levels(self, kind: str) -> None:
        """Difference: their linspace of Euler and Heun is not rounded; ours asks at levels."""
        theirs = oracle(kind, "linspace")
        for steps in (2, 10, 50):
            found = list(dict.fromkeys(times_of(theirs, steps)))
            ours = sampling_times(LINEAR, steps, "linspace")[:-1]
            assert len(found) == len(ours)
            assert max(abs(a - b) for a, b in zip(ours, found, strict=True)) <= 0.5
        assert any(t != round(t) for t in found)

    @pytest.mark.parametrize("spacing", ["leading", "linspace"])
    @pytest.mark.parametrize("steps", [10, 20, 50])
    def test_their_dpm_solver_leaves_the_last_level_out(self, spacing: str, steps: int) -> None:
        """Difference: its leading and linspace are N + 1 times less the last, which is 0."""
        found = times_of(oracle("DPMSolverMultistepScheduler", spacing), steps)
        ours = sampling_times(LINEAR, steps + 1, spacing)
        assert ours[-2] == 0
        _, halves = formula(spacing, 1000, steps + 1)
        for i, (a, b) in enumerate(zip(ours[:-2], found, strict=True)):
            assert abs(a - b) <= (i in halves)

    @pytest.mark.parametrize("steps", [2, 5, 10, 15])
    @pytest.mark.parametrize("table", ["linear", "scaled_linear"])
    def test_karras(self, table: str, steps: int) -> None:
        """Theirs lies between levels; ours is the nearest level."""
        betas = {"beta_start": 0.00085, "beta_end": 0.012} if table == "scaled_linear" else {
            "beta_start": 1e-4, "beta_end": 0.02
        }  # fmt: skip
        theirs = oracle(
            "EulerDiscreteScheduler",
            "linspace",
            beta_schedule=table,
            use_karras_sigmas=True,
            **betas,
        )
        found = times_of(theirs, steps)
        schedule = make_schedule(table)
        ours = sampling_times(schedule, steps, "karras")[:-1]
        assert max(abs(a - b) for a, b in zip(ours, found, strict=True)) < 0.51
        # And the levels that they wanted are those of Karras et al. 2022, eq. 5.
        low, high = (float(schedule.sigma(t) / schedule.alpha(t)) for t in (0, 999))
        for i, sigma in enumerate(theirs.sigmas[:-1].tolist()):
            u = i / (steps - 1)
            wanted = (high ** (1 / 7) + u * (low ** (1 / 7) - high ** (1 / 7))) ** 7
            assert sigma == pytest.approx(wanted, rel=1e-3)  # their 1 − ᾱ is float32


class TestKarras:
    @quick
    @given(st.sampled_from(SCHEDULES), st.integers(10, 1200), st.floats(1, 20), st.data())
    def test_it_falls_from_noise_to_the_least_noise(
        self, name: str, T: int, rho: float, data: st.DataObject
    ) -> None:
        steps = data.draw(st.integers(2, T))
        times = sampling_times(make_schedule(name, T), steps, "karras", rho=rho)
        assert (times[0], times[-2], times[-1]) == (T - 1, 0, CLEAN)
        assert len(set(times)) == steps + 1
        assert times == sorted(times, reverse=True)

    @quick
    @given(st.sampled_from([name for name in SCHEDULES if name != "cosine"]), st.integers(2, 8))
    def test_each_is_the_nearest_level_where_there_is_room(self, name: str, steps: int) -> None:
        """Not so under the cosine schedule, whose last levels lie far apart."""
        schedule = make_schedule(name, 1500)
        t = torch.arange(1500)
        levels = (schedule.sigma(t) / schedule.alpha(t)).log()
        low, high = float(levels[0].exp()) ** (1 / 7), float(levels[-1].exp()) ** (1 / 7)
        for i, time in enumerate(sampling_times(schedule, steps, "karras")[:-1]):
            wanted = 7 * math.log(high + i / (steps - 1) * (low - high))
            assert float((levels - wanted).abs().min()) == pytest.approx(
                abs(float(levels[time]) - wanted), abs=1e-9
            )

    def test_a_larger_rho_is_nearer_to_the_picture(self) -> None:
        middle = [sampling_times(LINEAR, 11, "karras", rho=rho)[5] for rho in (1, 3, 7, 20)]
        assert middle == sorted(middle, reverse=True)
        assert len(set(middle)) == 4

    def test_it_needs_some_signal(self) -> None:
        schedule = make_schedule("linear", zero_terminal_snr=True)
        with pytest.raises(UsageError, match="karras spacing needs some signal at T − 1"):
            sampling_times(schedule, 10, "karras")
