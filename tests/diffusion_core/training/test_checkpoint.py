"""Checkpoints: a run that was stopped goes the way it would have gone, to the bit."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import array_digest
from diffusion_core.training import TrainingRun
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import child_environment, one_line
from tests.diffusion_core.training.small_runs import (
    SETTINGS,
    STEPS,
    blobs,
    checkpoint,
    checkpoints,
    damage,
    go_on,
    start,
    start_reading,
    train,
    weights_digest,
)


def assert_same(output: Path, undisturbed: Path) -> None:
    """The same weights, the same last state, the same losses."""
    assert weights_digest(output) == weights_digest(undisturbed)
    mine, theirs = (checkpoint(folder, STEPS) for folder in (output, undisturbed))
    assert array_digest(mine) == array_digest(theirs)
    csvs = [(folder / "loss.csv").read_text() for folder in (output, undisturbed)]
    assert csvs[0] == csvs[1]


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
        assert_same(tmp_path, undisturbed)

    def test_so_it_does_with_words(
        self, tmp_path: Path, whole_reading: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        go_on(start_reading(tmp_path), stop_after=7)
        resumed = go_on(start_reading(tmp_path))
        undisturbed, run = whole_reading
        assert resumed.losses == run.losses
        assert_same(tmp_path, undisturbed)

    def test_so_it_does_in_bfloat16(self, tmp_path: Path, no_pictures: None) -> None:
        settings = replace(SETTINGS, precision="bfloat16")
        undisturbed = go_on(start_reading(tmp_path / "whole", settings))
        go_on(start_reading(tmp_path / "run", settings), stop_after=12)
        resumed = go_on(start_reading(tmp_path / "run", settings))
        assert resumed.losses == undisturbed.losses
        assert_same(tmp_path / "run", tmp_path / "whole")

    def test_time_is_added_up(self, tmp_path: Path, no_pictures: None) -> None:
        first = train(tmp_path, stop_after=10)
        resumed = start(tmp_path)
        assert resumed.seconds == first.seconds
        go_on(resumed)
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
        go_on(resumed)
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

    def test_a_finished_run_is_made_longer(
        self, tmp_path: Path, whole: tuple[Path, TrainingRun], no_pictures: None
    ) -> None:
        train(tmp_path)
        longer = start(tmp_path, replace(SETTINGS, epochs=6, restart=4))
        assert (longer.step, longer.steps) == (STEPS, 30)
        go_on(longer)
        at_once = go_on(start(tmp_path / "at once", replace(SETTINGS, epochs=6, restart=4)))
        assert longer.losses == at_once.losses
        assert longer.losses[:STEPS] == whole[1].losses
        assert weights_digest(tmp_path) == weights_digest(tmp_path / "at once")

    @pytest.mark.parametrize(
        ("other", "says"),
        [
            ({"settings": replace(SETTINGS, epochs=5)}, "settings.epochs = 4 there, 5 now"),
            (
                {"settings": replace(SETTINGS, minutes=3)},
                "settings.minutes = None there, 3 now",
            ),
            ({"settings": replace(SETTINGS, learning_rate=0.1)}, "settings.learning_rate = 0.002"),
            (
                {"settings": replace(SETTINGS, schedule="linear")},
                "settings.schedule = cosine",
            ),
            (
                {"settings": replace(SETTINGS, precision="bfloat16")},
                "settings.precision = float32 there, bfloat16 now",
            ),
            ({"settings": replace(SETTINGS, seed=3)}, "settings.seed = 0 there, 3 now"),
            ({"images": blobs(48)}, "data.pictures = 40 there, 48 now"),
            # What is said of the same pictures counts as well.
            ({"images": blobs(words=True)}, f"data.sha256 = {blobs().digest[:57]}"),
            ({"images": blobs(seed=1)}, f"data.sha256 = {blobs().digest[:57]}… there"),
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
from tests.diffusion_core.training.small_runs import leave_out_pictures, start, start_reading
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
run = start_reading(output) if what == "word" else start(output)
for progress in run.run():
    if what in ("step", "word") and progress.step == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
print("finished")
"""


FATES = ("step 7", "word 12", "step-000010.safetensors 1", "loss.csv 4", "weights.safetensors 1")
"""After so many steps (of a run with words: "word"), or at the n-th writing of a file."""


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
        self,
        killed: dict[str, Path],
        whole: tuple[Path, TrainingRun],
        whole_reading: tuple[Path, TrainingRun],
        no_pictures: None,
        fate: str,
    ) -> None:
        reads = fate.startswith("word ")
        output, (undisturbed, run) = killed[fate], whole_reading if reads else whole
        assert not (output / "weights.safetensors").exists()
        partial = [path for path in output.rglob(".*") if path.is_file()]
        assert len(partial) == (0 if fate.startswith(("step ", "word ")) else 1)
        resumed = go_on(start_reading(output) if reads else start(output))
        assert resumed.losses == run.losses
        assert_same(output, undisturbed)
        names = [
            {str(path.relative_to(folder)) for path in folder.rglob("*")}
            for folder in (output, undisturbed)
        ]
        assert names[0] == names[1]  # and nothing half-written is left
