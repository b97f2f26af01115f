"""Piper: a neural voice that runs on this machine, from a voice file that the user has."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import wave
from pathlib import Path
from typing import NamedTuple

from diffusion_core.errors import LectureError, MissingRequirement
from studio.finished import file_digest
from studio.speakers import hold_pace, one_line, pace_of

INSTALLATION = "pip install 'diffusion-lectures[piper]'"
SEED = 0
"""Of the noise that a voice draws, so that it says a sentence alike every time."""


class Description(NamedTuple):
    """What the JSON file beside a voice says: its language, and how long its sounds are."""

    language: str
    length_scale: float


def description_of(voice: Path) -> Description:
    """What is said of a voice file by the JSON file beside it.

    Raises
    ------
    LectureError
        When one of the two is not there, or the JSON is not Piper's.
    """
    described = voice.with_name(voice.name + ".json")
    for path in (voice, described):
        if not path.is_file():
            raise LectureError(
                f"{path} does not exist; a voice of Piper is two files, NAME.onnx and "
                "NAME.onnx.json"
            )
    try:
        facts = json.loads(described.read_text(encoding="utf-8"))
        language = str(facts["espeak"]["voice"]).partition("-")[0].lower()
        return Description(language, float(facts.get("inference", {}).get("length_scale", 1)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LectureError(
            f"{described} does not describe a voice of Piper ({error!r}); get the file that "
            "belongs to the voice"
        ) from error


class PiperSpeaker:
    """A voice of Piper, spoken by the installed package, or by the program ``piper``.

    English is held to the pace of a lecturer as espeak's is.  The package
    says a sentence alike every time; the program draws new noise for each, so
    what is said differs a little from machine to machine.

    Parameters
    ----------
    voice
        The voice file, ``….onnx``.

    Raises
    ------
    MissingRequirement
        When neither package nor program is installed.
    LectureError
        When the voice's files are not there.
    """

    speed_range = (70, 140)
    """Percent of the voice's own speed."""

    def __init__(self, voice: Path) -> None:
        self.voice = voice
        self.described = description_of(voice)
        self.paced = self.described.language == "en"
        self.program = shutil.which("piper")
        self.package = importlib.util.find_spec("piper") is not None
        if self.package:
            version = importlib.metadata.version("piper-tts")
        elif self.program is None:
            raise MissingRequirement(
                f"Piper is not installed, and the voice piper:{voice} speaks with it: "
                f"{INSTALLATION}, or use --voice espeak"
            )
        else:
            version = "program"
        self.name = f"piper {version} {voice.stem} {file_digest(voice)[:12]}"

    def speak(self, text: str, path: Path) -> None:
        """Write ``text``, spoken, to ``path`` as a mono 16-bit WAV file.

        Raises
        ------
        LectureError
            When Piper fails, or finds nothing in ``text`` to say.
        """
        if self.paced:
            hold_pace(lambda speed: self._speak_at(speed, text, path), 100, self.speed_range)
        else:
            self._speak_at(100, text, path)

    def _speak_at(self, percent: int, text: str, path: Path) -> float:
        """Speak at ``percent`` of the voice's speed and return the pace in words a minute."""
        say = self._by_package if self.package else self._by_program
        say(one_line(text), 100 / percent, path)
        try:
            pace = pace_of(text, path)
        except (OSError, ValueError) as error:
            raise LectureError(f"Piper wrote no sound for {text!r}: {error}") from error
        if not pace:
            raise LectureError(f"Piper finds nothing to say in {text!r}; write it as words")
        return pace

    def _by_package(self, text: str, slower: float, path: Path) -> None:
        import onnxruntime
        from piper import PiperVoice, SynthesisConfig

        # The noise is drawn from where the seed left it when the network was
        # loaded: it is loaded for each sentence, so that none depends on those before.
        onnxruntime.set_seed(SEED)
        try:
            voice = PiperVoice.load(self.voice)
            settings = SynthesisConfig(length_scale=self.described.length_scale * slower)
            with wave.open(str(path), "wb") as sound:
                voice.synthesize_wav(text, sound, settings)
        except Exception as error:
            raise LectureError(
                f"Piper could not say {text!r} with {self.voice} ({error}); "
                "get the voice again, or use --voice espeak"
            ) from error

    def _by_program(self, text: str, slower: float, path: Path) -> None:
        command = [str(self.program), "--model", str(self.voice), "--output_file", str(path)]
        command += ["--length_scale", f"{self.described.length_scale * slower:.4f}"]
        try:
            done = subprocess.run(command, input=f"{text}\n".encode(), capture_output=True)
        except OSError as error:
            raise LectureError(f"Piper did not run ({error}); try --voice espeak") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise LectureError(f"Piper failed: {said[-1]}; try --voice espeak")
