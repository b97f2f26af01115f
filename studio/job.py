"""A scene to be rendered, and what is kept of one that was; no manim at import."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from diffusion_core.errors import DamagedFile
from diffusion_core.files import write_text
from scenes.cues import Chapter, Cue, Sentence
from scenes.options import SceneOptions
from studio.quality import Quality
from studio.translation import Translation

STILL_WORK = 4
"""Moving frames that a still of any length is worth."""


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
    translation
        Of what is said; None for the language that scenes are written in.
    """

    scene: str
    title: str
    options: SceneOptions
    quality: Quality
    voice: str
    recordings: dict[str, Path]
    target: Path
    translation: Translation | None = None


@dataclass(frozen=True)
class Rehearsal:
    """What is known of a scene before it is drawn.

    Parameters
    ----------
    chapter
        Its sentences and its length.
    lengths
        Frames of each of its animations.
    still
        Of each, whether nothing moves in it.
    """

    chapter: Chapter
    lengths: tuple[int, ...]
    still: tuple[bool, ...]

    @property
    def frames(self) -> int:
        """Of the whole scene."""
        return sum(self.lengths)

    def beats(self, frame_rate: int) -> list[range]:
        """The animations of each beat; what comes before the first belongs to it."""
        starts = [0, *accumulate(self.lengths)]
        begins = {round(cue.start * frame_rate) for cue in self.chapter.cues[1:]}
        edges = [0, *(i for i, start in enumerate(starts) if i and start in begins)]
        edges.append(len(self.lengths))
        return [range(a, b) for a, b in pairwise(edges) if a < b]

    def work(self, plays: range) -> int:
        """About how much it takes to draw those animations, in moving frames."""
        return sum(STILL_WORK if self.still[i] else self.lengths[i] for i in plays)

    def parts(self, count: int, frame_rate: int) -> list[range]:
        """The animations in ``count`` parts, or fewer, of about equal work; no beat is cut."""
        beats = self.beats(frame_rate)
        total = sum(self.work(beat) for beat in beats)
        parts: list[range] = []
        done = 0
        for beat in beats:
            # A beat goes where its middle lies.
            part = int((done + self.work(beat) / 2) * count / max(1, total))
            done += self.work(beat)
            if parts and part < len(parts):
                parts[-1] = range(parts[-1].start, beat.stop)
            else:
                parts.append(beat)
        return parts


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
        cues = [Cue(**{**cue, "sentence": Sentence(**cue["sentence"])}) for cue in stored["cues"]]
        return Chapter(stored["title"], stored["start"], stored["end"], tuple(cues))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile(f"{chapter_path(target)} is damaged ({error})") from error
