"""Cues: what is said when.  One list from which sound, captions and chapters are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the narration.

    Parameters
    ----------
    caption
        As it is written, symbols and all: "At t = 499, …".
    spoken
        As a lecturer says it: "At t equals 499, …".
    """

    caption: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Cue:
    """A sentence with its place in a video, in seconds from the start.

    ``start`` is when the voice begins, ``end`` when it has finished, ``rest`` when
    what moves has come to rest as well: the picture to leave standing.  ``loops``
    says that it may be seen over and over, while somebody speaks on.
    """

    start: float
    end: float
    sentence: Sentence
    rest: float | None = None
    loops: bool = False

    def shifted(self, seconds: float) -> Cue:
        """The same cue in a video in which this one's begins ``seconds`` later."""
        rest = None if self.rest is None else self.rest + seconds
        return replace(self, start=self.start + seconds, end=self.end + seconds, rest=rest)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A titled stretch of a video, in seconds from its start."""

    title: str
    start: float
    end: float
    cues: tuple[Cue, ...] = ()

    def shifted(self, seconds: float) -> Chapter:
        """The same chapter, ``seconds`` later, its cues with it."""
        cues = tuple(cue.shifted(seconds) for cue in self.cues)
        return Chapter(self.title, self.start + seconds, self.end + seconds, cues)


class Narrator(Protocol):
    """Knows how long a sentence takes to say."""

    def duration(self, sentence: Sentence) -> float:
        """Seconds that ``sentence`` lasts when spoken."""
        ...


def cues_of(chapters: tuple[Chapter, ...]) -> Iterator[Cue]:
    """Every cue of the chapters, in order."""
    for chapter in chapters:
        yield from chapter.cues
