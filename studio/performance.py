"""One scene played once: rehearsed for its words and its length, then rendered.

This module imports manim and runs in a worker process (see ``rendering``),
because manim keeps its settings in one global and they differ between jobs.
"""

from __future__ import annotations

import importlib
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manim import tempconfig
from manim.renderer.cairo_renderer import CairoRenderer
from manim.scene.scene_file_writer import SceneFileWriter
from tqdm import tqdm  # type: ignore[import-untyped]

from diffusion_core.files import written_whole
from diffusion_core.trajectory import Trajectory
from scenes.catalog import scene_entry
from scenes.cues import Chapter, Narrator
from scenes.stage.camera import StageCamera
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from studio.job import Job, write_chapter
from studio.quality import Quality
from studio.workspace import scratch

# manim's progress bars, even unseen, would take a lock between processes, a
# semaphore that a worker which is ended leaves behind.
tqdm.set_lock(threading.RLock())

ENCODER = {
    "preset": "veryfast",
    "crf": "18",
    "tune": "animation",
    "threads": "1",
    # swscale turns RGB into BT.601; unsaid, players take BT.709 for it at this size, and the
    # oranges shift.
    "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=smpte170m",
}
"""x264: one thread an encoder, so that a frame is the same however many scenes render at once."""

Report = Callable[[int, int], None]


class _CountingWriter(SceneFileWriter):
    """manim's writer, telling how many frames it was given."""

    on_frame: Callable[[int], None] = staticmethod(lambda frames: None)

    def write_frame(self, pixels: Any, *, repeat: int = 1) -> None:
        super().write_frame(pixels, repeat=repeat)
        self.on_frame(repeat)


def stage_scene(job: Job, narrator: Narrator, *, rehearsal: bool = False) -> LectureScene:
    """The scene of ``job``, ready to be played under manim's present settings."""
    module, _, name = scene_entry(job.scene).place.partition(":")
    kind: type[LectureScene] = getattr(importlib.import_module(module), name)
    recordings = {key: Trajectory.load(path) for key, path in job.recordings.items()}
    inputs = SceneInputs(job.title, job.options, recordings, narrator)
    renderer = CairoRenderer(
        file_writer_class=_CountingWriter, camera_class=StageCamera, skip_animations=rehearsal
    )
    return kind(inputs, renderer)


def settings(quality: Quality, folder: Path, *, dry: bool = False) -> dict[str, Any]:
    """manim's settings for one job in a folder of its own."""
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


def rehearse(job: Job, narrator: Narrator) -> Chapter:
    """Play the scene without drawing it: its sentences, their times, its length."""
    quality = Quality("rehearsal", 160, 90, job.quality.frame_rate)
    with scratch() as folder, tempconfig(settings(quality, folder, dry=True)):
        scene = stage_scene(job, narrator, rehearsal=True)
        scene.render()
        return scene.chapter()


def perform(job: Job, narrator: Narrator, chapter: Chapter, report: Report) -> Chapter:
    """Render the scene of ``job`` to its target, whole; return its chapter.

    ``chapter`` is the rehearsal's, from which the number of frames is known.
    """
    total = round(chapter.end * job.quality.frame_rate)
    done = 0

    def count(frames: int) -> None:
        nonlocal done
        done += frames
        report(min(done, total - 1), total)

    with scratch() as folder, tempconfig(settings(job.quality, folder)):
        scene = stage_scene(job, narrator)
        _CountingWriter.on_frame = staticmethod(count)
        scene.render()
        movie = Path(scene.renderer.file_writer.movie_file_path)
        with written_whole(job.target) as partial:
            shutil.copyfile(movie, partial)
    played = scene.chapter()
    write_chapter(job.target, played)
    report(total, total)
    return played
