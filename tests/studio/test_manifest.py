"""The manifest: readable, repeatable, honest about what is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.errors import LectureError
from diffusion_core.recipe import ForwardRecipe, ReverseRecipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from studio import manifest
from studio.finished import file_digest
from studio.manifest import (
    brief,
    commit,
    inputs_of,
    numbers_digest,
    provenance,
    sources,
    versions,
    write_manifest,
)
from tests.diffusion_core.fakes import tiny_weights


def test_a_manifest_is_sorted_json_and_the_same_twice(tmp_path: Path) -> None:
    path = tmp_path / "made" / "manifest.json"
    facts = {"voice": "silent", "ᾱ": 0.5, "scene": Path("media/x"), "chapters": [1, None, True]}
    write_manifest(path, facts)
    first = path.read_bytes()
    write_manifest(path, dict(reversed(facts.items())))
    assert path.read_bytes() == first
    assert list(json.loads(first)) == sorted(facts)
    assert json.loads(first)["scene"] == "media/x"
    assert "ᾱ".encode() in first
    assert first.endswith(b"}\n")


def test_what_has_no_json_form_is_refused_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_manifest(path, {"a": 1})
    with pytest.raises(TypeError, match="has no place in a manifest"):
        write_manifest(path, {"a": object()})
    with pytest.raises(ValueError, match="JSON"):
        write_manifest(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()  # a folder is in the way
    with pytest.raises(LectureError, match="cannot be written"):
        write_manifest(tmp_path / "manifest.json", {})


def test_long_lists_are_told_by_number_and_digest() -> None:
    masks = [[[0, 1] * 14] * 28] * 2
    facts = {"seeds": list(range(100)), "runs": {"a": {"mask": masks, "t": (3, 4)}}}
    told = brief(facts)
    assert told["seeds"] == facts["seeds"]  # type: ignore[index]
    found = told["runs"]["a"]  # type: ignore[index]
    assert found["t"] == [3, 4]
    assert found["mask"]["values"] == 2 * 28 * 28
    other = brief({"mask": [[[1, 0] * 14] * 28] * 2})
    assert found["mask"]["sha256"] != other["mask"]["sha256"]  # type: ignore[index]
    assert found["mask"] == brief({"mask": masks})["mask"]  # type: ignore[index]


def test_versions_name_packages_and_programs() -> None:
    found = versions()
    assert found["python"] == sys.version.split()[0]
    assert found["manim"]
    assert found["numpy"]
    assert found["ffmpeg"]
    assert found["espeak-ng"]


def test_versions_without_the_programs_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = versions()
    assert found["ffmpeg"] is None
    assert found["espeak-ng"] is None
    assert found["manim"]


def test_versions_import_nothing_heavy() -> None:
    script = (
        "import sys; from studio.manifest import versions; versions();"
        "sys.exit(bool({'manim', 'torch', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_the_commit_says_whether_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True)

    assert commit(tmp_path) is None
    git("init", "-q")
    assert commit(tmp_path) is None
    (tmp_path / "file").write_text("one")
    git("add", ".")
    git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "first")
    clean = commit(tmp_path)
    assert clean
    assert len(clean) == 40
    (tmp_path / "new").write_text("two")
    assert commit(tmp_path) == f"{clean}+changes"
    (tmp_path / "inside").mkdir()
    assert commit(tmp_path / "inside") is None
    monkeypatch.setenv("PATH", "/nowhere")
    assert commit(tmp_path) is None


# -- how a product can be made again ------------------------------------------------


def test_provenance_has_the_order_and_the_digests_of_what_came_out(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    files = [tmp_path / "made.gif", tmp_path / "below" / "made.png"]
    for path in files:
        path.write_text(path.name)
    facts = provenance("gif", {"name": "scene", "seed": 3}, files[0], files)
    assert (facts["command"], facts["order"]) == ("gif", {"name": "scene", "seed": 3})
    assert facts["output"] == "made.gif"
    assert facts["files"] == {
        "made.gif": file_digest(files[0]),
        "below/made.png": file_digest(files[1]),
    }
    assert facts["versions"] == versions()
    assert facts["sources"] == sources()
    folder = provenance("sweep", {}, tmp_path, files)
    assert (folder["output"], folder["files"]) == ("", facts["files"])
    write_manifest(tmp_path / "made.json", facts)
    with pytest.raises(LectureError, match=r"absent\.gif cannot be read"):
        provenance("gif", {}, files[0], [tmp_path / "absent.gif"])


def test_provenance_has_the_recording_and_what_came_out_of_it(tmp_path: Path) -> None:
    recipe = ForwardRecipe(size=8, T=10, keep=3)
    recording = Store(tmp_path / "recordings").get(recipe)
    facts = provenance("gif", {}, tmp_path / "a", [], recordings={"forward": recording})
    noted = facts["recordings"]["forward"]
    assert noted["fingerprint"] == recording.fingerprint
    assert noted["digest"] == numbers_digest(recording.trajectory)
    assert noted["recipe"]["seed"] == recipe.seed


def test_the_digest_of_a_recording_is_of_its_numbers(tmp_path: Path) -> None:
    def recorded(seed: int) -> Trajectory:
        recipe = ForwardRecipe(size=8, T=10, keep=3, seed=seed)
        return Store(tmp_path / "recordings").get(recipe).trajectory

    one, other = recorded(0), recorded(1)
    busier = replace(one, facts={**one.facts, "threads": 99})
    assert numbers_digest(busier) == numbers_digest(one) != numbers_digest(other)
    bundled = Bundle({"a": one, "b": other})
    assert numbers_digest(bundled) == numbers_digest(Bundle({"a": busier, "b": other}))
    assert numbers_digest(bundled) != numbers_digest(Bundle({"a": other, "b": one}))


def test_the_users_own_pictures_and_weights_are_inputs_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(b"a picture")
    Path("flower").write_bytes(b"has the name of a picture that ships")
    Path("run").mkdir()
    weights = tiny_weights(tmp_path / "run" / "weights.safetensors")
    recipes = [
        ForwardRecipe(image="cat.png"),
        ForwardRecipe(image="flower"),
        ReverseRecipe(model="run"),
        ReverseRecipe(model="mnist"),
    ]
    assert inputs_of(recipes) == {
        "cat.png": file_digest(Path("cat.png")),
        "run": file_digest(weights),
    }


def test_the_digest_of_the_sources_is_of_the_code_and_the_fonts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "ROOT", tmp_path)
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "one.py").write_text("1")
    before = sources()
    (tmp_path / "scenes" / "notes.txt").write_text("no code")
    assert sources() == before
    (tmp_path / "scenes" / "one.py").write_text("2")
    changed = sources()
    (tmp_path / "scenes" / "one.py").rename(tmp_path / "scenes" / "two.py")
    assert len({before, changed, sources()}) == 3
