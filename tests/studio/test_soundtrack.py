"""The narration that is made while frames are drawn."""

from __future__ import annotations

from pathlib import Path

import ffmpeg
import numpy as np
import pytest

from diffusion_core.errors import LectureError
from scenes.cues import Chapter, Cue, Sentence
from studio.narration import SpeechCache, mix
from studio.soundtrack import Soundtrack
from studio.speakers import RATE, EspeakSpeaker
from studio.video import run_ffmpeg

SAID = Sentence("A picture comes.", "A picture comes out of the noise.")


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> SpeechCache:
    return SpeechCache(EspeakSpeaker(), tmp_path_factory.mktemp("speech"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path))


def chapter(title: str, start: float, seconds: float, speech: SpeechCache) -> Chapter:
    return Chapter(title, 0.0, seconds, (Cue(start, start + speech.duration(SAID), SAID),))


def test_chapters_follow_one_another_and_so_does_the_sound(speech: SpeechCache) -> None:
    scenes = [chapter("One", 0.5, 5.0, speech), chapter("Two", 1.25, 6.5, speech)]
    with Soundtrack(speech) as narration:
        narration.begin(scenes)
        track = narration.wait()
        sound = ffmpeg.input(str(track.sound))["a:0"].output("-", f="f32le")
        heard = np.frombuffer(run_ffmpeg(sound), "<f4")
    assert [(found.title, found.start, found.end) for found in track.chapters] == [
        ("One", 0.0, 5.0),
        ("Two", 5.0, 11.5),
    ]
    assert track.seconds == 11.5
    cues = [cue for found in track.chapters for cue in found.cues]
    assert [cue.start for cue in cues] == [0.5, 6.25]
    # What comes out of the AAC lies where it was mixed, to the millisecond.
    meant = mix(cues, track.seconds, speech)
    length = min(len(meant), len(heard))
    assert abs(len(meant) - len(heard)) < 0.05 * RATE
    reach = RATE // 1000
    inner = slice(reach, length - reach)
    offs = range(-reach, reach + 1, reach // 4)
    likeness = {off: np.vdot(np.roll(heard[:length], off)[inner], meant[inner]) for off in offs}
    assert max(likeness, key=likeness.__getitem__) == 0


def test_nothing_is_left_of_it(speech: SpeechCache) -> None:
    with Soundtrack(speech) as narration:
        narration.begin([chapter("One", 0.5, 5.0, speech)])
        sound = narration.wait().sound
        assert sound.exists()
    assert not sound.parent.exists()


def test_nor_when_the_drawing_is_broken_off(speech: SpeechCache, tmp_path: Path) -> None:
    def draw(narration: Soundtrack) -> None:
        narration.begin([chapter("One", 0.5, 5.0, speech)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Soundtrack(speech) as narration:
        draw(narration)
    assert not list((tmp_path / "work").iterdir())


def test_what_goes_wrong_is_raised_where_it_is_waited_for(speech: SpeechCache) -> None:
    with Soundtrack(speech) as narration:
        narration.begin([chapter("One", 4.5, 5.0, speech)])
        with pytest.raises(LectureError, match=r"has its place only until 5\.00 s"):
            narration.wait()
