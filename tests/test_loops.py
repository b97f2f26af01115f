"""``render.py gif`` as its users run it: its files, the second time, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenes.catalog import SCENES
from tests.helpers import Workplace, finished

SCENE = ("gif", "forward_process", "--quality", "draft")
GIF = (*SCENE, "--range", "18.5:20")
NAMES = {"made/a.gif", "made/a.gif.png", "made/a.gif.json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Workplace:
    """A workplace in which the loop was made: its scene is drawn."""
    place = Workplace(tmp_path_factory.mktemp("loops"), cache)
    place.render(*GIF, "--output", "made/a.gif", "--json").facts  # noqa: B018
    return place


@pytest.fixture
def elsewhere(place: Workplace, tmp_path: Path) -> Workplace:
    """Another folder, the same drawn scene."""
    return Workplace(tmp_path / "here", place.cache)


def manifest_of(place: Workplace, name: str = "made/a.gif") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place.folder / f"{name}.json").read_text())
    return found


def pictures(place: Workplace) -> dict[str, bytes]:
    """What must be the same each time; a manifest says of which commit it is."""
    return {name: content for name, content in place.files().items() if ".json" not in name}


def assert_whole(place: Workplace, names: set[str] = NAMES) -> None:
    """Those files and no others, of one make."""
    files = place.files()
    assert set(files) == names
    noted = manifest_of(place)["files"]
    assert noted == {
        Path(name).name: hashlib.sha256(files[name]).hexdigest()
        for name in names
        if not name.endswith(".json")
    }


def test_a_loop_a_still_a_manifest_and_a_line_to_paste(place: Workplace) -> None:
    assert_whole(place)
    told = place.render(*GIF, "--output", "made/a.gif")
    facts = place.render(*GIF, "--output", "made/a.gif", "--json", "--quiet").facts
    assert facts["fresh"] is False, "it is there, as it was made"
    assert [facts[key] for key in ("loop", "still", "manifest")] == sorted(
        NAMES, key=("made/a.gif", "made/a.gif.png", "made/a.gif.json").index
    )
    entry = SCENES["forward_process"]
    assert facts["alt"].startswith(f"{entry.title}: {entry.teaches}. ")
    assert told.out.splitlines()[-1] == facts["markdown"]
    assert told.out.splitlines()[-1].endswith("](made/a.gif)")

    with (
        Image.open(place.folder / "made/a.gif") as loop,
        Image.open(place.folder / "made/a.gif.png") as still,
    ):
        assert [*loop.size] == [*still.size] == facts["size"] == [640, 360]
        assert loop.n_frames == facts["frames"]  # type: ignore[attr-defined]
        loop.seek(facts["frames"] - 1)
        last = np.asarray(loop.convert("RGB")).astype(int)
        assert np.abs(last - np.asarray(still)).mean() < 12, "as near as its colours go"
    assert facts["bytes"] == (place.folder / "made/a.gif").stat().st_size <= 5e6
    assert facts["seconds"] <= 8

    manifest = manifest_of(place)
    assert manifest["command"] == "gif"
    assert manifest["alt"] == facts["alt"]
    assert manifest["order"]["range"] == "18.5:20.0"
    assert len(manifest["recordings"]["forward"]["digest"]) == 64
    assert manifest["inputs"] == {}


def test_what_was_changed_is_made_again(place: Workplace, elsewhere: Workplace) -> None:
    command = (*GIF, "--output", "made/a.gif", "--json", "--quiet")
    assert elsewhere.render(*command).facts["fresh"] is True
    assert pictures(elsewhere) == pictures(place)
    (elsewhere.folder / "made/a.gif.png").unlink()
    assert elsewhere.render(*command).facts["fresh"] is True
    assert pictures(elsewhere) == pictures(place)


def test_a_size_is_reached_by_itself_and_what_was_tried_is_told(
    place: Workplace, elsewhere: Workplace
) -> None:
    most = manifest_of(place)["loop"]["bytes"] * 6 // 10_000 * 1000
    command = (*GIF, "--output", "made/a.gif", "--max-size", f"{most // 1000}kB")
    facts = elsewhere.render(*command, "--json", "--quiet").facts
    *refused, taken = facts["tried"]
    assert refused
    assert all(tried["bytes"] > most for tried in refused)
    assert taken["bytes"] == facts["bytes"] <= most
    told = elsewhere.render(*command, "--quiet").out.splitlines()
    assert [line for line in told if line.startswith("  too large: ")] == told[1 : len(refused) + 1]
    assert_whole(elsewhere)


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--beats", "4:99"], 2, "beats 4:99 are not among the 7 of 'forward_process'"),
        (["--range", "4:999"], 2, "--range 4:999 goes beyond"),
        (
            ["--range", "18.5:20", "--max-size", "20kB"],
            1,
            "at its smallest (320 px, 10 frames a second, colours 32)",
        ),
    ],
)
def test_what_the_scene_cannot_give_leaves_the_old_one(
    more: list[str], code: int, says: str, place: Workplace
) -> None:
    before = place.files()
    done = place.render(*SCENE, "--output", "made/a.gif", "--quiet", *more)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert place.files() == before


# -- faults -------------------------------------------------------------------------


def test_a_disk_that_is_full_leaves_no_part_of_a_loop(elsewhere: Workplace) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # its children inherit it
    try:
        process = elsewhere.start(*GIF, "--output", "made/a.gif", "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    done = finished(process)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: made/a.gif")
    assert "cannot be written" in done.err
    assert "make room there" in done.err
    assert "Traceback" not in done.err
    assert elsewhere.files() == {}


def test_killed_at_any_moment_it_leaves_nothing_torn(
    place: Workplace, elsewhere: Workplace
) -> None:
    chance = np.random.default_rng()
    command = (*GIF, "--output", "made/a.gif", "--quiet")
    for later in chance.uniform((0.3, 1.2), (1.2, 2.5)):
        process = elsewhere.start(*command)
        time.sleep(later)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        finished(process)
        left = {name: content for name, content in pictures(elsewhere).items() if "/." not in name}
        assert left.items() <= pictures(place).items(), f"torn after {later:.3f} s"
        if (elsewhere.folder / "made/a.gif.json").exists():
            assert manifest_of(elsewhere)["files"] == manifest_of(place)["files"]
    assert elsewhere.render(*command).code == 0
    assert_whole(elsewhere)
    assert pictures(elsewhere) == pictures(place)


def test_two_that_make_one_file_at_once_do_not_mix(elsewhere: Workplace) -> None:
    """Unlike ones, so that a mixture would show; one waits for the other."""
    ranges = ("18.5:19.5", "20:21")
    command = (*SCENE, "--output", "made/a.gif", "--json")
    started = [elsewhere.start(*command, "--range", seconds) for seconds in ranges]
    both = [finished(process) for process in started]
    assert [done.code for done in both] == [0, 0], both
    assert_whole(elsewhere)
    assert manifest_of(elsewhere)["order"]["range"] in {"18.5:19.5", "20.0:21.0"}
    assert manifest_of(elsewhere)["alt"] in {done.facts["alt"] for done in both}
