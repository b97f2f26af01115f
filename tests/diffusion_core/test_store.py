"""Recordings on disk: run once, found again, made again when damaged."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import diffusion_core.runs
from diffusion_core.errors import LectureError
from diffusion_core.files import write_arrays
from diffusion_core.recipe import ForwardRecipe, Recipe, ReverseRecipe, fingerprint
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from tests.diffusion_core.conftest import child_environment, one_line

RECIPE = ForwardRecipe(T=10, keep=3, size=8)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "recordings")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Recipe]]:
    """What was really run."""
    ran: list[Recipe] = []
    run = diffusion_core.runs.run

    def watched(recipe: Recipe, *report: object) -> Trajectory:
        ran.append(recipe)
        return run(recipe, *report)

    monkeypatch.setattr("diffusion_core.runs.run", watched)
    return ran


def test_a_recipe_is_run_once(store: Store, runs: list[Recipe]) -> None:
    first, second = store.get(RECIPE), store.get(ForwardRecipe(T=10, keep=3, size=8))
    assert runs == [RECIPE]
    assert (first.fresh, second.fresh) == (True, False)
    assert first.fingerprint == second.fingerprint == fingerprint(RECIPE)
    assert first.path == second.path == store.path(RECIPE)
    assert first.path.is_relative_to(store.folder)
    assert first.trajectory.facts == json.loads(json.dumps(second.trajectory.facts))
    for name, array in first.trajectory.arrays().items():
        np.testing.assert_array_equal(array, getattr(second.trajectory, name), strict=True)


def test_another_recipe_is_another_recording(store: Store, tiny_weights: Path) -> None:
    others = [
        RECIPE,
        ForwardRecipe(T=10, keep=3, size=8, seed=1),
        ReverseRecipe(model=str(tiny_weights), steps=2),
        ReverseRecipe(model=str(tiny_weights), steps=2, sampler="ddpm"),
    ]
    paths = {store.get(recipe).path for recipe in others}
    assert len(paths) == 4
    assert all(not store.get(recipe).fresh for recipe in others)


def test_another_store_runs_again(store: Store, runs: list[Recipe], tmp_path: Path) -> None:
    store.get(RECIPE)
    Store(tmp_path / "other").get(RECIPE)
    assert runs == [RECIPE, RECIPE]


def test_it_lives_in_the_cache(cache: Path) -> None:
    assert Store().folder == cache / "recordings"


def damage_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-7] ^= 16
    path.write_bytes(content)


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_all(path: Path) -> None:
    path.write_bytes(b"")


def make_old(path: Path) -> None:
    arrays = Trajectory.load(path).arrays()
    write_arrays(path, arrays, {}, kind="diffusion-lectures trajectory 0")


@pytest.mark.parametrize("damage", [damage_bit, damage_end, damage_all, make_old])
def test_a_damaged_recording_is_named_and_made_again(
    store: Store, runs: list[Recipe], caplog: pytest.LogCaptureFixture, damage
) -> None:
    whole = store.get(RECIPE)
    damage(whole.path)
    with caplog.at_level(logging.WARNING):
        again = store.get(RECIPE)
    (warning,) = caplog.records
    assert str(whole.path) in warning.message
    assert warning.message.endswith("it is recorded again")
    assert again.fresh
    np.testing.assert_array_equal(again.trajectory.states, whole.trajectory.states)
    caplog.clear()
    assert not store.get(RECIPE).fresh
    assert len(runs) == 2
    assert not caplog.records


def test_a_run_that_fails_leaves_nothing_and_lets_others_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(recipe: Recipe) -> Trajectory:
        raise LectureError("the network's output is not finite")

    with monkeypatch.context() as patch:
        patch.setattr("diffusion_core.runs.run", fail)
        for _ in range(2):
            with pytest.raises(LectureError, match="not finite"):
                store.get(RECIPE)
    assert not store.path(RECIPE).exists()
    assert store.get(RECIPE).fresh


def test_progress_is_passed_on(store: Store) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(2):
        store.get(RECIPE, lambda done, total: told.append((done, total)))
    assert told == [(i, 10) for i in range(1, 11)]


def test_a_folder_that_cannot_be_made_is_told(below_a_file: Path) -> None:
    for folder in (below_a_file, Path("/proc/recordings")):
        with pytest.raises(LectureError, match="DIFFUSION_LECTURES_CACHE") as error:
            Store(folder).get(RECIPE)
        assert str(folder) in one_line(error)


# Takes a store's folder and a log; "killed" dies in the middle of its run.
CHILD = """
import os, signal, sys, time
from pathlib import Path
import diffusion_core.runs
from diffusion_core.recipe import ForwardRecipe
from diffusion_core.store import Store
folder, log, fate = sys.argv[1:]
run = diffusion_core.runs.run

def slowly(recipe, report=None):
    with open(log, "a") as lines:
        lines.write(f"ran in {os.getpid()}\\n")
    time.sleep(1)
    if fate == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return run(recipe)

diffusion_core.runs.run = slowly
print("ready", flush=True)
sys.stdin.readline()
recording = Store(Path(folder)).get(ForwardRecipe(T=10, keep=3, size=8))
print(recording.fresh, float(recording.trajectory.states.sum()))
"""


def child(store: Store, log: Path, fate: str = "well") -> subprocess.Popen[str]:
    """A process that is about to ask the store."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(store.folder), str(log), fate],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
    )


def test_two_processes_that_ask_at_once_run_it_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [child(store, log) for _ in range(2)]
    for process in children:  # both have imported what they need
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in children:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in children]
    assert [process.returncode for process in children] == [0, 0]
    assert len(log.read_text().splitlines()) == 1
    assert sorted(answer[0] for answer in answers) == ["False", "True"]
    assert answers[0][1] == answers[1][1]


def test_a_killed_run_leaves_no_lock_and_no_half_recording(store: Store, tmp_path: Path) -> None:
    process = child(store, tmp_path / "log", "killed")
    process.communicate("go\n")
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "log").exists()
    assert not store.path(RECIPE).exists()
    recording = store.get(RECIPE)
    assert recording.fresh
    assert {path.suffix for path in store.folder.iterdir()} <= {".safetensors", ".lock"}
    assert not [path for path in store.folder.iterdir() if "partial" in path.name]


def test_reading_what_is_recorded_imports_no_torch(store: Store) -> None:
    """The scenes' whole way to their recordings, once these exist."""
    store.get(RECIPE)
    script = """
import sys
from pathlib import Path
import diffusion_core.recipe, diffusion_core.store, diffusion_core.trajectory, scenes.catalog
from diffusion_core.recipe import ForwardRecipe
recording = diffusion_core.store.Store(Path(sys.argv[1])).get(ForwardRecipe(T=10, keep=3, size=8))
assert not recording.fresh
print(sorted({"torch", "torchvision", "manim"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.folder)],
        capture_output=True,
        text=True,
        env={**os.environ, **child_environment()},
    )
    assert done.stdout == "[]\n", done.stderr
