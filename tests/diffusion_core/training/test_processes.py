"""Several processes train one network: the same losses, one that writes, one plan."""

from __future__ import annotations

import builtins
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion_core.checkpoints import load_weights
from diffusion_core.errors import MissingRequirement, UsageError
from diffusion_core.training import TrainingRun, load_history
from diffusion_core.training.processes import Processes
from tests.diffusion_core.conftest import child_environment, one_line
from tests.diffusion_core.training.small_runs import SETTINGS, STEPS, start
from tests.helpers import finished as ended

# Trains one run as the test does it alone, and one of a quarter of a minute in
# which the processes disagree about how fast they are.
CHILD = """
import json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
import pytest
from diffusion_core.training import TrainingRun
from diffusion_core.training.processes import Processes
from tests.diffusion_core.training.small_runs import (
    SETTINGS, Clock, go_on, leave_out_pictures, start, start_reading
)
leave_out_pictures(pytest.MonkeyPatch())
folder = Path(sys.argv[1])
processes = Processes()
rank = processes.index
plain = go_on(start(folder / "plain", processes=processes))

clock = Clock()
step = TrainingRun._train_step

def lasting(run):
    clock.now += 0.25 + 0.0127 * rank
    return step(run)

TrainingRun._train_step = lasting
settings = replace(SETTINGS, minutes=0.25, checkpoint_every=1000, sample_every=1000)
timed = go_on(start(folder / "timed", settings, processes=processes, clock=clock))
facts = {
    "device": str(processes.device), "count": processes.count, "main": processes.main,
    "losses": plain.losses, "steps": timed.step, "seconds": timed.seconds,
}
(folder / f"process-{rank}.json").write_text(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """What two processes on the CPU made, and what each has to say."""
    pytest.importorskip("accelerate")
    folder = tmp_path_factory.mktemp("two")
    script = folder / "child.py"
    script.write_text(CHILD)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    child = subprocess.Popen(
        [sys.executable, *launch, str(script), str(folder)],
        # On a machine with GPUs, too, it is about processes and not about those.
        env={**child_environment(), "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    done = ended(child)
    assert done.code == 0, done.err
    return folder, [json.loads((folder / f"process-{i}.json").read_text()) for i in range(2)]


@pytest.mark.slow
class TestTwo:
    def test_they_know_of_each_other(self, two: tuple[Path, list[dict[str, Any]]]) -> None:
        assert [facts["count"] for facts in two[1]] == [2, 2]
        assert [facts["main"] for facts in two[1]] == [True, False]
        assert {facts["device"].partition(":")[0] for facts in two[1]} == {"cpu"}

    def test_they_train_as_one_does(
        self, two: tuple[Path, list[dict[str, Any]]], whole: tuple[Path, TrainingRun]
    ) -> None:
        folder, told = two
        undisturbed, alone = whole
        assert len(alone.losses) == STEPS
        for facts in told:
            # Muon brings small differences of a sum up to the size of large ones.
            assert facts["losses"] == pytest.approx(alone.losses, abs=2e-5)
        mine, theirs = (
            load_weights(output / "weights.safetensors")
            for output in (folder / "plain", undisturbed)
        )
        assert mine.facts["training"]["processes"] == 2
        # Biases before a normalisation hang on the last bits; what comes out does not.
        x, level = torch.randn(4, 1, 8, 8), torch.linspace(0.1, 0.9, 4)
        outputs = [model.network(x, level) for model in (mine, theirs)]
        assert outputs[0].abs().max() > 0.1
        assert torch.allclose(*outputs, rtol=0, atol=5e-3)

    def test_one_of_them_writes(
        self, two: tuple[Path, list[dict[str, Any]]], whole: tuple[Path, TrainingRun]
    ) -> None:
        names = [
            {str(path.relative_to(output)) for path in output.rglob("*")}
            for output in (two[0] / "plain", whole[0])
        ]
        assert names[0] == names[1]
        history = load_history(two[0] / "plain" / "history.safetensors")
        assert history.seen.tolist() == [8 * step for step in history.steps]

    def test_they_agree_on_how_many_steps_the_minutes_are(
        self, two: tuple[Path, list[dict[str, Any]]]
    ) -> None:
        """One would take (15 − 10)/0.25 = 20 steps more, the other (15 − 10.508)/0.2627 = 17.1."""
        assert [facts["steps"] for facts in two[1]] == [59, 59]
        seconds = [facts["seconds"] for facts in two[1]]
        assert seconds[0] != seconds[1]


class TestAlone:
    def test_there_is_one_and_it_is_the_main_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        processes = Processes()
        assert (processes.count, processes.index, processes.main) == (1, 0, True)
        network = torch.nn.Linear(1, 1)
        assert processes.share(network) is network
        assert processes.part_of(5) == slice(0, 5)
        assert processes.same(0.25) == 0.25


class TestDealing:
    def one_of(self, count: int, index: int = 0) -> Processes:
        processes = Processes()
        processes.count, processes.index = count, index
        return processes

    def test_the_parts_make_up_the_batch(self) -> None:
        parts = [self.one_of(4, index).part_of(8) for index in range(4)]
        assert [i for part in parts for i in range(8)[part]] == list(range(8))

    def test_a_batch_that_cannot_be_dealt_out_is_refused_before_work(self, tmp_path: Path) -> None:
        says = "batch_size = 8 cannot be dealt out to 3 processes; choose a multiple of 3"
        with pytest.raises(UsageError, match=says) as error:
            start(tmp_path / "run", processes=self.one_of(3))
        one_line(error)
        assert list(tmp_path.iterdir()) == []
        settings = replace(SETTINGS, batch_size=9)
        assert start(tmp_path, settings, processes=self.one_of(3, 1)).share == slice(3, 6)


def test_without_accelerate_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "accelerate":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingRequirement, match=r"pip install 'diffusion-lectures\[train\]'"):
        Processes()
    assert os.environ["WORLD_SIZE"] == "2"
