"""What a training went through, as a recording: where it is found, what is kept of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.checkpoints import load_model
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.experiments import learning, loss_curve
from diffusion_core.files import read_digest
from diffusion_core.grids import to_pixels
from diffusion_core.history import history_path, load_history
from diffusion_core.models import WEIGHTS
from diffusion_core.recipe import TrainingRecipe, fingerprint
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.store import Store
from diffusion_core.timesteps import sampling_times
from tests.diffusion_core.conftest import child_environment, one_line, save_tiny
from tests.diffusion_core.fakes import small_history


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder, as far as it matters here."""
    folder = tmp_path / "a run"
    (folder / "checkpoints").mkdir(parents=True)
    save_tiny(folder / "weights.safetensors")
    save_tiny(folder / "checkpoints" / "step-000002.safetensors")
    small_history().save(folder / "history.safetensors")
    return folder


class TestWhereItIs:
    def test_of_the_model_that_ships(self) -> None:
        assert history_path("mnist") == WEIGHTS / "history" / "mnist.safetensors"
        facts = load_history(history_path("mnist")).facts
        assert facts["data"] == load_model("mnist").facts["data"]

    @pytest.mark.parametrize(
        "named",
        ["", "weights.safetensors", "checkpoints/step-000002.safetensors", "history.safetensors"],
    )
    def test_of_a_run(self, run: Path, named: str) -> None:
        assert history_path(str(run / named)) == run / "history.safetensors"

    def test_a_history_may_have_any_name(self, run: Path) -> None:
        copy = run.parent / "kept.safetensors"
        small_history().save(copy)
        assert history_path(str(copy)) == copy

    def test_a_run_without_one_is_told_what_to_do(self, run: Path) -> None:
        (run / "history.safetensors").unlink()
        for named in (run, run / "weights.safetensors"):
            with pytest.raises(UsageError, match="comes without the history") as error:
                history_path(str(named))
            assert str(named) in one_line(error)

    @pytest.mark.parametrize("name", ["mnits", ""])
    def test_an_unknown_name_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError, match=f"model '{name}' is unknown; choose one of: mnist"):
            history_path(name)

    def test_reading_one_takes_no_torch(self, run: Path) -> None:
        code = (
            "import sys; from diffusion_core.history import history_path, load_history; "
            "from pathlib import Path; "
            "steps = load_history(history_path(sys.argv[1])).steps.tolist(); "
            "print(steps, 'torch' in sys.modules)"
        )
        command = [sys.executable, "-c", code, str(run)]
        done = subprocess.run(command, capture_output=True, text=True, env=child_environment())
        assert done.stdout == "[0, 1, 2] False\n", done.stderr


class TestLossCurve:
    @pytest.mark.parametrize("count", [1, 2, 9, 500, 14_040])
    def test_every_loss_counts_once(self, count: int) -> None:
        losses = np.random.default_rng(count).uniform(0, 1, count).astype(np.float32)
        curve = loss_curve(losses, 50)
        ends, means = curve["steps"], curve["means"]
        assert ends[0] == 1
        assert ends[-1] == count
        assert len(ends) == len(means) == len(set(ends)) <= 50
        spans = np.diff([0, *ends])
        assert np.dot(spans, means) == pytest.approx(losses.sum(dtype=np.float64))
        assert means[0] == losses[0]
        low = 0
        for end, mean in zip(ends, means, strict=True):
            assert mean == pytest.approx(losses[low:end].mean(dtype=np.float64))
            low = end

    def test_its_points_are_equally_far_apart_in_the_logarithm(self) -> None:
        ends = np.array(loss_curve(np.ones(100_000), 100)["steps"])
        apart = np.diff(np.log(ends[ends > 100]))
        assert apart.max() < 1.1 * apart.min()


def test_each_stage_leads_from_the_noise_to_what_was_drawn() -> None:
    history = small_history()
    runs = learning(history)
    assert list(runs) == ["step 0", "step 1", "step 2"]
    schedule = make_schedule("cosine", 20)
    start = sampling_times(schedule, 3)[0]
    noise = SampleNoise([0, 1], (1, 8, 8)).draw().numpy()
    for stage, found in enumerate(runs.values()):
        np.testing.assert_array_equal(found.states[0], noise)
        np.testing.assert_array_equal(to_pixels(found.states[1]), history.samples[stage])
        assert found.timesteps.tolist() == [start, -1]
        assert found.alpha_bar.tolist() == [float(schedule.alpha_bar(start)), 1]
        assert found.facts["step"] == history.steps[stage]
        assert found.facts["seen"] == history.seen[stage]
        assert found.facts["seconds"] == history.seconds[stage]
        assert found.facts["nfe"] == 6  # three steps, each asked with the prompt and without
        wrong = (history.samples[stage] / 127.5 - history.samples[-1] / 127.5) ** 2
        assert found.facts["rms_to_last"] == pytest.approx(np.sqrt(wrong.mean((1, 2, 3))), abs=1e-6)


class TestRecipe:
    def test_it_is_read_once_and_found_again(self, run: Path, tmp_path: Path) -> None:
        store, recipe = Store(tmp_path / "store"), TrainingRecipe(model=str(run), points=10)
        first, second = store.get(recipe), store.get(recipe)
        assert (first.fresh, second.fresh) == (True, False)
        found = second.trajectory
        assert isinstance(found, Bundle)
        history = small_history()
        assert found.common["loss"] == loss_curve(history.losses, 10)
        assert found.common["samples"] == history.facts["samples"]
        assert found.common["digits"] == [None, None]
        assert "final_class" not in found["step 2"].facts  # the judge reads digits only

    def test_it_is_filed_under_the_digest_of_the_history(self, run: Path) -> None:
        recipe = TrainingRecipe(model=str(run))
        path = run / "history.safetensors"
        assert recipe.inputs() == {"history": read_digest(path)}
        before = fingerprint(recipe)
        small_history(seed=1).save(path)
        assert fingerprint(recipe) != before

    def test_the_judge_reads_the_model_that_ships(self) -> None:
        found = Store().get(TrainingRecipe()).trajectory
        asked = found.common["digits"]
        last = list(found.values())[-1].facts["final_class"]
        assert [digit for digit in asked if digit is not None] == [0, 1, 2, 4, 5, 7, 8, 9]
        assert sum(a == b for a, b in zip(asked, last, strict=True)) >= 7

    def test_a_model_without_a_history_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(LectureError, match="comes without the history"):
            fingerprint(TrainingRecipe(model=str(save_tiny(tmp_path / "one.safetensors"))))
