"""Slides for a talk: a scene or a lecture cut where its beats come to rest.

The silent video is cut without encoding again: every animation begins with a
key frame, and a beat begins with an animation.  What moves between two beats
begins the later one, so that a slide that waits shows what was just explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import ffmpeg

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.files import Facts
from diffusion_core.store import Recording
from scenes.catalog import LECTURES
from scenes.cues import Cue
from studio.inspection import inspect_scenes
from studio.manifest import provenance, write_manifest
from studio.production import MEDIA, Order, jobs_of, plan, prepare, record, render
from studio.progress import Progress, Stage, unwatched
from studio.rendering import SilentScene
from studio.video import run_ffmpeg
from studio.workspace import scratch

FORMATS = ("html", "pptx", "pdf")
UNITS = ("beat", "chapter")


@dataclass(frozen=True, slots=True)
class Slide:
    """A stretch that plays and waits: its video, its notes, whether it plays over and over."""

    video: Path
    notes: str
    loops: bool


@dataclass(frozen=True, slots=True)
class Deck:
    """What was made: the file to open, what it needs beside it, its manifest."""

    path: Path
    beside: tuple[Path, ...]
    manifest: Path
    slides: int

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "slides": str(self.path),
            "files": [str(path) for path in (self.path, *self.beside)],
            "manifest": str(self.manifest),
            "count": self.slides,
        }


@dataclass(frozen=True)
class SlidesOrder:
    """A scene or a lecture as slides.

    Parameters
    ----------
    order
        What the slides show.
    to
        "html", "pptx" or "pdf".
    by
        What makes a slide: "beat" or "chapter" (a scene); None for what is usual:
        chapters of a lecture, beats of a scene and on paper.
    """

    order: Order
    to: str = "html"
    by: str | None = None

    @property
    def usual(self) -> str:
        """What makes a slide where nobody says so."""
        return "chapter" if self.order.name in LECTURES and self.to != "pdf" else "beat"

    @property
    def unit(self) -> str:
        """What makes a slide."""
        return self.by or self.usual

    @property
    def path(self) -> Path:
        """The file to open.

        Raises
        ------
        UsageError
            When the name that was asked for is of another format.
        """
        output, ending = self.order.output, f".{self.to}"
        if output is not None and output.suffix.lower() == ending:
            return output
        if output is not None and output.suffix and not output.is_dir():
            raise UsageError(f"--output {output} must end in {ending}, or be a folder")
        by = "" if self.unit == self.usual else f"-by-{self.unit}"
        folder = output or MEDIA / self.order.name
        return folder / f"{self.order.stem}-slides{by}{ending}"

    @property
    def manifest(self) -> Path:
        """The manifest beside it; decks in other formats have their own."""
        return self.path.with_name(f"{self.path.name}.json")


def plan_slides(wanted: SlidesOrder) -> Facts:
    """What ``make_slides`` would do, without doing it."""
    facts = plan(wanted.order)
    del facts["video"]
    return {"slides": str(wanted.path), "by": wanted.unit, **facts}


def make_slides(wanted: SlidesOrder, progress: Progress = unwatched) -> Deck:
    """Render what ``wanted`` shows, where that was not done before, and make slides of it.

    The file to open is whole or absent, whenever the process ends.

    Raises
    ------
    MissingRequirement
        When manim-slides, ffmpeg or the voice is not installed.
    UsageError
        When the file's name is of another format.
    LectureError
        When something cannot be read, run, rendered or written, or a strict
        order shows what a lecturer would not.
    """
    from studio.decks import Look, require, write_deck

    require()
    order, path = wanted.order, wanted.path
    speaker = prepare(order, path)
    if order.strict:
        inspect_scenes(jobs_of(order, speaker, record(order.recipes(), progress)), progress)
    done = render(order, speaker, progress)
    progress(Stage.MUXING, order.name, 0, 2)
    with scratch("slides") as folder:
        slides = [
            slide
            for i, scene in enumerate(done.scenes)
            for slide in slides_of(scene, wanted.unit, folder / f"{i:03}")
        ]
        progress(Stage.MUXING, order.name, 1, 2)
        quality = order.quality
        look = Look(
            title=order.entry.title,
            language=order.spoken_language,
            theme=order.options.theme,
            width=quality.width,
            height=quality.height,
        )
        beside = write_deck(wanted.to, slides, path, look, folder)
    deck = Deck(path, tuple(beside), wanted.manifest, len(slides))
    write_manifest(deck.manifest, _facts(wanted, deck, done.recordings))
    progress(Stage.MUXING, order.name, 2, 2)
    return deck


def slides_of(scene: SilentScene, by: str, folder: Path) -> list[Slide]:
    """The slides of one scene, their videos in ``folder``.

    What follows the last beat, when the stage is cleared, is in none of them.
    """
    groups = [[cue] for cue in scene.chapter.cues] if by == "beat" else [[*scene.chapter.cues]]
    frame_rate = scene.job.quality.frame_rate
    stops = [round(_rest(group[-1]) * frame_rate) for group in groups]
    videos = cut(scene.job.target, stops, folder)
    return [
        Slide(
            video,
            "\n".join(cue.sentence.caption for cue in group),
            loops=by == "beat" and group[0].loops,
        )
        for video, group in zip(videos, groups, strict=True)
    ]


def _rest(cue: Cue) -> float:
    if cue.rest is None:
        raise LectureError(f"nobody noted when the beat {cue.sentence.caption!r} comes to rest")
    return cue.rest


def cut(video: Path, stops: list[int], folder: Path) -> list[Path]:
    """The stretches of ``video`` that end before the frames ``stops``, without encoding again.

    Raises
    ------
    LectureError
        When it cannot be cut there: no key frame begins the next stretch.
    MissingRequirement
        When ffmpeg is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    exact = {"fflags": "+bitexact", "flags": "+bitexact", "map_metadata": -1}
    picture = ffmpeg.input(f"file:{video}")["v:0"]
    run_ffmpeg(
        picture.output(
            str(folder / "%04d.mp4"),
            f="segment",
            segment_frames=",".join(map(str, stops)),
            reset_timestamps=1,
            segment_format="mp4",
            segment_format_options="movflags=+faststart:fflags=+bitexact",
            c="copy",
            **exact,
        )
    )
    parts = sorted(folder.glob("*.mp4"))[: len(stops)]
    wanted = [stop - start for start, stop in pairwise([0, *stops])]
    found = [_frames(part) for part in parts]
    if found != wanted:
        raise LectureError(
            f"{video} cannot be cut into stretches of {wanted} frames (it gives {found}); "
            "remove it and render it again"
        )
    return parts


def _frames(path: Path) -> int:
    with av.open(str(path)) as movie:
        return movie.streams.video[0].frames


def _facts(wanted: SlidesOrder, deck: Deck, recordings: Mapping[str, Recording]) -> Facts:
    order = wanted.order
    asked = {
        "name": order.name,
        **{name: getattr(order.options, name) for name in sorted(order.accepts)},
        "quality": order.quality.name,
        "voice": order.voice,
        "language": order.language,
        "to": wanted.to,
        "by": wanted.unit,
    }
    made = (deck.path, *deck.beside)
    return {
        "provenance": provenance(
            "slides", asked, deck.path, made, recipes=order.recipes(), recordings=recordings
        ),
        "name": order.name,
        "title": order.entry.title,
        "scenes": list(order.scenes),
        "slides": deck.slides,
        "by": wanted.unit,
    }
