"""From an order to files: record, speak, render, mux, and say what was made."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from diffusion_core.errors import LectureError
from diffusion_core.files import Facts, write_text
from diffusion_core.recipe import Recipe, describe, fingerprint
from diffusion_core.store import Recording, Store
from scenes.catalog import LECTURES, LectureEntry, SceneEntry, scene_entry
from scenes.options import SceneOptions
from studio.captions import to_srt, to_vtt, transcript
from studio.finished import made_of, recall, remember
from studio.inspection import inspect_scenes
from studio.job import Job
from studio.manifest import provenance, write_manifest
from studio.naming import stem_of
from studio.narration import SpeechCache
from studio.po_files import find_catalogue, load
from studio.progress import Progress, Stage, unwatched
from studio.quality import Quality
from studio.rendering import SilentScene, Told, render_scenes
from studio.soundtrack import Soundtrack
from studio.speakers import Speaker, make_speaker, voice_in
from studio.telling import check_sayable, planned
from studio.translation import SOURCE, Translation, mp4_language
from studio.video import assemble, ffmpeg_version, probe, stream_digest
from studio.workspace import alone

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
    language
        What is spoken and written below: "en", another, or a catalogue's path.
    """

    name: str
    options: SceneOptions
    quality: Quality
    voice: str
    output: Path | None = None
    strict: bool = False
    language: str = SOURCE

    @cached_property
    def translation(self) -> Translation | None:
        """Of what is said; None for the language that scenes are written in."""
        if self.language == SOURCE:
            return None
        return load(find_catalogue(self.language, self.name, self.video.parent))

    @property
    def spoken_language(self) -> str:
        """Its code."""
        return self.translation.language if self.translation else SOURCE

    @property
    def speech(self) -> str:
        """The voice in it."""
        return voice_in(self.voice, self.spoken_language)

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
        return self.entry.accepted(self.options)

    @property
    def video(self) -> Path:
        """Where the MP4 goes; the name says how it differs from the usual one."""
        if self.output is not None and self.output.suffix.lower() == ".mp4":
            return self.output
        return (self.output or MEDIA / self.name) / f"{self.stem}.mp4"

    @property
    def stem(self) -> str:
        """The name of the files: what was ordered, its seed, and what is not as usual."""
        rest = (self.quality.name, self.voice, self.language)
        return stem_of(self.name, self.options, *rest)

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
        "language": order.spoken_language,
        "quality": order.quality.name,
    }


def prepare(order: Order, output: Path) -> Speaker:
    """The voice of ``order``, once nothing that is needed for ``output`` is missing."""
    speaker = make_speaker(order.speech)
    ffmpeg_version()
    check_writable(output)
    return speaker


def render(
    order: Order,
    speaker: Speaker,
    progress: Progress,
    rehearsed: Told = lambda chapters: None,
    *,
    workers: int | None = None,
) -> Rendered:
    """Record what ``order`` shows and render its scenes, silent.

    ``rehearsed`` is told the chapters as soon as they are known; ``workers``
    is as for ``render_scenes``.
    """
    recordings = record(order.recipes(), progress)
    jobs = jobs_of(order, speaker, recordings, workers=workers)
    scenes = render_scenes(jobs, progress, workers=workers, rehearsed=rehearsed)
    return Rendered(recordings, scenes)


def jobs_of(
    order: Order,
    speaker: Speaker,
    recordings: Mapping[str, Recording],
    *,
    workers: int | None = None,
) -> list[Job]:
    """The job of each scene of ``order``, once all that it says is translated and recorded."""
    check_sayable(order, speaker, recordings, workers=workers)
    return planned(order, speaker, recordings)


def produced(order: Order, speaker: Speaker) -> Product | None:
    """What was made of ``order`` before, if every file of it is still there as it was made."""
    return _kept(order, _key(order, speaker))


def _kept(order: Order, key: str) -> Product | None:
    facts = recall(key)
    return None if facts is None else Product.beside(order.video, facts["seconds"])


def produce(order: Order, progress: Progress = unwatched, *, workers: int | None = None) -> Product:
    """Make the video of ``order`` with its captions, transcript and manifest.

    Every file is whole or absent, whenever the process ends.  ``workers`` is as
    for ``render_scenes``.

    Raises
    ------
    LectureError
        When something cannot be read, run, rendered or written, or a strict
        order shows what a lecturer would not.
    MissingRequirement
        When ffmpeg or the voice is not installed.
    """
    speaker = prepare(order, order.video)
    if order.strict:
        # Also what was made before: its findings may not have been asked for.
        recordings = record(order.recipes(), progress)
        inspect_scenes(jobs_of(order, speaker, recordings), progress)
    key = _key(order, speaker)
    before = _kept(order, key)
    if before is not None:
        told = [(Stage.RECORDING, name) for name in order.recipes()]
        told += [
            (kind, name) for kind in (Stage.SPEAKING, Stage.RENDERING) for name in order.scenes
        ]
        for stage, part in [*told, (Stage.MUXING, order.name)]:
            progress(stage, part, 1, 1)
        return before
    with Soundtrack(SpeechCache(speaker)) as narration:
        done = render(order, speaker, progress, narration.begin, workers=workers)
        with alone(order.video):  # unlike ones of one name must not mix
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
        "translation": order.translation.digest if order.translation else None,
        "ffmpeg": ffmpeg_version(),
        "video": str(order.video.absolute()),
    }
    return made_of(ordered, order.recipes())


def _finish(
    order: Order, speaker: Speaker, done: Rendered, narration: Soundtrack, progress: Progress
) -> Product:
    rendered, video = done.scenes, order.video
    progress(Stage.MUXING, order.name, 0, 3)
    track = narration.wait()
    progress(Stage.MUXING, order.name, 1, 3)
    silent = [scene.job.target for scene in rendered]
    language = mp4_language(order.spoken_language)
    assemble(silent, track.sound, track.chapters, video, order.entry.title, language)
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
    asked = {"name": order.name, **options, "quality": order.quality.name, "voice": order.voice}
    # It is found again wherever the video goes.
    translation = [order.translation.path] if order.translation else []
    return {
        **provenance(
            "lecture" if order.name in LECTURES else "scene",
            asked | {"language": str(translation[0]) if translation else order.language},
            product.video,
            product.files[:-1],
            recipes=order.recipes(),
            recordings=recordings,
            also=translation,
        ),
        "name": order.name,
        "title": order.entry.title,
        "scenes": list(order.scenes),
        "options": options,
        "quality": order.quality.name,
        "voice": speaker.name,
        "language": order.spoken_language,
        "translation": order.translation.digest if order.translation else None,
        "video": {
            "file": product.video.name,
            "seconds": round(product.seconds, 3),
            "size": [found.width, found.height],
            "frame_rate": float(found.frame_rate),
            "frames": found.frame_count,
            "stream_sha256": stream_digest(product.video),
        },
    }
