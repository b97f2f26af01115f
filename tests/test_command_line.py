"""The command line: what it answers, on which stream, and which settings it follows."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from diffusion_core.recipe import SEED_LIMIT, ReverseRecipe, fingerprint
from scenes.catalog import LECTURES, SCENES
from scenes.recipes import GALLERY
from tests.diffusion_core.fakes import TEXTS, tiny_reading_weights
from tests.helpers import RENDER, Workplace, path_with

HEAVY = {"diffusers", "manim", "matplotlib", "scipy", "sklearn", "torch", "torchvision"}
ESCAPE = "\x1b"


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Workplace:
    return Workplace(tmp_path / "here", cache)


@pytest.fixture(scope="module")
def reading_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network that was taught ``TEXTS``; read only."""
    return tiny_reading_weights(tmp_path_factory.mktemp("reading") / "reading.safetensors")


# -- answers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["list", "--json"],
        ["scene", "--help"],
        ["lecture", "--help"],
        ["scene", "nothing"],
        ["lecture", "introduction", "--quality", "ultra"],
    ],
    ids=" ".join,
)
def test_an_answer_takes_no_heavy_import(arguments: list[str], place: Workplace) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(RENDER), *arguments],
        cwd=place.folder,
        env=place.environment(),
        capture_output=True,
        encoding="utf-8",
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "click" in imported
    assert imported & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["scene", "--help"]])
def test_help_is_a_result(arguments: list[str], place: Workplace) -> None:
    done = place.render(*arguments)
    assert (done.code, done.err) == (0, "")
    assert done.out
    assert ESCAPE not in done.out


def test_the_help_shows_examples_each_on_its_line(place: Workplace) -> None:
    lines = [
        line.split("  ")[1] for line in place.render("--help").out.splitlines() if "  " in line
    ]
    assert "render.py lecture introduction" in lines
    assert "render.py list" in lines


def test_without_a_command_the_help_is_shown_and_nothing_was_done(place: Workplace) -> None:
    done = place.render()
    assert (done.code, done.out) == (2, "")
    assert "Usage:" in done.err


def test_the_list_names_every_scene_and_lecture_and_its_options(place: Workplace) -> None:
    told = place.render("list")
    assert told.err == ""
    facts = place.render("list", "--json").facts
    scenes = {entry["name"]: entry for entry in facts["scenes"]}
    lectures = {entry["name"]: entry for entry in facts["lectures"]}
    assert set(scenes) == {name for name, entry in SCENES.items() if not entry.card}
    assert set(lectures) == set(LECTURES)
    for name, entry in (scenes | lectures).items():
        known = SCENES.get(name) or LECTURES[name]
        assert entry["title"] == known.title
        assert entry["options"] == sorted(known.accepts)
        assert f"  {name} " in told.out
        assert known.teaches in told.out


# -- streams ---------------------------------------------------------------------


def test_results_go_to_stdout_and_progress_to_stderr(place: Workplace) -> None:
    command = ("record", "reverse_process", "--steps", "2", "--seed", "11")
    first = place.render(*command, "--json")
    recording = first.facts["reverse"]
    assert first.err == "recording reverse: done\n"
    assert ESCAPE not in first.out + first.err
    assert recording["fresh"] is True
    assert Path(recording["path"]).is_file()
    recipe = ReverseRecipe(seeds=tuple(range(11, 11 + GALLERY)), steps=2)
    assert recording["fingerprint"] == fingerprint(recipe)

    again = place.render(*command, "--json", "--quiet")
    assert again.err == ""
    assert again.facts == {"reverse": {**recording, "fresh": False}}

    told = place.render(*command, "--quiet")
    assert (told.out, told.err) == (f"reverse: {recording['path']}\n", "")


def on_a_terminal(place: Workplace, *arguments: str, **settings: str) -> tuple[str, str]:
    """What a command prints to stdout, and what it shows on a terminal as its stderr."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(RENDER), *arguments],
        cwd=place.folder,
        env=place.environment(TERM="xterm-256color", COLUMNS="100", **settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        encoding="utf-8",
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass  # Linux's way to say that the other end is closed
    finally:
        os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0, shown
    return out, shown.decode()


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}], ids=["colour", "NO_COLOR"])
def test_a_terminal_shows_bars_in_colour_unless_none_is_wanted(
    settings: dict[str, str], place: Workplace
) -> None:
    out, shown = on_a_terminal(
        place, "record", "reverse_process", "--steps", "2", "--json", **settings
    )
    assert set(json.loads(out)) == {"reverse"}
    assert "recording" in shown
    coloured = re.search(r"\x1b\[[\d;]*\b[349]\d\b[\d;]*m", shown)
    assert (coloured is None) == ("NO_COLOR" in settings)


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "here", tmp_path / "cache")
    command = ("lecture", "introduction", "--seed", "3", "--dry-run")
    facts = place.render(*command, "--json").facts
    assert facts["video"] == "media/introduction/introduction-seed3.mp4"
    assert facts["scenes"] == list(LECTURES["introduction"].scenes)
    assert {name: recipe["recorded"] for name, recipe in facts["recipes"].items()} == {
        "forward": False,
        "reverse": False,
    }
    told = place.render(*command)
    assert facts["video"] in told.out
    assert facts["recipes"]["reverse"]["fingerprint"][:12] in told.out
    assert place.files() == {}
    assert not place.cache.exists()


# -- settings --------------------------------------------------------------------


def planned(place: Workplace, *arguments: str, **settings: str) -> dict[str, object]:
    """Where a scene would go, and the recipe that it would show."""
    facts = place.render(
        "scene", "reverse_process", "--dry-run", "--json", *arguments, **settings
    ).facts
    recipe = facts["recipes"]["reverse"]["recipe"]
    return {
        "seed": recipe["seeds"][0],
        "steps": recipe["steps"],
        "video": facts["video"],
        "voice": facts["voice"],
        "quality": facts["quality"],
    }


def test_flags_win_over_the_environment_and_that_over_the_file(place: Workplace) -> None:
    usual = planned(place)
    assert (usual["seed"], usual["steps"], usual["voice"]) == (0, 50, "espeak")
    assert usual["video"] == "media/reverse_process/reverse_process-seed0.mp4"

    (place.folder / "diffusion-lectures.toml").write_text(
        'seed = 7\nsteps = 20\nvoice = "silent"\nquality = "draft"\noutput = "videos"\n'
        'image = "temple"  # which this scene has no use for\n'
    )
    from_file = planned(place)
    assert from_file == {
        "seed": 7,
        "steps": 20,
        "voice": "silent",
        "quality": "draft",
        "video": "videos/reverse_process-seed7-steps-20-draft-silent.mp4",
    }
    environment = {"DIFFUSION_LECTURES_SEED": "8", "DIFFUSION_LECTURES_QUALITY": "high"}
    assert planned(place, **environment) == {
        **from_file,
        "seed": 8,
        "quality": "high",
        "video": "videos/reverse_process-seed8-steps-20-high-silent.mp4",
    }
    assert planned(place, "--seed", "9", "--output", "one.mp4", **environment) == {
        **from_file,
        "seed": 9,
        "quality": "high",
        "video": "one.mp4",
    }


@pytest.mark.parametrize("seed", [0, SEED_LIMIT - 1])
def test_the_first_and_the_last_seed_are_taken(seed: int, place: Workplace) -> None:
    assert planned(place, "--seed", str(seed))["seed"] == seed


# -- sample and doctor -----------------------------------------------------------


def test_samples_are_one_png_and_the_same_for_the_same_seed(place: Workplace) -> None:
    (place.folder / "diffusion-lectures.toml").write_text('output = "videos"\n')
    command = ("sample", "--steps", "2", "--n", "5")
    first = place.render(*command, "--json", "--seed", str(SEED_LIMIT - 2))
    picture = place.folder / first.facts["picture"]
    assert first.facts["seeds"] == [SEED_LIMIT - 2, 2], "round the end of the range"
    with Image.open(picture) as opened:
        assert opened.format == "PNG"
        # Two rows of three digits of 28 pixels, 2 between and around them, three times enlarged.
        assert opened.size == (3 * (3 * 30 + 2), 3 * (2 * 30 + 2))
        assert len(opened.getcolors() or []) > 50

    again = place.render(*command, "--seed", str(SEED_LIMIT - 2), "--output", "again.png")
    assert (again.out, again.err) == ("again.png\n", "")
    assert (place.folder / "again.png").read_bytes() == picture.read_bytes()

    alone = place.render("sample", "--steps", "2", "--n", "1", "--output", "alone.png", "--json")
    assert alone.facts == {
        "picture": "alone.png",
        "intermediate": [],
        "seeds": [0, 0],
        "prompt": "",
        "guidance": 1.0,
        "nfe": None,
    }
    with Image.open(place.folder / "alone.png") as opened:
        assert opened.size == (96, 96)


def test_samples_are_prompted_and_show_how_they_became(
    place: Workplace, reading_weights: Path
) -> None:
    command = ("sample", "--steps", "4", "--n", "2", "--json")
    asked = place.render(
        *(*command, "--checkpoint", str(reading_weights), "--prompt", TEXTS[0]),
        *("--intermediate", "strip", "--states", "3", "--output", "asked.png"),
    )
    assert asked.facts == {
        "picture": "asked.png",
        "intermediate": ["asked.strip.png"],
        "seeds": [0, 1],
        "prompt": TEXTS[0],
        "guidance": 2.0,
        "nfe": 8,
    }
    assert asked.err == ""
    with Image.open(place.folder / "asked.strip.png") as strip:
        # Two rows of the noise and three states, 8 pixels and 2 between and around, three times.
        assert strip.size == (3 * (4 * 10 + 2), 3 * (2 * 10 + 2))

    # A run's folder: its finished weights.
    run = place.folder / "run"
    run.mkdir()
    (run / "weights.safetensors").write_bytes(reading_weights.read_bytes())
    unasked = place.render(*command, "--checkpoint", "run", "--intermediate", "pictures")
    assert unasked.facts["picture"] == "media/samples/run-seed0-ddim4.png"
    assert (unasked.facts["guidance"], unasked.facts["nfe"]) == (1.0, 4)
    grids = [place.folder / path for path in unasked.facts["intermediate"]]
    assert len(grids) == 5
    assert grids[-1].read_bytes() == (place.folder / unasked.facts["picture"]).read_bytes()
    assert grids[-1].read_bytes() != (place.folder / "asked.png").read_bytes()


def test_the_doctor_finds_nothing_missing_here(place: Workplace) -> None:
    done = place.render("doctor", "--json")
    assert done.err == ""
    findings = done.facts
    assert {"Python", "manim", "ffmpeg", "espeak-ng", "weights of mnist", "cache"} <= set(findings)
    assert [name for name, one in findings.items() if one["required"] and not one["ok"]] == []
    told = place.render("doctor")
    assert told.code == 0
    assert "MISSING" not in told.out


def test_the_doctor_says_what_is_missing_and_how_to_get_it(
    place: Workplace, tmp_path: Path
) -> None:
    done = place.render("doctor", PATH=path_with(tmp_path / "bin", "espeak-ng"))
    assert done.code == 3
    assert re.search(r"MISSING +ffmpeg .*\n.*install ffmpeg", done.out)
    assert re.fullmatch(r"error: missing: ffmpeg; .*\n", done.err)
    as_json = place.render("doctor", "--json", PATH=str(tmp_path / "bin"))
    assert as_json.code == 3
    assert json.loads(as_json.out)["ffmpeg"]["ok"] is False
