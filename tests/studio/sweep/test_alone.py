"""A worker of a sweep draws its scene alone: the video is the one that many draw."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from diffusion_core.errors import LectureError
from scenes.options import SceneOptions
from studio.production import Order, produce
from studio.quality import Quality
from studio.sweep.task import Surroundings, make
from studio.video import stream_digest
from studio.workers import Alone, tell

TINY = Quality("tiny", 160, 90, 5)


def test_what_is_told_is_heard_by_the_innermost() -> None:
    outer: list[tuple[str, int]] = []
    inner: list[tuple[str, int]] = []
    with Alone(lambda *told: outer.append(told)) as pool:
        for key, done in pool.run(lambda number: tell("scene", number), {"a": (1,), "b": (2,)}):
            assert (key, done) == ("ab"[len(outer) - 1], None)
        with Alone(lambda *told: inner.append(told)):
            tell("scene", 3)
        tell("scene", 4)
    tell("nobody", 5)
    assert outer == [("scene", 1), ("scene", 2), ("scene", 4)]
    assert inner == [("scene", 3)]


def test_alone_and_by_workers_no_packet_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order("introduction_opening", SceneOptions(steps=2, cut="short"), TINY, "silent")
    alone = replace(order, output=tmp_path / "alone" / "video.mp4")
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "alone"))
    here = Surroundings.here()
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "elsewhere"))
    told: list[tuple[int, float]] = []
    make(alone, 7, here, lambda *share: told.append(share))
    # It was made where the sweep was started, and nothing of that stays.
    assert not (tmp_path / "elsewhere").exists()
    assert os.environ["DIFFUSION_LECTURES_CACHE"] == str(tmp_path / "elsewhere")
    assert told == sorted(told)
    assert {number for number, _ in told} == {7}
    assert all(0 <= share < 1 for _, share in told)

    by_workers = replace(order, output=tmp_path / "workers" / "video.mp4")
    produce(by_workers, workers=2)
    assert stream_digest(alone.video) == stream_digest(by_workers.video)


def test_a_worker_that_sees_other_disks_says_so(tmp_path: Path) -> None:
    order = Order("introduction_opening", SceneOptions(), TINY, "silent")
    place = Surroundings(tmp_path / "nowhere", {})
    with pytest.raises(LectureError, match="nowhere is not there for a worker of the cluster"):
        make(order, 0, place, lambda number, share: None)
