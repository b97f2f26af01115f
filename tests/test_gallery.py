"""The README's pictures that move: made by the command, small, and what their manifests say."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from diffusion_core.recipe import fingerprint
from scenes.catalog import SCENES
from scenes.options import OPTION_NAMES, SceneOptions
from studio.reproduce import check_inputs, read_past

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = {path: alt for alt, path in re.findall(r"!\[((?:[^\]\\]|\\.)*)\]\(([^)]+)\)", README)}
LOOPS = sorted(path for path in SHOWN if Path(path).suffix in (".gif", ".webp", ".avif"))


def manifest_of(loop: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"{loop}.json").read_text(encoding="utf-8"))
    return found


def test_the_readme_shows_loops_and_every_one_of_the_gallery_is_of_it() -> None:
    assert LOOPS
    made = re.search(r"^SCENES := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert made
    assert sorted(f"media/gallery/{name}.gif" for name in made[1].split()) == LOOPS


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_was_made_by_the_command_and_is_as_it_was_made(loop: str) -> None:
    past = read_past(ROOT / f"{loop}.json")
    assert past.command == "gif"
    assert set(past.files) == {Path(loop).name, f"{Path(loop).name}.png"}
    for name, digest in past.files.items():
        content = (ROOT / loop).with_name(name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name
    check_inputs(past)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_is_small_and_short(loop: str) -> None:
    path = ROOT / loop
    facts = manifest_of(loop)["loop"]
    assert path.stat().st_size == facts["bytes"] < 5e6
    with Image.open(path) as opened, Image.open(f"{path}.png") as still:
        assert [*opened.size] == [*still.size] == facts["size"]
        assert opened.width <= 640
        delays = []
        for at in range(opened.n_frames):  # type: ignore[attr-defined]
            opened.seek(at)
            delays.append(opened.info["duration"])
        assert opened.info["loop"] == 0
    assert {1000 / delay for delay in delays[:-1]} <= {10, 12.5}
    assert delays[-1] == 1500, "it holds its end"
    assert sum(delays) <= 8000


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_shows_the_runs_that_there_would_be_today(loop: str) -> None:
    """Other weights, another picture or another recipe, and it is time for `make gallery`."""
    past = read_past(ROOT / f"{loop}.json")
    entry = SCENES[past.order["name"]]
    options = SceneOptions(**{key: past.order[key] for key in OPTION_NAMES if key in past.order})
    noted = {name: run["fingerprint"] for name, run in past.facts["recordings"].items()}
    assert noted == {name: fingerprint(recipe) for name, recipe in entry.runs(options).items()}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_says_in_words_what_it_shows(loop: str) -> None:
    assert len(SHOWN[loop]) > 30
    assert manifest_of(loop)["alt"].startswith(f"{manifest_of(loop)['title']}: ")
    paths = re.findall(r'"(/[^"]*)"', (ROOT / f"{loop}.json").read_text(encoding="utf-8"))
    assert paths == [], "nothing of the machine that made it"
