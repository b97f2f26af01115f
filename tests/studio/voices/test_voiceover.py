"""Services of manim-voiceover, by classes of ours that have their interface."""

from __future__ import annotations

import os
import sys
import wave
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from studio.speakers import PACE_RANGE, make_speaker, pace_of, read_wav, voice_in, write_wav

ROOT = Path(__file__).resolve().parents[3]
TEXT = "Each step removes a little of the predicted noise."


class ToneService:
    """The interface of manim-voiceover's ``SpeechService``: a tone of 0.3 s a word, in stereo."""

    made: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, cache_dir: Any = None, **settings: Any) -> None:
        assert Path(cache_dir).is_dir()
        self.pitch = float(settings.get("pitch", 440))
        self.made.append(settings)

    def generate_from_text(
        self, text: str, cache_dir: Any = None, path: Any = None
    ) -> dict[str, Any]:
        print("speaking", text)  # noqa: T201
        if "fail" in text:
            raise RuntimeError("the quota is used up")
        if "ask" in text:
            input("Shall I overwrite your keys? [Y/n]")
        if "silence" in text:
            self.pitch = 0
        time = np.arange(round(16_000 * 0.3 * len(text.split()))) / 16_000
        tone = np.rint(9000 * np.sin(2 * np.pi * self.pitch * time)).astype("<i2")
        assert path is None
        with wave.open(str(Path(cache_dir) / "tone.wav"), "wb") as sound:
            sound.setparams((2, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(np.repeat(tone, 2).tobytes())
        return {"input_text": text, "input_data": {}, "original_audio": "tone.wav"}


OURS = f"voiceover:{__name__}:ToneService"


def heard_pitch(samples: np.ndarray, rate: int) -> float:
    """The loudest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def test_a_service_speaks_at_the_pace_and_the_pitch_that_it_should(tmp_path: Path) -> None:
    sound = tmp_path / "said.wav"
    make_speaker(f"{OURS}?pitch=600").speak(TEXT, sound)
    samples, rate = read_wav(sound)
    assert PACE_RANGE[0] <= pace_of(TEXT, sound) <= PACE_RANGE[1]  # of 200 words a minute
    assert heard_pitch(samples, rate) == pytest.approx(600, abs=5)


def test_another_language_keeps_the_service_s_pace(tmp_path: Path) -> None:
    voice = voice_in(OURS, "de")
    assert voice == f"{OURS}?language=de"
    assert voice_in(voice, "fr") == voice
    make_speaker(voice).speak("drei kurze Worte", tmp_path / "said.wav")
    samples, rate = read_wav(tmp_path / "said.wav")
    assert len(samples) / rate == pytest.approx(0.9, abs=0.01)


def test_settings_reach_the_service_and_the_name(tmp_path: Path) -> None:
    speaker = make_speaker(f"{OURS}?pitch=300&style=calm")
    speaker.speak(TEXT, tmp_path / "said.wav")
    assert ToneService.made[-1] == {"pitch": "300", "style": "calm"}
    assert speaker.name.endswith("ToneService pitch=300&style=calm")
    assert make_speaker(OURS).name != speaker.name


def test_standard_output_stays_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_speaker(OURS).speak(TEXT, tmp_path / "said.wav")
    out, err = capsys.readouterr()
    assert out == ""
    assert "speaking" in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fail now", "the quota is used up.*--voice espeak"),
        ("ask me", "did not say 'ask me'"),
        ("only silence", "nothing can be heard"),
    ],
)
def test_a_service_that_fails_or_asks_is_an_error(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(LectureError, match=says):
        make_speaker(OURS).speak(text, tmp_path / "said.wav")
    assert not (tmp_path / "said.wav").exists()


@pytest.mark.parametrize("service", ["nobody", "no.such.module:Service", "os", ":x"])
def test_an_unknown_service_is_a_usage_error(service: str) -> None:
    with pytest.raises(UsageError, match="choose one of azure, elevenlabs"):
        make_speaker(f"voiceover:{service}")


@pytest.mark.parametrize("missing", ["manim_voiceover", "gtts"])
def test_what_is_not_installed_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingRequirement, match=r"manim-voiceover\[gtts\].*--voice espeak"):
        make_speaker("voiceover:gtts")


# -- with the package, where it is installed -------------------------------------------------


def test_a_subclass_of_its_own_class_speaks(tmp_path: Path) -> None:
    base: Any = pytest.importorskip(
        "manim_voiceover.services.base", reason="the extra `voiceover` is not installed"
    )

    class Real(base.SpeechService):  # type: ignore[misc]
        def generate_from_text(
            self, text: str, cache_dir: Any = None, path: Any = None, **settings: Any
        ) -> dict[str, Any]:
            data = {"input_text": text, "service": "test"}
            name = f"{self.get_audio_basename(data)}.wav"
            tone = np.sin(np.arange(16_000) / 5).astype(np.float32) / 2
            write_wav(Path(cache_dir) / name, tone, 16_000)
            return {"input_text": text, "input_data": data, "original_audio": name}

    globals()["Real"] = Real
    make_speaker(f"voiceover:{__name__}:Real").speak("one two", tmp_path / "said.wav")
    assert PACE_RANGE[0] <= pace_of("one two", tmp_path / "said.wav") <= PACE_RANGE[1]


def test_a_key_that_is_not_set_is_named_and_no_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("manim_voiceover", reason="the extra `voiceover` is not installed")
    pytest.importorskip("openai", reason="manim-voiceover[openai] is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingRequirement, match="reads OPENAI_API_KEY from the environment"):
        make_speaker("voiceover:openai")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
