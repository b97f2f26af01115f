"""What a video may be rendered at; every size shows a pixel at 720p as whole pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quality:
    """Size in pixels and frames a second."""

    name: str
    width: int
    height: int
    frame_rate: int


QUALITIES = {
    quality.name: quality
    for quality in (
        Quality("draft", 640, 360, 15),
        Quality("medium", 1280, 720, 30),
        Quality("high", 1920, 1080, 30),
        Quality("4k", 3840, 2160, 30),
    )
}
DEFAULT_QUALITY = "medium"
