"""Recordings hold what ran: every number can be had again from the formulas."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_core.files import read_digest
from diffusion_core.forward import forward_step
from diffusion_core.models import weights_path
from diffusion_core.pictures import load_picture, picture_digest
from diffusion_core.recipe import VP_SCHEDULES, ForwardRecipe, ReverseRecipe
from diffusion_core.runs import draw, kept_times, run
from diffusion_core.samplers import DDPM
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory


def columns(values: np.ndarray) -> np.ndarray:
    """(N,) as (N, 1, 1, 1, 1)."""
    return values[:, None, None, None, None]


class TestForward:
    @pytest.fixture(params=VP_SCHEDULES)
    def recipe(self, request: pytest.FixtureRequest) -> ForwardRecipe:
        return ForwardRecipe(schedule=request.param, T=100, keep=7, size=16, seed=5)

    @pytest.fixture
    def recording(self, recipe: ForwardRecipe) -> Trajectory:
        return run(recipe)

    def test_it_begins_with_the_picture(self, recording: Trajectory) -> None:
        np.testing.assert_array_equal(recording.states[0, 0], load_picture("flower", 16))
        assert recording.states.dtype == np.float32
        assert recording.timesteps[0] == -1
        assert recording.alpha_bar[0] == 1
        assert recording.eps is not None
        assert not recording.eps[0].any()

    def test_it_keeps_the_asked_states_and_the_one_of_equal_weights(
        self, recipe: ForwardRecipe, recording: Trajectory
    ) -> None:
        schedule = make_schedule(recipe.schedule, 100)
        times = recording.timesteps
        assert recording.states.shape == (len(times), 1, 3, 16, 16)
        assert times[-1] == 99
        assert (np.diff(times) > 0).all()
        np.testing.assert_array_equal(
            recording.alpha_bar, schedule.alpha_bar(torch.from_numpy(times))
        )
        noisier = recording.noise_weight >= recording.signal_weight
        equal = int(times[noisier.argmax()])
        assert schedule.sigma(equal - 1) < schedule.alpha(equal - 1)
        assert set(times.tolist()) == {-1, equal} | kept_times(100, 7)
        assert recording.facts["kept"].startswith("7 of 100 states")

    def test_every_state_is_the_picture_and_its_noise(self, recording: Trajectory) -> None:
        assert recording.eps is not None
        signal, noise = columns(recording.signal_weight), columns(recording.noise_weight)
        together = signal * recording.states[0] + noise * recording.eps
        np.testing.assert_allclose(together, recording.states, rtol=0, atol=1e-6)
        for eps in recording.eps[1:]:
            assert abs(eps.mean()) < 5 / eps.size**0.5
            assert abs(eps.var() - 1) < 5 * (2 / eps.size) ** 0.5

    def test_it_ran_every_step(self, recipe: ForwardRecipe, recording: Trajectory) -> None:
        schedule, noise = make_schedule(recipe.schedule, 100), SampleNoise([5], (3, 16, 16))
        x = torch.from_numpy(recording.states[0])
        kept = {
            int(t): state for t, state in zip(recording.timesteps, recording.states, strict=True)
        }
        for t in range(100):
            x = forward_step(x, t - 1, t, schedule, noise.draw())
            if t in kept:
                np.testing.assert_array_equal(x.numpy(), kept[t])

    @pytest.mark.parametrize("keep", [1, 99, 100])
    def test_any_number_of_states_can_be_kept(self, keep: int) -> None:
        recording = run(ForwardRecipe(schedule="linear", T=100, keep=keep, size=8))
        assert len(recording.states) - 1 in (keep, keep + 1)
        assert {-1, 26, 99} <= set(recording.timesteps.tolist())

    def test_kept_times_are_even(self) -> None:
        for T, keep in ((1000, 250), (1000, 300), (37, 36), (10, 1)):
            times = sorted(kept_times(T, keep))
            assert len(times) == keep
            assert times[-1] == T - 1
            assert set(np.diff([-1, *times])) <= {T // keep, -(-T // keep)}

    def test_seeds_and_pictures_make_a_difference(self, tmp_path: Path) -> None:
        usual = {"T": 10, "keep": 2, "size": 8}
        Image.new("RGB", (8, 8), "navy").save(tmp_path / "blue.png")
        last = [
            run(ForwardRecipe(**usual, **other)).states[-1]
            for other in ({}, {"seed": 1}, {"image": str(tmp_path / "blue.png")}, {})
        ]
        np.testing.assert_array_equal(last[0], last[3])
        assert abs(last[0] - last[1]).max() > 1
        assert abs(last[0] - last[2]).max() > 0

    def test_progress_is_told_step_by_step(self) -> None:
        told: list[tuple[int, int]] = []
        run(ForwardRecipe(T=10, keep=2, size=8), lambda done, total: told.append((done, total)))
        assert told == [(i, 10) for i in range(1, 11)]

    def test_facts(self, recipe: ForwardRecipe, recording: Trajectory) -> None:
        facts = recording.facts
        assert facts["nfe"] == 0
        assert facts["recipe"]["inputs"] == {"picture": picture_digest("flower", 16)}
        assert facts["recipe"]["schedule"] == recipe.schedule


class TestReverse:
    @pytest.fixture(params=["ddim", "ddpm"])
    def recipe(self, request: pytest.FixtureRequest, tiny_weights: Path) -> ReverseRecipe:
        return ReverseRecipe(
            model=str(tiny_weights), seeds=(2**32 - 1, 0, 7), sampler=request.param, steps=12
        )

    @pytest.fixture
    def recording(self, recipe: ReverseRecipe) -> Trajectory:
        return run(recipe)

    def test_n_steps_give_n_and_one_states(
        self, recipe: ReverseRecipe, recording: Trajectory
    ) -> None:
        assert recording.steps == 12
        assert recording.states.shape == (13, 3, 1, 8, 8)
        for array in (recording.x0_hat, recording.eps_hat, recording.noise):
            assert array is not None
            assert array.shape == (12, 3, 1, 8, 8)
        assert recording.timesteps.tolist() == sampling_times(make_schedule("linear", 1000), 12)
        assert recording.alpha_bar[-1] == 1

    def test_it_begins_with_the_noise_of_the_seeds(
        self, recipe: ReverseRecipe, recording: Trajectory
    ) -> None:
        first = SampleNoise(recipe.seeds, (1, 8, 8)).draw().numpy()
        np.testing.assert_array_equal(recording.states[0], first)

    def test_guess_and_noise_make_up_every_state(self, recording: Trajectory) -> None:
        assert recording.x0_hat is not None
        assert recording.eps_hat is not None
        signal = columns(recording.signal_weight[:-1])
        noise = columns(recording.noise_weight[:-1])
        together = signal * recording.x0_hat + noise * recording.eps_hat
        np.testing.assert_allclose(together, recording.states[:-1], rtol=0, atol=1e-5)
        assert abs(recording.x0_hat).max() <= 1

    def test_each_state_follows_from_the_one_before(
        self, recipe: ReverseRecipe, recording: Trajectory
    ) -> None:
        """Song et al. 2021, eq. 12, in numpy."""
        assert recording.x0_hat is not None
        assert recording.eps_hat is not None
        assert recording.noise is not None
        a = columns(recording.alpha_bar)
        a_t, a_s = a[:-1], a[1:]
        eta = {"ddim": 0, "ddpm": 1}[recipe.sampler]
        std = eta * np.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))
        expected = np.sqrt(a_s) * recording.x0_hat + std * recording.noise
        expected += np.sqrt(1 - a_s - std**2) * recording.eps_hat
        np.testing.assert_allclose(recording.states[1:], expected, rtol=0, atol=1e-5)
        np.testing.assert_array_equal(recording.states[-1], recording.x0_hat[-1])

    def test_the_noise_is_recorded(self, recipe: ReverseRecipe, recording: Trajectory) -> None:
        assert recording.noise is not None
        assert not recording.noise[-1].any()
        source = SampleNoise(recipe.seeds, (1, 8, 8))
        source.draw()  # x_T
        for noise in recording.noise[:-1]:
            if recipe.sampler == "ddim":
                assert not noise.any()
            else:
                np.testing.assert_array_equal(noise, source.draw().numpy())

    def test_a_noisy_run_can_be_replayed_from_its_noise(self, tiny_weights: Path) -> None:
        from diffusion_core.checkpoints import load_model

        recipe = ReverseRecipe(model=str(tiny_weights), sampler="ddpm", steps=12)
        recording = run(recipe)
        assert recording.noise is not None
        schedule = make_schedule("cosine")
        denoise, sampler = load_model(str(tiny_weights)).denoiser(schedule), DDPM(schedule)
        x = torch.from_numpy(recording.states[0])
        times = recording.timesteps.tolist()
        for i, noise in enumerate(recording.noise):
            posterior = denoise(x, times[i])
            x = sampler.step(x, times[i], times[i + 1], posterior, torch.from_numpy(noise))
        np.testing.assert_array_equal(x.numpy(), recording.states[-1])

    def test_the_same_recipe_gives_the_same_recording(
        self, recipe: ReverseRecipe, recording: Trajectory
    ) -> None:
        for name, array in run(recipe).arrays().items():
            np.testing.assert_array_equal(array, getattr(recording, name))

    def test_drawing_gives_the_last_states(
        self, recipe: ReverseRecipe, recording: Trajectory
    ) -> None:
        np.testing.assert_array_equal(draw(recipe), recording.states[-1])

    def test_facts(self, recipe: ReverseRecipe, recording: Trajectory, tmp_path: Path) -> None:
        facts = recording.facts
        assert facts["nfe"] == 12
        assert facts["model"] == read_digest(Path(recipe.model))
        assert facts["recipe"]["inputs"] == {"weights": facts["model"]}
        assert facts["pictures"] == 3
        assert facts["threads"] == torch.get_num_threads()
        assert facts["versions"] == {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        }
        path = tmp_path / "recording.safetensors"
        recording.save(path)
        assert Trajectory.load(path).facts == json.loads(json.dumps(facts))

    def test_progress_is_told_step_by_step(self, tiny_weights: Path) -> None:
        told: list[tuple[int, int]] = []
        recipe = ReverseRecipe(model=str(tiny_weights), steps=3)
        run(recipe, lambda done, total: told.append((done, total)))
        assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_default_model_is_the_one_that_ships() -> None:
    assert weights_path(ReverseRecipe().model).parent.name == "weights"


def test_what_is_no_recipe_is_refused() -> None:
    with pytest.raises(TypeError, match="str is no recipe"):
        run("forward")  # type: ignore[arg-type]
