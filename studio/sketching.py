"""One scene played without drawing, but for the picture that each beat comes to rest in.

This module imports manim and runs in a worker process, as ``performance`` does.
"""

from __future__ import annotations

import io

from manim import tempconfig
from PIL import Image

from scenes.cues import Narrator
from scenes.stage.checks.watcher import Watcher
from scenes.stage.lecture_scene import LectureScene
from scenes.stage.renderer import StageRenderer
from studio.job import Job
from studio.performance import settings, stage_scene
from studio.sketches import Sketch
from studio.workspace import scratch

CRISPNESS = 88
"""Of 100: noise stays noise, and letters have clean edges."""


class Sketcher(Watcher):
    """Looks closely, and draws the stage when a beat is over."""

    def __init__(self, scene: str) -> None:
        super().__init__(scene)
        self.pictures: list[bytes] = []

    def rested(self, scene: LectureScene) -> None:
        """Draw ``scene`` as it stands."""
        scene.renderer.update_frame(scene)
        drawn = io.BytesIO()
        screen = scene.renderer.camera.pixel_array[..., :3]
        Image.fromarray(screen).save(drawn, "WEBP", quality=CRISPNESS)
        self.pictures.append(drawn.getvalue())


def sketch(job: Job, narrator: Narrator) -> Sketch:
    """Play the scene of ``job`` and draw what each beat comes to rest in."""
    sketcher = Sketcher(job.scene)
    with scratch() as folder, tempconfig(settings(job.quality, folder)):
        scene = stage_scene(job, narrator, StageRenderer(to_the_end=True), sketcher)
        scene.render()
        findings = sketcher.findings(scene.cues, scene.now)
        return Sketch(scene.chapter(), tuple(sketcher.pictures), findings)
