"""Voices: text becomes a mono WAV file.

A voice without a network, espeak-ng, is held to the pace of a lecturer; a
voice that says nothing, for as long as the words would take, needs no program
at all.  More voices are in ``studio.voices``; ``make_speaker`` knows them all.
Samples are floats in −1 … 1 everywhere; files are 16-bit PCM.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.files import written_whole

Samples = npt.NDArray[np.float32]

RATE = 48_000
"""Samples a second of everything that goes into a video."""

PACE = 150.0
"""Words a minute of the silent voice, and the middle of the range that speech is held to."""
PACE_RANGE = (140.0, 160.0)

VOICES = ("espeak", "silent", "piper:FILE.onnx", "voiceover:SERVICE", "recorded:FOLDER")
"""Voices as they are asked for; what stands in capitals is the user's."""


class Speaker(Protocol):
    """A voice.

    ``name`` identifies the voice, its settings and its version: speech is kept
    under it, and two speakers of one name say the same text alike.
    """

    @property
    def name(self) -> str:
        """Voice, settings and version in a few words."""
        ...

    def speak(self, text: str, path: Path) -> None:
        """Write ``text``, spoken, to ``path`` as a mono 16-bit WAV file of any rate."""
        ...


def read_wav(path: Path) -> tuple[Samples, int]:
    """The samples of a mono 16-bit WAV file, in −1 … 1, and their rate in hertz.

    Raises
    ------
    ValueError
        When it is no such file, or ends before its header says.
    OSError
        When it cannot be read.
    """
    try:
        with wave.open(str(path), "rb") as sound:
            if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
                raise ValueError(f"{path} is not mono with 16 bits a sample")
            frames, rate = sound.getnframes(), sound.getframerate()
            content = sound.readframes(frames)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no WAV file: {error}") from error
    if len(content) != 2 * frames:
        raise ValueError(f"{path} ends after {len(content) // 2} of {frames} samples")
    samples: Samples = np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
    return samples, rate


def write_wav(path: Path, samples: npt.NDArray[np.floating[Any]], rate: int = RATE) -> None:
    """Write ``samples`` (−1 … 1; what lies outside is clipped) to a mono 16-bit WAV file, whole.

    Raises
    ------
    LectureError
        When the file cannot be written.
    """
    scaled = np.rint(samples * np.float32(32768))
    content = np.clip(scaled, -32768, 32767).astype("<i2")
    with written_whole(path) as partial, wave.open(str(partial), "wb") as sound:
        sound.setparams((1, 2, rate, len(content), "NONE", "not compressed"))
        sound.writeframes(content.tobytes())


def trimmed(samples: Samples, rate: int) -> Samples:
    """The stretch that is heard: above −50 dB of the loudest, with a breath on either side.

    10 ms are kept before it and 30 ms after.  What is silent throughout comes
    back as it is.
    """
    level = np.abs(samples)
    heard = np.flatnonzero(level > level.max(initial=0) * 10 ** (-50 / 20))
    if not heard.size:
        return samples
    start = max(0, int(heard[0]) - rate // 100)
    return samples[start : int(heard[-1]) + 1 + 3 * rate // 100]


def word_count(text: str) -> int:
    """How many words ``text`` takes to say; a number takes about one for each digit."""
    words = [word for word in text.split() if any(c.isalnum() for c in word)]
    return sum(max(1, sum(c.isdigit() for c in word)) for word in words)


def pace_of(text: str, sound: Path) -> float:
    """Words a minute at which the WAV file ``sound`` says ``text``; 0 where nothing is heard.

    Raises
    ------
    ValueError, OSError
        As ``read_wav``.
    """
    samples, rate = read_wav(sound)
    heard = trimmed(samples, rate)
    return max(1, word_count(text)) * 60 * rate / len(heard) if samples.any() else 0.0


def hold_pace(speak_at: Callable[[int], float], usual: int, limits: tuple[int, int]) -> None:
    """Speak at the usual speed first, and again, slower or faster, while the pace is outside.

    Parameters
    ----------
    speak_at
        Speaks at a speed and returns the pace in words a minute.
    usual, limits
        The speed to begin with, and those between which the voice is still
        easy to follow.
    """
    slowest, fastest = limits
    speed = usual
    pace = speak_at(speed)
    for _ in range(2):
        # Well inside the range, for the pace follows the speed only roughly.
        wanted = float(np.clip(pace, PACE_RANGE[0] + 6, PACE_RANGE[1] - 6))
        adjusted = int(np.clip(round(speed * wanted / pace), slowest, fastest))
        if PACE_RANGE[0] <= pace <= PACE_RANGE[1] or adjusted == speed:
            break
        speed = adjusted
        pace = speak_at(speed)


def _espeak_program() -> str:
    program = shutil.which("espeak-ng")
    if program is None:
        raise MissingRequirement(
            "espeak-ng is not installed, and the voice 'espeak' speaks with it: install it "
            "(apt-get install espeak-ng), or use --voice silent, which works without"
        )
    return program


def _run_espeak(*arguments: str, text: str = "") -> str:
    """Run espeak-ng with ``text`` on its standard input; return what it prints."""
    try:
        done = subprocess.run(
            [_espeak_program(), *arguments], input=text.encode(), capture_output=True, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LectureError(f"espeak-ng did not run ({error}); try --voice silent") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise LectureError(f"espeak-ng failed: {said[-1]}; try --voice silent")
    return done.stdout.decode(errors="replace")


def espeak_version() -> str:
    """The version of the espeak-ng that is installed, such as "1.51".

    Raises
    ------
    MissingRequirement
        When espeak-ng is not installed.
    """
    printed = _run_espeak("--version")
    found = re.search(r"\d+(\.\d+)+\S*", printed)
    return found.group() if found else printed.strip()


def _check_espeak_voice(voice: str) -> None:
    """Refuse a voice or a language that espeak-ng has not.

    It lists voices for a language, and says of itself which names it takes.
    """
    if re.fullmatch(r"[A-Za-z][\w+-]*", voice):
        listed = _run_espeak(f"--voices={voice}").splitlines()[1:]
        names = {
            word for line in _run_espeak("--voices").splitlines() for word in line.split()[1:5]
        }
        if listed or voice.partition("+")[0] in names:
            return
    raise UsageError(
        f"espeak-ng has no voice {voice!r}; `espeak-ng --voices` lists those that it has, "
        "for example espeak:de"
    )


class EspeakSpeaker:
    """espeak-ng, each sentence at 140 to 160 words a minute where that sounds well.

    espeak's speed setting makes as many syllables a minute, so sentences of
    short words would run at 190 words a minute and those of long words at 125.
    Each is spoken at the usual speed first and again, slower or faster, when
    its pace lies outside.  The speed stays within limits in which the voice is
    still easy to follow.  Words of other languages are longer or shorter than
    English ones, so these are spoken at the usual number of syllables.

    Parameters
    ----------
    voice
        One of espeak's, or a language; British English by default.

    Raises
    ------
    MissingRequirement
        When espeak-ng is not installed.
    UsageError
        When it has no such voice.
    """

    usual_voice = "en-gb"
    usual_speed = 120
    speed_range = (95, 160)

    def __init__(self, voice: str = usual_voice) -> None:
        self.voice = voice
        self.paced = voice.partition("-")[0] == "en"
        held = f"{PACE_RANGE[0]:.0f}–{PACE_RANGE[1]:.0f} wpm" if self.paced else "usual pace"
        self.name = f"espeak-ng {espeak_version()} {voice} {held}"
        if voice != self.usual_voice:
            _check_espeak_voice(voice)

    def speak(self, text: str, path: Path) -> None:
        """Write ``text``, spoken, to ``path`` as a mono 16-bit WAV file (22,050 Hz).

        Raises
        ------
        MissingRequirement
            When espeak-ng is gone.
        LectureError
            When it fails, or finds nothing in ``text`` to say.
        """
        if self.paced:
            hold_pace(
                lambda speed: self._speak_at(speed, text, path), self.usual_speed, self.speed_range
            )
        else:
            self._speak_at(self.usual_speed, text, path)

    def _speak_at(self, speed: int, text: str, path: Path) -> float:
        """Speak at espeak's ``speed`` and return the pace in words a minute."""
        _run_espeak(
            *("-v", self.voice, "-s", str(speed), "-b", "1", "-z"),
            *("--stdin", "-w", str(path.absolute())),
            text=one_line(text),
        )
        try:
            pace = pace_of(text, path)
        except FileNotFoundError:  # without a word it writes no file
            pace = 0.0
        except (OSError, ValueError) as error:
            raise LectureError(f"espeak-ng wrote no sound for {text!r}: {error}") from error
        if not pace:
            raise LectureError(
                f"espeak-ng finds nothing to say in {text!r}; write it as words, or use "
                "--voice silent"
            )
        return pace


def one_line(text: str) -> str:
    """``text`` for a program that reads a line and takes "[[" for its own alphabet's beginning."""
    return " ".join(text.split()).replace("[[", "[ [")


class SilentSpeaker:
    """Silence, as long as the words would take at 150 words a minute; needs no program."""

    name = f"silent {PACE:.0f} wpm"

    def speak(self, text: str, path: Path) -> None:
        """Write silence of the length of ``text`` to ``path`` as a WAV file (48 kHz).

        Raises
        ------
        LectureError
            When the file cannot be written.
        """
        seconds = max(1, word_count(text)) * 60 / PACE
        write_wav(path, np.zeros(round(seconds * RATE), np.float32))


def voice_in(voice: str, language: str) -> str:
    """``voice`` as it speaks ``language``, with its files' paths made absolute.

    Raises
    ------
    UsageError
        When it speaks another language.
    LectureError
        When a file that it names is not there.
    """
    kind, _, which = voice.partition(":")
    if voice == "espeak" and language != "en":
        return f"espeak:{language}"
    if kind == "piper" and which:
        from studio.voices.piper import description_of

        spoken = description_of(Path(which)).language
        if spoken != language.partition("-")[0]:
            raise UsageError(
                f"the voice {which} speaks {spoken!r}, not {language!r}; take another, or --voice "
                "espeak"
            )
        return f"piper:{Path(which).resolve()}"
    if kind == "voiceover" and which and language != "en":
        from studio.voices.voiceover import service_in

        return f"voiceover:{service_in(which, language)}"
    if kind == "recorded" and which:
        from studio.voices.recorded import folder_and_rest

        folder, rest = folder_and_rest(which)
        return f"recorded:{folder.resolve()}" + (f"+{voice_in(rest, language)}" if rest else "")
    return voice


def make_speaker(name: str) -> Speaker:
    """The speaker for ``--voice name``.

    Raises
    ------
    UsageError
        When there is no such voice.
    LectureError
        When a file or a folder that it names is not there or not as it should be.
    MissingRequirement
        When what the voice needs is not installed.
    """
    kind, _, which = name.partition(":")
    if name == "silent":
        return SilentSpeaker()
    if kind == "espeak":
        return EspeakSpeaker(which) if which else EspeakSpeaker()
    if kind == "piper" and which:
        from studio.voices.piper import PiperSpeaker

        return PiperSpeaker(Path(which))
    if kind == "voiceover" and which:
        from studio.voices.voiceover import VoiceoverSpeaker

        return VoiceoverSpeaker(which)
    if kind == "recorded" and which:
        from studio.voices.recorded import RecordedSpeaker, folder_and_rest

        folder, rest = folder_and_rest(which)
        return RecordedSpeaker(folder, make_speaker(rest) if rest else None)
    raise UsageError(f"voice {name!r} is unknown; choose one of {', '.join(VOICES)}")
