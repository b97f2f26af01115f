"""A small sweep as users run it, and what must be true of its files whatever happened."""

from __future__ import annotations

import json
import subprocess

from studio.video import stream_digest
from tests.helpers import Workplace, session_of, wait_until

NAME = "introduction_opening"
USUAL = ("--steps", "2", "--cut", "short", "--quality", "draft", "--voice", "silent")
SWEEP = ("sweep", NAME, *USUAL, "--output", "made", "--json", "--workers", "2")
SUFFIXES = (".mp4", ".srt", ".vtt", ".md", ".json")


def stem(seed: int) -> str:
    return f"{NAME}-seed{seed}-steps-2-cut-short-draft-silent"


def drawing(place: Workplace, process: subprocess.Popen[str]) -> list[int]:
    """The workers of ``process`` that draw now."""
    owners = (folder.name for folder in (place.cache / "work").glob("*-drawing-*"))
    found = {int(owner.partition("-")[0]) for owner in owners}
    return sorted(found & set(session_of(process.pid))) if found else []


def until_it_draws(place: Workplace, process: subprocess.Popen[str]) -> None:
    assert wait_until(lambda: process.poll() is not None or drawing(place, process))


def assert_whole(place: Workplace, seeds: set[int]) -> None:
    """Exactly these videos are there, each whole and with all that goes beside it."""
    folder = place.folder / "made"
    videos = {path.name for path in folder.glob("[!.]*.mp4") if path.is_file()}
    assert videos == {f"{stem(seed)}.mp4" for seed in seeds}
    for seed in seeds:
        assert all((folder / f"{stem(seed)}{suffix}").is_file() for suffix in SUFFIXES)
        manifest = json.loads((folder / f"{stem(seed)}.json").read_text())
        digest = stream_digest(folder / f"{stem(seed)}.mp4")
        assert manifest["video"]["stream_sha256"] == digest
    assert list(place.folder.rglob(".*")) == []
    assert list((place.cache / "work").iterdir()) == []
