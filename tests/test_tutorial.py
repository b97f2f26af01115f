"""The tutorial, followed to the letter in a copy of the project."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT, Workplace, finished

TUTORIAL = ROOT / "docs" / "your-own-scene.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PYTHON = ".venv/bin/python "
FOLDERS = ("diffusion_core", "explorer", "scenes", "studio", "tests")
FILES = ("render.py", "pyproject.toml")
CATALOG = "scenes/catalog.py"
ENTRY = "        *CARDS,\n"
"""The line of the table of contents above which the tutorial puts the entry."""


def blocks() -> list[tuple[str, str, str]]:
    """Language, file (or none) and content of each block of the tutorial."""
    return BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))


def commands() -> list[str]:
    return [line for language, _, text in blocks() if language == "sh" for line in text.split("\n")]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Workplace:
    """A copy of the project in which the files of the tutorial are where it puts them."""
    folder = tmp_path_factory.mktemp("tutorial") / "project"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for language, place, text in blocks():
        if language != "python":
            continue
        path = folder / place
        if place == CATALOG:
            before = path.read_text(encoding="utf-8")
            assert before.count(ENTRY) == 1
            path.write_text(before.replace(ENTRY, text + ENTRY), encoding="utf-8")
        else:
            assert not path.exists(), f"{place} is there already"
            path.write_text(text, encoding="utf-8")
    quick = {"DIFFUSION_LECTURES_STEPS": "10", "DIFFUSION_LECTURES_VOICE": "silent"}
    return Workplace(folder, cache, quick)


def run(copy: Workplace, *arguments: str) -> str:
    """What a command of the tutorial prints, once it has ended well."""
    process = subprocess.Popen(
        arguments,
        cwd=copy.folder,
        env=copy.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    done = finished(process)
    assert done.code == 0, done.out + done.err
    return done.out


def test_it_is_one_file_one_entry_and_one_test() -> None:
    places = [place for language, place, _ in blocks() if language == "python"]
    assert places == [
        CATALOG,
        "scenes/thin_and_bold.py",
        "tests/scenes/test_thin_and_bold.py",
    ]


def test_its_code_is_as_the_house_wants_it(copy: Workplace) -> None:
    for action in (["check"], ["format", "--check"]):
        files = [place for language, place, _ in blocks() if language == "python"]
        run(copy, sys.executable, "-m", "ruff", *action, *files)


@pytest.mark.slow
def test_every_command_of_it_works(copy: Workplace) -> None:
    lines = [line for line in commands() if line]
    assert len(lines) >= 4
    for line in lines:
        assert line.startswith(PYTHON)
        told = run(copy, sys.executable, *shlex.split(line.removeprefix(PYTHON)))
        if "pytest" in line:
            assert int(re.findall(r"(\d+) passed", told)[0]) >= 8
            assert "failed" not in told
    videos = {path.name for path in (copy.folder / "media" / "thin_and_bold").glob("*.mp4")}
    assert videos == {
        "thin_and_bold-seed0-steps-10-draft-silent.mp4",
        "thin_and_bold-seed3-steps-10-theme-light-cut-short-draft-silent.mp4",
    }
    assert "thin_and_bold" in run(copy, sys.executable, "render.py", "list")
