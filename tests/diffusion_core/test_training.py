"""Training: it learns, it resumes to the bit, and it says what is wrong."""

from __future__ import annotations

import csv
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import diffusion_core.training as training
from diffusion_core.checkpoints import WEIGHTS_KIND, load_weights
from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import array_digest, read_arrays, read_digest
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import draw
from diffusion_core.schedule import make_schedule
from diffusion_core.training import (
    TrainingProgress,
    TrainingRun,
    TrainingSettings,
    learning_rate_at,
    v_loss,
)
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import TINY, child_environment, one_line

SETTINGS = TrainingSettings(
    epochs=4, batch_size=8, timesteps=20, warmup=3, checkpoint_every=5, sample_every=10
)
STEPS = 20


def blobs(count: int = 40, seed: int = 0) -> ImageSet:
    """Random 8×8 pictures, each flat but for some speckles."""
    generator = np.random.default_rng(seed)
    flat = generator.integers(0, 200, (count, 1, 1, 1))
    pixels = flat + generator.integers(0, 56, (count, 1, 8, 8))
    return ImageSet("blobs/train", torch.from_numpy(pixels.astype(np.uint8)))


def leave_out_pictures(patch: pytest.MonkeyPatch) -> None:
    """Drawing curves and samples takes longer than training these networks."""
    patch.setattr(training, "plot_losses", lambda path, losses: None)
    patch.setattr(training, "sample_grid", lambda *of: np.zeros((4, 1, 8, 8), np.float32))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_pictures(monkeypatch)


def start(
    output: Path,
    settings: TrainingSettings = SETTINGS,
    images: ImageSet | None = None,
    network: UNetConfig = TINY,
) -> TrainingRun:
    return TrainingRun(images or blobs(), settings, network, output)


def train(output: Path, stop_after: int | None = None) -> TrainingRun:
    """Run to the end, or let go of the run after some steps, as a killed process would."""
    run = start(output)
    for progress in run.run():
        if progress.step == stop_after:
            break
    return run


def weights_digest(output: Path) -> str:
    """Of the final weights alone: the facts beside them tell how long it took."""
    arrays, _, _ = read_arrays(output / "weights.safetensors", kind=WEIGHTS_KIND)
    return array_digest(arrays)


def checkpoints(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").iterdir())


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingRun]:
    """A run that nothing disturbed; read only."""
    output = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        return output, train(output)


class TestLearning:
    def test_the_loss_falls(self, tmp_path: Path, no_pictures: None) -> None:
        settings = replace(SETTINGS, epochs=30, checkpoint_every=150)
        run = start(tmp_path, settings)
        for _ in run.run():
            pass
        assert len(run.losses) == 150
        assert np.mean(run.losses[-20:]) < 0.75 * np.mean(run.losses[:5])

    def test_the_untrained_loss_is_that_of_saying_nothing(self) -> None:
        """An output of zero errs by the mean square of v."""
        x_0 = to_unit(blobs(200).images)
        schedule = make_schedule("cosine", 1000)
        silent = nn.Module()
        silent.forward = lambda x, level: torch.zeros_like(x)  # type: ignore[method-assign]
        loss = v_loss(silent, x_0, schedule, torch.Generator().manual_seed(0))
        t = torch.arange(1000)
        noise = float(schedule.alpha(t).square().mean())
        signal = float(schedule.sigma(t).square().mean()) * float(x_0.square().mean())
        assert float(loss) == pytest.approx(noise + signal, rel=0.05)

    @pytest.mark.parametrize("T", [10, 1000])
    def test_all_times_are_trained_on_evenly(self, T: int) -> None:
        schedule = make_schedule("cosine", T)
        levels: list[torch.Tensor] = []

        class Listens(nn.Module):
            def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
                levels.append(level)
                return x

        for i in range(50):
            v_loss(Listens(), torch.zeros(64, 1, 2, 2), schedule, torch.Generator().manual_seed(i))
        table = schedule.noise_level(torch.arange(T)).float()
        told = torch.cat(levels)
        times = torch.searchsorted(table, told - 1e-6)
        assert torch.allclose(table[times], told)
        counts = torch.histc(times.float(), bins=10, min=0, max=T)
        # Independent times would stray by 17 (one standard deviation).
        assert (counts - 320).abs().max() <= 5

    def test_every_picture_is_seen_once_an_epoch(self) -> None:
        images = torch.arange(40, dtype=torch.uint8)[:, None, None, None]
        epochs = []
        for epoch in range(2):
            steps = range(epoch * 5, epoch * 5 + 5)
            seen = torch.cat([training._batch(images, step, 5, SETTINGS) for step in steps])
            levels = ((seen + 1) * 127.5).round().flatten().tolist()
            assert sorted(levels) == list(range(40))
            epochs.append(levels)
        assert epochs[0] != epochs[1]

    def test_the_average_forgets_the_start_and_then_lags(
        self, tmp_path: Path, no_pictures: None
    ) -> None:
        """After step n it is the average before, moved by 1 − min(ema, (1 + n)/(10 + n))."""
        run = start(tmp_path, replace(SETTINGS, ema=0.3))
        expected: dict[str, torch.Tensor] = {}
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
        other = start(tmp_path / "other", replace(SETTINGS, seed=1))
        for _ in other.run():
            pass
        assert other.losses[0] != whole[1].losses[0]


class TestLearningRate:
    settings = TrainingSettings(learning_rate=1e-3, warmup=100)

    def test_it_rises_and_falls(self) -> None:
        rates = np.array([learning_rate_at(i, 2000, self.settings) for i in range(2000)])
        assert rates[0] == pytest.approx(1e-5)
        np.testing.assert_allclose(np.diff(rates[:100]), 1e-5)
        assert rates[99] == rates[100] == rates.max() == 1e-3
        assert (np.diff(rates[100:]) < 0).all()
        assert rates[1050] == pytest.approx(1e-3 * (0.01 + 0.99 / 2), rel=1e-3)
        assert rates[-1] == pytest.approx(1e-5, rel=0.01)

    def test_a_short_run_warms_up_for_a_tenth_of_it(self) -> None:
        rates = [learning_rate_at(i, 20, self.settings) for i in range(20)]
        assert np.argmax(rates) in (1, 2)
        assert learning_rate_at(0, 1, self.settings) == 1e-3

    def test_the_optimizer_uses_it(self, tmp_path: Path, no_pictures: None) -> None:
        used = [progress.learning_rate for progress in start(tmp_path).run()]
        assert used == [learning_rate_at(i, STEPS, SETTINGS) for i in range(STEPS)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[TrainingProgress]]:
    """A run with all that it writes, the curve too."""
    output = tmp_path_factory.mktemp("finished") / "a run"
    return output, list(start(output).run())


class TestWhatIsWritten:
    def test_progress(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        assert [progress.step for progress in told] == list(range(1, STEPS + 1))
        assert all(progress.steps == STEPS for progress in told)
        assert told[4].epoch == 1
        assert told[-1].epoch == 4
        assert all(progress.images_per_second > 0 for progress in told)
        assert told[-1].seconds_left == 0
        assert all(math.isfinite(progress.loss) for progress in told)
        wrote = {progress.step: progress.wrote for progress in told if progress.wrote}
        assert wrote.keys() == {5, 10, 15, 20}
        assert wrote[10][0] == output / "samples" / "step-000010.png"
        assert wrote[20][1] == output / "checkpoints" / "step-000020.safetensors"

    def test_the_folder(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, _ = finished
        files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
        assert files == {
            "card.md",
            "checkpoints/step-000015.safetensors",
            "checkpoints/step-000020.safetensors",
            "loss.csv",
            "loss.png",
            "samples.png",
            "samples/step-000010.png",
            "samples/step-000020.png",
            "weights.safetensors",
        }

    def test_pictures(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, _ = finished
        for name in ("samples.png", "loss.png", "samples/step-000010.png"):
            with Image.open(output / name) as picture:
                picture.load()
                assert picture.format == "PNG"
                assert picture.width > 100
                assert len(picture.getcolors(2**24) or []) > 10
        with Image.open(output / "samples.png") as picture:
            assert picture.width == 3 * (8 * (8 + 2) + 2)  # 64 samples

    def test_the_losses(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        with (output / "loss.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
        for row, progress in zip(rows, told, strict=True):
            assert float(row["loss"]) == pytest.approx(progress.loss, rel=1e-5)
            assert float(row["learning_rate"]) == pytest.approx(progress.learning_rate, rel=1e-5)

    def test_the_weights_can_be_used(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, told = finished
        model = load_weights(output / "weights.safetensors")
        assert model.prediction == "v"
        assert model.network.config == TINY
        facts = model.facts["training"]
        assert (facts["steps"], facts["seed"], facts["batch_size"]) == (STEPS, 0, 8)
        mean = np.mean([progress.loss for progress in told])
        assert facts["final_loss"] == pytest.approx(mean, abs=1e-4)
        assert model.facts["data"] == {
            "name": "blobs/train",
            "pictures": 40,
            "sha256": blobs().digest,
        }
        recipe = ReverseRecipe(model=str(output / "weights.safetensors"), steps=5)
        assert abs(draw(recipe)).max() <= 1

    def test_the_card(self, finished: tuple[Path, list[TrainingProgress]]) -> None:
        output, _ = finished
        card = (output / "card.md").read_text(encoding="utf-8")
        digest = read_digest(output / "weights.safetensors")
        for told in (
            "40 pictures",
            blobs().digest,
            "--dataset blobs --epochs 4 --batch-size 8",
            "| seed | 0 |",
            "| steps | 20 of 8 pictures, 4 epochs |",
            "minutes, 1 threads",
            digest,
        ):
            assert told in card, told
        network = load_weights(output / "weights.safetensors").network
        parameters = sum(p.numel() for p in network.parameters())
        assert f"{parameters:,} parameters" in card

    def test_finished_again_is_finished_as_before(
        self, finished: tuple[Path, list[TrainingProgress]], no_pictures: None
    ) -> None:
        output, _ = finished
        before = weights_digest(output)
        assert list(start(output).run()) == []
        assert weights_digest(output) == before


class TestResuming:
    @pytest.mark.parametrize("stop", [5, 7, 14, 19])
    def test_it_goes_the_way_it_would_have_gone(
        self, tmp_path: Path, whole: tuple[Path, TrainingRun], no_pictures: None, stop: int
    ) -> None:
        train(tmp_path, stop_after=stop)
        resumed = start(tmp_path)
        assert resumed.step == stop // 5 * 5
        told = list(resumed.run())
        assert [progress.step for progress in told] == list(range(stop // 5 * 5 + 1, STEPS + 1))
        undisturbed, run = whole
        assert resumed.losses == run.losses
        assert weights_digest(tmp_path) == weights_digest(undisturbed)
        last = "checkpoints/step-000020.safetensors"
        mine, theirs = (
            read_arrays(folder / last, kind=training.CHECKPOINT_KIND)[0]
            for folder in (tmp_path, undisturbed)
        )
        assert array_digest(mine) == array_digest(theirs)
        csvs = [(folder / "loss.csv").read_text() for folder in (tmp_path, undisturbed)]
        assert csvs[0] == csvs[1]

    def test_time_is_added_up(self, tmp_path: Path, no_pictures: None) -> None:
        first = train(tmp_path, stop_after=10)
        resumed = start(tmp_path)
        assert resumed.seconds == first.seconds
        for _ in resumed.run():
            pass
        assert resumed.seconds > first.seconds

    def test_before_the_first_checkpoint_it_begins_again(
        self, tmp_path: Path, whole: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        train(tmp_path, stop_after=3)
        assert start(tmp_path).step == 0
        assert train(tmp_path).losses == whole[1].losses

    def test_only_the_last_two_checkpoints_are_kept(self, whole: tuple[Path, TrainingRun]) -> None:
        assert checkpoints(whole[0]) == ["step-000015.safetensors", "step-000020.safetensors"]

    def test_a_damaged_checkpoint_gives_way_to_the_one_before(
        self, tmp_path: Path, whole: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        train(tmp_path, stop_after=12)
        damage(tmp_path / "checkpoints" / "step-000010.safetensors")
        resumed = start(tmp_path)
        assert resumed.step == 5
        for _ in resumed.run():
            pass
        assert weights_digest(tmp_path) == weights_digest(whole[0])

    @pytest.mark.parametrize("spoil", [damage, lambda path: path.write_bytes(b"")])
    def test_when_all_are_damaged_they_are_named(
        self, tmp_path: Path, no_pictures: None, spoil: Callable[[Path], None]
    ) -> None:
        train(tmp_path, stop_after=12)
        for name in checkpoints(tmp_path):
            spoil(tmp_path / "checkpoints" / name)
        with pytest.raises(DamagedFile) as error:
            start(tmp_path)
        message = one_line(error)
        assert "step-000010.safetensors is damaged" in message
        assert f"delete {tmp_path / 'checkpoints'} to train from the start" in message
        assert checkpoints(tmp_path) == ["step-000005.safetensors", "step-000010.safetensors"]

    @pytest.mark.parametrize(
        ("other", "says"),
        [
            ({"settings": replace(SETTINGS, epochs=5)}, "settings.epochs = 4 there, 5 now"),
            ({"settings": replace(SETTINGS, learning_rate=0.1)}, "settings.learning_rate = 0.002"),
            (
                {"settings": replace(SETTINGS, schedule="linear")},
                "settings.schedule = cosine",
            ),
            ({"settings": replace(SETTINGS, seed=3)}, "settings.seed = 0 there, 3 now"),
            ({"images": blobs(48)}, "data.pictures = 40 there, 48 now"),
            ({"images": blobs(seed=1)}, f"data.sha256 = {blobs().digest} there"),
            (
                {"network": UNetConfig(size=8, widths=(8, 16))},
                "network.widths = [8, 8] there, [8, 16] now",
            ),
        ],
    )
    def test_another_run_in_the_folder_is_refused_and_the_difference_named(
        self, whole: tuple[Path, TrainingRun], other: dict, says: str
    ) -> None:
        before = {path: path.read_bytes() for path in whole[0].rglob("*") if path.is_file()}
        with pytest.raises(LectureError, match=re.escape(says)) as error:
            start(whole[0], **other)
        assert "give the same settings to resume it, or another --output" in one_line(error)
        assert {path: path.read_bytes() for path in before} == before


# Trains, and dies as it is told: after a step, or as it is about to publish a file
# for the first time or a later one.
CHILD = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
import pytest
from tests.diffusion_core.test_training import leave_out_pictures, start
leave_out_pictures(pytest.MonkeyPatch())
output, (what, number) = Path(sys.argv[1]), sys.argv[2].split()
published = []
replace = Path.replace

def die_instead(self, target):
    published.append(Path(target).name)
    if published[-1] == what and published.count(what) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)

Path.replace = die_instead
for progress in start(output).run():
    if (what, number) == ("step", str(progress.step)):
        os.kill(os.getpid(), signal.SIGKILL)
print("finished")
"""


FATES = ("step 7", "step-000010.safetensors 1", "loss.csv 4", "weights.safetensors 1")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of runs that were killed, by their fates."""
    folder = tmp_path_factory.mktemp("killed")
    outputs = {fate: folder / fate.replace(" ", "-") for fate in FATES}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(output), fate],
            stdout=subprocess.PIPE,
            env=child_environment(),
        )
        for fate, output in outputs.items()
    ]
    for child in children:
        out, _ = child.communicate(timeout=300)
        assert (child.returncode, out) == (-signal.SIGKILL, b"")
    return outputs


class TestKilled:
    @pytest.mark.parametrize("fate", FATES)
    def test_the_same_again_ends_where_an_undisturbed_run_ends(
        self, killed: dict[str, Path], whole: tuple[Path, TrainingRun], no_pictures: None, fate: str
    ) -> None:
        output, (undisturbed, run) = killed[fate], whole
        assert not (output / "weights.safetensors").exists()
        partial = [path for path in output.rglob(".*") if path.is_file()]
        assert len(partial) == (0 if fate.startswith("step ") else 1)
        resumed = train(output)
        assert resumed.losses == run.losses
        assert weights_digest(output) == weights_digest(undisturbed)
        names = [
            {str(path.relative_to(folder)) for path in folder.rglob("*")}
            for folder in (output, undisturbed)
        ]
        assert names[0] == names[1]  # and nothing half-written is left
        csvs = [(folder / "loss.csv").read_text() for folder in (output, undisturbed)]
        assert csvs[0] == csvs[1]


class TestWhatGoesWrong:
    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """What the loss is multiplied by, from the eighth step on."""
        values = [math.nan]
        calls = 0

        def loss(network: nn.Module, *rest: object) -> torch.Tensor:
            nonlocal calls
            calls += 1
            value = v_loss(network, *rest)  # type: ignore[arg-type]
            return value * values[0] if calls >= 8 else value

        monkeypatch.setattr(training, "v_loss", loss)
        return values

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoints(
        self, tmp_path: Path, no_pictures: None, broken: list[float], value: float
    ) -> None:
        broken[0] = value
        with pytest.raises(LectureError, match=f"the loss is {value} at step 7; lower") as error:
            train(tmp_path)
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

    def test_an_output_that_cannot_be_written_is_told(
        self, below_a_file: Path, no_pictures: None
    ) -> None:
        with pytest.raises(LectureError, match="cannot be written") as error:
            train(below_a_file)
        one_line(error)

    @pytest.mark.parametrize(
        ("field", "value", "says"),
        [
            ("epochs", 0, "epochs = 0 must be at least 1"),
            ("batch_size", 0, "batch_size = 0 must be"),
            ("sample_every", -1, "sample_every = -1 must be"),
            ("checkpoint_every", 0, "checkpoint_every = 0 must be"),
            ("learning_rate", 0, "learning_rate = 0 is outside (0, 1]"),
            ("learning_rate", 1.5, "learning_rate = 1.5 is outside"),
            ("learning_rate", math.nan, "learning_rate = nan is outside"),
            ("seed", -1, "seed = -1 is outside"),
            ("seed", 2**32, "seed = 4294967296 is outside"),
            ("timesteps", 9, "T = 9 is outside"),
            ("schedule", "square", "schedule 'square' is unknown"),
        ],
    )
    def test_settings_out_of_range_are_named(self, field: str, value: object, says: str) -> None:
        with pytest.raises(UsageError, match=re.escape(says)) as error:
            TrainingSettings(**{field: value})  # type: ignore[arg-type]
        one_line(error)

    def test_an_unknown_dataset_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="dataset 'mnits' is unknown; choose one of: mnist"):
            training.start("mnits", SETTINGS, tmp_path)


def test_a_known_dataset_and_its_first_pictures(tmp_path: Path, mnist_train: ImageSet) -> None:
    run = training.start("mnist", SETTINGS, tmp_path, limit=16)
    assert run.images.name == "mnist/train[:16]"
    assert torch.equal(run.images.images, mnist_train.images[:16])
    assert run.network.config == UNetConfig(channels=1, size=28)
    assert run.steps == 4 * 2
    assert next(iter(run.run())).step == 1
    assert os.listdir(tmp_path) == []  # noqa: PTH208
