"""Scenes looked at before they are drawn, as a lecturer would look at them."""

from __future__ import annotations

from collections.abc import Sequence

from scenes.stage.checks.findings import Finding, StageError
from studio.job import Job
from studio.progress import Progress, Stage
from studio.workers import Workers, usual_workers
from studio.workspace import remove_stale


def _inspect(job: Job) -> tuple[Finding, ...]:
    from studio.narration import SpeechCache
    from studio.performance import inspect
    from studio.speakers import make_speaker

    return inspect(job, SpeechCache(make_speaker(job.voice)))


def inspect_scenes(jobs: Sequence[Job], progress: Progress, *, workers: int | None = None) -> None:
    """Play the scenes without drawing them, several at once, and look at each closely.

    What is looked for is said in ``scenes.stage.checks``.

    Parameters
    ----------
    jobs
        The scenes.
    progress
        Told of speech, which is made on the way.
    workers
        Processes; as many as there are processors, and memory for, by default.

    Raises
    ------
    StageError
        When there is anything that a lecturer would not show; lists all of it.
    LectureError
        When a scene cannot be played.
    """
    found: dict[str, tuple[Finding, ...]] = {}
    try:
        with Workers(workers or usual_workers(), lambda scene, frames: None) as pool:
            for job in jobs:
                progress(Stage.SPEAKING, job.scene, 0, 1)
            for scene, findings in pool.run(_inspect, {job.scene: (job,) for job in jobs}):
                found[scene] = findings
                progress(Stage.SPEAKING, scene, 1, 1)
    except BaseException:
        remove_stale()  # what the workers could not
        raise
    listed = [finding for job in jobs for finding in found[job.scene]]
    if listed:
        raise StageError(listed)
