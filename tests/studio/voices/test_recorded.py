"""Own recordings: which file says which line, and what is missing, changed or damaged."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from diffusion_core.errors import LectureError
from scenes.cues import Sentence
from studio.narration import LOUDNESS, SpeechCache, loudness
from studio.speakers import make_speaker, read_wav, voice_in, write_wav
from studio.voices.recorded import INDEX, Recordings, file_name, line_digest, number_of

LINES = ["Take a picture.", "Noise is added.", "Nothing is left."]


def tone(seconds: float = 0.5, pitch: float = 440, level: float = 0.05) -> np.ndarray:
    time = np.arange(round(44_100 * seconds)) / 44_100
    silence = np.zeros(20_000)
    sound = np.concatenate([silence, level * np.sin(2 * np.pi * pitch * time), silence])
    return sound.astype(np.float32)


def record(folder: Path, name: str, pitch: float = 440) -> Path:
    write_wav(folder / name, tone(pitch=pitch), 44_100)
    return folder / name


def encode(path: Path, codec: str, layout: str) -> None:
    channels = np.tile(tone(), (2 if layout == "stereo" else 1, 1))
    with av.open(str(path), "w") as written:
        stream = written.add_stream(codec, rate=44_100, layout=layout)
        frame = av.AudioFrame.from_ndarray(channels, format="fltp", layout=layout)
        frame.sample_rate = 44_100
        fitting = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=44_100)
        written.mux([p for part in fitting.resample(frame) for p in stream.encode(part)])
        written.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("suffix", "codec", "layout"),
    [
        ("wav", "pcm_s24le", "stereo"),
        ("flac", "flac", "mono"),
        ("mp3", "libmp3lame", "stereo"),
        ("m4a", "aac", "stereo"),
        ("WAV", "pcm_f32le", "mono"),
    ],
)
def test_files_of_all_kinds_are_trimmed_and_levelled_like_any_speech(
    suffix: str, codec: str, layout: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    made = tmp_path / f"made.{suffix.lower()}"
    encode(made, codec, layout)
    made.rename(folder / f"{file_name(1, LINES[0])}.{suffix}")
    speech = SpeechCache(make_speaker(f"recorded:{folder}"), tmp_path / "speech")
    said = speech.samples(Sentence("As it is written.", LINES[0]))
    assert len(said) / 48_000 == pytest.approx(0.54, abs=0.03)
    assert loudness(np.tile(said, 6)) == pytest.approx(LOUDNESS, abs=0.5)


def test_a_file_may_be_called_by_the_digest_alone(tmp_path: Path) -> None:
    record(tmp_path, f"{line_digest(LINES[1])}.wav")
    make_speaker(f"recorded:{tmp_path}").speak("  Noise is\nadded. ", tmp_path / "said.wav")
    assert read_wav(tmp_path / "said.wav")[1] == 44_100


def test_a_missing_line_is_an_error_that_names_its_file(tmp_path: Path) -> None:
    record(tmp_path, f"{file_name(1, LINES[0])}.wav")
    speaker = make_speaker(f"recorded:{tmp_path}")
    with pytest.raises(LectureError, match=f"lacks {line_digest(LINES[2])}.wav .“Nothing"):
        speaker.speak(LINES[2], tmp_path / "said.wav")
    speaker.check(LINES[:1])  # type: ignore[attr-defined]
    with pytest.raises(LectureError) as caught:
        speaker.check(LINES)  # type: ignore[attr-defined]
    for number in (2, 3):
        assert f"{file_name(number, LINES[number - 1])}.wav" in str(caught.value)
    assert file_name(1, LINES[0]) not in str(caught.value)
    assert "+espeak" in str(caught.value)


def test_another_voice_fills_the_gaps(tmp_path: Path) -> None:
    record(tmp_path, f"{file_name(1, LINES[0])}.wav")
    speaker = make_speaker(f"recorded:{tmp_path}+silent")
    speaker.check(LINES)  # type: ignore[attr-defined]
    speaker.speak(LINES[2], tmp_path / "said.wav")
    assert not read_wav(tmp_path / "said.wav")[0].any()
    speaker.speak(LINES[0], tmp_path / "said.wav")
    assert read_wav(tmp_path / "said.wav")[0].any()
    assert "silent" in speaker.name


def test_the_voice_that_fills_the_gaps_speaks_the_language(tmp_path: Path) -> None:
    assert voice_in(f"recorded:{tmp_path}+espeak", "de") == f"recorded:{tmp_path}+espeak:de"
    plus = tmp_path / "mine+espeak"
    plus.mkdir()
    assert voice_in(f"recorded:{plus}", "de") == f"recorded:{plus}"


def test_the_name_changes_with_what_is_recorded_and_not_with_the_place(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        record(folder, f"{file_name(1, LINES[0])}.wav")
    one, two = (make_speaker(f"recorded:{folder}").name for folder in folders)
    assert one == two
    record(folders[1], f"{file_name(1, LINES[0])}.wav", pitch=500)
    assert make_speaker(f"recorded:{folders[1]}").name != one


def test_numbers_alone_are_noted_and_a_changed_script_is_noticed(tmp_path: Path) -> None:
    for number in (1, 2):
        record(tmp_path, f"{number:03}.wav", pitch=300 + number)
    read = Recordings.of(tmp_path)
    assert [number for number, _ in read.missing(LINES)] == [1, 2, 3]
    assert [number for number, _ in read.noted(LINES).missing(LINES)] == [3]
    index = json.loads((tmp_path / INDEX).read_text())
    assert {name: noted["text"] for name, noted in index.items()} == {
        "001.wav": LINES[0],
        "002.wav": LINES[1],
    }
    make_speaker(f"recorded:{tmp_path}").speak(LINES[1], tmp_path / "said.wav")

    # A sentence before them is new, and one has changed: the files stay what they are.
    changed = ["A question first.", LINES[0], "Noise is added, and added.", LINES[2]]
    again = Recordings.of(tmp_path).noted(changed)
    assert [number for number, _ in again.missing(changed)] == [1, 3, 4]
    [other] = again.changed(changed)
    assert (other.file.name, other.number, other.text) == ("002.wav", 2, LINES[1])

    # Once it is recorded anew, it is of what is to be read now.
    record(tmp_path, "002.wav", pitch=600)
    anew = Recordings.of(tmp_path).noted([LINES[0], "Noise is added, and added.", LINES[2]])
    assert anew.index["002.wav"]["text"] == "Noise is added, and added."


def test_a_file_that_nobody_has_noted_is_pointed_out(tmp_path: Path) -> None:
    record(tmp_path, "001.wav")
    with pytest.raises(LectureError, match=r"001.wav is noted for no line yet: render.py script"):
        make_speaker(f"recorded:{tmp_path}").speak(LINES[0], tmp_path / "said.wav")


def test_two_recordings_of_one_sentence_are_refused(tmp_path: Path) -> None:
    record(tmp_path, f"{file_name(1, LINES[0])}.wav")
    record(tmp_path, f"{line_digest(LINES[0])}.wav")
    with pytest.raises(LectureError, match="recordings of one sentence; remove one"):
        make_speaker(f"recorded:{tmp_path}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read as sound"),
        (b"RIFF nonsense that is no sound", "cannot be read as sound"),
        (None, "nothing can be heard"),
    ],
    ids=["empty", "nonsense", "silent"],
)
def test_a_damaged_file_is_named(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / f"{file_name(1, LINES[0])}.wav"
    if content is None:
        write_wav(path, np.zeros(1000, np.float32))
    else:
        path.write_bytes(content)
    with pytest.raises(LectureError, match=f"{path.stem}.*{says}|{says} in .*{path.stem}"):
        make_speaker(f"recorded:{tmp_path}").speak(LINES[0], tmp_path / "said.wav")


def test_a_folder_that_is_none_and_an_index_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LectureError, match="nowhere is not a folder"):
        make_speaker(f"recorded:{tmp_path / 'nowhere'}")
    (tmp_path / INDEX).write_text('{"001.wav": 3}')
    with pytest.raises(LectureError, match=f"{INDEX} is damaged"):
        make_speaker(f"recorded:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "number"),
    [("007.wav", 7), ("12-4714edf9.wav", 12), ("4714edf9.wav", None), ("take.wav", None)],
)
def test_the_number_in_a_name(name: str, number: int | None) -> None:
    assert number_of(Path(name)) == number
