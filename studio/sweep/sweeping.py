"""A sweep from its order to its files: recorded at once, rendered by many, shown on a page."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from diffusion_core.files import Facts
from diffusion_core.store import Store
from scenes.stage.theme import THEMES
from studio.finished import made_of, recall, remember
from studio.production import prepare, produced
from studio.speakers import make_speaker
from studio.sweep.hands import Hands
from studio.sweep.index import facts_of, poster, summary, write_json, write_page
from studio.sweep.mosaic import (
    Grid,
    check_video,
    draw_sheet,
    last_frame,
    write_picture,
    write_video,
)
from studio.sweep.plan import Sweep, recipes_of
from studio.sweep.running import Outcome, work
from studio.sweep.watching import Watcher
from studio.workspace import remove_stale

Mosaic = Literal["picture", "video", "none"]
MOSAICS: tuple[Mosaic, ...] = ("picture", "video", "none")


@dataclass(frozen=True)
class Swept:
    """What a sweep made.

    Parameters
    ----------
    outcomes
        How every job ended, in their order.
    page, facts
        The index, as HTML and as JSON.
    mosaic
        The picture or video of all, if one was asked for and there is anything to show.
    recorded
        Recordings that were made now.
    """

    outcomes: tuple[Outcome, ...]
    page: Path
    facts: Path
    mosaic: Path | None
    recorded: int

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The jobs that were given up."""
        return tuple(outcome for outcome in self.outcomes if outcome.product is None)

    def as_facts(self) -> Facts:
        """JSON-ready, with the paths of all that there is."""
        jobs = []
        for outcome in self.outcomes:
            job: Facts = {**outcome.job.changed, "status": outcome.status, "tries": outcome.tries}
            job |= {"error": outcome.error} if outcome.product is None else {}
            jobs.append(job | (outcome.product.as_facts() if outcome.product else {}))
        return {
            "index": str(self.page),
            "index_json": str(self.facts),
            "mosaic": str(self.mosaic) if self.mosaic else None,
            "recorded": self.recorded,
            "jobs": jobs,
        }


def plan_sweep(sweep: Sweep) -> Facts:
    """What ``run_sweep`` would do, without doing it."""
    sweep.check()
    speaker = make_speaker(sweep.jobs[0].order.speech)
    store = Store()
    left = [job for job in sweep.jobs if produced(job.order, speaker) is None]
    missing = [recipe for recipe in recipes_of(left) if not store.path(recipe).exists()]
    return {
        "folder": str(sweep.folder),
        "jobs": [
            {**job.changed, "video": str(job.order.video), "kept": job not in left}
            for job in sweep.jobs
        ],
        "to_render": len(left),
        "to_record": len(missing),
    }


def run_sweep(
    sweep: Sweep,
    hands: Callable[[int], AbstractContextManager[Hands]],
    mosaic: Mosaic,
    watcher: Watcher,
) -> Swept:
    """Make all videos of ``sweep``, and what shows them together.

    What was made before and is still whole is not made again, so that a sweep
    that was interrupted goes on where it was.

    Parameters
    ----------
    sweep
        What is wanted.
    hands
        Workers for so many jobs.
    mosaic
        How the videos are shown side by side.
    watcher
        Who waits for it.

    Raises
    ------
    UsageError, LectureError, MissingRequirement
        Before any work, when something is asked for that cannot be run or
        written; a job that fails is among the outcomes instead.
    """
    if mosaic == "video":
        check_video(len(sweep.jobs))
    sweep.check()
    speaker = prepare(sweep.jobs[0].order, sweep.folder / "index.html")
    outcomes = {
        job.number: Outcome(job, "kept", product)
        for job in sweep.jobs
        if (product := produced(job.order, speaker)) is not None
    }
    left = [job for job in sweep.jobs if job.number not in outcomes]
    recorded = 0
    if left:
        try:
            with hands(len(left)) as ready:  # first: a cluster may not answer
                recorded = Store().fill(recipes_of(left), watcher.recording)
                watcher.begin(len(left), len(outcomes), recorded)
                outcomes |= work(left, ready, watcher)
        finally:
            remove_stale()  # what workers that were ended could not
    return _shown(sweep, [outcomes[job.number] for job in sweep.jobs], mosaic, recorded)


def _shown(sweep: Sweep, outcomes: list[Outcome], mosaic: Mosaic, recorded: int) -> Swept:
    """Write index and mosaic, unless they are there already and show the same."""
    folder = sweep.folder
    page, facts = folder / "index.html", folder / "index.json"
    whole = [outcome for outcome in outcomes if outcome.product]
    name = {"picture": "mosaic.png", "video": "mosaic.mp4", "none": ""}[mosaic if whole else "none"]
    swept = Swept(tuple(outcomes), page, facts, folder / name if name else None, recorded)
    jobs = [facts_of(outcome, folder) for outcome in outcomes]
    files = [page, facts, *([swept.mosaic] if swept.mosaic else [])]
    shown = {"sweep": sweep.as_facts(), "jobs": jobs, "files": [str(f.absolute()) for f in files]}
    key = made_of(shown, {})
    if recall(key) is not None:
        return swept
    frames = {o.job.number: last_frame(o.product.video) for o in whole if o.product}
    line = summary(sweep, outcomes)
    if swept.mosaic:
        quality = sweep.base.quality
        grid = Grid.of(len(sweep.seeds), sweep.choices, (quality.width, quality.height))
        theme = THEMES[sweep.base.options.theme]
        sheet = draw_sheet(outcomes, grid, theme, sweep.base.entry.title, line)
        if mosaic == "picture":
            write_picture(swept.mosaic, sheet, grid, frames)
        else:
            videos = {o.job.number: o.product.video for o in whole if o.product}
            write_video(swept.mosaic, sheet, grid, videos, quality.frame_rate)
    posters = {number: poster(frame) for number, frame in frames.items()}
    write_page(page, sweep, jobs, posters, name, line)
    write_json(facts, sweep, jobs, name)
    remember(key, files, {})
    return swept
