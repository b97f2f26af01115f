"""A scene at a glance: no manim at import, so that any process can hold it."""

from __future__ import annotations

from dataclasses import dataclass

from scenes.cues import Chapter
from scenes.stage.checks.findings import Finding


@dataclass(frozen=True, slots=True)
class Sketch:
    """A scene at a glance.

    Parameters
    ----------
    chapter
        Its sentences and its length.
    pictures
        What each beat comes to rest in, as WebP.
    findings
        What a lecturer would not show of it.
    """

    chapter: Chapter
    pictures: tuple[bytes, ...]
    findings: tuple[Finding, ...]
