"""Scenes shared out to workers: whole beats, even parts, the same video however many."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import LectureError
from scenes.cues import Chapter, Cue, Sentence
from scenes.options import SceneOptions
from studio import workers
from studio.job import STILL_WORK, Rehearsal
from studio.production import record
from studio.progress import Stage
from studio.quality import Quality
from studio.rendering import SHORTEST, SilentScene, plan_job, render_scenes, shared_out
from studio.speakers import make_speaker
from studio.video import stream_digest

TINY = Quality("tiny", 320, 180, 10)
SPOKEN = Sentence("Word.", "Word.")


def rehearsal(beats: list[list[tuple[int, bool]]]) -> Rehearsal:
    """Of beats, each a list of animations: frames, and whether it is a still."""
    cues, at = [], 0
    for beat in beats:
        cues.append(Cue(at / 10, at / 10 + 0.1, SPOKEN))
        at += sum(frames for frames, _ in beat)
    plays = [play for beat in beats for play in beat]
    chapter = Chapter("Title", 0.0, at / 10, tuple(cues))
    return Rehearsal(chapter, tuple(n for n, _ in plays), tuple(still for _, still in plays))


plays = st.tuples(st.integers(1, 200), st.booleans())
scenes = st.lists(st.lists(plays, min_size=1, max_size=4), min_size=1, max_size=12).map(rehearsal)


@given(scenes, st.integers(1, 9))
def test_parts_are_whole_beats_and_nothing_is_left_out(scene: Rehearsal, count: int) -> None:
    parts = scene.parts(count, 10)
    assert 1 <= len(parts) <= count
    assert [play for part in parts for play in part] == list(range(len(scene.lengths)))
    edges = {beat.start for beat in scene.beats(10)}
    assert {part.start for part in parts} <= edges


@given(scenes, st.integers(2, 9))
def test_no_part_is_much_more_than_its_share(scene: Rehearsal, count: int) -> None:
    work = [scene.work(part) for part in scene.parts(count, 10)]
    longest_beat = max(scene.work(beat) for beat in scene.beats(10))
    assert max(work) <= sum(work) / count + longest_beat


def test_a_still_is_little_work_however_long() -> None:
    scene = rehearsal([[(30, False), (900, True)]])
    assert scene.work(range(2)) == 30 + STILL_WORK


@given(st.lists(scenes, min_size=1, max_size=5), st.integers(1, 8))
def test_all_of_every_scene_is_shared_out_the_longest_first(
    found: list[Rehearsal], count: int
) -> None:
    named = {f"scene {i}": scene for i, scene in enumerate(found)}
    parts = shared_out(named, count, 10)
    for name, scene in named.items():
        drawn = sorted(play for part_of, part in parts if part_of == name for play in part)
        assert drawn == list(range(len(scene.lengths)))
    work = [named[name].work(part) for name, part in parts]
    assert work == sorted(work, reverse=True)


def test_a_long_scene_is_cut_and_a_short_one_is_not() -> None:
    long = rehearsal([[(100, False)] for _ in range(8)])
    short = rehearsal([[(20, False)] for _ in range(4)])
    parts = shared_out({"long": long, "short": short}, 4, 10)
    assert [name for name, _ in parts].count("long") == 8
    assert [name for name, _ in parts].count("short") == 1
    # Where one worker would have to wait for another, the last are cut as well.
    medium = rehearsal([[(40, False)] for _ in range(4)])
    ends = shared_out({"long": long, "medium": medium}, 2, 10)
    assert [name for name, _ in ends].count("medium") == 2
    assert {name for name, _ in ends[-2:]} == {"medium"}
    alone = shared_out({"short": short}, 4, 10)
    assert len(alone) <= 80 // SHORTEST + 1


@pytest.mark.parametrize(
    ("free", "count"), [(100.0, None), (2.5, 2), (1.0, 1), (0.1, 1)], ids=["all", "2", "1", "none"]
)
def test_there_are_as_many_workers_as_memory_for_them(
    monkeypatch: pytest.MonkeyPatch, free: float, count: int | None
) -> None:
    monkeypatch.setattr(workers, "_free_memory", lambda: int(free * workers.MEMORY))
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: set(range(7)))
    assert workers.usual_workers() == (count or 7)


def fail(number: int) -> int:
    if number == 3:
        raise LectureError("three is no number")
    return number


def test_what_a_worker_raises_is_raised_here() -> None:
    with (
        pytest.raises(LectureError, match="three is no number"),
        workers.Workers(1, lambda scene, frames: None) as pool,
    ):
        dict(pool.run(fail, {number: (number,) for number in (1, 2, 3)}))


# -- for real ----------------------------------------------------------------------------


def rendered(cache: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> SilentScene:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(cache))
    from scenes.catalog import scene_entry

    options = SceneOptions()
    recordings = record(scene_entry("forward_process").recipes(options))
    speaker = make_speaker("silent")
    job = plan_job("forward_process", options, TINY, "silent", speaker, recordings)
    told: list[tuple[Stage, str, int, int]] = []
    [scene] = render_scenes([job], lambda *event: told.append(event), workers=count)
    shares = [done / total for stage, _, done, total in told if stage is Stage.RENDERING]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    return scene


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as movie:
        return [frame.to_ndarray() for frame in movie.decode(video=0)]


def test_serial_and_parallel_cold_and_warm_no_frame_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serial = rendered(tmp_path / "serial", 1, monkeypatch)
    parallel = rendered(tmp_path / "parallel", 3, monkeypatch)
    assert serial.chapter == parallel.chapter
    assert serial.drawn == parallel.drawn == round(serial.chapter.end * TINY.frame_rate)
    assert stream_digest(serial.job.target) == stream_digest(parallel.job.target)
    ours, theirs = frames_of(serial.job.target), frames_of(parallel.job.target)
    assert len(ours) == len(theirs) == serial.drawn
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))

    warm = rendered(tmp_path / "parallel", 2, monkeypatch)
    assert (warm.fresh, warm.drawn) == (False, 0)
    before = parallel.job.target.read_bytes()
    parallel.job.target.unlink()
    joined = rendered(tmp_path / "parallel", 2, monkeypatch)
    assert (joined.fresh, joined.drawn) == (True, 0)
    assert joined.job.target.read_bytes() == before
