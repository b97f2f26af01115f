"""Scenes and the lecture as whole commands make them, at draft quality: what is in the files."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
import srt

from diffusion_core.files import read_digest
from diffusion_core.models import weights_path
from diffusion_core.recipe import fingerprint
from scenes.catalog import LECTURES, SCENES
from scenes.options import SceneOptions
from studio.narration import loudness
from studio.speakers import RATE
from studio.video import Probe, probe, run_ffmpeg, stream_digest
from tests.helpers import Workplace

INTRODUCTION = LECTURES["introduction"]
FORWARD = ("scene", "forward_process", "--quality", "draft", "--voice", "silent", "--json")


@dataclass(frozen=True)
class Made:
    """A video that a command made, and what the command said of it."""

    place: Workplace
    facts: dict[str, Any]
    progress: list[str]

    @property
    def video(self) -> Path:
        return self.place.folder / self.facts["video"]

    def text(self, kind: str) -> str:
        """What is in one of the files beside the video."""
        return (self.place.folder / self.facts[kind]).read_text(encoding="utf-8")

    @property
    def manifest(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.text("manifest"))
        return facts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("lecture"), cache)


def make(place: Workplace, *arguments: str) -> Made:
    done = place.render(*arguments)
    return Made(place, done.facts, done.err.splitlines())


@pytest.fixture(scope="module")
def lecture(place: Workplace) -> Made:
    """The introduction, spoken, with fewer steps of the sampler than usual."""
    return make(place, "lecture", "introduction", "--quality", "draft", "--steps", "20", "--json")


@pytest.fixture(scope="module")
def short(place: Workplace, lecture: Made) -> Made:
    """The same of the essential beats alone; it comes after, and shares the recordings."""
    command = ("lecture", "introduction", "--quality", "draft", "--steps", "20", "--json")
    return make(place, *command, "--cut", "short")


@pytest.fixture(scope="module")
def forward(place: Workplace) -> Made:
    return make(place, *FORWARD)


@pytest.fixture(scope="module")
def reverse(place: Workplace) -> Made:
    """The other scene, with options that are not as usual."""
    options = ("--steps", "5", "--sampler", "ddpm", "--theme", "light", "--seed", "4294967295")
    return make(
        place,
        "scene",
        "reverse_process",
        "--quality",
        "draft",
        "--voice",
        "silent",
        "--json",
        *options,
    )


@pytest.fixture(params=["lecture", "short", "forward", "reverse"])
def made(request: pytest.FixtureRequest) -> Made:
    found: Made = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def found(made: Made) -> Probe:
    return probe(made.video)


def decoded(path: Path) -> np.ndarray:
    sound = ffmpeg.input(f"file:{path}")["a:0"].output("-", f="f32le", ar=RATE, ac=1)
    return np.frombuffer(run_ffmpeg(sound), "<f4")


# -- the file ------------------------------------------------------------------------


def test_every_player_plays_it(found: Probe) -> None:
    assert (found.video_codec, found.pix_fmt) == ("h264", "yuv420p")
    assert (found.width, found.height, found.frame_rate) == (640, 360, 15)
    assert (found.audio_codec, found.audio_rate) == ("aac", 48_000)
    assert found.faststart


def test_sound_and_picture_are_of_one_length(made: Made, found: Probe) -> None:
    assert found.audio_duration == pytest.approx(found.video_duration, abs=0.1)
    assert made.facts["seconds"] == pytest.approx(found.video_duration, abs=0.001)
    # The sound is really there, not only said to be.
    assert len(decoded(made.video)) / RATE == pytest.approx(found.video_duration, abs=0.1)


def test_chapters_are_the_scenes(made: Made, found: Probe) -> None:
    assert [mark.title for mark in found.chapters] == [
        SCENES[name].title for name in made.manifest["scenes"]
    ]
    assert found.chapters[0].start == 0
    assert found.chapters[-1].end == pytest.approx(found.video_duration, abs=0.01)
    for before, after in zip(found.chapters, found.chapters[1:], strict=False):
        assert before.end == after.start


def test_the_captions_inside_are_those_beside(made: Made, found: Probe) -> None:
    assert found.subtitles == (("mov_text", "eng"),)
    inside = run_ffmpeg(ffmpeg.input(f"file:{made.video}")["s:0"].output("-", f="srt")).decode()
    beside = list(srt.parse(made.text("srt")))
    assert [one.content for one in srt.parse(inside)] == [one.content for one in beside]
    assert len(beside) > 5
    assert beside[-1].end.total_seconds() <= found.video_duration
    timed = re.findall(r"(\S+) --> \S+\n", made.text("vtt"))
    assert made.text("vtt").startswith("WEBVTT\n")
    assert timed == [
        f"{one.start.total_seconds() // 3600:02.0f}:{one.start.seconds % 3600 // 60:02}"
        f":{one.start.seconds % 60:02}.{one.start.microseconds // 1000:03}"
        for one in beside
    ]


def test_the_transcript_has_the_words_under_their_chapters(made: Made, found: Probe) -> None:
    blocks = made.text("transcript").strip().split("\n\n")
    assert blocks[0] == f"# {made.manifest['title']}"
    headings = [block.split(" ", 2)[2] for block in blocks if block.startswith("## ")]
    assert headings == [mark.title for mark in found.chapters]
    assert " ".join(paragraphs(made)) == " ".join(
        one.content.replace("\n", " ") for one in srt.parse(made.text("srt"))
    )


def paragraphs(made: Made) -> list[str]:
    """The sentences of the transcript, as they are written."""
    blocks = made.text("transcript").strip().split("\n\n")
    return [re.sub(r"\\(.)", r"\1", block) for block in blocks if not block.startswith("#")]


def test_the_lecture_lasts_one_to_two_minutes(lecture: Made) -> None:
    assert 60 <= probe(lecture.video).video_duration <= 120


def test_its_short_cut_lasts_about_half_of_that_and_has_the_same_chapters(
    lecture: Made, short: Made
) -> None:
    full, cut = probe(lecture.video), probe(short.video)
    assert 0.4 <= cut.video_duration / full.video_duration <= 0.62
    assert [mark.title for mark in cut.chapters] == [mark.title for mark in full.chapters]
    assert short.manifest["options"] == {**lecture.manifest["options"], "cut": "short"}
    assert short.manifest["recordings"] == lecture.manifest["recordings"]
    said = paragraphs(lecture)
    assert [sentence for sentence in said if sentence in paragraphs(short)] == paragraphs(short)


def test_names_say_how_files_differ_from_the_usual_ones(
    lecture: Made, short: Made, forward: Made, reverse: Made
) -> None:
    assert lecture.facts["video"] == "media/introduction/introduction-seed0-steps-20-draft.mp4"
    assert short.facts["video"] == (
        "media/introduction/introduction-seed0-steps-20-cut-short-draft.mp4"
    )
    assert forward.facts["video"] == "media/forward_process/forward_process-seed0-draft-silent.mp4"
    assert reverse.facts["video"] == (
        "media/reverse_process/"
        "reverse_process-seed4294967295-sampler-ddpm-steps-5-theme-light-draft-silent.mp4"
    )
    for made in (lecture, short, forward, reverse):
        stem = Path(made.facts["video"]).with_suffix("")
        for kind, suffix in {
            "srt": ".srt",
            "vtt": ".vtt",
            "transcript": ".md",
            "manifest": ".json",
        }.items():
            assert made.facts[kind] == f"{stem}{suffix}"


# -- the manifest -----------------------------------------------------------------------


def test_the_manifest_says_what_was_run(made: Made) -> None:
    manifest = made.manifest
    options = SceneOptions(**manifest["options"])
    recipes = {}
    for name in manifest["scenes"]:
        recipes |= SCENES[name].recipes(options)
    assert set(manifest["recordings"]) == set(recipes)
    for name, recipe in recipes.items():
        recording = manifest["recordings"][name]
        assert recording["fingerprint"] == fingerprint(recipe)
        assert recording["recipe"]["seed" if name == "forward" else "seeds"] == (
            options.seed if name == "forward" else [(options.seed + i) % 2**32 for i in range(24)]
        )
    if "reverse" in recipes:
        assert manifest["recordings"]["reverse"]["model"] == read_digest(weights_path("mnist"))
        assert manifest["recordings"]["reverse"]["nfe"] == options.steps


def test_the_manifest_says_what_was_made(made: Made, found: Probe) -> None:
    assert made.manifest["video"] == {
        "file": made.video.name,
        "seconds": round(found.video_duration, 3),
        "size": [640, 360],
        "frame_rate": 15.0,
        "frames": found.frame_count,
        "stream_sha256": stream_digest(made.video),
    }
    assert made.manifest["quality"] == "draft"
    assert made.manifest["title"] == found.title


def test_the_manifest_says_by_which_versions(lecture: Made, forward: Made) -> None:
    versions = lecture.manifest["versions"]
    assert versions["python"] == platform.python_version()
    for package in ("manim", "torch", "numpy", "pillow"):
        assert versions[package] == importlib.metadata.version(package)
    for program in ("ffmpeg", "espeak-ng"):
        assert re.match(r"\d+\.\d+", versions[program])
    assert lecture.manifest["voice"].startswith(f"espeak-ng {versions['espeak-ng']}")
    assert forward.manifest["voice"].startswith("silent")


# -- the sound --------------------------------------------------------------------------


def cue_starts(made: Made) -> list[float]:
    """When each sentence of the transcript begins: its first caption."""
    captions = iter(srt.parse(made.text("srt")))
    starts = []
    for sentence in paragraphs(made):
        caption = next(captions)
        starts.append(caption.start.total_seconds())
        said = caption.content.replace("\n", " ")
        while said != sentence:
            assert sentence.startswith(said)
            said += " " + next(captions).content.replace("\n", " ")
    return starts


def level(sound: np.ndarray) -> float:
    """Root mean square, in decibels of full scale."""
    return float(20 * np.log10(np.sqrt(np.mean(np.square(sound, dtype=np.float64))) + 1e-9))


def test_every_sentence_sounds_where_its_caption_begins(lecture: Made) -> None:
    sound = decoded(lecture.video)
    starts = cue_starts(lecture)
    assert len(starts) > 15
    for start in starts:
        at = round(start * RATE)
        assert level(sound[at : at + RATE // 2]) > -35, f"silence at {start} s"
        before = sound[max(0, at - RATE // 4) : max(0, at - RATE // 50)]
        if before.size:
            assert level(before) < -60, f"a voice just before {start} s"


def test_the_lecture_is_as_loud_as_it_should_be(lecture: Made) -> None:
    assert loudness(decoded(lecture.video)) == pytest.approx(-16, abs=1)


def test_a_silent_scene_has_a_silent_track(forward: Made) -> None:
    assert not decoded(forward.video).any()


# -- again ------------------------------------------------------------------------------


def test_a_second_time_nothing_is_rendered_and_the_sound_is_still_there(lecture: Made) -> None:
    before, sound = lecture.video.read_bytes(), decoded(lecture.video)
    again = make(
        lecture.place, "lecture", "introduction", "--quality", "draft", "--steps", "20", "--json"
    )
    assert again.facts == {**lecture.facts, "rendered": [], "frames_drawn": 0}
    assert set(lecture.facts["rendered"]) <= set(INTRODUCTION.scenes)
    assert again.manifest["video"] == lecture.manifest["video"]
    assert stream_digest(again.video) == lecture.manifest["video"]["stream_sha256"]
    assert np.array_equal(decoded(again.video), sound)
    assert level(sound) > -30
    assert again.video.read_bytes() == before


def test_from_scratch_the_same_picture_bit_for_bit(forward: Made, tmp_path: Path) -> None:
    elsewhere = Workplace(tmp_path / "here", tmp_path / "cache")
    again = make(elsewhere, *FORWARD, "--output", "folder with a space")
    assert again.facts["rendered"] == ["forward_process"]
    assert again.progress == [
        "recording forward: done",
        "speaking forward_process: done",
        "rendering forward_process: done",
        "muxing forward_process: done",
    ]
    assert again.facts["video"] == "folder with a space/forward_process-seed0-draft-silent.mp4"
    assert stream_digest(again.video) == stream_digest(forward.video)
    assert again.text("srt") == forward.text("srt")


def test_another_seed_is_another_run_and_both_files_stay(forward: Made) -> None:
    other = make(forward.place, *FORWARD, "--seed", "1")
    assert other.facts["rendered"] == ["forward_process"]
    assert other.video.parent == forward.video.parent
    assert other.video != forward.video
    digests = {stream_digest(made.video) for made in (forward, other)}
    assert len(digests) == 2
    assert forward.manifest["video"]["stream_sha256"] in digests
    fingerprints = {
        made.manifest["recordings"]["forward"]["fingerprint"] for made in (forward, other)
    }
    assert len(fingerprints) == 2


def test_nothing_else_is_left(lecture: Made, forward: Made, reverse: Made) -> None:
    """No partial files beside the videos, no scratch folders in the cache."""
    suffixes = {path.suffix for path in (lecture.place.folder).rglob("*") if path.is_file()}
    assert suffixes == {".mp4", ".srt", ".vtt", ".md", ".json"}
    assert list(lecture.place.folder.rglob(".*")) == []
    assert list((lecture.place.cache / "work").iterdir()) == []
