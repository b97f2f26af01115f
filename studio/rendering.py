"""Silent videos of scenes: drawn by several processes at once, kept until something changes."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.files import digest_of
from diffusion_core.places import ROOT, cache_dir
from diffusion_core.store import Recording
from scenes.catalog import scene_entry
from scenes.cues import Chapter
from scenes.options import SceneOptions
from studio.job import Job, Rehearsal, read_chapter, write_chapter
from studio.progress import Progress, Stage
from studio.quality import Quality
from studio.speakers import Speaker
from studio.stretches import DRAWN_BY, join, make_room
from studio.translation import Translation
from studio.video import duration_of
from studio.workers import Alone, Workers, tell, usual_workers
from studio.workspace import remove_stale

DECIDING = (
    *("encoding.py", "job.py", "performance.py", "rendering.py", "stretches.py"),
    "translation.py",
)
"""Files of the studio that decide what is drawn."""
Told = Callable[[Sequence[Chapter]], None]
"""Is told the chapters of all scenes, in their order, each from its own start."""
SHORTEST = 60
"""Moving frames below which a part of a scene is not worth a worker of its own."""


@dataclass(frozen=True, slots=True)
class SilentScene:
    """A rendered scene: its video and the chapter that it makes.

    ``drawn`` is how many of its frames were drawn now; ``fresh`` says whether
    its video was put together now.
    """

    job: Job
    chapter: Chapter
    fresh: bool
    drawn: int = 0


@cache
def source_digest() -> str:
    """SHA-256 of everything that decides what is drawn: the scenes, the stage, the fonts."""
    digest = hashlib.sha256()
    for path in sorted([*ROOT.glob("scenes/**/*"), *(ROOT / "studio" / name for name in DECIDING)]):
        if path.suffix in (".py", ".otf"):
            digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def drawn_by() -> dict[str, str]:
    """The versions of the packages that draw."""
    return {name: importlib.metadata.version(name) for name in DRAWN_BY}


def plan_job(
    scene: str,
    options: SceneOptions,
    quality: Quality,
    voice: str,
    speaker: Speaker,
    recordings: dict[str, Recording],
    translation: Translation | None = None,
) -> Job:
    """The job of one scene, its target named for everything that decides the frames."""
    entry = scene_entry(scene)
    chosen = {name: getattr(options, name) for name in sorted(entry.accepted(options))}
    identity = digest_of(
        {
            "scene": scene,
            "title": entry.title,
            "options": chosen,
            "quality": asdict(quality),
            "speaker": speaker.name,
            "translation": translation.digest if translation else None,
            "recordings": {name: recording.fingerprint for name, recording in recordings.items()},
            "sources": source_digest(),
            "versions": drawn_by(),
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
        translation=translation,
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


def _rehearse(job: Job) -> Rehearsal:
    from studio.narration import SpeechCache
    from studio.performance import rehearse
    from studio.speakers import make_speaker

    return rehearse(job, SpeechCache(make_speaker(job.voice)))


def _perform(job: Job, plays: range) -> tuple[dict[int, Path], int]:
    from studio.narration import SpeechCache
    from studio.performance import perform
    from studio.speakers import make_speaker

    narrator = SpeechCache(make_speaker(job.voice))
    return perform(job, narrator, plays, lambda frames: tell(job.scene, frames))


# -- in the parent ---------------------------------------------------------------


def render_scenes(
    jobs: Sequence[Job],
    progress: Progress,
    *,
    workers: int | None = None,
    rehearsed: Told = lambda chapters: None,
) -> list[SilentScene]:
    """Render what is not kept yet, several scenes at once; the order of ``jobs`` stays.

    Scenes that are long beside the others are drawn in parts.  However many
    workers there are, the videos are the same.

    Parameters
    ----------
    jobs
        The scenes.
    progress
        Told of speech and of frames.
    workers
        Processes; as many as there are processors, and memory for, by default.
        With 0 this process draws everything itself.
    rehearsed
        Told the chapters once they are known, before the frames are drawn.

    Raises
    ------
    LectureError
        When a scene cannot be rendered; says which.
    """
    found: dict[Path, SilentScene] = {}
    missing: list[Job] = []
    for job in jobs:
        chapter = kept(job)
        if chapter is None:
            missing.append(job)
        else:
            found[job.target] = SilentScene(job, chapter, fresh=False)
            progress(Stage.SPEAKING, job.scene, 1, 1)
            progress(Stage.RENDERING, job.scene, 1, 1)

    def known(chapters: Mapping[Path, Chapter]) -> None:
        every = {target: scene.chapter for target, scene in found.items()} | dict(chapters)
        rehearsed([every[job.target] for job in jobs])

    if missing:
        for scene in _render(
            missing, progress, usual_workers() if workers is None else workers, known
        ):
            found[scene.job.target] = scene
        make_room(cache_dir() / "stretches")
    else:
        known({})
    return [found[job.target] for job in jobs]


def _render(
    jobs: Sequence[Job],
    progress: Progress,
    workers: int,
    known: Callable[[Mapping[Path, Chapter]], None],
) -> list[SilentScene]:
    done: dict[str, int] = {}
    rehearsed: dict[str, Rehearsal] = {}

    def on_frames(scene: str, frames: int) -> None:
        done[scene] = done.get(scene, 0) + frames
        # The scene is done when its video is put together.
        total = rehearsed[scene].frames
        progress(Stage.RENDERING, scene, min(done[scene], total - 1), total)

    by_name = {job.scene: job for job in jobs}
    try:
        with Workers(workers, on_frames) if workers else Alone(on_frames) as pool:
            for job in jobs:
                progress(Stage.SPEAKING, job.scene, 0, 1)
            for scene, rehearsal in pool.run(_rehearse, {job.scene: (job,) for job in jobs}):
                rehearsed[scene] = rehearsal
                progress(Stage.SPEAKING, scene, 1, 1)
            known({by_name[scene].target: found.chapter for scene, found in rehearsed.items()})
            parts = shared_out(rehearsed, workers, jobs[0].quality.frame_rate)
            stretches: dict[str, dict[int, Path]] = {job.scene: {} for job in jobs}
            drawn = dict.fromkeys(stretches, 0)
            orders = {part: (by_name[part[0]], part[1]) for part in parts}
            made: list[SilentScene] = []
            for (scene, _), (kept_now, drawn_now) in pool.run(_perform, orders):
                stretches[scene] |= kept_now
                drawn[scene] += drawn_now
                if len(stretches[scene]) == len(rehearsed[scene].lengths):
                    _put_together(by_name[scene], rehearsed[scene], stretches[scene])
                    chapter = rehearsed[scene].chapter
                    made.append(SilentScene(by_name[scene], chapter, True, drawn[scene]))
                    done[scene] = rehearsed[scene].frames
                    progress(Stage.RENDERING, scene, 1, 1)
            return made
    except BaseException:
        remove_stale()  # what the workers could not
        raise


def shared_out(
    rehearsed: Mapping[str, Rehearsal], workers: int, frame_rate: int
) -> list[tuple[str, range]]:
    """Which animations of which scene one worker draws in one go; the most work comes first.

    No part is longer than half of a worker's fair share of the whole, if beats
    allow, nor so short that getting there takes longer than drawing it.  The
    shortest scenes, which come last, are drawn in halves, so that no worker
    waits long for another.  Without workers nothing is cut.
    """
    if not workers:
        return [(scene, range(len(found.lengths))) for scene, found in rehearsed.items()]
    work = {scene: found.work(range(len(found.lengths))) for scene, found in rehearsed.items()}
    share = max(sum(work.values()) // (2 * workers), SHORTEST)
    counts = {scene: -(-frames // share) for scene, frames in work.items()}
    for scene in sorted(work, key=work.__getitem__)[:workers]:
        counts[scene] = max(counts[scene], min(2, work[scene] // SHORTEST))
    parts = [
        (scene, part, found.work(part))
        for scene, found in rehearsed.items()
        for part in found.parts(counts[scene], frame_rate)
    ]
    return [(scene, part) for scene, part, _ in sorted(parts, key=lambda part: -part[2])]


def _put_together(job: Job, rehearsal: Rehearsal, stretches: Mapping[int, Path]) -> None:
    paths = [stretches[play] for play in range(len(rehearsal.lengths))]
    frames = join(paths, job.quality, job.target)
    if frames != rehearsal.frames:
        raise LectureError(
            f"scene {job.scene!r} was drawn in {frames} frames, but rehearsed in "
            f"{rehearsal.frames}: what it does must not depend on being watched"
        )
    write_chapter(job.target, rehearsal.chapter)
