"""What a check has found; no manim at import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from diffusion_core.errors import LectureError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a lecturer would not show.

    Parameters
    ----------
    scene
        Its name in the catalogue.
    beat
        Number of the beat, counted from 1; 0 before the first.
    sentence
        What is said in it, as it is written.
    rule
        In a word: "frame", "captions", "overlap", "size", "contrast", "pace".
    what
        Which objects, and how they break it.
    """

    scene: str
    beat: int
    sentence: str
    rule: str
    what: str

    def __str__(self) -> str:
        said = f" ({self.sentence!r})" if self.sentence else ", before anything is said"
        return f"{self.scene}, beat {self.beat}{said}: {self.rule}: {self.what}"


class StageError(LectureError):
    """Scenes that would not be shown like this; the message lists why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = f"{len(findings)} finding{'s' if len(findings) != 1 else ''}"
        head = f"{count} in what would be shown; change the scene, or render without --strict"
        super().__init__("\n  ".join([f"{head}:", *map(str, findings)]))
