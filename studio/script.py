"""The script of a scene or a lecture: what is to be read, where it is said, how long it may take.

It is told at 150 words a minute, without a picture being drawn.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion_core.places import cache_dir
from scenes.cues import Chapter, Sentence
from studio.captions import clock, markdown
from studio.job import Job, read_chapter, write_chapter
from studio.progress import Progress, Stage
from studio.speakers import PACE, word_count
from studio.translation import Translation
from studio.voices.recorded import file_name
from studio.workers import Alone, Workers, usual_workers
from studio.workspace import remove_stale

COLUMNS = ("number", "file", "scene", "at", "seconds", "words", "text", "caption")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence to be read.

    Parameters
    ----------
    number
        Its place in the script, from 1; what is said twice is read once.
    scene
        The title of the scene that says it first.
    at
        When, in seconds from the start of a video with this pace.
    sentence
        What is read, in the language that was asked for.
    source
        The same as the scene has it.
    """

    number: int
    scene: str
    at: float
    sentence: Sentence
    source: Sentence

    @property
    def file(self) -> str:
        """What its recording is to be called, without a suffix."""
        return file_name(self.number, self.sentence.spoken)

    @property
    def words(self) -> int:
        """How many there are, as they are said."""
        return max(1, word_count(self.sentence.spoken))

    @property
    def seconds(self) -> float:
        """How long it has."""
        return 60 * self.words / PACE

    @property
    def facts(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "number": self.number,
            "file": self.file,
            "scene": self.scene,
            "at": round(self.at, 2),
            "seconds": round(self.seconds, 1),
            "words": self.words,
            "text": self.sentence.spoken,
            "caption": self.sentence.caption,
        }


def _told(job: Job) -> Chapter:
    from studio.narration import SpeechCache
    from studio.performance import rehearse
    from studio.speakers import make_speaker

    return rehearse(job, SpeechCache(make_speaker(job.voice))).chapter


def _unheard(scene: str, frames: int) -> None:
    """Take no notice of frames: none is drawn."""


def _kept_at(job: Job) -> Path:
    return cache_dir() / "scripts" / job.target.name


def tell(
    jobs: Sequence[Job], progress: Progress, *, workers: int | None = None
) -> tuple[Chapter, ...]:
    """The chapters of ``jobs``, one after the other, without a frame being drawn.

    Parameters
    ----------
    jobs
        Scenes, to be told by a silent voice in the language that they are written in.
    progress
        Told of each.
    workers
        Processes; as many as there are processors, and memory for, by default.
        With 0 this process plays everything itself.

    Raises
    ------
    LectureError
        When a scene cannot be played.
    """
    # What is kept is only words: a scene that was told once is not played again.
    kept = {job.scene: read_chapter(_kept_at(job)) for job in jobs}
    found = {scene: chapter for scene, chapter in kept.items() if chapter is not None}
    missing = {job.scene: job for job in jobs if job.scene not in found}
    if missing:
        try:
            count = usual_workers() if workers is None else workers
            with Workers(count, _unheard) if count else Alone(_unheard) as pool:
                for scene, chapter in pool.run(
                    _told, {name: (job,) for name, job in missing.items()}
                ):
                    write_chapter(_kept_at(missing[scene]), chapter)
                    found[scene] = chapter
                    progress(Stage.SPEAKING, scene, 1, 1)
        except BaseException:
            remove_stale()  # what the workers could not
            raise
    chapters: list[Chapter] = []
    seconds = 0.0
    for job in jobs:
        progress(Stage.SPEAKING, job.scene, 1, 1)
        chapters.append(found[job.scene].shifted(seconds))
        seconds += found[job.scene].end
    return tuple(chapters)


def lines_of(chapters: Sequence[Chapter], translation: Translation | None = None) -> list[Line]:
    """What is to be read, each text once, in the order in which it is said first.

    Raises
    ------
    LectureError
        When a sentence is not translated.
    """
    lines: dict[str, Line] = {}
    for chapter in chapters:
        for cue in chapter.cues:
            said = translation.told(cue.sentence) if translation else cue.sentence
            if said.spoken not in lines:
                number = len(lines) + 1
                line = Line(number, chapter.title, cue.start, said, cue.sentence)
                lines[said.spoken] = line
    return list(lines.values())


def told_where(line: Line) -> str:
    """Where a line is said, for a translator."""
    return f"{line.scene}, {clock(line.at)}"


def as_markdown(lines: Sequence[Line], title: str, status: Callable[[Line], str]) -> str:
    """The sheet to read from.

    ``status`` says of a line what is known of its recording; "" for nothing.
    """
    seconds = sum(line.seconds for line in lines)
    rows = [
        f"# {markdown(title)}: the script",
        "",
        (
            f"{len(lines)} sentences, {clock(seconds)} of speech at {PACE:.0f} words a minute. "
            "Record each into a file of its own, called as here with .wav, .flac, .mp3 or .m4a, "
            "or by its number alone."
        ),
        "",
        "| no. | file | scene | at | seconds | read |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        told = status(line)
        read = markdown(line.sentence.spoken) + (f" **({told})**" if told else "")
        cells = (f"{line.number:03}", line.file, markdown(line.scene), clock(line.at))
        rows.append(f"| {' | '.join(cells)} | {line.seconds:.1f} | {read} |")
    return "\n".join(rows) + "\n"


def as_csv(lines: Sequence[Line], status: Callable[[Line], str]) -> str:
    """The sheet as a table for a spreadsheet."""
    written = io.StringIO()
    writer = csv.DictWriter(written, [*COLUMNS, "status"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**line.facts, "status": status(line)} for line in lines)
    return written.getvalue()
