"""Products that are still there are found by a look; anything that has changed is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusion_core.recipe import ForwardRecipe
from studio import finished
from studio.finished import made_of, recall, remember

ORDER = {"name": "introduction", "seed": 0}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / "made.mp4", tmp_path / "made.srt"]
    for path in found:
        path.write_text(path.name)
    return found


def test_what_is_remembered_is_recalled(files: list[Path]) -> None:
    assert recall("key") is None
    remember("key", files, {"seconds": 3.5})
    assert recall("key") == {"seconds": 3.5}
    assert recall("another") is None


@pytest.mark.parametrize("change", ["gone", "changed", "a folder"])
def test_a_file_that_is_not_as_it_was_is_noticed(files: list[Path], change: str) -> None:
    remember("key", files, {})
    files[1].unlink()
    if change == "changed":
        files[1].write_text("made.srT")
    elif change == "a folder":
        files[1].mkdir()
    assert recall("key") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": {}}', '{"files": 3, "facts": {}}'])
def test_a_damaged_note_is_no_note(files: list[Path], content: str) -> None:
    remember("key", files, {})
    finished._place("key").write_text(content)
    assert recall("key") is None


def test_the_key_is_of_all_that_was_ordered_and_run() -> None:
    recipes = {"forward": ForwardRecipe()}
    key = made_of(ORDER, recipes)
    assert key == made_of(dict(reversed(ORDER.items())), recipes)
    others = [
        made_of({**ORDER, "seed": 1}, recipes),
        made_of(ORDER, {"forward": ForwardRecipe(seed=1)}),
        made_of(ORDER, {"other": ForwardRecipe()}),
    ]
    assert len({key, *others}) == 4


def test_another_picture_in_the_same_file_is_another_key(tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    recipes = {"forward": ForwardRecipe(image=str(picture))}
    absent = made_of(ORDER, recipes)
    picture.write_bytes(b"one")
    before = made_of(ORDER, recipes)
    picture.write_bytes(b"two")
    assert len({absent, before, made_of(ORDER, recipes)}) == 3


def test_another_version_of_the_code_or_of_a_package_is_another_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = made_of(ORDER, {})
    with monkeypatch.context() as patch:
        patch.setattr(finished.importlib.metadata, "version", lambda name: "0")
        assert made_of(ORDER, {}) != before
    (tmp_path / "scenes").mkdir()
    source = tmp_path / "scenes" / "scene.py"
    source.write_text("one")
    monkeypatch.setattr(finished, "ROOT", tmp_path)
    keys = []
    for text in ("one", "two", "one"):
        source.write_text(text)
        finished._project.cache_clear()
        keys.append(made_of(ORDER, {}))
    finished._project.cache_clear()
    assert keys[0] == keys[2] != keys[1]
