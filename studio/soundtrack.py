"""The narration of a video, made while its frames are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from scenes.cues import Chapter, cues_of
from studio.narration import SpeechCache, mix
from studio.speakers import write_wav
from studio.video import encode_sound
from studio.workspace import scratch


class Track(NamedTuple):
    """The chapters of a video, one after the other, and their narration as AAC."""

    chapters: tuple[Chapter, ...]
    sound: Path

    @property
    def seconds(self) -> float:
        """Of the whole."""
        return self.chapters[-1].end


class Soundtrack:
    """Mixes and encodes a narration in a thread of its own; a context, for its file.

    The times of all sentences are known long before the frames are drawn.

    Parameters
    ----------
    speech
        The voice.
    """

    def __init__(self, speech: SpeechCache) -> None:
        self.speech = speech
        self._thread = ThreadPoolExecutor(1)
        self._made: Future[Track] | None = None
        self._until_then = ExitStack()

    def __enter__(self) -> Self:
        self._folder = self._until_then.enter_context(scratch("sound"))
        self._until_then.enter_context(self._thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._until_then.close()

    def begin(self, scenes: Sequence[Chapter]) -> None:
        """Begin with the chapters of scenes, each of which counts its seconds from its start."""
        self._made = self._thread.submit(self._make, tuple(scenes))

    def wait(self) -> Track:
        """What was made.

        Raises
        ------
        LectureError, MissingRequirement
            As ``mix`` and ``encode_sound``.
        """
        assert self._made is not None, "nobody began"
        return self._made.result()

    def _make(self, scenes: tuple[Chapter, ...]) -> Track:
        chapters: list[Chapter] = []
        seconds = 0.0
        for chapter in scenes:
            chapters.append(chapter.shifted(seconds))
            seconds += chapter.end
        samples, sound = self._folder / "narration.wav", self._folder / "narration.m4a"
        told = tuple(chapters)
        write_wav(samples, mix(list(cues_of(told)), seconds, self.speech))
        encode_sound(samples, sound)
        return Track(told, sound)
