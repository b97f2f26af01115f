"""A scene to be rendered, and what is kept of one that was; no manim at import."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from diffusion_core.errors import DamagedFile
from diffusion_core.files import write_text
from scenes.cues import Chapter, Cue, Sentence
from scenes.options import SceneOptions
from studio.quality import Quality


@dataclass(frozen=True)
class Job:
    """A scene to be rendered: picklable, so that any process can do it.

    Parameters
    ----------
    scene, title
        Its catalogue name, and the heading that it carries.
    options, quality, voice
        What the user chose.
    recordings
        Files of the runs that it shows, by name.
    target
        Where the silent video goes; its chapter goes beside it as JSON.
    """

    scene: str
    title: str
    options: SceneOptions
    quality: Quality
    voice: str
    recordings: dict[str, Path]
    target: Path


def chapter_path(target: Path) -> Path:
    """Where the chapter of a silent video is kept; written last, so it vouches for both."""
    return target.with_suffix(".json")


def write_chapter(target: Path, chapter: Chapter) -> None:
    """Keep the chapter of a silent video beside it."""
    write_text(chapter_path(target), json.dumps(asdict(chapter), ensure_ascii=False))


def read_chapter(target: Path) -> Chapter | None:
    """The chapter of a silent video that was rendered whole; None where there is none."""
    try:
        stored = json.loads(chapter_path(target).read_text(encoding="utf-8"))
        cues = [
            Cue(cue["start"], cue["end"], Sentence(**cue["sentence"])) for cue in stored["cues"]
        ]
        return Chapter(stored["title"], stored["start"], stored["end"], tuple(cues))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{chapter_path(target)} is damaged ({error})") from error
