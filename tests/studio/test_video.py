"""Final files: what is in them, that they are whole, and that they are the same twice."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
import srt

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from scenes.cues import Chapter, Cue, Sentence, cues_of
from studio import video
from studio.captions import captions_of, to_srt
from studio.narration import SpeechCache, mix
from studio.speakers import RATE, EspeakSpeaker, write_wav
from studio.video import (
    Probe,
    assemble,
    duration_of,
    encode_sound,
    probe,
    run_ffmpeg,
    stream_digest,
)

ODD_TITLE = "A = b; #1 \\ 'two' \"three\" 50% – ε̂ₜ\nand more"


def make_video(path: Path, frames: int, *, size: str = "320x180", **options: Any) -> Path:
    """A silent H.264 video of numbered noise at 15 frames a second, B-frames and all."""
    picture = ffmpeg.input(f"testsrc=size={size}:rate=15", f="lavfi")
    noisy = picture.filter("noise", alls=20, allf="t")
    encoder = {"vcodec": "libx264", "pix_fmt": "yuv420p", "threads": 1, "preset": "veryfast"}
    noisy.output(str(path), **{"frames:v": frames, **encoder, **options}).run(quiet=True)
    return path


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Lengths that are no whole milliseconds, and a name that needs quoting."""
    folder = tmp_path_factory.mktemp("silent")
    names = {"one": 46, "it's two": 68, "three": 31}
    return [make_video(folder / f"{name}.mp4", frames) for name, frames in names.items()]


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> SpeechCache:
    return SpeechCache(EspeakSpeaker(), tmp_path_factory.mktemp("speech"))


SAID = (
    Sentence("How does a picture come out?", "How does a picture come out?"),
    Sentence(
        "At t = 499, x < 5 & <x_t> is {noise}: almost nothing but noise is left of the picture.",
        "Almost nothing but noise is left here.",
    ),
)


@pytest.fixture(scope="module")
def chapters(silent: list[Path], speech: SpeechCache) -> tuple[Chapter, ...]:
    """Two chapters with a sentence each, and one without."""
    marks, at = [], 0.0
    for title, path, said in zip((ODD_TITLE, "Two", "Quiet"), silent, (*SAID, None), strict=True):
        lasts = duration_of(path)
        start = at + 0.3
        cues = (Cue(start, start + speech.duration(said), said),) if said else ()
        marks.append(Chapter(title, at, at + lasts, cues))
        at += lasts
    return tuple(marks)


@pytest.fixture(scope="module")
def audio(
    chapters: tuple[Chapter, ...], speech: SpeechCache, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("audio") / "track.wav"
    write_wav(path, mix(list(cues_of(chapters)), chapters[-1].end, speech))
    encode_sound(path, path.with_suffix(".m4a"))
    return path.with_suffix(".m4a")


@pytest.fixture(scope="module")
def made(
    silent: list[Path],
    audio: Path,
    chapters: tuple[Chapter, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Probe]:
    path = tmp_path_factory.mktemp("out") / "it's 100% [new].mp4"
    return path, assemble(silent, audio, chapters, path, "Title; = #1 ε̂")


def decoded(path: Path) -> np.ndarray:
    sound = ffmpeg.input(f"file:{path}")["a:0"].output("-", f="f32le", ar=RATE, ac=1)
    return np.frombuffer(run_ffmpeg(sound), "<f4")


def times_of(path: Path) -> list[float]:
    found = ffmpeg.probe(str(path), select_streams="v", show_entries="packet=pts_time")
    return sorted(float(packet["pts_time"]) for packet in found["packets"])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_file_holds_what_was_asked_for(made: tuple[Path, Probe]) -> None:
    path, said = made
    assert said == probe(path)
    assert (said.video_codec, said.pix_fmt) == ("h264", "yuv420p")
    assert (said.width, said.height, float(said.frame_rate)) == (320, 180, 15.0)
    assert said.frame_count == 46 + 68 + 31
    assert (said.audio_codec, said.audio_rate) == ("aac", 48_000)
    assert said.audio_duration == pytest.approx(said.video_duration, abs=0.02)
    assert said.subtitles == (("mov_text", "eng"),)
    assert said.title == "Title; = #1 ε̂"
    assert said.faststart


def test_segments_follow_each_other_without_a_gap(made: tuple[Path, Probe]) -> None:
    expected = np.arange(46 + 68 + 31) / 15
    assert times_of(made[0]) == pytest.approx(expected, abs=1e-5)


def test_chapters_begin_with_their_segments_and_keep_their_titles(
    made: tuple[Path, Probe],
) -> None:
    marks = made[1].chapters
    assert [mark.title for mark in marks] == [ODD_TITLE, "Two", "Quiet"]
    assert [mark.start for mark in marks] == pytest.approx([0, 46 / 15, 114 / 15], abs=6e-4)


def test_the_captions_in_the_file_are_those_of_the_cues(
    made: tuple[Path, Probe], chapters: tuple[Chapter, ...]
) -> None:
    text = run_ffmpeg(ffmpeg.input(f"file:{made[0]}")["s:0"].output("-", f="srt")).decode()
    found = list(srt.parse(text))
    wanted = list(srt.parse(to_srt(chapters)))
    assert [entry.content for entry in found] == [entry.content for entry in wanted]
    for entry, caption in zip(found, captions_of(chapters), strict=True):
        assert entry.start.total_seconds() == pytest.approx(caption.start / 1000, abs=0.002)
        assert entry.end.total_seconds() == pytest.approx(caption.end / 1000, abs=0.002)


def test_voices_are_heard_where_their_cues_are(
    made: tuple[Path, Probe], chapters: tuple[Chapter, ...]
) -> None:
    sound = np.abs(decoded(made[0]))
    assert len(sound) / RATE == pytest.approx(made[1].video_duration, abs=0.1)
    for cue in cues_of(chapters):
        before = round((cue.start - 0.25) * RATE)
        stretch = sound[before : round(cue.end * RATE)]
        onset = (before + int(np.argmax(stretch > 0.01 * stretch.max()))) / RATE
        assert abs(onset - cue.start) < 0.03


def test_the_same_inputs_give_the_same_file(
    made: tuple[Path, Probe],
    silent: list[Path],
    audio: Path,
    chapters: tuple[Chapter, ...],
    tmp_path: Path,
) -> None:
    again = tmp_path / "elsewhere" / "again.mp4"
    assemble(silent, audio, chapters, again, "Title; = #1 ε̂")
    assert sha256(again) == sha256(made[0])
    assert [found.name for found in again.parent.iterdir()] == ["again.mp4"]


def test_the_picture_is_not_encoded_again(silent: list[Path], tmp_path: Path) -> None:
    alone = tmp_path / "alone.mp4"
    said = assemble(silent[:1], None, (), alone, "")
    assert stream_digest(alone) == stream_digest(silent[0])
    assert stream_digest(alone) != stream_digest(silent[1])
    assert (said.chapters, said.subtitles, said.title) == ((), (), "")


def test_a_scene_without_narration_has_a_silent_track(silent: list[Path], tmp_path: Path) -> None:
    quiet = (Chapter("Quiet", 0, duration_of(silent[0])),)
    path = tmp_path / "quiet.mp4"
    said = assemble(silent[:1], None, quiet, path, "Quiet")
    assert said.audio_duration == pytest.approx(46 / 15, abs=0.1)
    assert said.subtitles == ()
    assert [mark.title for mark in said.chapters] == ["Quiet"]
    assert not decoded(path).any()


def test_segments_of_other_encoder_settings_still_play(silent: list[Path], tmp_path: Path) -> None:
    other = make_video(tmp_path / "other.mp4", 20, preset="ultrafast")
    path = tmp_path / "both.mp4"
    said = assemble([silent[0], other], None, (), path, "")
    assert said.frame_count == 66
    command = ["ffmpeg", "-nostdin", "-v", "warning", "-i", str(path), "-f", "null", "-"]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""


def test_segments_of_another_size_are_refused(silent: list[Path], tmp_path: Path) -> None:
    other = make_video(tmp_path / "other.mp4", 5, size="160x90")
    with pytest.raises(LectureError, match=r"160×90.*render them at one quality"):
        assemble([silent[0], other], None, (), tmp_path / "out.mp4", "")


def test_a_picture_that_not_every_player_shows_is_refused(tmp_path: Path) -> None:
    other = make_video(tmp_path / "other.mp4", 5, pix_fmt="yuv444p")
    with pytest.raises(LectureError, match="not h264 yuv420p"):
        assemble([other], None, (), tmp_path / "out.mp4", "")


def test_sound_of_another_length_is_refused(silent: list[Path], tmp_path: Path) -> None:
    samples, long = tmp_path / "long.wav", tmp_path / "long.m4a"
    write_wav(samples, np.zeros(5 * RATE, np.float32))
    encode_sound(samples, long)
    samples.unlink()
    with pytest.raises(LectureError, match=r"5\.0\d s of sound to 3\.07 s of picture"):
        assemble(silent[:1], long, (), tmp_path / "out.mp4", "")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["long.m4a"]


def test_a_file_that_is_not_what_was_asked_for_is_not_published(
    silent: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mp4"
    output.write_text("the old one")
    chapters = (Chapter("One", 0, 3, (Cue(0.5, 1, SAID[0]),)),)
    monkeypatch.setattr(video, "to_srt", lambda chapters: "")
    with pytest.raises(LectureError, match="0 captions instead of 1"):
        assemble(silent[:1], None, chapters, output, "")
    monkeypatch.undo()
    monkeypatch.setattr(video, "chapters_metadata", lambda chapters: ";FFMETADATA1\n")
    with pytest.raises(LectureError, match="it would have chapters"):
        assemble(silent[:1], None, chapters, output, "")
    monkeypatch.undo()
    with pytest.raises(LectureError, match="instead of english"):
        assemble(silent[:1], None, chapters, output, "", language="english")
    assert output.read_text() == "the old one"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"not a video", None], ids=["empty", "text", "absent"])
def test_what_is_no_video_is_named_without_noise(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "-odd: name.mp4"
    if content is not None:
        path.write_bytes(content)
    for look in (probe, duration_of, stream_digest):
        with pytest.raises(LectureError) as caught:
            look(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_truncated_segment_is_refused(silent: list[Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(silent[0].read_bytes()[:5000])
    with pytest.raises(LectureError):
        assemble([cut], None, (), tmp_path / "out.mp4", "")


def test_faststart_is_read_from_the_atoms(silent: list[Path], made: tuple[Path, Probe]) -> None:
    assert not probe(silent[0]).faststart
    content = made[0].read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_names_that_are_no_mp4_and_nothing_to_show_are_refused(
    silent: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"must end in \.mp4"):
        assemble(silent, None, (), tmp_path / "out.mkv", "")
    with pytest.raises(LectureError, match="no video to put together"):
        assemble([], None, (), tmp_path / "out.mp4", "")


def test_a_place_that_cannot_be_written_is_named(silent: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()  # a folder is in the way
    with pytest.raises(LectureError, match=r"out\.mp4 cannot be written.*--output"):
        assemble(silent, None, (), tmp_path / "out.mp4", "")
    assert [found.name for found in tmp_path.iterdir()] == ["out.mp4"]


def test_ffmpeg_that_fails_says_its_last_word(tmp_path: Path) -> None:
    absent = ffmpeg.input(str(tmp_path / "absent.wav")).output(str(tmp_path / "out.wav"))
    with pytest.raises(LectureError, match=r"^ffmpeg failed: .*No such file") as caught:
        run_ffmpeg(absent)
    assert "\n" not in str(caught.value)


def test_without_ffmpeg_the_way_out_is_named(
    silent: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for act in (
        lambda: probe(silent[0]),
        lambda: stream_digest(silent[0]),
        lambda: assemble(silent, None, (), tmp_path / "out.mp4", ""),
    ):
        with pytest.raises(MissingRequirement, match="apt-get install ffmpeg") as caught:
            act()
        assert caught.value.exit_code == 3
    assert not list(tmp_path.iterdir())


KILLED = """
import sys
from pathlib import Path
from studio.video import assemble
part, output = map(Path, sys.argv[1:])
assemble([part] * 40, None, (), output, "")
"""


def test_a_run_killed_in_the_middle_leaves_nothing_at_the_place(tmp_path: Path) -> None:
    part = make_video(tmp_path / "part.mp4", 900, size="64x64", preset="ultrafast")
    output = tmp_path / "out" / "lecture.mp4"
    running = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(part), str(output)], start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not any(f.stat().st_size for f in output.parent.glob(".lecture.*.partial.mp4")):
            assert running.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.wait(timeout=30)
    finally:
        os.killpg(running.pid, signal.SIGKILL)  # and the ffmpeg that it had started
    assert not output.exists()
    assert len(list(output.parent.iterdir())) == 1
    assemble([part], None, (), output, "")
    assert [found.name for found in output.parent.iterdir()] == ["lecture.mp4"]
