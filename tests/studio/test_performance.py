"""Scenes played for real: their frames, their length, and what of them is drawn again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from manim import Dot, ValueTracker, linear, smooth

from diffusion_core.errors import LectureError
from scenes.catalog import SCENES, SceneEntry
from scenes.cues import Sentence
from scenes.options import LOOK, SceneOptions
from scenes.stage.lecture_scene import LectureScene
from studio.job import Job, Rehearsal
from studio.performance import perform, rehearse
from studio.quality import Quality
from studio.stretches import Library, join, read_stretch
from studio.video import probe

TINY = Quality("tiny", 160, 96, 10)


class Voice:
    """Says each sentence in the time that is set for it, or in 0.85 s."""

    def __init__(self, **seconds: float) -> None:
        self.seconds = seconds

    def duration(self, sentence: Sentence) -> float:
        return self.seconds.get(sentence.spoken.split()[0].lower(), 0.85)


class Story(LectureScene):
    """Three sentences; what is said, and where the dot goes, can be changed."""

    captions = ("One begins.", "Two goes on.", "Three ends.")
    bend = staticmethod(linear)

    def construct(self) -> None:
        number = ValueTracker(0)
        dot = Dot(radius=0.5).add_updater(lambda dot: dot.move_to((number.get_value(), 0, 0)))
        with self.beat(self.captions[0], "One begins."):
            self.appear(dot, seconds=0.4)
        with self.beat(self.captions[1], "Two goes on."):
            self.play(number.animate(rate_func=self.bend).set_value(2), run_time=0.6)
        with self.beat(self.captions[2], "Three ends.") as beat:
            self.play(number.animate.set_value(-2), run_time=beat.left)


@pytest.fixture(autouse=True)
def story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = SceneEntry(
        name="story",
        title="A story",
        teaches="nothing",
        place="tests.studio.test_performance:Story",
        accepts=LOOK,
        recipes=lambda options: {},
    )
    monkeypatch.setitem(SCENES, "story", entry)
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "cache"))


def job(**options: str) -> Job:
    return Job("story", "A story", SceneOptions(**options), TINY, "test", {}, Path("story.mp4"))


def unwatched(frames: int) -> None:
    pass


def played(voice: Voice, **options: str) -> tuple[Rehearsal, dict[int, Path], int]:
    rehearsal = rehearse(job(**options), voice)
    kept, drawn = perform(job(**options), voice, range(len(rehearsal.lengths)), unwatched)
    return rehearsal, kept, drawn


def test_what_is_drawn_is_as_long_as_it_was_rehearsed(tmp_path: Path) -> None:
    reported: list[int] = []
    rehearsal = rehearse(job(), Voice())
    kept, drawn = perform(job(), Voice(), range(len(rehearsal.lengths)), reported.append)
    assert drawn == sum(reported) == rehearsal.frames
    assert [read_stretch(kept[i]).frames for i in sorted(kept)] == list(rehearsal.lengths)
    movie = tmp_path / "story.mp4"
    join([kept[i] for i in sorted(kept)], TINY, movie)
    assert probe(movie).video_duration == pytest.approx(rehearsal.chapter.end, abs=1e-9)


def test_cues_and_length_are_whole_frames_of_the_video() -> None:
    rehearsal = rehearse(job(), Voice())
    first, second, third = rehearsal.chapter.cues
    # A sentence of 0.85 s and a breath of 0.35 s are 12 frames at 10 a second.
    assert first.start == 0
    assert second.start == pytest.approx(1.2)
    assert third.start == pytest.approx(2.4)
    assert rehearsal.frames == round(rehearsal.chapter.end * TINY.frame_rate)
    assert rehearsal.beats(TINY.frame_rate) == [range(2), range(2, 4), range(4, 6)]


def test_a_sentence_longer_than_its_animation_is_a_still() -> None:
    rehearsal = rehearse(job(), Voice(two=9.0))
    assert rehearsal.still == (False, True, False, True, False, True)
    assert rehearsal.lengths[3] > 80


# -- only what changed -------------------------------------------------------------------


def test_a_second_time_nothing_is_drawn() -> None:
    first = played(Voice())
    assert first[2] == first[0].frames
    assert played(Voice()) == (first[0], first[1], 0)


def test_another_caption_or_another_voice_of_the_same_timing_draws_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, kept, _ = played(Voice())
    monkeypatch.setattr(Story, "captions", ("Eins.", "Zwei.", "Drei."))
    after, kept_then, drawn = played(Voice(one=0.85, two=0.85, three=0.85))
    assert drawn == 0
    assert kept_then == kept
    assert after.chapter != before.chapter


def test_a_longer_sentence_draws_only_what_lasts_longer() -> None:
    _, before, _ = played(Voice())
    after, kept, drawn = played(Voice(two=3.0))
    changed = {play for play in kept if kept[play] != before[play]}
    assert changed == {3}  # the still in which the second sentence is said to its end
    assert drawn == after.lengths[3]


def test_a_sentence_that_its_animation_waits_for_draws_that_again() -> None:
    _, before, _ = played(Voice())
    after, kept, drawn = played(Voice(three=1.65))
    changed = {play for play in kept if kept[play] != before[play]}
    assert changed == {4}
    assert drawn == after.lengths[4]


def test_what_begins_as_before_and_goes_another_way_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, before, _ = played(Voice())
    monkeypatch.setattr(Story, "bend", staticmethod(smooth))  # the same first frame, and the last
    after, kept, drawn = played(Voice())
    assert {play for play in kept if kept[play] != before[play]} == {2}
    assert drawn == after.lengths[2]


def test_another_theme_draws_everything() -> None:
    _, before, _ = played(Voice())
    after, kept, drawn = played(Voice(), theme="light")
    assert drawn == after.frames
    assert not set(kept.values()) & set(before.values())


def test_a_damaged_animation_is_drawn_again() -> None:
    first, kept, _ = played(Voice())
    content = bytearray(kept[2].read_bytes())
    content[-1] ^= 1
    kept[2].write_bytes(content)
    again = played(Voice())
    assert again == (first, kept, first.lengths[2])
    assert played(Voice())[2] == 0


# -- in parts ----------------------------------------------------------------------------


def test_in_parts_the_same_files_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal, whole, _ = played(Voice())
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path / "other"))
    parts: dict[int, Path] = {}
    for part in rehearsal.parts(3, TINY.frame_rate):
        kept, drawn = perform(job(), Voice(), part, unwatched)
        assert set(kept) == set(part)
        assert drawn == sum(rehearsal.lengths[i] for i in part)
        parts |= kept
    assert len(rehearsal.parts(3, TINY.frame_rate)) == 3
    assert parts.keys() == whole.keys()
    for play, path in parts.items():
        assert path.name == whole[play].name
        assert read_stretch(path) == read_stretch(whole[play])


def test_a_scene_that_fails_leaves_neither_thread_nor_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import threading

    def broken(alpha: float) -> float:
        if alpha > 0.5:
            raise LectureError("it broke")
        return alpha

    monkeypatch.setattr(Story, "bend", staticmethod(broken))
    threads = threading.active_count()
    with pytest.raises(LectureError, match="it broke"):
        perform(job(), Voice(), range(6), unwatched)
    assert threading.active_count() == threads
    assert list((tmp_path / "cache" / "work").iterdir()) == []
    library = Library.usual(TINY)
    assert len(list(library.folder.glob("*/*.safetensors"))) == 2  # what was whole by then


def test_frames_are_drawn_only_where_something_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    converted: list[np.ndarray] = []
    import studio.encoding as encoding

    convert = encoding.converted

    def watched(picture: np.ndarray) -> object:
        converted.append(picture)
        return convert(picture)

    monkeypatch.setattr(encoding, "converted", watched)
    encoding._unchanging(TINY)  # made once for all stills
    converted.clear()
    rehearsal, _, drawn = played(Voice(two=9.0))
    moving = sum(
        n for n, still in zip(rehearsal.lengths, rehearsal.still, strict=True) if not still
    )
    assert len(converted) <= moving + rehearsal.still.count(True)
    assert drawn == rehearsal.frames > moving + 80
