"""Killed at any moment, or beside another: the same command again gives a good result."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from diffusion_core.files import read_digest
from diffusion_core.places import data_dirs
from studio.video import probe, stream_digest
from tests.helpers import Done, Workplace, finished, session_of, wait_until

SCENE = ("scene", "forward_process", "--quality", "draft", "--voice", "silent", "--output", "made")
NAME = "forward_process-seed0-draft-silent"
FILES = {f"made/{NAME}{suffix}" for suffix in (".mp4", ".srt", ".vtt", ".md", ".json")}

Sent = Callable[[int, int], None]
"""A signal to a process (os.kill) or to its whole group (os.killpg)."""


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> str:
    """The picture of a scene that was left in peace."""
    place = Workplace(tmp_path_factory.mktemp("peace"), cache)
    done = place.render(*SCENE)
    assert done.code == 0, done.err
    return stream_digest(place.folder / "made" / f"{NAME}.mp4")


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "here", tmp_path / "cache")


@pytest.fixture
def recorded(place: Workplace, cache: Path, digest: str) -> Workplace:
    """A workplace in which the scene was recorded, but never rendered."""
    shutil.copytree(cache / "recordings", place.cache / "recordings")
    return place


# -- moments -----------------------------------------------------------------------


def anything(place: Workplace, pattern: str) -> Callable[[], bool]:
    """Whether a file of that pattern is in the folder or in the cache."""
    return lambda: any(any(root.glob(pattern)) for root in (place.folder, place.cache))


def recording(place: Workplace) -> Callable[[], bool]:
    return anything(place, "recordings/*.lock")


def rendering(place: Workplace) -> Callable[[], bool]:
    """A worker is at it now: the folders that killed ones left do not count."""

    def now() -> bool:
        owners = (folder.name for folder in (place.cache / "work").glob("*-drawing-*"))
        return any(Path("/proc", owner.partition("-")[0]).exists() for owner in owners)

    return now


def muxing(place: Workplace) -> Callable[[], bool]:
    def now() -> bool:
        left = (place.folder / "made").glob(".*.partial.mp4")
        return any(Path("/proc", path.name.split(".")[-3]).exists() for path in left)

    return now


def published(place: Workplace) -> Callable[[], bool]:
    return anything(place, f"made/{NAME}.mp4")


# -- what must hold ------------------------------------------------------------------


def send_at(
    process: subprocess.Popen[str],
    moment: Callable[[], bool],
    number: int,
    send: Sent,
    later: float,
) -> Done:
    """Send a signal, so many seconds later than ``moment``, and wait for the end."""
    assert wait_until(lambda: process.poll() is not None or moment())
    time.sleep(later)
    assert process.poll() is None, "it had ended before the signal"
    send(process.pid, number)
    return finished(process)


def all_ended(leader: int) -> bool:
    """Whether everything that ``leader`` started ends soon, and by itself."""
    return wait_until(lambda: not session_of(leader), 30)


def assert_nothing_is_half_written(place: Workplace) -> None:
    """Whatever has its final name is whole, in the folder and in the cache."""
    for root in (place.folder, place.cache):
        for video in root.rglob("*.mp4"):
            if not video.name.startswith(".") and "work" not in video.relative_to(root).parts:
                assert probe(video).frame_count > 0
    for path in place.cache.glob("recordings/[!.]*.safetensors"):
        assert len(read_digest(path)) == 64


def assert_good(place: Workplace, done: Done, digest: str) -> None:
    """The scene was made as if nothing had happened, and nothing else is left."""
    assert done.code == 0, done.err
    assert set(place.files()) == FILES
    assert stream_digest(place.folder / "made" / f"{NAME}.mp4") == digest
    assert list((place.cache / "work").iterdir()) == []
    assert list(place.cache.rglob("*.partial*")) == []


# -- SIGKILL ----------------------------------------------------------------------------


def test_a_render_that_is_killed_again_and_again(place: Workplace, digest: str) -> None:
    chance = np.random.default_rng()
    moments: list[tuple[str, Callable[[], bool], float]] = [
        ("starting", lambda: True, chance.uniform(0, 0.8)),
        ("recording", recording(place), chance.uniform(0, 0.2)),
        ("rendering", rendering(place), chance.uniform(0, 1.5)),
        ("rendering", rendering(place), chance.uniform(0, 1.5)),
        ("muxing", muxing(place), chance.uniform(0, 0.1)),
        ("published", published(place), 0),
    ]
    for name, moment, later in moments:
        done = send_at(place.start(*SCENE), moment, signal.SIGKILL, os.killpg, later)
        assert done.code == -signal.SIGKILL, f"not killed {later:.3f} s into {name}"
        assert_nothing_is_half_written(place)
    assert_good(place, place.render(*SCENE), digest)


def test_workers_end_when_their_parent_is_killed(recorded: Workplace, digest: str) -> None:
    process = recorded.start(*SCENE)
    assert wait_until(rendering(recorded))
    workers = set(session_of(process.pid)) - {process.pid}
    assert workers, "nothing renders"
    process.kill()
    process.wait()
    assert all_ended(process.pid)
    process.communicate()
    assert_nothing_is_half_written(recorded)
    assert_good(recorded, recorded.render(*SCENE), digest)


# -- SIGTERM and Ctrl-C -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "send"),
    [
        (signal.SIGINT, 130, os.killpg),
        (signal.SIGINT, 130, os.kill),
        (signal.SIGTERM, 143, os.killpg),
        (signal.SIGTERM, 143, os.kill),
    ],
    ids=["Ctrl-C", "SIGINT", "SIGTERM to all", "SIGTERM"],
)
def test_a_render_ends_when_it_is_told_to(
    number: int, code: int, send: Sent, recorded: Workplace
) -> None:
    """While a worker starts, and while it renders: at once, without a word too many."""

    def starting() -> bool:
        children = Path("/proc", str(process.pid), "task", str(process.pid), "children")
        return len(children.read_text().split()) > 1  # the first tracks what is shared

    for moment in (starting, rendering(recorded)):
        process = recorded.start(*SCENE)
        done = send_at(process, moment, number, send, 0)
        assert (done.code, done.out) == (code, ""), done.err
        words = done.err.split()
        assert set(words) <= {
            *("recording", "forward:", "speaking", "forward_process:", "done", "interrupted")
        }
        assert ("interrupted" in words) == (number == signal.SIGINT)
        assert all_ended(process.pid)
        assert recorded.files() == {}
        assert list(recorded.cache.glob("work/*")) == []


# -- side by side -------------------------------------------------------------------------


def test_two_of_one_command_at_once(place: Workplace, digest: str) -> None:
    both = [finished(process) for process in [place.start(*SCENE) for _ in range(2)]]
    for done in both:
        assert_good(place, done, digest)
    assert_nothing_is_half_written(place)


# -- training -----------------------------------------------------------------------------

STEPS = 24
TRAIN = (
    *("train", "--limit", "192", "--batch-size", "8", "--epochs", "1", "--timesteps", "10"),
    *("--checkpoint-every", "4", "--no-words", "--precision", "float32", "--quiet", "--json"),
)


@pytest.mark.skipif(
    not any((place / "MNIST" / "raw").is_dir() for place in data_dirs()),
    reason="MNIST is not here",
)
def test_a_training_that_is_killed_goes_on_where_it_was(place: Workplace) -> None:
    peaceful = place.render(*TRAIN, "--output", "peaceful")
    assert peaceful.code == 0, peaceful.err
    chance = np.random.default_rng()
    command = (*TRAIN, "--output", "run")
    run = place.folder / "run"

    def checkpoints() -> set[str]:
        return {path.name for path in run.glob("checkpoints/[!.]*.safetensors")}

    for name, moment, later in (
        ("starting", lambda: True, chance.uniform(0, 1.5)),
        ("training", lambda: bool(checkpoints()), chance.uniform(0, 1)),
        (
            "finishing",
            lambda: f"step-{STEPS:06}.safetensors" in checkpoints(),
            chance.uniform(0, 0.3),
        ),
    ):
        done = send_at(place.start(*command), moment, signal.SIGKILL, os.killpg, later)
        assert done.code == -signal.SIGKILL, f"not killed {later:.3f} s into {name}"
        for path in run.rglob("[!.]*.safetensors"):
            assert len(read_digest(path)) == 64

    done = place.render(*command)
    assert done.facts["weights"] == "run/weights.safetensors"
    with (run / "loss.csv").open() as content:
        rows = list(csv.DictReader(content))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    assert (run / "loss.csv").read_text() == (place.folder / "peaceful" / "loss.csv").read_text()
    wanted, made = (
        load_file(place.folder / name / "weights.safetensors") for name in ("peaceful", "run")
    )
    assert set(made) == set(wanted)
    assert all(np.array_equal(made[name], wanted[name]) for name in wanted)
    assert list(run.rglob(".*")) == []
