"""What an order says, before a frame of it is drawn: its script, and whether all can be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from diffusion_core.store import Recording
from scenes.catalog import scene_entry
from scenes.cues import Chapter
from studio.job import Job
from studio.progress import Progress, unwatched
from studio.quality import QUALITIES
from studio.rendering import plan_job
from studio.script import lines_of, tell
from studio.speakers import SilentSpeaker, Speaker
from studio.translation import SOURCE
from studio.voices.recorded import RecordedSpeaker

if TYPE_CHECKING:
    from studio.production import Order


def planned(order: Order, speaker: Speaker, recordings: Mapping[str, Recording]) -> list[Job]:
    """The job of each scene of ``order``, with what was recorded for it."""
    recorded = {recipe: recordings[name] for name, recipe in order.recipes().items()}
    jobs = []
    for name in order.scenes:
        entry = scene_entry(name)
        shown = {key: recorded[recipe] for key, recipe in entry.runs(order.options).items()}
        options = entry.taken(order.options)
        told = (order.speech, speaker, shown, order.translation)
        jobs.append(plan_job(name, options, order.quality, *told))
    return jobs


def script_of(
    order: Order,
    recordings: Mapping[str, Recording],
    progress: Progress = unwatched,
    *,
    workers: int | None = None,
) -> tuple[Chapter, ...]:
    """What ``order`` says in the language that its scenes are written in, at 150 words a minute.

    Parameters
    ----------
    order
        A scene or a lecture.
    recordings
        Of what it shows, as ``production.record`` gives them.
    progress, workers
        As for ``script.tell``.

    Raises
    ------
    LectureError
        When a scene cannot be played.
    """
    plain = replace(order, quality=QUALITIES["draft"], voice="silent", language=SOURCE)
    return tell(planned(plain, SilentSpeaker(), recordings), progress, workers=workers)


def check_sayable(
    order: Order,
    speaker: Speaker,
    recordings: Mapping[str, Recording],
    *,
    workers: int | None = None,
) -> None:
    """Find out before any work whether all of ``order`` is translated and recorded.

    Voices that say anything, in the language of the scenes, need no look.

    Raises
    ------
    LectureError
        When some is not; names it.
    """
    translation = order.translation
    if translation is None and not isinstance(speaker, RecordedSpeaker):
        return
    chapters = script_of(order, recordings, workers=workers)
    if translation is not None:
        sentences = (cue.sentence for chapter in chapters for cue in chapter.cues)
        translation.check(order.name, sentences)
    if isinstance(speaker, RecordedSpeaker):
        speaker.check([line.sentence.spoken for line in lines_of(chapters, translation)])
