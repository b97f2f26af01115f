"""Speech that is kept, and a track whose loudness is even and whose sentences stay in place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ffmpeg
import numpy as np
import pytest

from diffusion_core.errors import LectureError
from scenes.cues import Cue, Narrator, Sentence
from studio.narration import OVERLAP, PEAK, SpeechCache, limited, loudness, mix
from studio.speakers import RATE, EspeakSpeaker, SilentSpeaker, read_wav, write_wav
from studio.video import SOUND_CODING, run_ffmpeg


class ToneSpeaker:
    """A tone a word, with silence around it, at a rate of its own; counts its calls."""

    name = "tone 1"

    def __init__(self, level: float = 0.1, rate: int = 22_050) -> None:
        self.level, self.rate, self.said = level, rate, list[str]()

    def speak(self, text: str, path: Path) -> None:
        self.said.append(text)
        time = np.arange(int(0.3 * len(text.split()) * self.rate)) / self.rate
        tone = self.level * np.sin(2 * np.pi * 440 * time)
        silence = np.zeros(self.rate // 4)
        write_wav(path, np.concatenate([silence, tone, silence]).astype(np.float32), self.rate)


def sentence(text: str) -> Sentence:
    return Sentence(text, text)


def metered(path: Path) -> tuple[float, float]:
    """Integrated loudness and true peak of a file, by ffmpeg's own summary."""
    command = ["ffmpeg", "-nostdin", "-nostats", "-i", str(path)]
    command += ["-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    summary = said[said.rindex("Summary:") :]
    found = re.findall(r"(?:I|Peak):\s+(\S+) (?:LUFS|dBFS)", summary)
    return float(found[0]), float(found[1])


def placed(sentences: list[Sentence], speech: SpeechCache, pause: float = 0.6) -> list[Cue]:
    cues, at = [], 0.4321
    for one in sentences:
        lasts = speech.duration(one)
        cues.append(Cue(at, at + lasts, one))
        at += lasts + pause
    return cues


LECTURE = [
    sentence(text)
    for text in (
        "Each step removes a little of the predicted noise.",
        "Why?",
        "The network never sees the clean image; it only guesses the noise that was added.",
        "Pure noise.",
        "Alpha bar t says how much of the signal is left at time t.",
        "This is the whole idea: learn to take away noise, one small step at a time.",
    )
]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> SpeechCache:
    return SpeechCache(EspeakSpeaker(), tmp_path_factory.mktemp("speech"))


def test_a_sentence_is_synthesised_once(tmp_path: Path) -> None:
    speaker = ToneSpeaker()
    speech: Narrator = SpeechCache(speaker, tmp_path)
    first = speech.duration(sentence("two words"))
    again = SpeechCache(speaker, tmp_path)
    assert again.duration(Sentence("other caption", "two words")) == first
    assert speaker.said == ["two words"]
    assert first == pytest.approx(0.6 + 0.04, abs=0.01)  # trimmed, with a breath on either side


def test_speech_is_kept_in_the_cache_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIFFUSION_LECTURES_CACHE", str(tmp_path))
    speech = SpeechCache(ToneSpeaker())
    speech.duration(sentence("a word"))
    assert speech.path(sentence("a word")).parent == tmp_path / "speech"
    assert speech.path(sentence("a word")).exists()


def test_another_voice_or_text_is_other_speech(tmp_path: Path) -> None:
    tone, silent = SpeechCache(ToneSpeaker(), tmp_path), SpeechCache(SilentSpeaker(), tmp_path)
    paths = {tone.path(sentence("a")), tone.path(sentence("b")), silent.path(sentence("a"))}
    assert len(paths) == 3


def test_preparing_reports_and_says_each_sentence_once(tmp_path: Path) -> None:
    speaker, seen = ToneSpeaker(), list[tuple[int, int]]()
    speech = SpeechCache(speaker, tmp_path)
    sentences = [sentence("one"), sentence("two"), sentence("one")]
    speech.prepare(sentences, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    speech.prepare(sentences)
    assert speaker.said == ["one", "two"]


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def wrong_rate(path: Path) -> None:
    samples, _ = read_wav(path)
    write_wav(path, samples, 44_100)


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        wrong_rate,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"RIFF nonsense that is no sound"),
        lambda path: write_wav(path, np.zeros(0, np.float32)),
    ],
    ids=["truncated", "wrong rate", "empty", "nonsense", "no samples"],
)
def test_damaged_speech_is_noticed_and_made_again(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    speaker, one = ToneSpeaker(), sentence("three short words")
    speech = SpeechCache(speaker, tmp_path)
    before = speech.samples(one)
    damage(speech.path(one))
    after = SpeechCache(speaker, tmp_path).samples(one)
    assert np.array_equal(before, after)
    assert len(speaker.said) == 2


def test_a_cache_folder_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    speech = SpeechCache(ToneSpeaker(), tmp_path / "file" / "speech")
    with pytest.raises(LectureError, match="DIFFUSION_LECTURES_CACHE"):
        speech.duration(sentence("a word"))


def test_a_speaker_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    class Mute(ToneSpeaker):
        def speak(self, text: str, path: Path) -> None:
            pass

    with pytest.raises(LectureError, match="made no sound file of 'a word'"):
        SpeechCache(Mute(), tmp_path).duration(sentence("a word"))


def test_a_track_has_the_loudness_of_a_lecture(spoken: SpeechCache, tmp_path: Path) -> None:
    cues = placed(LECTURE, spoken)
    track, coded = tmp_path / "track.wav", tmp_path / "track.m4a"
    write_wav(track, mix(cues, cues[-1].end + 1, spoken))
    ffmpeg.input(str(track)).output(str(coded), **SOUND_CODING).run(quiet=True)
    for path in (track, coded):
        integrated, peak = metered(path)
        assert integrated == pytest.approx(-16, abs=0.5)
        assert peak <= -1.5


def test_coding_adds_no_clicks(spoken: SpeechCache, tmp_path: Path) -> None:
    cues = placed(LECTURE, spoken)
    track, coded = tmp_path / "track.wav", tmp_path / "track.m4a"
    before = mix(cues, cues[-1].end, spoken)
    write_wav(track, before)
    ffmpeg.input(str(track)).output(str(coded), **SOUND_CODING).run(quiet=True)
    decoded = run_ffmpeg(ffmpeg.input(str(coded)).output("-", f="f32le"))
    after = np.frombuffer(decoded, "<f4")
    length = min(len(before), len(after))
    assert np.abs(before[:length] - after[:length]).max() < 0.04  # 0.1 to 0.5 without the settings


def test_sentences_are_equally_loud(spoken: SpeechCache) -> None:
    levels = [loudness(np.tile(spoken.samples(one), 6)) for one in LECTURE]
    assert max(levels) - min(levels) < 1


@pytest.mark.parametrize("level", [0.001, 0.05, 1.0])
def test_quiet_and_loud_voices_come_out_alike(level: float, tmp_path: Path) -> None:
    speech = SpeechCache(ToneSpeaker(level), tmp_path)
    cues = placed([sentence("five words in a row")], speech)
    assert loudness(mix(cues, 4, speech)) == pytest.approx(-16, abs=1)


def test_sentences_begin_at_their_cues_to_the_sample(tmp_path: Path) -> None:
    speech = SpeechCache(ToneSpeaker(), tmp_path)
    cues = placed([sentence("one"), sentence("two words"), sentence("now three words")], speech)
    total = cues[-1].end + 0.777
    track = mix(cues, total, speech)
    assert len(track) == round(total * RATE)
    silent = np.ones(len(track), bool)
    for cue in cues:
        start, kept = round(cue.start * RATE), speech.samples(cue.sentence)
        stretch = track[start : start + len(kept)]
        silent[start : start + len(kept)] = False
        # The best fit of the sentence lies at its place, not a sample beside it.
        shifts = [np.vdot(np.roll(kept, shift), stretch) for shift in range(-3, 4)]
        assert np.argmax(shifts) == 3
        assert np.vdot(kept, stretch) > 0.999 * np.linalg.norm(kept) * np.linalg.norm(stretch)
    assert not track[silent].any()


@pytest.mark.parametrize("voice", [SilentSpeaker(), ToneSpeaker()], ids=["silent", "no cues"])
def test_a_silent_track_is_silent_and_long_enough(
    voice: SilentSpeaker | ToneSpeaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # needs no program
    speech = SpeechCache(voice, tmp_path)
    cues = placed([sentence("some words")], speech) if isinstance(voice, SilentSpeaker) else []
    track = mix(cues, 2.5, speech)
    assert len(track) == round(2.5 * RATE)
    assert not track.any()


def test_a_voice_that_runs_over_its_place_is_an_error(tmp_path: Path) -> None:
    speech = SpeechCache(SilentSpeaker(), tmp_path)
    one = sentence("these are five words here")  # 2 s
    following = Cue(1.0, 3.0, sentence("another"))
    with pytest.raises(LectureError, match="render the scene again"):
        mix([Cue(0, 2, one), following], 5, speech)
    with pytest.raises(LectureError, match=r"until 1\.50 s"):
        mix([Cue(0, 2, one)], 1.5, speech)
    assert len(mix([Cue(0, 2, one)], 2 - OVERLAP / 2, speech)) == round((2 - OVERLAP / 2) * RATE)


def test_the_limiter_holds_peaks_and_moves_nothing() -> None:
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(RATE)).astype(np.float32)
    sound[20_000:20_010] = 3.0
    held = limited(sound)
    assert np.abs(held).max() <= 10 ** (PEAK / 20) + 1e-4
    assert np.array_equal(held[:19_000], sound[:19_000])
    quiet = 0.01 * sound
    assert np.allclose(limited(quiet), quiet)


def test_two_processes_that_want_one_sentence_get_the_same(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from scenes.cues import Sentence\n"
        "from studio.narration import SpeechCache; from studio.speakers import EspeakSpeaker\n"
        "speech = SpeechCache(EspeakSpeaker(), Path(sys.argv[1]))\n"
        "print(speech.duration(Sentence('', 'Who is first?')))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert said[0] == said[1] != ""
    assert len(list(tmp_path.glob("*.wav"))) == 1
