"""Piper's voices: their files, their pace, and what they say when something is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from studio.speakers import PACE_RANGE, make_speaker, pace_of, read_wav, voice_in
from studio.voices.piper import PiperSpeaker

SENTENCES = (
    "Each step removes a little of the predicted noise.",
    "How does a picture come out of pure noise?",
)

PROGRAM = """\
#!{python}
import math, struct, sys, wave
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
text = sys.stdin.read()
assert given["--model"].endswith(".onnx"), given
if "fail" in text:
    sys.exit("no such phoneme")
seconds = {pace} * len(text.split()) * float(given["--length_scale"])
if "nothing" in text:
    seconds = 0
with wave.open(given["--output_file"], "wb") as sound:
    sound.setparams((1, 2, 16000, 0, "NONE", ""))
    tone = (int(9000 * math.sin(i / 7)) for i in range(int(16000 * seconds)))
    sound.writeframes(b"".join(struct.pack("<h", level) for level in tone))
"""


def described(folder: Path, language: str = "en-us", scale: float = 1.0) -> Path:
    """A voice whose network is never looked into."""
    voice = folder / "en_GB-somebody-low.onnx"
    voice.write_bytes(b"a network")
    facts = {"espeak": {"voice": language}, "inference": {"length_scale": scale}}
    Path(f"{voice}.json").write_text(json.dumps(facts))
    return voice


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``piper`` that says a word in 0.3 s, and no package."""
    place = tmp_path / "bin" / "piper"
    place.parent.mkdir()
    place.write_text(PROGRAM.format(python=sys.executable, pace=0.3))
    place.chmod(0o755)
    monkeypatch.setenv("PATH", str(place.parent))
    monkeypatch.setitem(sys.modules, "piper", None)
    return place


def test_english_is_held_to_the_pace_of_a_lecturer(program: Path, tmp_path: Path) -> None:
    sound = tmp_path / "said.wav"
    for scale in (0.9, 1.0, 1.6):
        speaker = make_speaker(f"piper:{described(tmp_path, scale=scale)}")
        speaker.speak(SENTENCES[0], sound)
        assert PACE_RANGE[0] <= pace_of(SENTENCES[0], sound) <= PACE_RANGE[1]


def test_other_languages_are_spoken_as_the_voice_speaks_them(program: Path, tmp_path: Path) -> None:
    sound = tmp_path / "said.wav"
    PiperSpeaker(described(tmp_path, "de", scale=0.5)).speak("drei kurze Worte", sound)
    samples, rate = read_wav(sound)
    assert len(samples) / rate == pytest.approx(3 * 0.3 * 0.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [("fail here", "Piper failed: no such phoneme"), ("nothing at all", "finds nothing to say")],
)
def test_what_the_program_cannot_say(text: str, says: str, program: Path, tmp_path: Path) -> None:
    speaker = PiperSpeaker(described(tmp_path))
    with pytest.raises(LectureError, match=says):
        speaker.speak(text, tmp_path / "said.wav")


def test_the_name_is_of_the_voice_and_not_of_its_place(program: Path, tmp_path: Path) -> None:
    one = PiperSpeaker(described(tmp_path)).name
    (tmp_path / "elsewhere").mkdir()
    same = described(tmp_path / "elsewhere")
    assert PiperSpeaker(same).name == one
    same.write_bytes(b"another network")
    assert PiperSpeaker(same).name != one


def test_without_piper_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(MissingRequirement, match=r"diffusion-lectures\[piper\].*--voice espeak"):
        make_speaker(f"piper:{described(tmp_path)}")


def test_a_voice_without_its_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match=r"nobody.onnx does not exist"):
        make_speaker(f"piper:{tmp_path / 'nobody.onnx'}")
    voice = described(tmp_path)
    Path(f"{voice}.json").write_text("[1, 2]")
    with pytest.raises(LectureError, match="does not describe a voice"):
        make_speaker(f"piper:{voice}")
    Path(f"{voice}.json").unlink()
    with pytest.raises(LectureError, match=r"low.onnx.json does not exist"):
        make_speaker(f"piper:{voice}")


def test_a_voice_is_not_asked_for_a_language_that_it_does_not_speak(tmp_path: Path) -> None:
    voice = described(tmp_path, "de")
    assert voice_in(f"piper:{voice}", "de") == f"piper:{voice}"
    with pytest.raises(UsageError, match="speaks 'de', not 'en'"):
        voice_in(f"piper:{voice}", "en")


# -- with the package, where it is installed -------------------------------------------------


def network(folder: Path) -> Path:
    """Noise from a network with the inputs and the output that Piper's voices have.

    It lasts 50 ms a phoneme, times the length that is asked for.
    """
    onnx: Any = pytest.importorskip("onnx", reason="the network is built with it")
    kinds, make = onnx.TensorProto, onnx.helper

    def constant(name: str, value: Any) -> Any:
        return onnx.numpy_helper.from_array(np.array([value]), name)

    nodes = [
        make.make_node("Slice", ["scales", "one", "two", "zero"], ["slower"]),
        make.make_node("Cast", ["input_lengths"], ["phonemes"], to=kinds.FLOAT),
        make.make_node("Mul", ["phonemes", "slower"], ["stretched"]),
        make.make_node("Mul", ["stretched", "each"], ["length"]),
        make.make_node("Cast", ["length"], ["samples"], to=kinds.INT64),
        make.make_node("ConstantOfShape", ["samples"], ["silence"]),
        make.make_node("RandomNormalLike", ["silence"], ["noise"]),
        make.make_node("Mul", ["noise", "quiet"], ["flat"]),
        make.make_node("Unsqueeze", ["flat", "axes"], ["output"]),
    ]
    inputs = [
        make.make_tensor_value_info("input", kinds.INT64, ["batch", "phonemes"]),
        make.make_tensor_value_info("input_lengths", kinds.INT64, [1]),
        make.make_tensor_value_info("scales", kinds.FLOAT, [3]),
    ]
    constants = [
        *(constant(name, np.int64(i)) for i, name in enumerate(("zero", "one", "two"))),
        *(constant("each", np.float32(1100)), constant("quiet", np.float32(0.2))),
        onnx.numpy_helper.from_array(np.array([0, 1]), "axes"),
    ]
    outputs = [make.make_tensor_value_info("output", kinds.FLOAT, None)]
    graph = make.make_graph(nodes, "voice", inputs, outputs, constants)
    voice = folder / "noise.onnx"
    opset = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=8), str(voice))
    letters = "abcdefghijklmnopqrstuvwxyzðŋɐɑɒɔəɚɛɜɡɪɹɾʃʊʌʒˈˌː.,;:?! "
    facts = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": 100,
        "num_speakers": 1,
        "phoneme_id_map": {"_": [0], "^": [1], "$": [2]}
        | {letter: [i] for i, letter in enumerate(letters, start=3)},
    }
    Path(f"{voice}.json").write_text(json.dumps(facts))
    return voice


def test_the_package_says_a_sentence_alike_whatever_was_said_before(tmp_path: Path) -> None:
    pytest.importorskip("piper", reason="the extra `piper` is not installed")
    speaker = make_speaker(f"piper:{network(tmp_path)}")
    sound = tmp_path / "said.wav"
    said: list[tuple[bytes, float]] = []
    for text in (*SENTENCES, *SENTENCES):
        speaker.speak(text, sound)
        said.append((sound.read_bytes(), pace_of(text, sound)))
    assert said[:2] == said[2:]
    assert said[0][0] != said[1][0]
    assert all(PACE_RANGE[0] <= pace <= PACE_RANGE[1] for _, pace in said)


def test_what_is_no_network_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    pytest.importorskip("piper", reason="the extra `piper` is not installed")
    speaker = make_speaker(f"piper:{described(tmp_path)}")
    with pytest.raises(LectureError, match="get the voice again"):
        speaker.speak("a word", tmp_path / "said.wav")
