"""From an order to files: record, speak, render, mux, and say what was made."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from diffusion_core.errors import LectureError, UsageError
from diffusion_core.files import Facts, digest_of, write_text
from diffusion_core.recipe import Recipe, describe, fingerprint
from diffusion_core.store import Recording, Store
from scenes.catalog import LECTURES, LectureEntry, SceneEntry, scene_entry
from scenes.options import SceneOptions
from studio.animated_image import Loop, make_gif
from studio.captions import to_srt, to_vtt, transcript
from studio.finished import made_of, recall, remember
from studio.inspection import inspect_scenes
from studio.job import Job
from studio.manifest import brief, commit, versions, write_manifest
from studio.narration import SpeechCache
from studio.progress import Progress, Stage, unwatched
from studio.quality import Quality
from studio.rendering import SilentScene, Told, plan_job, render_scenes
from studio.soundtrack import Soundtrack
from studio.speakers import Speaker, make_speaker
from studio.video import assemble, ffmpeg_version, probe, stream_digest

MEDIA = Path("media")
"""Where files go unless the user says otherwise: a folder of the present one."""


@dataclass(frozen=True)
class Order:
    """What the user wants.

    Parameters
    ----------
    name
        A scene or a lecture.
    options
        What to run and how it looks.
    quality, voice
        What the video is rendered at and who speaks.
    output
        The MP4, or a folder for it; ``media/NAME/`` by default.
    strict
        Whether anything that a lecturer would not show is an error.
    """

    name: str
    options: SceneOptions
    quality: Quality
    voice: str
    output: Path | None = None
    strict: bool = False

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the scenes, in order."""
        return LECTURES[self.name].scenes if self.name in LECTURES else (self.name,)

    @property
    def entry(self) -> SceneEntry | LectureEntry:
        """What the table of contents says of it."""
        return LECTURES.get(self.name) or scene_entry(self.name)

    @property
    def accepts(self) -> frozenset[str]:
        """Options that change what is made."""
        return self.entry.accepts

    @property
    def video(self) -> Path:
        """Where the MP4 goes; the name says how it differs from the usual one."""
        if self.output is not None and self.output.suffix.lower() == ".mp4":
            return self.output
        return (self.output or MEDIA / self.name) / f"{self.stem}.mp4"

    @property
    def stem(self) -> str:
        """The name of the files: what was ordered, its seed, and what is not as usual."""
        usual = SceneOptions()
        parts = [self.name, f"seed{self.options.seed}"]
        for field in fields(SceneOptions):
            value = getattr(self.options, field.name)
            if field.name == "seed" or value == getattr(usual, field.name):
                continue
            if field.name in ("image", "model"):
                # cat.png, cat.jpg and pets/cat.png must not share a video's name.
                path = Path(value)
                known = value == path.stem
                value = path.stem if known else f"{path.stem}-{digest_of(str(path.resolve()))[:6]}"
            elif field.name == "prompt":
                slug = "-".join(re.findall(r"[a-z0-9]+", value.lower()))[:40]
                known = value == slug.replace("-", " ")
                value = slug if known else f"{slug}-{digest_of(value)[:6]}".lstrip("-")
            parts.append(f"{field.name}-{value}")
        parts += [self.quality.name] if self.quality.name != "medium" else []
        parts += [self.voice] if self.voice != "espeak" else []
        return "-".join(parts)

    def recipes(self) -> dict[str, Recipe]:
        """The runs of all scenes, each once, by the names that the scenes know them by."""
        found: dict[str, Recipe] = {}
        for scene in self.scenes:
            for name, recipe in scene_entry(scene).runs(self.options).items():
                if recipe not in found.values():
                    # Two scenes may call different runs by one name.
                    found[f"{scene}.{name}" if name in found else name] = recipe
        return found


@dataclass(frozen=True)
class Product:
    """What was made."""

    video: Path
    captions: tuple[Path, Path]
    transcript: Path
    manifest: Path
    seconds: float
    fresh: tuple[str, ...]
    """Names of the scenes that were put together now; the others were kept from before."""
    drawn: int
    """Frames that were drawn now; all others were kept from before."""

    @classmethod
    def beside(
        cls, video: Path, seconds: float, fresh: tuple[str, ...] = (), drawn: int = 0
    ) -> Product:
        """A product with its other files beside its video."""
        return cls(
            video=video,
            captions=(video.with_suffix(".srt"), video.with_suffix(".vtt")),
            transcript=video.with_suffix(".md"),
            manifest=video.with_suffix(".json"),
            seconds=seconds,
            fresh=fresh,
            drawn=drawn,
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """All that was written."""
        return (self.video, *self.captions, self.transcript, self.manifest)

    def as_facts(self) -> Facts:
        """JSON-ready."""
        srt, vtt = self.captions
        return {
            "video": str(self.video),
            "srt": str(srt),
            "vtt": str(vtt),
            "transcript": str(self.transcript),
            "manifest": str(self.manifest),
            "seconds": round(self.seconds, 3),
            "rendered": list(self.fresh),
            "frames_drawn": self.drawn,
        }


@dataclass(frozen=True)
class Rendered:
    """What an order's videos are made of."""

    recordings: dict[str, Recording]
    scenes: list[SilentScene]


def check_writable(video: Path) -> None:
    """Find out before any work whether ``video`` can be written.

    Raises
    ------
    LectureError
        When its folder cannot be made or written, or it is a folder itself.
    """
    if video.is_dir():
        raise LectureError(f"{video} is a folder; name a file in it with --output")
    try:
        video.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=video.parent):
            pass  # it has no name that a killed process could leave behind
    except OSError as error:
        raise LectureError(
            f"{video.parent} cannot be written ({error.strerror or error}); "
            "choose another place with --output"
        ) from error


def record(
    recipes: Mapping[str, Recipe], progress: Progress = unwatched, store: Store | None = None
) -> dict[str, Recording]:
    """The recordings of ``recipes``, run where they are absent or damaged."""
    store = store or Store()
    recordings = {}
    for name, recipe in recipes.items():

        def report(done: int, total: int, name: str = name) -> None:
            progress(Stage.RECORDING, name, done, total)

        recordings[name] = store.get(recipe, report)
        report(1, 1)
    return recordings


def plan(order: Order) -> Facts:
    """What ``produce`` would do, without doing it."""
    store = Store()
    recipes = {
        name: {
            "recipe": describe(recipe),
            "fingerprint": fingerprint(recipe),
            "recorded": store.path(recipe).exists(),
        }
        for name, recipe in order.recipes().items()
    }
    return {
        "video": str(order.video),
        "scenes": list(order.scenes),
        "recipes": recipes,
        "voice": order.voice,
        "quality": order.quality.name,
    }


def _prepare(order: Order, output: Path) -> Speaker:
    """The voice of ``order``, once nothing that is needed for ``output`` is missing."""
    speaker = make_speaker(order.voice)
    ffmpeg_version()
    check_writable(output)
    return speaker


def render(
    order: Order, speaker: Speaker, progress: Progress, rehearsed: Told = lambda chapters: None
) -> Rendered:
    """Record what ``order`` shows and render its scenes, silent.

    ``rehearsed`` is told the chapters as soon as they are known.
    """
    recordings = record(order.recipes(), progress)
    jobs = _jobs(order, speaker, recordings)
    return Rendered(recordings, render_scenes(jobs, progress, rehearsed=rehearsed))


def _jobs(order: Order, speaker: Speaker, recordings: Mapping[str, Recording]) -> list[Job]:
    recorded = {recipe: recordings[name] for name, recipe in order.recipes().items()}
    jobs = []
    for name in order.scenes:
        entry = scene_entry(name)
        shown = {key: recorded[recipe] for key, recipe in entry.runs(order.options).items()}
        options = entry.taken(order.options)
        jobs.append(plan_job(name, options, order.quality, order.voice, speaker, shown))
    return jobs


def produce(order: Order, progress: Progress = unwatched) -> Product:
    """Make the video of ``order`` with its captions, transcript and manifest.

    Every file is whole or absent, whenever the process ends.

    Raises
    ------
    LectureError
        When something cannot be read, run, rendered or written, or a strict
        order shows what a lecturer would not.
    MissingRequirement
        When ffmpeg or the voice is not installed.
    """
    speaker = _prepare(order, order.video)
    if order.strict:
        # Also what was made before: its findings may not have been asked for.
        recordings = record(order.recipes(), progress)
        inspect_scenes(_jobs(order, speaker, recordings), progress)
    key = _key(order, speaker)
    facts = recall(key)
    if facts is not None:
        for stage, parts in (
            (Stage.RECORDING, tuple(order.recipes())),
            (Stage.SPEAKING, order.scenes),
            (Stage.RENDERING, order.scenes),
            (Stage.MUXING, (order.name,)),
        ):
            for part in parts:
                progress(stage, part, 1, 1)
        return Product.beside(order.video, facts["seconds"])
    with Soundtrack(SpeechCache(speaker)) as narration:
        done = render(order, speaker, progress, narration.begin)
        product = _finish(order, speaker, done, narration, progress)
    remember(key, product.files, {"seconds": product.seconds})
    return product


def _key(order: Order, speaker: Speaker) -> str:
    """What the product of ``order`` is remembered by."""
    ordered = {
        "name": order.name,
        "scenes": list(order.scenes),
        "title": order.entry.title,
        "options": {name: getattr(order.options, name) for name in sorted(order.accepts)},
        "quality": asdict(order.quality),
        "speaker": speaker.name,
        "ffmpeg": ffmpeg_version(),
        "video": str(order.video.absolute()),
    }
    return made_of(ordered, order.recipes())


def loop(
    order: Order, beats: tuple[int, int] | None, max_size: int, progress: Progress = unwatched
) -> Loop:
    """Make a silent GIF of some beats of a scene.

    Parameters
    ----------
    order
        A scene; its output is the GIF.
    beats
        First and last, counted from 1; those that the catalogue names by default.
    max_size
        Bytes that the file may have.

    Raises
    ------
    UsageError
        When the scene has no such beats.
    LectureError
        When it cannot be rendered, or does not fit into ``max_size``.
    """
    output = order.output or MEDIA / order.name / f"{order.stem}.gif"
    if output.suffix.lower() != ".gif":
        raise UsageError(f"--output {output} must end in .gif")
    [scene] = render(order, _prepare(order, output), progress).scenes
    cues = scene.chapter.cues
    first, last = beats or scene_entry(order.name).loop
    if not 1 <= first <= last <= len(cues):
        raise UsageError(f"beats {first}:{last} are not among the {len(cues)} of {order.name!r}")
    end = cues[last].start if last < len(cues) else scene.chapter.end
    return make_gif(scene.job.target, cues[first - 1].start, end, output, max_size)


def _finish(
    order: Order, speaker: Speaker, done: Rendered, narration: Soundtrack, progress: Progress
) -> Product:
    rendered, video = done.scenes, order.video
    progress(Stage.MUXING, order.name, 0, 3)
    track = narration.wait()
    progress(Stage.MUXING, order.name, 1, 3)
    silent = [scene.job.target for scene in rendered]
    assemble(silent, track.sound, track.chapters, video, order.entry.title)
    progress(Stage.MUXING, order.name, 2, 3)
    product = Product.beside(
        video,
        track.seconds,
        tuple(scene.job.scene for scene in rendered if scene.fresh),
        sum(scene.drawn for scene in rendered),
    )
    write_text(product.captions[0], to_srt(track.chapters))
    write_text(product.captions[1], to_vtt(track.chapters))
    write_text(product.transcript, transcript(track.chapters, order.entry.title))
    write_manifest(product.manifest, _facts(order, speaker, done.recordings, product))
    progress(Stage.MUXING, order.name, 3, 3)
    return product


def _facts(
    order: Order, speaker: Speaker, recordings: dict[str, Recording], product: Product
) -> Facts:
    found = probe(product.video)
    options = {name: getattr(order.options, name) for name in sorted(order.accepts)}
    return {
        "name": order.name,
        "title": order.entry.title,
        "scenes": list(order.scenes),
        "options": options,
        "quality": order.quality.name,
        "voice": speaker.name,
        "video": {
            "file": product.video.name,
            "seconds": round(product.seconds, 3),
            "size": [found.width, found.height],
            "frame_rate": float(found.frame_rate),
            "frames": found.frame_count,
            "stream_sha256": stream_digest(product.video),
        },
        "recordings": {
            name: brief({"fingerprint": recording.fingerprint, **recording.trajectory.facts})
            for name, recording in recordings.items()
        },
        "versions": versions(),
        "commit": commit(),
        "processors": os.cpu_count(),
    }
