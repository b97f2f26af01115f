"""One scene played: rehearsed for its words and its length, then drawn, in parts or whole.

This module imports manim and runs in a worker process (see ``workers``),
because manim keeps its settings in one global and they differ between jobs.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from manim import tempconfig
from tqdm import tqdm  # type: ignore[import-untyped]

from diffusion_core.bundle import load_recorded
from scenes.catalog import scene_entry
from scenes.cues import Narrator
from scenes.stage.checks.findings import Finding
from scenes.stage.checks.watcher import Watcher
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from scenes.stage.painter import Painted
from scenes.stage.renderer import StageRenderer
from studio.encoding import ENCODER, Converter, Encoder
from studio.job import Job, Rehearsal
from studio.quality import Quality
from studio.stretches import Library, Run, is_whole, write_stretch
from studio.workspace import scratch

# manim's progress bars, even unseen, would take a lock between processes, a
# semaphore that a worker which is ended leaves behind.
tqdm.set_lock(threading.RLock())

Report = Callable[[int], None]


def stage_scene(
    job: Job, narrator: Narrator, renderer: StageRenderer, watcher: Watcher | None = None
) -> LectureScene:
    """The scene of ``job``, ready to be played under manim's present settings."""
    module, _, name = scene_entry(job.scene).place.partition(":")
    kind: type[LectureScene] = getattr(importlib.import_module(module), name)
    recordings = {key: load_recorded(path) for key, path in job.recordings.items()}
    told = job.translation.told if job.translation else None
    inputs = SceneInputs(job.title, job.options, recordings, narrator, watcher, told)
    return kind(inputs, renderer)


def settings(quality: Quality, folder: Path, *, dry: bool = True) -> dict[str, Any]:
    """manim's settings for one job in a folder of its own; manim writes no video if ``dry``."""
    return {
        "media_dir": str(folder),
        "pixel_width": quality.width,
        "pixel_height": quality.height,
        "frame_rate": quality.frame_rate,
        "disable_caching": True,
        "max_files_cached": -1,
        "progress_bar": "none",
        "verbosity": "ERROR",
        "dry_run": dry,
        "video_encoder_options": ENCODER,
        "output_file": "silent",
    }


def rehearse(job: Job, narrator: Narrator) -> Rehearsal:
    """Play the scene without drawing it: its sentences, their times, its length."""
    with scratch() as folder, tempconfig(settings(job.quality, folder)):
        renderer = StageRenderer(to_the_end=True)
        scene = stage_scene(job, narrator, renderer)
        scene.render()
        return Rehearsal(scene.chapter(), tuple(renderer.lengths), tuple(renderer.still))


def inspect(job: Job, narrator: Narrator) -> tuple[Finding, ...]:
    """Play the scene without drawing it: what a lecturer would not show of it."""
    watcher = Watcher(job.scene)
    with scratch() as folder, tempconfig(settings(job.quality, folder)):
        scene = stage_scene(job, narrator, StageRenderer(to_the_end=True), watcher)
        scene.render()
        return watcher.findings(scene.cues, scene.now)


class Recorder:
    """Turns pictures into stretches; what is kept already is not even drawn.

    Whether an animation is kept is known when it has ended: by then all its
    frames have shown their looks.  One that begins like a kept one and goes on
    otherwise was not drawn; it is ``missed``.
    """

    def __init__(self, library: Library, report: Report, *, trusting: bool) -> None:
        self.library, self.report, self.trusting = library, report, trusting
        self.kept: dict[int, Path] = {}
        self.missed: set[int] = set()
        self.drawn = 0
        self._play = self._frames = 0
        self._runs: list[Run] = []
        self._encoder: Encoder | None = None
        self._converter = Converter()

    def begin(self, play: int, frames: int) -> None:
        """See ``scenes.stage.renderer.Taker``."""
        self._play, self._frames, self._runs, self._encoder = play, frames, [], None

    def take(self, look: bytes, repeat: int, picture: Callable[[], Painted]) -> None:
        """Draw and encode the next frames, unless the animation may be kept."""
        known = bool(self._runs)
        if not known and not (self.trusting and self.library.may_have(look, self._frames)):
            self._encoder = Encoder(self.library.quality)
        if known and self._runs[-1][0] == look:
            self._runs[-1] = look, self._runs[-1][1] + repeat
            if self._encoder:
                self._encoder.again(repeat)
        else:
            self._runs.append((look, repeat))
            if self._encoder:
                self._encoder.add(self._converter.convert(picture()), repeat)
        if self._encoder:
            self.report(repeat)

    def end(self) -> None:
        """Keep the animation, or note that it was missed."""
        path = self.library.path(self._runs)
        if self._encoder is not None:
            write_stretch(path, self._encoder.finish())
            self._encoder = None
            self.drawn += self._frames
        elif is_whole(path):
            path.touch()  # used: the last to go when room is made
            self.report(self._frames)
        else:
            self.missed.add(self._play)
            return
        self.kept[self._play] = path

    def close(self) -> None:
        """End the thread of an animation that was broken off."""
        if self._encoder is not None:
            self._encoder.close()


def perform(
    job: Job, narrator: Narrator, plays: Collection[int], report: Report
) -> tuple[dict[int, Path], int]:
    """Draw some animations of the scene of ``job``, as far as they are not kept.

    Parameters
    ----------
    job, narrator
        As for the rehearsal.
    plays
        Numbers of the animations.
    report
        Told the frames that have been done since the last time.

    Returns
    -------
    Where each animation is kept, and how many frames had to be drawn.
    """
    library = Library.usual(job.quality)
    kept: dict[int, Path] = {}
    drawn = 0
    wanted, trusting = set(plays), True
    while wanted:
        recorder = Recorder(library, report, trusting=trusting)
        with scratch("drawing") as folder, tempconfig(settings(job.quality, folder)):
            try:
                stage_scene(job, narrator, StageRenderer(recorder, wanted)).render()
            finally:
                recorder.close()
        kept |= recorder.kept
        drawn += recorder.drawn
        wanted, trusting = recorder.missed, False
    return kept, drawn
