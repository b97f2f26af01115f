"""A run: it learns, it keeps to its minutes, and it stops before it spoils its weights."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from diffusion_core.checkpoints import load_weights
from diffusion_core.errors import LectureError
from diffusion_core.files import read_arrays
from diffusion_core.training import TrainingRun, learning_rate_at, loss_of
from diffusion_core.training import run as run_module
from diffusion_core.training.run import TIMED, UNPLANNED
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.training.small_runs import (
    SETTINGS,
    Clock,
    checkpoint,
    checkpoints,
    go_on,
    start,
    start_reading,
    train,
    weights_digest,
)


class TestLearning:
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_the_loss_falls(self, tmp_path: Path, no_pictures: None, precision: str) -> None:
        settings = replace(SETTINGS, epochs=20, checkpoint_every=100, precision=precision)
        run = go_on(start(tmp_path, settings))
        assert len(run.losses) == 100
        assert np.mean(run.losses[-20:]) < 0.75 * np.mean(run.losses[:5])

    @pytest.mark.parametrize("prediction", ["epsilon", "x0"])
    def test_it_learns_what_it_is_told_to_predict(
        self, tmp_path: Path, no_pictures: None, prediction: str
    ) -> None:
        settings = replace(SETTINGS, prediction=prediction)  # type: ignore[arg-type]
        run = go_on(start(tmp_path, settings))
        mean_square = {"epsilon": 1.0, "x0": float(run.batches[0].x_0.square().mean())}
        # An untrained network says nothing, and errs by the mean square of what is asked.
        assert run.losses[0] == pytest.approx(mean_square[prediction], rel=0.1)
        assert load_weights(run.weights).prediction == prediction

    def test_precision_is_what_is_multiplied_in_and_not_what_is_kept(
        self, tmp_path: Path, no_pictures: None
    ) -> None:
        seen: dict[str, set[torch.dtype]] = {}
        for precision in ("float32", "bfloat16"):
            run = start(tmp_path / precision, replace(SETTINGS, precision=precision))
            types = seen.setdefault(precision, set())
            run.network.enter.register_forward_hook(
                lambda module, inputs, output, types=types: types.add(output.dtype)
            )
            run._train_step()
            assert {p.dtype for p in run.network.parameters()} == {torch.float32}
        assert seen == {"float32": {torch.float32}, "bfloat16": {torch.bfloat16}}

    def test_the_average_forgets_the_start_and_then_lags(
        self, tmp_path: Path, no_pictures: None
    ) -> None:
        """After step n it is the average before, moved by 1 − min(ema, (1 + n)/(10 + n))."""
        run = start(tmp_path, replace(SETTINGS, ema=0.3))
        expected: dict[str, Tensor] = {}
        decays = []
        for i, _ in enumerate(run.run()):
            decay = min(0.3, (1 + i) / (10 + i)) if i else 0
            decays.append(decay)
            for name, value in run.network.named_parameters():
                value = value.detach()
                before = expected.get(name, torch.zeros_like(value))
                expected[name] = before * decay + value * (1 - decay)
            averaged = dict(run.average.module.named_parameters())
            for name, value in expected.items():
                assert torch.allclose(averaged[name], value, rtol=1e-4, atol=1e-6), (i, name)
        assert decays[:3] == [0, 2 / 11, 3 / 12]
        assert decays[-1] == 0.3
        final = load_weights(run.weights).network.state_dict()
        for name, value in expected.items():
            assert torch.allclose(final[name], value, rtol=2**-9, atol=1e-6)

    def test_two_runs_with_one_seed_agree_and_with_two_do_not(
        self, tmp_path: Path, whole: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        torch.manual_seed(123)  # nothing hangs on the generator that all share
        assert train(tmp_path / "same").losses == whole[1].losses
        assert weights_digest(tmp_path / "same") == weights_digest(whole[0])
        other = go_on(start(tmp_path / "other", replace(SETTINGS, seed=1)))
        assert other.losses[0] != whole[1].losses[0]

    def test_what_was_taught_is_told_apart(self, tmp_path: Path, no_pictures: None) -> None:
        """Asked for dark and for bright blobs, the network sees them in pure noise."""
        settings = replace(
            SETTINGS, epochs=30, drop_captions=0.1, checkpoint_every=150, learning_rate=1e-2
        )
        # So few steps, of so small a network, are too few for Muon.
        settings = replace(settings, optimizer="adamw")
        run = go_on(start_reading(tmp_path, settings))
        model = load_weights(run.weights)
        denoiser = {text: model.denoiser(run.schedule, text) for text in ("dark", "bright")}
        x_T = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        seen = {text: float(one(x_T, 19).x0_hat.mean()) for text, one in denoiser.items()}
        assert seen["dark"] < -0.2
        assert seen["bright"] > 0.0
        assert seen["bright"] - seen["dark"] > 0.4

    def test_the_spread_of_the_words_is_that_of_the_vocabulary(
        self, whole_reading: tuple[Path, TrainingRun]
    ) -> None:
        output, run = whole_reading
        assert run.vocabulary is not None
        taught = torch.from_numpy(run.vocabulary.embeddings).float()
        words = load_weights(output / "weights.safetensors").network.words
        assert words is not None
        assert torch.allclose(words.mean, taught.mean(0), rtol=1e-3, atol=1e-5)
        assert torch.allclose(words.scale, taught.std(0), rtol=1e-3, atol=1e-5)


SECONDS = 13.0
PLANNED = 60


def minutes_run(
    output: Path, patch: pytest.MonkeyPatch, duration: Callable[[int], float]
) -> TrainingRun:
    """A run of 13 seconds whose steps last as long as they are told to."""
    settings = replace(SETTINGS, minutes=SECONDS / 60, warmup=50, checkpoint_every=50)
    clock = Clock()
    step = TrainingRun._train_step

    def lasting(run: TrainingRun) -> float:
        clock.now += duration(run.step)
        return step(run)

    patch.setattr(TrainingRun, "_train_step", lasting)
    return start(output, settings, clock=clock)


def a_slow_start(step: int) -> float:
    """Ten slow steps, then quick ones, and something that once holds the machine up.

    After 40 steps 10 + 29 · 0.05 + 0.55 = 12 seconds are gone; the one that is
    left is 20 steps more.
    """
    return 1.0 if step < 10 else 0.55 if step == 20 else 0.05


class TestMinutes:
    def test_the_speed_of_the_first_steps_says_how_many(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
    ) -> None:
        run = minutes_run(tmp_path, monkeypatch, a_slow_start)
        assert run.steps == UNPLANNED
        told = list(run.run())
        assert [progress.step for progress in told] == list(range(1, PLANNED + 1))
        assert {progress.steps for progress in told[TIMED.stop - 1 :]} == {PLANNED}
        assert {progress.steps for progress in told[: TIMED.stop - 1]} == {UNPLANNED}
        assert run.seconds == pytest.approx(SECONDS)
        assert told[9].seconds_left == pytest.approx(3)
        assert told[-1].seconds_left == 0
        facts = load_weights(run.weights).facts["training"]
        assert (facts["minutes"], facts["steps"]) == (SECONDS / 60, PLANNED)
        assert facts["trained_minutes"] == 0.2  # as rounded for the card

    def test_the_learning_rate_ends_with_the_plan_and_is_told_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
    ) -> None:
        run = minutes_run(tmp_path, monkeypatch, a_slow_start)
        used = [progress.learning_rate for progress in run.run()]
        planned = [learning_rate_at(i, PLANNED, run.settings) for i in range(PLANNED)]
        assert used[TIMED.stop :] == planned[TIMED.stop :]
        assert used[: TIMED.stop] == [run.settings.learning_rate * (i + 1) / 50 for i in range(40)]
        with (tmp_path / "loss.csv").open() as file:
            written = [float(row["learning_rate"]) for row in csv.DictReader(file)]
        assert written == pytest.approx(used, rel=1e-5)

    def test_the_plan_stands_over_a_resume(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
    ) -> None:
        with monkeypatch.context() as patch:
            undisturbed = go_on(minutes_run(tmp_path / "whole", patch, a_slow_start))
        with monkeypatch.context() as patch:
            go_on(minutes_run(tmp_path / "run", patch, a_slow_start), stop_after=55)
        resumed = minutes_run(tmp_path / "run", monkeypatch, lambda step: 7.0)
        assert (resumed.step, resumed.steps) == (50, PLANNED)
        assert resumed.seconds == pytest.approx(12.5)
        assert {progress.steps for progress in resumed.run()} == {PLANNED}
        assert resumed.losses == undisturbed.losses
        assert weights_digest(tmp_path / "run") == weights_digest(tmp_path / "whole")

    def test_steps_so_slow_that_the_time_is_over_end_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
    ) -> None:
        run = go_on(minutes_run(tmp_path, monkeypatch, lambda step: 1.0))
        assert run.step == run.steps == TIMED.stop
        assert run.weights.exists()


class TestWhatGoesWrong:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """What the loss is multiplied by, from the eighth step on."""
        values = [math.nan]
        calls = 0

        def loss(network: nn.Module, *rest: object) -> Tensor:
            nonlocal calls
            calls += 1
            value = loss_of(network, *rest)  # type: ignore[arg-type]
            return value * values[0] if calls >= 8 else value

        monkeypatch.setattr(run_module, "loss_of", loss)
        return values

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoints(
        self, tmp_path: Path, no_pictures: None, broken: list[float], value: float
    ) -> None:
        broken[0] = value
        with pytest.raises(LectureError, match=rf"the loss is {value} and .* at step 7; ") as error:
            train(tmp_path)
        assert "lower --learning-rate" in one_line(error)
        assert str(tmp_path / "checkpoints") in one_line(error)
        assert checkpoints(tmp_path) == ["step-000005.safetensors"]
        assert not (tmp_path / "weights.safetensors").exists()

    def test_after_it_the_run_can_go_on(
        self,
        tmp_path: Path,
        whole: tuple[Path, TrainingRun],
        no_pictures: None,
        broken: list[float],
    ) -> None:
        with pytest.raises(LectureError):
            train(tmp_path)
        broken[0] = 1
        assert train(tmp_path).losses == whole[1].losses
        assert weights_digest(tmp_path) == weights_digest(whole[0])

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_slope_that_is_not_finite_stops_before_the_weights_are_spoilt(
        self, tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch, value: float
    ) -> None:
        """√x has none at 0, however finite it is there itself."""

        def loss(network: nn.Module, *rest: object) -> Tensor:
            weight = network.enter.weight.flatten()[0]  # type: ignore[union-attr, operator]
            zero = weight - weight.detach() if math.isinf(value) else weight * 0
            finite = loss_of(network, *rest)  # type: ignore[arg-type]
            return finite + zero.sqrt() if run.step == 7 else finite

        monkeypatch.setattr(run_module, "loss_of", loss)
        run = start(tmp_path)

        def state() -> dict[str, Tensor]:
            states = {"network": run.network, "average": run.average}
            return {
                f"{key}.{name}": tensor.clone()
                for key, module in states.items()
                for name, tensor in module.state_dict().items()
            }

        steps = run.run()
        for _ in range(7):
            next(steps)
        kept = state()
        with pytest.raises(LectureError, match=r"loss is 0\.\d+ and its slope \w+ at step 7"):
            next(steps)
        assert run.step == len(run.losses) == 7
        now = state()
        assert now.keys() == kept.keys()
        for name, tensor in now.items():
            assert torch.isfinite(tensor).all(), name
            assert torch.equal(tensor, kept[name]), name
        assert checkpoints(tmp_path) == ["step-000005.safetensors"]
        for name, array in checkpoint(tmp_path, 5).items():
            assert np.isfinite(array).all(), name
        assert not (tmp_path / "weights.safetensors").exists()

    def test_an_output_that_cannot_be_written_is_told(
        self, below_a_file: Path, no_pictures: None
    ) -> None:
        with pytest.raises(LectureError, match="cannot be written") as error:
            train(below_a_file)
        one_line(error)


def test_the_weights_have_the_words_with_them(whole_reading: tuple[Path, TrainingRun]) -> None:
    output, run = whole_reading
    model = load_weights(output / "weights.safetensors")
    assert model.vocabulary is not None
    assert run.vocabulary is not None
    assert model.vocabulary.texts == run.vocabulary.texts
    assert np.array_equal(model.vocabulary.embeddings, run.vocabulary.embeddings)
    arrays, facts, _ = read_arrays(
        output / "weights.safetensors", kind="diffusion-lectures weights 2"
    )
    assert facts["captions"] == list(run.vocabulary.texts)
    assert arrays["captions.embeddings"].dtype == np.float16
