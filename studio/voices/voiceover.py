"""Speech services of manim-voiceover, and others with their interface, as one of our voices."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from studio.speakers import PACE, hold_pace, pace_of, write_wav
from studio.voices.sounds import at_tempo, read_sound


class Service(NamedTuple):
    """A service of manim-voiceover: its class, the package behind it, the keys that it reads."""

    kind: str
    package: str
    keys: tuple[str, ...] = ()


SERVICES = {
    "azure": Service(
        "AzureService",
        "azure.cognitiveservices.speech",
        ("AZURE_SUBSCRIPTION_KEY", "AZURE_SERVICE_REGION"),
    ),
    "elevenlabs": Service("ElevenLabsService", "elevenlabs", ("ELEVEN_API_KEY",)),
    "gemini": Service("GeminiService", "google.genai"),
    "gtts": Service("GTTSService", "gtts"),
    "openai": Service("OpenAIService", "openai", ("OPENAI_API_KEY",)),
    "pyttsx3": Service("PyTTSX3Service", "pyttsx3"),
}
LANGUAGE_SETTING = {"gtts": "lang"}
"""What a service that must be told its language calls it; others go by the words or the voice."""


def service_in(service: str, language: str) -> str:
    """``service`` as it speaks ``language``, unless the user has said which."""
    name, _, given = service.partition("?")
    if "language" in dict(parse_qsl(given)):
        return service
    return f"{name}?{given}&language={language}".replace("?&", "?")


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def _check_service(name: str, service: Service) -> None:
    """Find out before any work whether a service can be used."""
    if not _installed("manim_voiceover") or not _installed(service.package):
        raise MissingRequirement(
            f"voiceover:{name} needs manim-voiceover and {service.package}: "
            f"pip install 'diffusion-lectures[voiceover]' 'manim-voiceover[{name}]', "
            "or use --voice espeak"
        )
    if not all(map(os.getenv, service.keys)):
        _service_module(name)  # it reads a file .env
    lacking = [key for key in service.keys if not os.getenv(key)]
    if lacking:
        raise MissingRequirement(
            f"voiceover:{name} reads {' and '.join(lacking)} from the environment, which "
            "is not set; set it, or use --voice espeak"
        )


def _service_module(name: str) -> Any:
    with _quiet():
        return importlib.import_module(f"manim_voiceover.services.{name}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let a service neither ask questions nor write to standard output, which is ours."""
    asked, sys.stdin = sys.stdin, io.StringIO()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdin = asked


class VoiceoverSpeaker:
    """A speech service of manim-voiceover, or a class with its interface.

    Parameters
    ----------
    service
        A service's name, or "module:Class" for one's own; settings may follow
        as in an address: "openai?voice=fable&model=tts-1".  The setting
        ``language`` says what it speaks; English is held to the pace of a
        lecturer, as espeak's is, by playing it slower or faster.

    Raises
    ------
    UsageError
        When there is no such service.
    MissingRequirement
        When it is not installed, or its key is not in the environment.
    """

    tempo_range = (70, 130)
    """Percent within which a voice still sounds like itself."""

    def __init__(self, service: str) -> None:
        self.service, _, given = service.partition("?")
        self.settings = dict(parse_qsl(given, keep_blank_values=True))
        version = ""
        if self.service in SERVICES:
            _check_service(self.service, SERVICES[self.service])
            version = f" {importlib.metadata.version('manim-voiceover')}"
        elif not re.fullmatch(r"[\w.]+:\w+", self.service) or not _installed(
            self.service.partition(":")[0]
        ):
            raise UsageError(
                f"voiceover has no service {self.service!r}; choose one of "
                f"{', '.join(SERVICES)}, or name your own as module:Class"
            )
        chosen = "&".join(f"{name}={value}" for name, value in sorted(self.settings.items()))
        self.name = f"voiceover{version} {self.service} {chosen}".rstrip()
        language = self.settings.pop("language", "en")
        self.paced = language.partition("-")[0] == "en"
        if not self.paced and self.service in LANGUAGE_SETTING:
            self.settings.setdefault(LANGUAGE_SETTING[self.service], language)
        self._made: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="voiceover-")

    def speak(self, text: str, path: Path) -> None:
        """Write ``text``, spoken, to ``path`` as a mono 16-bit WAV file.

        Raises
        ------
        LectureError
            When the service fails.
        """
        # Each sentence has a folder of its own: what services keep does not
        # say in which voice or language it is.
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder, _quiet():
            try:
                made = self._service().generate_from_text(text, cache_dir=folder)
                sound = Path(folder) / made["original_audio"]
            except SystemExit as error:
                raise LectureError(f"{self.service} gave up on {text!r}; see above") from error
            except Exception as error:
                raise LectureError(
                    f"{self.service} did not say {text!r} ({str(error) or repr(error)}); "
                    "try again, or use --voice espeak"
                ) from error
            samples, rate = read_sound(sound)

        def say(percent: int) -> float:
            write_wav(path, at_tempo(samples, rate, percent / 100), rate)
            return pace_of(text, path) or PACE  # hardly heard, it has none

        if self.paced:
            hold_pace(say, 100, self.tempo_range)
        else:
            say(100)

    def _service(self) -> Any:
        if self._made is None:
            if self.service in SERVICES:
                kind = getattr(_service_module(self.service), SERVICES[self.service].kind)
                # We know when a sentence begins; its words need not be heard out.
                settings: dict[str, Any] = {**self.settings, "transcription_model": None}
            else:
                module, _, name = self.service.partition(":")
                kind = getattr(importlib.import_module(module), name)
                settings = dict(self.settings)
            self._made = kind(cache_dir=self._folder.name, **settings)
        return self._made
