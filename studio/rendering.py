"""Silent videos of scenes: rendered in worker processes, kept until something changes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.context import SpawnContext
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.files import digest_of
from diffusion_core.places import ROOT, cache_dir
from diffusion_core.store import Recording
from scenes.catalog import scene_entry
from scenes.cues import Chapter
from scenes.options import SceneOptions
from studio.job import Job, read_chapter
from studio.progress import Progress, Stage
from studio.quality import Quality
from studio.speakers import Speaker
from studio.video import duration_of
from studio.workspace import remove_stale

Event = tuple[Stage, str, int, int]
_events: Queue[Event] | None = None  # of a worker process, set as it starts

DRAWN_BY = ("manim", "manimpango", "pycairo", "typst", "numpy", "pillow", "av")
"""Packages whose version may change a frame."""
STOPS = (signal.SIGINT, signal.SIGTERM)
"""What ends a production on request."""


@dataclass(frozen=True, slots=True)
class SilentScene:
    """A rendered scene: its video and the chapter that it makes.

    ``fresh`` says whether it was rendered now.
    """

    job: Job
    chapter: Chapter
    fresh: bool


def _source_digest() -> str:
    """SHA-256 of everything that decides what is drawn: the scenes, the stage, the fonts."""
    digest = hashlib.sha256()
    sources = sorted([*ROOT.glob("scenes/**/*"), ROOT / "studio" / "performance.py"])
    for path in sources:
        if path.suffix in (".py", ".otf"):
            digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def plan_job(
    scene: str,
    options: SceneOptions,
    quality: Quality,
    voice: str,
    speaker: Speaker,
    recordings: dict[str, Recording],
) -> Job:
    """The job of one scene, its target named for everything that decides the frames."""
    entry = scene_entry(scene)
    chosen = {name: getattr(options, name) for name in sorted(entry.accepts)}
    identity = digest_of(
        {
            "scene": scene,
            "title": entry.title,
            "options": chosen,
            "quality": asdict(quality),
            "speaker": speaker.name,
            "recordings": {name: recording.fingerprint for name, recording in recordings.items()},
            "sources": _source_digest(),
            "versions": {name: importlib.metadata.version(name) for name in DRAWN_BY},
        }
    )
    return Job(
        scene=scene,
        title=entry.title,
        options=options,
        quality=quality,
        voice=voice,
        recordings={name: recording.path for name, recording in recordings.items()},
        target=cache_dir() / "scenes" / f"{scene}-{identity[:32]}.mp4",
    )


def kept(job: Job) -> Chapter | None:
    """The chapter of a scene that was rendered before and is still whole; None otherwise."""
    try:
        chapter = read_chapter(job.target)
        if chapter is None or not job.target.exists():
            return None
        whole = abs(duration_of(job.target) - chapter.end) < 1 / job.quality.frame_rate
    except MissingRequirement:
        raise
    except LectureError:
        return None
    return chapter if whole else None


# -- in a worker ---------------------------------------------------------------


def _begin_worker(events: Queue[Event]) -> None:
    global _events
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent is killed: then it has nobody to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> Chapter:
    from studio.narration import SpeechCache
    from studio.performance import perform, rehearse
    from studio.speakers import make_speaker

    def tell(stage: Stage, done: int, total: int) -> None:
        if _events is not None:
            _events.put((stage, job.scene, done, total))

    narrator = SpeechCache(make_speaker(job.voice))
    tell(Stage.SPEAKING, 0, 1)
    chapter = rehearse(job, narrator)
    tell(Stage.SPEAKING, 1, 1)
    return perform(job, narrator, chapter, lambda done, total: tell(Stage.RENDERING, done, total))


# -- in the parent ---------------------------------------------------------------


def render_scenes(
    jobs: Sequence[Job], progress: Progress, *, workers: int | None = None
) -> list[SilentScene]:
    """Render what is not kept yet, several scenes at once; the order of ``jobs`` stays.

    Parameters
    ----------
    jobs
        The scenes.
    progress
        Told of speech and of frames.
    workers
        Processes; as many as there are processors by default.  Each takes
        about 0.4 GB.

    Raises
    ------
    LectureError
        When a scene cannot be rendered; says which.
    """
    chapters: dict[Path, Chapter] = {}
    missing: list[Job] = []
    for job in jobs:
        chapter = kept(job)
        if chapter is None:
            missing.append(job)
        else:
            chapters[job.target] = chapter
            progress(Stage.SPEAKING, job.scene, 1, 1)
            progress(Stage.RENDERING, job.scene, 1, 1)
    if missing:
        chapters |= _render(missing, progress, workers or os.cpu_count() or 1)
    fresh = {job.target for job in missing}
    return [SilentScene(job, chapters[job.target], job.target in fresh) for job in jobs]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a request to end wait until the workers have started.

    A worker that starts meanwhile inherits that it is not disturbed.  This
    thread's mask alone is not enough for us: the signal then takes another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    waiting: list[int] = []
    handlers = {
        stop: signal.signal(stop, lambda number, frame: waiting.append(number)) for stop in STOPS
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        for number in waiting:
            signal.raise_signal(number)


def _render(jobs: Sequence[Job], progress: Progress, workers: int) -> dict[Path, Chapter]:
    context: SpawnContext = multiprocessing.get_context("spawn")
    events: Queue[Event] = context.Queue()
    try:
        with ProcessPoolExecutor(
            min(workers, len(jobs)),
            mp_context=context,
            initializer=_begin_worker,
            initargs=(events,),
        ) as pool:
            try:
                with _undisturbed():
                    futures = {pool.submit(_work, job): job for job in jobs}
                _watch(futures, events, progress)
            except BaseException:
                for process in multiprocessing.active_children():
                    process.terminate()
                raise
            return {job.target: _result(future, job) for future, job in futures.items()}
    except BaseException:
        remove_stale()  # what the workers could not
        raise


def _watch(futures: dict[Future[Chapter], Job], events: Queue[Event], progress: Progress) -> None:
    """Pass events on until every scene is done or one has failed."""
    pending: set[Future[Any]] = set(futures)
    finished: set[str] = set()
    while pending:
        done, pending = wait(pending, timeout=0.1)
        while True:
            try:
                event = events.get_nowait()
            except queue.Empty:
                break
            if event[1] not in finished:
                progress(*event)
        for future in done:
            scene = futures[future].scene
            _result(future, futures[future])
            progress(Stage.RENDERING, scene, 1, 1)  # its own last word may still be on the way
            finished.add(scene)


def _result(future: Future[Chapter], job: Job) -> Chapter:
    try:
        return future.result()
    except LectureError:
        raise
    except BrokenProcessPool as error:
        raise LectureError(
            f"the worker that rendered {job.scene!r} was ended (out of memory?); "
            "free some and run the same command again"
        ) from error
