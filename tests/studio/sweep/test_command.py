"""``render.py sweep``: what it is given, and what it says before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.sweep.cluster import check_cluster
from tests.helpers import Workplace, path_with


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Workplace:
    return Workplace(tmp_path / "here", cache)


USUAL = ("--quality", "draft", "--voice", "silent")


def test_a_dry_run_names_every_video_and_does_nothing(place: Workplace) -> None:
    asked = ("--seeds", "2,7:9", "--set", 'prompt="","a bold, slanted seven"', "--set", "steps=2,3")
    done = place.render("sweep", "reverse_process", *USUAL, *asked, "--dry-run", "--json")
    jobs = done.facts["jobs"]
    assert [(job["seed"], job["prompt"], job["steps"]) for job in jobs] == [
        (seed, prompt, steps)
        for seed in (2, 7, 8)
        for prompt in ("", "a bold, slanted seven")
        for steps in (2, 3)
    ]
    assert done.facts["to_render"] == len({job["video"] for job in jobs}) == 12
    assert done.facts["to_record"] == 12
    assert not any(job["kept"] for job in jobs)
    assert place.files() == {}
    plain = place.render("sweep", "reverse_process", *USUAL, *asked, "--dry-run")
    assert [line.strip() for line in plain.out.splitlines()[1:]] == [job["video"] for job in jobs]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "scene 'nothing' is unknown"),
        (("training",), "'training' has no use for seed"),
        (("forward_process", "--seeds", "5:5"), "'5:5' is not FIRST:END or a seed"),
        (("forward_process", "--seeds", "-1"), "'-1' is not FIRST:END or a seed"),
        (("forward_process", "--seeds", "0:4294967297"), "from 0 to 4294967295"),
        (("forward_process", "--seeds", "0:99999"), "more than 10000 seeds"),
        (("forward_process", "--set", "seed=1,2"), "--seeds"),
        (("forward_process", "--set", "volume=1"), "'volume=1' is not NAME=VALUE,VALUE"),
        (("forward_process", "--set", "schedule"), "'schedule' is not NAME=VALUE,VALUE"),
        (("forward_process", "--set", "schedule="), "gives schedule no value"),
        (("forward_process", "--set", 'image="flower'), "unexpected end of data"),
        (("forward_process", "--set", "schedule=cosine,cubic"), "'cubic' is not one of"),
        (("forward_process", "--set", "guidance=1,3"), "has no use for guidance"),
        (("forward_process", "--prompt", "a seven"), "has no use for --prompt"),
        (("reverse_process", "--steps", "5", "--set", "steps=5"), "--steps and --set steps"),
        (("reverse_process", "--set", "steps=5,0"), "seed 0, steps 0: steps = 0"),
        (("forward_process", "--output", "video.mp4"), "must be a folder"),
        (("forward_process", "--cluster", "somewhere"), "neither local, nor a batch system"),
        (("forward_process", "--workers", "0"), "0 is not in the range"),
        (
            ("forward_process", "--cluster", "tcp://localhost:1", "--workers", "2"),
            "has workers of its own",
        ),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_found_before_any_work(
    arguments: tuple[str, ...], words: str, place: Workplace
) -> None:
    done = place.render("sweep", *arguments, *USUAL)
    assert (done.code, done.out) == (2, ""), done.err
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert place.files() == {}


def test_too_many_for_a_video_are_refused(place: Workplace) -> None:
    done = place.render(
        *("sweep", "forward_process", "--seeds", "0:145", "--mosaic", "video", *USUAL)
    )
    assert (done.code, done.out) == (1, "")
    assert "145 videos do not play side by side" in done.err
    assert place.files() == {}


def test_a_batch_system_that_is_not_here_is_missing(tmp_path: Path, place: Workplace) -> None:
    pytest.importorskip("dask_jobqueue")
    path = path_with(tmp_path / "bin", "ffmpeg", "ffprobe")
    done = place.render("sweep", "forward_process", *USUAL, "--cluster", "slurm", PATH=path)
    assert (done.code, done.out) == (3, "")
    assert "sbatch" in done.err
    assert place.files() == {}


def test_what_the_cluster_needs_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from diffusion_core.errors import MissingRequirement

    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MissingRequirement, match=r"pip install 'diffusion-lectures\[cluster\]'"):
        check_cluster("local", None)


def test_settings_hold_for_sweeps(place: Workplace) -> None:
    (place.folder / "diffusion-lectures.toml").write_text('theme = "light"\nquality = "draft"\n')
    done = place.render("sweep", "forward_process", "--seeds", "3", "--dry-run", "--json")
    [job] = json.loads(done.out)["jobs"]
    assert Path(job["video"]).name == "forward_process-seed3-theme-light-draft.mp4"
