"""A storyboard: one page that shows a scene or a lecture before it is rendered.

For each beat the picture that it comes to rest in, what is said, how long it
takes and at what pace; where the numbers come from; what the checks have found.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, write_text
from diffusion_core.places import ROOT
from diffusion_core.recipe import describe
from diffusion_core.store import Recording
from scenes.catalog import scene_entry
from scenes.cues import Cue
from scenes.stage.checks.findings import Finding
from scenes.stage.theme import THEMES
from studio.job import Job
from studio.manifest import brief, commit, versions
from studio.production import MEDIA, Order, check_writable, jobs_of, record
from studio.progress import Progress, Stage, unwatched
from studio.sketches import Sketch
from studio.speakers import make_speaker
from studio.workers import Workers, usual_workers
from studio.workspace import remove_stale

TEMPLATES = ROOT / "studio" / "templates"


@dataclass(frozen=True, slots=True)
class Storyboard:
    """What was made, and what was found on the way."""

    path: Path
    beats: int
    seconds: float
    findings: tuple[Finding, ...]

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "storyboard": str(self.path),
            "beats": self.beats,
            "seconds": round(self.seconds, 3),
            "findings": [str(finding) for finding in self.findings],
        }


def storyboard_path(order: Order) -> Path:
    """Where the page goes.

    Raises
    ------
    UsageError
        When the name that was asked for is not of a page.
    """
    output = order.output
    if output is not None and output.suffix.lower() == ".html":
        return output
    if output is not None and output.suffix and not output.is_dir():
        raise UsageError(f"--output {output} must end in .html, or be a folder")
    return (output or MEDIA / order.name) / f"{order.stem}-storyboard.html"


def make_storyboard(order: Order, progress: Progress = unwatched) -> Storyboard:
    """Play the scenes of ``order`` once, and write the page; nothing is rendered.

    Raises
    ------
    MissingRequirement
        When the voice is not installed.
    UsageError
        When the file's name is not of a page.
    LectureError
        When something cannot be read, run, played or written.
    """
    path = storyboard_path(order)
    speaker = make_speaker(order.speech)
    check_writable(path)
    recordings = record(order.recipes(), progress)
    jobs = jobs_of(order, speaker, recordings)
    sketches = _sketched(jobs, progress)
    scenes = [_scene(order, job, sketches[job.scene], recordings) for job in jobs]
    findings = tuple(finding for job in jobs for finding in sketches[job.scene].findings)
    seconds = sum(sketches[job.scene].chapter.end for job in jobs)
    beats = sum(len(sketches[job.scene].pictures) for job in jobs)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = clock
    page = environment.get_template("storyboard.html").render(
        title=order.entry.title,
        teaches=order.entry.teaches,
        language=order.spoken_language,
        theme=THEMES[order.options.theme],
        scenes=scenes,
        seconds=seconds,
        beats=beats,
        findings=findings,
        options={name: getattr(order.options, name) for name in sorted(order.accepts)},
        voice=speaker.name,
        size=f"{order.quality.width} × {order.quality.height}",
        versions=versions(),
        commit=commit(),
    )
    write_text(path, page)
    return Storyboard(path, beats, seconds, findings)


def clock(seconds: float) -> str:
    """Time as an editor writes it, to the tenth: 0:07.4, 12:30.0."""
    tenths = round(seconds * 10)
    return f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"


def words_a_minute(cue: Cue) -> int:
    """The pace of the voice."""
    return round(60 * len(cue.sentence.spoken.split()) / (cue.end - cue.start))


# -- in a worker ---------------------------------------------------------------


def _sketch(job: Job) -> Sketch:
    from studio.narration import SpeechCache
    from studio.sketching import sketch

    return sketch(job, SpeechCache(make_speaker(job.voice)))


# -- in the parent ---------------------------------------------------------------


def _sketched(jobs: Sequence[Job], progress: Progress) -> dict[str, Sketch]:
    found: dict[str, Sketch] = {}
    try:
        with Workers(usual_workers(), lambda scene, frames: None) as pool:
            for job in jobs:
                progress(Stage.SPEAKING, job.scene, 0, 1)
            for scene, sketch in pool.run(_sketch, {job.scene: (job,) for job in jobs}):
                found[scene] = sketch
                progress(Stage.SPEAKING, scene, 1, 1)
    except BaseException:
        remove_stale()  # what the workers could not
        raise
    return found


def _scene(
    order: Order, job: Job, sketch: Sketch, recordings: Mapping[str, Recording]
) -> dict[str, object]:
    """What the page says of one scene."""
    entry = scene_entry(job.scene)
    cues, end = sketch.chapter.cues, sketch.chapter.end
    begins = [0.0, *(cue.start for cue in cues[1:]), end]
    beats = [
        {
            "number": number,
            "picture": base64.b64encode(picture).decode("ascii"),
            "caption": cue.sentence.caption,
            "spoken": cue.sentence.spoken if cue.sentence.spoken != cue.sentence.caption else "",
            "start": cue.start,
            "seconds": begins[number] - begins[number - 1],
            "pace": words_a_minute(cue),
            "loops": cue.loops,
            "findings": [found for found in sketch.findings if found.beat == number],
        }
        for number, (cue, picture) in enumerate(zip(cues, sketch.pictures, strict=True), 1)
    ]
    recorded = {recipe: recordings[name] for name, recipe in order.recipes().items()}
    return {
        "name": job.scene,
        "title": entry.title,
        "teaches": entry.teaches,
        "seconds": end,
        "words": sum(len(cue.sentence.caption.split()) for cue in cues),
        "beats": beats,
        "early": [found for found in sketch.findings if found.beat == 0],
        "runs": [
            {
                "name": name,
                "fingerprint": recorded[recipe].fingerprint,
                "recipe": brief(describe(recipe)),
            }
            for name, recipe in entry.runs(order.options).items()
        ],
    }
