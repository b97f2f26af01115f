"""Who may import whom, and what stays cheap to import."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("diffusers", "ffmpeg", "gradio", "manim", "matplotlib", "sklearn", "torch", "torchvision")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(program), "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True
    )


def test_the_contracts_hold() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


# A house in small that keeps the contracts, and imports that break one each.
HOUSE = {
    "diffusion_core/__init__.py": "",
    "diffusion_core/recipe.py": "",
    "diffusion_core/runs.py": "import torch",
    "diffusion_core/store.py": "def get():\n    from diffusion_core.runs import run",
    "explorer/__init__.py": "",
    "explorer/command.py": "import studio.commands.videos\nfrom diffusion_core import runs",
    "scenes/__init__.py": "",
    "scenes/catalog.py": "import manim\nfrom diffusion_core import recipe",
    "studio/__init__.py": "",
    "studio/commands/__init__.py": "",
    "studio/commands/videos.py": "import studio.doctor",
    "studio/doctor.py": "import torch\nfrom diffusion_core import store",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, content in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return tmp_path


def test_the_house_in_small_keeps_the_contracts(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("importer", "line", "broken"),
    [
        ("scenes/new.py", "import torch", "Scenes read recordings"),
        ("scenes/new.py", "import diffusers", "Scenes read recordings"),
        ("scenes/new.py", "from diffusion_core.store import get", "Scenes read recordings"),
        ("scenes/new.py", "import studio.doctor", "Scenes read recordings"),
        ("scenes/new.py", "import studio.doctor", "Explorer above studio above scenes"),
        ("diffusion_core/new.py", "import scenes", "Explorer above studio above scenes"),
        ("diffusion_core/new.py", "import manim", "The core knows neither manim"),
        ("diffusion_core/new.py", "import click", "The core knows neither manim"),
        ("diffusion_core/new.py", "import render", "Nothing imports the command line"),
        ("studio/new.py", "import render", "Nothing imports the command line"),
        ("studio/new.py", "import studio.commands.videos", "Only the command line imports"),
        ("studio/new.py", "import torch", "The studio leaves torch to the core"),
        ("studio/new.py", "import explorer.command", "Explorer above studio above scenes"),
        ("explorer/new.py", "import torch", "The explorer leaves torch to the core"),
        ("explorer/new.py", "import manim", "The explorer leaves torch to the core"),
        ("explorer/new.py", "import studio.commands.videos", "Only the command line imports"),
    ],
)
def test_a_contract_that_is_broken_is_found(
    house: Path, importer: str, line: str, broken: str
) -> None:
    (house / importer).write_text(f"def later():\n    {line}\n")
    done = lint_imports(house)
    assert done.returncode == 1
    named = [text for text in done.stdout.splitlines() if " BROKEN" in text]
    assert any(text.startswith(broken) for text in named), done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import render",
        "import runpy; sys.argv[:] = ['x', '--help']; runpy.run_path('render.py', {}, '__main__')",
        "import scenes.catalog, scenes.options, scenes.cues",
        "import diffusion_core.recipe, diffusion_core.trajectory, diffusion_core.store",
    ],
    ids=["command line", "its help", "table of contents", "recipes and recordings"],
)
def test_what_is_imported_often_stays_cheap(code: str) -> None:
    script = f"""
import json, sys
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = json.loads(done.stderr.splitlines()[-1])
    assert set(imported) & set(HEAVY) == set()
