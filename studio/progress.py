"""How the studio tells what it is doing; the command line shows it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Stage(StrEnum):
    """The stages of a production, in their order."""

    RECORDING = "recording"
    SPEAKING = "speaking"
    RENDERING = "rendering"
    MUXING = "muxing"


class Progress(Protocol):
    """Told after each piece of work."""

    def __call__(self, stage: Stage, part: str, done: int, total: int) -> None:
        """``done`` of ``total`` units of ``part`` (a recipe, a scene) are done in ``stage``."""
        ...


def unwatched(stage: Stage, part: str, done: int, total: int) -> None:
    """The progress of work that nobody watches."""
