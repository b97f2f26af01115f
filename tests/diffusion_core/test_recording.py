"""What a run keeps, how exactly, and what it counts; seeds, and failures."""

from __future__ import annotations

import itertools
import json
import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.denoiser import Posterior
from diffusion_core.errors import LectureError
from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.ode_samplers import DPMSolverPP2M
from diffusion_core.recipe import SAMPLERS, SCHEDULES, SPACINGS, ReverseRecipe
from diffusion_core.recording import Policy, record
from diffusion_core.reverse import reverse_process, sample
from diffusion_core.runs import run
from diffusion_core.samplers import Evaluation, make_sampler
from diffusion_core.schedule import CLEAN, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.store import Store
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.fakes import FakeDenoiser, RandomFunction, normal, recorded, tiny_weights

quick = settings(deadline=None, max_examples=60)
SHAPE = (1, 4, 4)
TABLES = {name: make_schedule(name) for name in SCHEDULES}


class TestPolicy:
    @quick
    @given(
        st.sampled_from(SCHEDULES),
        st.integers(10, 500),
        st.sampled_from(["log_snr", "t"]),
        st.data(),
    )
    def test_the_ends_are_kept_and_as_many_as_asked_for(
        self, name: str, T: int, rule: str, data: st.DataObject
    ) -> None:
        steps = data.draw(st.integers(1, T))
        keep = data.draw(st.none() | st.integers(1, T + 5))
        times = sampling_times(make_schedule(name, T), steps, data.draw(st.sampled_from(SPACINGS)))
        kept = Policy(keep, rule).kept(times, make_schedule(name, T))
        assert kept == sorted(set(kept))
        assert {0, steps} <= set(kept) <= set(range(steps + 1))
        assert len(kept) == (steps if keep is None else min(keep, steps)) + 1

    @pytest.mark.parametrize("name", [*SCHEDULES, "cosine to no signal"])
    @pytest.mark.parametrize("keep", [5, 20, 100])
    def test_states_are_even_in_log_snr(self, name: str, keep: int) -> None:
        """No two kept states are further apart than even ones, but for the levels there are."""
        zero = name.endswith("to no signal")
        schedule = make_schedule(name.split()[0], zero_terminal_snr=zero)
        times = sampling_times(schedule, 1000)
        level = schedule.log_snr(torch.tensor(times))
        inner = level[torch.isfinite(level)]
        # The clean picture, at +∞, counts as one mean distance above the last level.
        margin = float(inner[-1] - inner[0]) / (len(inner) - 1)
        even = (float(inner[-1] - inner[0]) + (1 + zero) * margin) / keep
        widest = max(float(inner.diff().max()), margin)
        kept = level[Policy(keep).kept(times, schedule)]
        between = kept[torch.isfinite(kept)].diff()
        assert float(between.max()) <= even + widest
        # Where the levels lie densely the distances are those of even states.
        dense = between[(between > 0) & (kept[torch.isfinite(kept)][1:] < 4)][1:]
        if widest < even / 4:
            assert float((dense / even - 1).abs().max()) < 0.3

    def test_in_log_snr_the_clean_end_is_seen_as_often_as_the_noisy_one(self) -> None:
        """Evenly in t, only one state in thirty has an SNR above 10 under the linear schedule."""
        schedule = TABLES["linear"]
        times = sampling_times(schedule, 1000)
        above = {
            rule: sum(
                float(schedule.snr(times[i])) > 10 for i in Policy(30, rule).kept(times, schedule)
            )
            for rule in ("log_snr", "t")
        }
        assert above["log_snr"] >= 10 > 4 > above["t"]

    def test_even_in_t(self) -> None:
        times = sampling_times(TABLES["linear"], 1000)
        kept = Policy(30, "t").kept(times, TABLES["linear"])
        assert len(kept) == 31
        assert {b - a for a, b in itertools.pairwise(kept)} <= {33, 34}

    @pytest.mark.parametrize(
        ("keep", "says"),
        [
            (None, "all 41 states"),
            (40, "all 41 states"),
            (8, "9 of 41 states, evenly spaced in ln SNR, the first and the last included"),
        ],
    )
    def test_the_rule_is_in_the_recording(self, keep: int | None, says: str) -> None:
        run = recorded(TABLES["cosine"], 40, policy=Policy(keep))
        assert run.facts["kept"] == says
        assert len(run.states) == int(says.split()[1 if says.startswith("all") else 0])

    def test_a_thinned_run_is_the_whole_run_thinned(self) -> None:
        whole = recorded(TABLES["cosine"], 40, sampler="ddpm")
        thin = recorded(TABLES["cosine"], 40, sampler="ddpm", policy=Policy(7))
        kept = [whole.timesteps.tolist().index(t) for t in thin.timesteps]
        np.testing.assert_array_equal(thin.states, whole.states[kept])
        np.testing.assert_array_equal(thin.alpha_bar, whole.alpha_bar[kept])
        assert thin.x0_hat is not None
        assert whole.x0_hat is not None
        np.testing.assert_array_equal(thin.x0_hat, whole.x0_hat[kept[:-1]])
        assert thin.facts["nfe"] == whole.facts["nfe"] == 40
        assert whole.noise is not None
        assert thin.noise is None  # what lies between kept states is not one step's noise


class TestPrecision:
    def test_what_is_rounded_is_said(self) -> None:
        exact = recorded(TABLES["linear"], 12)
        half = recorded(TABLES["linear"], 12, policy=Policy(half=("states", "x0_hat")))
        assert set(exact.facts["stored"].values()) == {"float32"}
        assert half.facts["stored"] == {
            "states": "float16, rounded",
            "x0_hat": "float16, rounded",
            "eps_hat": "float32",
            "noise": "float32",
        }
        for name, array in half.arrays().items():
            whole = exact.arrays()[name]
            if name in ("states", "x0_hat"):
                assert array.dtype == np.float16
                np.testing.assert_allclose(array, whole, rtol=2**-11, atol=1e-7)
            else:
                np.testing.assert_array_equal(array, whole, strict=True)
        assert half.alpha_bar.dtype == np.float64

    def test_it_is_in_the_file_and_costs_half(self, tmp_path: Path) -> None:
        every = ("states", "x0_hat", "eps_hat", "noise")
        sizes = []
        for half in ((), every):
            path = tmp_path / f"{len(half)}.safetensors"
            recorded(TABLES["linear"], 200, policy=Policy(half=half)).save(path)
            assert Trajectory.load(path).facts["stored"].keys() == set(every)
            sizes.append(path.stat().st_size)
        assert sizes[1] < 0.6 * sizes[0]

    def test_threads_and_versions_are_in_it(self) -> None:
        facts = recorded(TABLES["linear"], 2, facts={"recipe": {"seeds": [3, 4]}}).facts
        assert facts["threads"] == torch.get_num_threads()
        assert facts["versions"]["torch"] == torch.__version__
        assert facts["versions"].keys() == {"python", "torch", "numpy"}
        assert (facts["schedule"], facts["recipe"]) == ("linear", {"seeds": [3, 4]})
        assert json.loads(json.dumps(facts)) == facts


class Watched:
    """A denoiser that knows how many of its inputs and judgements are still held."""

    evaluations = 1

    def __init__(self) -> None:
        self.seen: list[weakref.ref[Tensor]] = []

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        x0_hat, eps_hat = 0.9 * x_t, 0.5 * x_t
        self.seen += [weakref.ref(x_t), weakref.ref(x0_hat), weakref.ref(eps_hat)]
        return Posterior(x0_hat, eps_hat)

    def alive(self) -> int:
        return sum(reference() is not None for reference in self.seen)


class TestMemory:
    @staticmethod
    def most_held(steps: int, policy: Policy, sampler: str) -> int:
        """The most tensors that a run holds at any of its steps."""
        schedule = make_schedule("linear", 2000)
        denoiser, noise = Watched(), SampleNoise([0], (1, 2, 2))
        held = 0

        def look(done: int, total: int) -> None:
            nonlocal held
            if done % 50 == 0 or done == total:
                held = max(held, denoiser.alive())

        record(
            denoiser,
            make_sampler(sampler, schedule),
            noise.draw(),
            sampling_times(schedule, steps),
            schedule,
            noise=noise,
            policy=policy,
            report=look,
        )
        assert len(denoiser.seen) >= 3 * steps
        return held

    @pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpmpp"])
    def test_it_grows_with_the_kept_states_not_with_the_steps(self, sampler: str) -> None:
        """Three tensors a kept state, the state after it, and the last few of the loop."""
        few, many = (self.most_held(steps, Policy(10), sampler) for steps in (100, 2000))
        assert many <= 4 * 11 + 6
        assert many <= few + 6
        everything = self.most_held(300, Policy(), sampler)
        assert everything > 3 * 290  # or nothing was measured

    def test_what_is_read_is_a_read_only_map_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "it.safetensors"
        recorded(TABLES["linear"], 20, policy=Policy(half=("states",))).save(path)
        for name, array in Trajectory.load(path).arrays().items():
            bases = [array]
            while isinstance(bases[-1], np.ndarray) and bases[-1].base is not None:
                bases.append(bases[-1].base)
            assert any(isinstance(base, np.memmap) for base in bases), name
            assert not array.flags.writeable, name
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
            # Nobody can make it writeable either.
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.flags.writeable = True


class TestEvaluations:
    @pytest.mark.parametrize("steps", [1, 2, 13])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    @pytest.mark.parametrize("name", SCHEDULES)
    def test_what_is_counted_is_what_was_asked(self, name: str, sampler: str, steps: int) -> None:
        """Heun: 2N − 1; one less from beyond σ/α = 1000, where the cosine schedule begins."""
        schedule = TABLES[name]
        times = sampling_times(schedule, steps)
        denoiser, noise = FakeDenoiser(RandomFunction(), schedule), SampleNoise([0], SHAPE)
        rule = make_sampler(sampler, schedule)
        run = record(denoiser, rule, noise.draw(), times, schedule, noise=noise)
        assert run.facts["nfe"] == len(denoiser.asked)
        expected = steps
        if sampler == "heun":
            from_afar = name == "cosine" and steps > 1
            expected = 2 * steps - 1 - from_afar
        assert len(denoiser.asked) == expected

    def test_a_denoiser_that_asks_twice_counts_twice(self) -> None:
        schedule = TABLES["linear"]
        denoiser = FakeDenoiser(RandomFunction(), schedule, evaluations=2)
        times, rule = sampling_times(schedule, 5), make_sampler("heun", schedule)
        run = record(denoiser, rule, normal(0, (1, *SHAPE)), times, schedule)
        assert run.facts["nfe"] == 2 * (2 * 5 - 1)

    def test_a_multistep_rule_is_handed_the_evaluation_before(self) -> None:
        handed: list[tuple[int, Evaluation | None, Posterior]] = []

        class Spy(DPMSolverPP2M):
            def step(
                self, x_t: Tensor, t: int, s: int, posterior: Posterior, *a: Any, **k: Any
            ) -> Tensor:
                handed.append((t, k["previous"], posterior))
                return super().step(x_t, t, s, posterior, *a, **k)

        schedule = TABLES["linear"]
        times = sampling_times(schedule, 6)
        denoiser = FakeDenoiser(RandomFunction(), schedule)
        list(reverse_process(denoiser, Spy(schedule), normal(0), times))
        assert [t for t, _, _ in handed] == times[:-1]
        assert handed[0][1] is None
        for (t, _, posterior), (_, previous, _) in itertools.pairwise(handed):
            assert previous is not None
            assert previous.t == t
            assert previous.posterior is posterior

    def test_no_sampler_remembers_another_run(self) -> None:
        """The same object, used twice, gives the same: what it remembers is handed to it."""
        schedule = TABLES["linear"]
        for name in SAMPLERS:
            rule, times = make_sampler(name, schedule), sampling_times(schedule, 6)
            runs = [
                sample(FakeDenoiser(RandomFunction(), schedule), rule, times, [1, 2], SHAPE)
                for _ in range(2)
            ]
            assert torch.equal(*runs), name


class TestFailure:
    @pytest.mark.parametrize("value", [math.nan, math.inf])
    @pytest.mark.parametrize("clip", [False, True])
    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_a_value_that_is_not_finite_stops_the_run(
        self, sampler: str, clip: bool, value: float
    ) -> None:
        """At the step at which it appears, with its t and the share of values."""
        schedule = TABLES["linear"]
        times = sampling_times(schedule, 8)
        good = RandomFunction()

        def network(x: Tensor, t: float) -> Tensor:
            output = good(x, t)
            if t == times[3]:
                output[0, 0, :2, :2] = value
            return output

        denoiser, noise = FakeDenoiser(network, schedule, clip=clip), SampleNoise([1, 2], SHAPE)
        done: list[int] = []
        # Heun asks at times[3] within the step from times[2].
        step = 2 if sampler == "heun" else 3
        with pytest.raises(
            LectureError, match=rf"at t = {times[step]} is not finite \(12\.5% of its values\)"
        ):
            record(
                denoiser,
                make_sampler(sampler, schedule),
                noise.draw(),
                times,
                schedule,
                noise=noise,
                report=lambda n, total: done.append(n),
            )
        assert done == list(range(1, step + 1))

    def test_no_recording_is_left(self, tmp_path: Path) -> None:
        weights = tiny_weights(tmp_path / "broken.safetensors", broken=True)
        store = Store(tmp_path / "recordings")
        recipe = ReverseRecipe(model=str(weights), steps=4)
        with pytest.raises(LectureError, match="at t = 999 is not finite"):
            store.get(recipe)
        left = [path for path in store.folder.iterdir() if path.suffix != ".lock"]
        assert left == []
        tiny_weights(weights)
        assert store.get(recipe).fresh


@pytest.fixture(scope="module")
def shipped() -> TrainedModel:
    return load_model(DEFAULT_MODEL)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_seed_is_the_same_sample_in_any_company(shipped: TrainedModel, sampler: str) -> None:
    """To 1e-5 in another batch, bit for bit in one of the same size and as many threads."""
    schedule = TABLES["cosine"]
    times = sampling_times(schedule, 4)

    def states(*seeds: int) -> np.ndarray:
        noise = SampleNoise(seeds, shipped.shape)
        rule = make_sampler(sampler, schedule)
        denoiser = shipped.denoiser(schedule)
        return record(denoiser, rule, noise.draw(), times, schedule, noise=noise).states

    together, again, others = states(0, 7, 2**32 - 1), states(0, 7, 2**32 - 1), states(5, 7, 6)
    np.testing.assert_array_equal(together, again)
    np.testing.assert_array_equal(together[:, 1], others[:, 1])
    np.testing.assert_allclose(together[:, 1:2], states(7), rtol=0, atol=1e-5)
    assert np.abs(together[-1, 0] - together[-1, 1]).max() > 0.1


def test_every_combination_of_names_runs(tmp_path: Path) -> None:
    """Sampler × spacing × schedule: finite, and picture and noise make up every state."""
    weights = str(tiny_weights(tmp_path / "tiny.safetensors"))
    for sampler, spacing, schedule in itertools.product(SAMPLERS, SPACINGS, SCHEDULES):
        recipe = ReverseRecipe(
            model=weights,
            sampler=sampler,
            spacing=spacing,
            schedule=schedule,
            steps=3,
            seeds=(0, 1),
        )
        trajectory = run(recipe)
        table = make_schedule(schedule)
        assert trajectory.x0_hat is not None
        assert trajectory.eps_hat is not None
        for i, t in enumerate(trajectory.timesteps[:-1].tolist()):
            alpha, sigma = float(table.alpha(t)), float(table.sigma(t))
            parts = alpha * trajectory.x0_hat[i], sigma * trajectory.eps_hat[i]
            largest = max(float(table.norm(t)), *(float(np.abs(part).max()) for part in parts))
            together = parts[0] + parts[1]
            np.testing.assert_allclose(together, trajectory.states[i], rtol=0, atol=1e-6 * largest)
        np.testing.assert_allclose(trajectory.states[-1], trajectory.x0_hat[-1], atol=1e-5)


def test_times_are_recorded_as_they_were_walked() -> None:
    trajectory = recorded(TABLES["linear"], 10)
    assert trajectory.timesteps.dtype == np.int64
    assert trajectory.timesteps.tolist() == sampling_times(TABLES["linear"], 10)
    assert trajectory.timesteps[-1] == CLEAN
    assert trajectory.alpha_bar[-1] == 1
