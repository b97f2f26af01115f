"""``render.py reproduce``: the same again from its manifest, or in words what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import render
from diffusion_core.errors import LectureError, UsageError
from studio.commands import loops
from studio.finished import file_digest
from studio.manifest import provenance, write_manifest
from studio.reproduce import Past, Run, read_past, reproduce
from studio.video import run_ffmpeg, stream_digest
from tests.helpers import Workplace
from tests.studio.test_video import make_video

GIF = (
    *("gif", "forward_process", "--image", "mine.png", "--seed", "3"),
    *("--quality", "draft", "--range", "18.5:19.5", "--output", "made/a.gif"),
)


def paint(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)


# -- the whole way --------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A workplace with a loop of a picture of the user's own."""
    place = Workplace(tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("cache"))
    paint(place.folder / "mine.png", 0)
    place.render(*GIF, "--json").facts  # noqa: B018
    return place


def test_it_comes_out_again_from_nothing(place: Workplace) -> None:
    """Whatever the environment says, and whatever is kept from the first time."""
    before = place.files()
    settings = {"DIFFUSION_LECTURES_SEED": "5", "DIFFUSION_LECTURES_THEME": "light"}
    done = place.render("reproduce", "made/a.gif.json", "--output", "again", **settings)
    assert (done.code, done.out) == (
        0,
        "a.gif: identical\na.gif.png: identical\nidentical\n",
    ), done.err
    assert "recording forward: done" in done.err
    after = place.files()
    assert {name: after[name] for name in before} == before
    assert {Path(name) for name in after} - {Path(name) for name in before} == {
        Path("again", name) for name in ("a.gif", "a.gif.png", "a.gif.json")
    }
    assert list((place.cache / "work").iterdir()) == []


def test_a_picture_that_is_another_one_is_found_before_any_work(
    place: Workplace, tmp_path: Path
) -> None:
    elsewhere = Workplace(tmp_path / "here", tmp_path / "cache")
    manifest = str(place.folder / "made/a.gif.json")
    wanted = file_digest(place.folder / "mine.png")
    done = elsewhere.render("reproduce", manifest)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: mine.png, which ")
    assert f"is not here; put it back (its SHA-256 is {wanted})" in done.err

    paint(elsewhere.folder / "mine.png", 1)
    done = elsewhere.render("reproduce", manifest)
    assert (done.code, done.out) == (1, "")
    assert f"it was {wanted}; put back the one that it was" in done.err
    assert not elsewhere.cache.exists()
    assert set(elsewhere.files()) == {"mine.png"}


def test_what_came_out_differently_is_told_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = noted(tmp_path / "then", {"a.gif": "a", "b.png": "b"}, commit="1")
    # The command writes something else; all about it is as it is.
    command = writing({"a.gif": "a", "b.png": "c"}, then, commit="2")

    def written(output: Path, **options: object) -> None:
        command("gif", [f"--output={output}"])

    monkeypatch.setattr(loops.gif_command, "callback", written)
    for arguments in ([], ["--json"]):
        done = CliRunner().invoke(render.cli, ["reproduce", str(then), *arguments])
        assert isinstance(done.exception, LectureError)
        assert done.exception.exit_code == 1
        assert str(then) in str(done.exception)
        if arguments:
            assert json.loads(done.stdout) == {
                "identical": False,
                "files": {"a.gif": "identical", "b.png": "different"},
                "differences": ["commit: was 1, is 2"],
                "folder": None,
            }
        else:
            assert done.stdout.splitlines() == [
                "a.gif: identical",
                "b.png: different",
                "commit: was 1, is 2",
                "not identical",
            ]


# -- what a manifest says -----------------------------------------------------------


def noted(folder: Path, contents: dict[str, str], **more: Any) -> Path:
    """A manifest of files with these contents."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_text(content)
    facts = provenance("gif", {"name": "scene", "seed": 3}, paths[0], paths)
    write_manifest(folder / "then.json", facts | more)
    return folder / "then.json"


def writing(contents: dict[str, str], then: Path, **more: Any) -> Run:
    """A command that writes those contents, and a manifest with the facts changed by ``more``."""

    def run(command: str, arguments: Sequence[str]) -> None:
        output = Path(arguments[0].removeprefix("--output="))
        for name, content in contents.items():
            (output.parent / name).write_text(content)
        facts = json.loads(then.read_text()) | more
        write_manifest(output.parent / "then.json", facts)

    return run


def test_the_order_becomes_arguments(tmp_path: Path) -> None:
    order = {
        "name": "-odd name",
        "max_size": "5MB",
        "prompt": "",
        "guidance": None,
        "strict": True,
        "caption": False,
        "set": ["a=1", "b=2"],
    }
    past = read_past(noted(tmp_path, {"a.gif": "a"}))
    asked = Past(past.path, past.facts | {"order": order}).arguments(Path("there"))
    assert asked == [
        *("--output=there/a.gif", "--max-size=5MB", "--prompt=", "--strict"),
        *("--set=a=1", "--set=b=2", "--", "-odd name"),
    ]
    folder = Past(past.path, past.facts | {"output": "", "order": {}}).arguments(Path("there"))
    assert folder == ["--output=there"]


def test_every_file_is_compared(tmp_path: Path) -> None:
    contents = {"a.gif": "a", "a.png": "b", "c": "c"}
    then = noted(tmp_path / "then", contents)
    past = read_past(then)
    same = reproduce(past, writing(contents, then), tmp_path / "one")
    assert same.identical
    assert (set(same.files.values()), same.differences) == ({"identical"}, ())
    other = reproduce(past, writing({"a.gif": "a", "a.png": "B"}, then))
    assert not other.identical
    assert other.files == {"a.gif": "identical", "a.png": "different", "c": "absent"}
    assert other.folder is None


def test_of_a_video_it_is_told_whether_the_picture_is_the_same(tmp_path: Path) -> None:
    first = make_video(tmp_path / "a.mp4", 10)
    facts = provenance("scene", {"name": "scene"}, first, [first])
    video = {"file": "a.mp4", "stream_sha256": stream_digest(first)}
    write_manifest(first.with_suffix(".json"), facts | {"video": video})
    past = read_past(first.with_suffix(".json"))

    def retitled(command: str, arguments: Sequence[str]) -> None:
        copied = ffmpeg.input(str(first)).output(
            arguments[0].removeprefix("--output="), c="copy", metadata="title=another"
        )
        run_ffmpeg(copied)

    def redrawn(command: str, arguments: Sequence[str]) -> None:
        make_video(Path(arguments[0].removeprefix("--output=")), 11)

    assert reproduce(past, retitled).files == {"a.mp4": "same picture"}
    assert not reproduce(past, retitled).identical
    assert reproduce(past, redrawn).files == {"a.mp4": "different"}


def test_what_it_was_made_of_and_by_is_compared_in_words(tmp_path: Path) -> None:
    recipe = {"kind": "ForwardRecipe", "seed": 1, "long": list(range(99))}
    recordings = {
        "forward": {"fingerprint": "f", "digest": "d", "recipe": recipe},
        "reverse": {"fingerprint": "r", "digest": "d", "recipe": {}, "threads": 2},
    }
    then = noted(tmp_path / "then", {"a.gif": "a"}, recordings=recordings, commit="1")
    past = read_past(then)
    now = {
        "forward": {"fingerprint": "g", "digest": "d", "recipe": recipe | {"seed": 2, "long": []}},
        "reverse": {"fingerprint": "r", "digest": "e", "recipe": {}, "threads": 1},
    }
    versions = past.facts["versions"] | {"manim": "0.1"}
    changed = {"recordings": now, "commit": "2", "versions": versions}
    found = reproduce(past, writing({"a.gif": "a"}, then, **changed))
    assert found.identical, "it may well be, whatever else has changed"
    of_recipe, of_numbers, of_version, of_commit = found.differences
    assert of_recipe.startswith("recordings: forward is of another recipe (long was [0, 1,")
    assert of_recipe.endswith("…, is []; seed was 1, is 2)")
    assert of_numbers == (
        "recordings: reverse, of the same recipe, came out with other numbers (threads was 2, is 1)"
    )
    assert of_version == f"versions: manim was {past.facts['versions']['manim']}, is 0.1"
    assert of_commit == "commit: was 1, is 2"


def test_a_place_that_holds_such_a_file_is_refused(tmp_path: Path) -> None:
    then = noted(tmp_path / "then", {"a.gif": "a"})

    def never(command: str, arguments: Sequence[str]) -> None:
        raise AssertionError("it works already")

    with pytest.raises(UsageError, match=r"holds a\.gif already"):
        reproduce(read_past(then), never, tmp_path / "then")
    (tmp_path / "file").touch()
    with pytest.raises(LectureError, match="below cannot be written"):
        reproduce(read_past(then), never, tmp_path / "file" / "below")


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no object": (lambda facts: [facts], "is no manifest"),
    "too little": (lambda facts: {"name": "scene", "video": {}}, "lacks command, order, output"),
    "another format": (lambda facts: facts | {"format": 99}, "lacks format 1"),
    "a place": (lambda facts: facts | {"output": "/etc/passwd"}, "names '/etc/passwd'"),
    "a way up": (lambda facts: facts | {"files": {"a/../../b": "0"}}, "which is not beside it"),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_what_is_no_manifest_is_refused(kind: str, tmp_path: Path) -> None:
    change, says = MANIFESTS[kind]
    then = noted(tmp_path, {"a.gif": "a"})
    then.write_text(json.dumps(change(json.loads(then.read_text()))))
    with pytest.raises(LectureError, match=says):
        read_past(then)


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for content in (b"{", b"\xff\xfe", b""):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(LectureError, match="is no manifest"):
            read_past(tmp_path / "a.json")
    with pytest.raises(LectureError, match="does not exist"):
        read_past(tmp_path / "b.json")


@pytest.mark.parametrize("command", ["reproduce", "list", "format-disk"])
def test_only_commands_that_make_files_are_run(command: str, tmp_path: Path) -> None:
    then = noted(tmp_path / "here", {"a.gif": "a"}, command=command)
    place = Workplace(tmp_path / "here", tmp_path / "cache")
    done = place.render("reproduce", then.name)
    assert (done.code, done.out) == (2, "")
    assert f"is of the command {command!r}, which makes no such file" in done.err
