"""What was learnt at each stage: the same noise and the same words each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from diffusion_core.checkpoints import load_weights
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import read_arrays, write_arrays
from diffusion_core.grids import to_pixels
from diffusion_core.history import HISTORY_KIND, History
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.training import TrainingRun, load_history
from diffusion_core.training.history import is_stage
from tests.diffusion_core.fakes import TEXTS, small_history
from tests.diffusion_core.training.small_runs import (
    SETTINGS,
    STEPS,
    damage,
    go_on,
    start,
    start_reading,
    train,
)

STAGES = [0, 1, 2, 5, 10, 20]


def test_stages_are_twice_or_two_and_a_half_times_apart() -> None:
    stages = [step for step in range(100_001) if is_stage(step)]
    assert stages[:8] == [0, 1, 2, 5, 10, 20, 50, 100]
    assert stages[-3:] == [20_000, 50_000, 100_000]
    assert len(stages) == 1 + 3 * 5 + 1
    assert not is_stage(-1)


class TestOfARun:
    def test_it_holds_the_stages_and_the_losses(
        self, whole_reading: tuple[Path, TrainingRun]
    ) -> None:
        output, run = whole_reading
        history = load_history(output / "history.safetensors")
        assert history.steps.tolist() == STAGES
        assert history.seen.tolist() == [8 * step for step in STAGES]
        assert (np.diff(history.seconds) > 0).all()
        assert history.samples.shape == (len(STAGES), 16, 1, 8, 8)
        assert history.samples.dtype == np.uint8
        np.testing.assert_allclose(history.losses, run.losses, rtol=1e-6)
        asked = history.facts["samples"]
        assert asked["seeds"] == list(range(16))
        assert asked["prompts"] == [""] * 8 + [TEXTS[0]] * 4 + [TEXTS[2]] * 4
        assert history.facts["training"]["steps"] == STEPS
        assert history.facts["data"]["name"] == "blobs/train"

    def test_before_the_first_step_each_seed_is_its_noise(
        self, whole: tuple[Path, TrainingRun]
    ) -> None:
        """An untrained network says v = 0: one step leads from x to x̂_0 = α x."""
        output, run = whole
        history = load_history(output / "history.safetensors")
        noise = SampleNoise(history.facts["samples"]["seeds"], (1, 8, 8)).draw()
        time = sampling_times(run.schedule, 1)[0]
        expected = to_pixels((float(run.schedule.alpha(time)) * noise).clamp(-1, 1).numpy())
        assert abs(history.samples[0].astype(int) - expected.astype(int)).max() <= 1

    def test_each_stage_is_drawn_from_the_average_of_then(
        self, whole_reading: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        output, run = whole_reading
        history = load_history(output / "history.safetensors")
        for earlier, later in zip(history.samples[1:], history.samples[2:], strict=False):
            assert (earlier != later).any()
        checkpoint = output / "checkpoints" / f"step-{STEPS:06d}.safetensors"
        model = load_weights(checkpoint)
        drawn = to_pixels(run.sheet.stage(model.network, model.prediction))
        np.testing.assert_array_equal(history.samples[-1], drawn)

    @pytest.mark.parametrize("stop", [3, 12, 17])
    def test_it_survives_a_resume(
        self, tmp_path: Path, whole_reading: tuple[Path, TrainingRun], no_pictures: None, stop: int
    ) -> None:
        go_on(start_reading(tmp_path), stop_after=stop)
        go_on(start_reading(tmp_path))
        mine, theirs = (
            load_history(folder / "history.safetensors") for folder in (tmp_path, whole_reading[0])
        )
        assert mine.facts["samples"] == theirs.facts["samples"]
        for name in ("steps", "seen", "samples", "losses"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        assert (np.diff(mine.seconds) > 0).all()

    def test_finished_again_it_has_no_stage_twice(self, tmp_path: Path, no_pictures: None) -> None:
        train(tmp_path)
        assert list(start(tmp_path, SETTINGS).run()) == []
        assert load_history(tmp_path / "history.safetensors").steps.tolist() == STAGES


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, History]:
    history = small_history()
    path = tmp_path / "history.safetensors"
    history.save(path)
    return path, history


class TestOnDisk:
    def test_round_trip(self, kept: tuple[Path, History]) -> None:
        path, history = kept
        again = load_history(path)
        assert again.facts == history.facts
        assert again.to_arrays().keys() == history.to_arrays().keys()
        for name, array in history.to_arrays().items():
            read = again.to_arrays()[name]
            assert read.dtype == array.dtype
            np.testing.assert_array_equal(read, array)

    def test_damage_is_found(self, kept: tuple[Path, History]) -> None:
        damage(kept[0])
        with pytest.raises(DamagedFile, match=r"history\.safetensors is damaged"):
            load_history(kept[0])

    @pytest.mark.parametrize("change", [{"losses": None}, {"more": np.zeros(2)}])
    def test_what_holds_no_history_is_refused(
        self, kept: tuple[Path, History], change: dict[str, np.ndarray | None]
    ) -> None:
        arrays, facts, _ = read_arrays(kept[0], kind=HISTORY_KIND)
        changed = {
            name: np.array(array)
            for name, array in {**arrays, **change}.items()
            if array is not None
        }
        write_arrays(kept[0], changed, facts, kind=HISTORY_KIND)
        with pytest.raises(DamagedFile, match="does not hold the history of a training"):
            load_history(kept[0])

    def test_weights_are_no_history(self, tiny_weights: Path) -> None:
        with pytest.raises(DamagedFile, match=f"not '{HISTORY_KIND}'"):
            load_history(tiny_weights)

    def test_an_absent_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(LectureError, match="does not exist"):
            load_history(tmp_path / "history.safetensors")
