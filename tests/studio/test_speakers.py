"""Voices: their pace, what they survive, and what they say when something is missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from studio.naming import voice_name
from studio.speakers import (
    PACE_RANGE,
    EspeakSpeaker,
    SilentSpeaker,
    espeak_version,
    make_speaker,
    pace_of,
    read_wav,
    trimmed,
    voice_in,
    word_count,
    write_wav,
)

SENTENCES = [
    "Each step removes a little of the predicted noise.",
    "At t equals four hundred and ninety nine, the picture is almost nothing but noise.",
    "The network never sees the clean image; it only guesses the noise that was added.",
    "How does a picture come out of pure noise?",
    "Alpha bar t says how much of the signal is left at time t.",
    "With a guidance scale of seven and a half, the prompt pulls harder, and samples grow alike.",
    "This is the whole idea: learn to take away noise, one small step at a time.",
    "Signal and noise are equal at about two hundred and fifty nine, and not at five hundred.",
]


def spoken(text: str, folder: Path) -> tuple[np.ndarray, int]:
    path = folder / "spoken.wav"
    EspeakSpeaker().speak(text, path)
    samples, rate = read_wav(path)
    return trimmed(samples, rate), rate


def test_real_sentences_are_spoken_at_140_to_160_words_a_minute(tmp_path: Path) -> None:
    words = seconds = 0.0
    for sentence in SENTENCES:
        samples, rate = spoken(sentence, tmp_path)
        count = len(sentence.split())
        assert 138 <= 60 * count * rate / len(samples) <= 162, sentence
        words += count
        seconds += len(samples) / rate
    assert 140 <= 60 * words / seconds <= 160


def test_a_sentence_of_very_long_words_is_not_rushed(tmp_path: Path) -> None:
    slow = "Photorealistic generation approximates conditional distributions iteratively."
    samples, rate = spoken(slow, tmp_path)
    assert 60 <= 60 * len(slow.split()) * rate / len(samples) <= 140


def test_the_same_text_sounds_the_same_twice(tmp_path: Path) -> None:
    first, second = (spoken(SENTENCES[0], tmp_path)[0] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    "text",
    [
        "-v is no option here.",
        "--stdin $(touch /tmp/never) `id`; echo; 'quotes' \"too\"",
        "Two\nlines, α and ε, <b>no markup</b> & more.",
        "[[no phonemes]]",
    ],
)
def test_text_is_text_and_nothing_else(text: str, tmp_path: Path) -> None:
    samples, rate = spoken(text, tmp_path)
    assert len(samples) > rate / 2


def test_the_whole_of_a_text_with_a_leading_hyphen_is_said(tmp_path: Path) -> None:
    plain, _ = spoken("noise is what we add", tmp_path)
    hyphen, _ = spoken("- noise is what we add", tmp_path)
    assert len(hyphen) >= 0.9 * len(plain)


def test_a_text_without_anything_to_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match="nothing to say"):
        EspeakSpeaker().speak("   ", tmp_path / "spoken.wav")


def test_the_name_carries_the_version() -> None:
    assert espeak_version() in EspeakSpeaker().name


def test_without_espeak_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingRequirement) as caught:
        make_speaker("espeak")
    assert "apt-get install espeak-ng" in str(caught.value)
    assert "--voice silent" in str(caught.value)
    assert caught.value.exit_code == 3


def test_silence_lasts_as_long_as_the_words_and_needs_no_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    path = tmp_path / "silent.wav"
    make_speaker("silent").speak("one two three four five", path)
    samples, rate = read_wav(path)
    assert len(samples) / rate == pytest.approx(5 * 60 / 150)
    assert not samples.any()


def test_an_unknown_voice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"'robot'.*espeak, silent, piper:FILE.onnx"):
        make_speaker("robot")


@pytest.mark.parametrize("name", ["recorded:", "piper:", "voiceover:", "silent:x"])
def test_a_voice_without_what_belongs_to_it_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=f"voice '{name}' is unknown"):
        make_speaker(name)


def test_espeak_speaks_other_languages_at_its_usual_pace(tmp_path: Path) -> None:
    assert voice_in("espeak", "en") == "espeak"
    assert voice_in("espeak", "de") == "espeak:de"
    assert voice_in("espeak:en-us", "de") == "espeak:en-us"  # as it was asked for
    text = "Jeder Schritt entfernt ein wenig von dem vorhergesagten Rauschen."
    paces = {}
    for voice in ("espeak", "espeak:de"):
        make_speaker(voice).speak(text, tmp_path / "said.wav")
        paces[voice] = pace_of(text, tmp_path / "said.wav")
    assert 90 <= paces["espeak:de"] <= 135  # words are long
    assert paces["espeak"] > paces["espeak:de"] + 3
    assert make_speaker("espeak:de").name != make_speaker("espeak").name
    assert PACE_RANGE[0] - 5 <= paces["espeak"]


@pytest.mark.parametrize("voice", ["xx", "de; touch x", "../de", "-h"])
def test_a_voice_that_espeak_has_not_is_a_usage_error(voice: str) -> None:
    with pytest.raises(UsageError, match=r"has no voice .*espeak-ng --voices"):
        make_speaker(f"espeak:{voice}")


def test_voices_that_differ_make_files_of_different_names(tmp_path: Path) -> None:
    voices = ["espeak:de", "silent", "voiceover:gtts", "voiceover:gtts?lang=de"]
    voices += [f"recorded:{tmp_path / place / 'mine'}" for place in ("a", "b")]
    voices += ["piper:a/one.onnx", "piper:b/one.onnx", "recorded:../../x y/ü+espeak"]
    names = [voice_name(voice) for voice in voices]
    assert names[:3] == ["espeak-de", "silent", "voiceover-gtts"]
    assert len(set(names)) == len(voices)
    assert all(re.fullmatch(r"[\w-]+", name) for name in names)


def test_a_silent_voice_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "silent.wav").mkdir()  # a folder is in the way
    with pytest.raises(LectureError, match="cannot be written"):
        SilentSpeaker().speak("word", tmp_path / "silent.wav")


@pytest.mark.parametrize(
    ("text", "words"),
    [("How does it work?", 4), ("at t = 499", 5), ("alpha – beta", 2), ("0.02", 3), ("", 0)],
)
def test_words_are_counted_as_they_are_said(text: str, words: int) -> None:
    assert word_count(text) == words


def test_trimming_keeps_what_is_heard_and_a_breath_around_it() -> None:
    samples = np.zeros(48_000, np.float32)
    samples[10_000:20_000] = 0.5
    assert len(trimmed(samples, 48_000)) == 480 + 10_000 + 1440
    silent = np.zeros(100, np.float32)
    assert len(trimmed(silent, 48_000)) == 100


def test_wav_files_hold_what_was_written_and_clip_what_is_too_loud(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    write_wav(path, np.array([0.0, 0.5, -1.0, 3.0, -3.0], np.float32), 8000)
    samples, rate = read_wav(path)
    assert rate == 8000
    assert samples == pytest.approx([0, 0.5, -1, 32767 / 32768, -1])
