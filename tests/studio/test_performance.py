"""One scene played for real: its frames, its colours, its length."""

from __future__ import annotations

import re
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from manim import Rectangle, tempconfig
from manim.renderer.cairo_renderer import CairoRenderer

from scenes.cues import Sentence
from scenes.options import SceneOptions
from scenes.stage.camera import StageCamera
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from studio.performance import settings
from studio.quality import QUALITIES, Quality
from studio.video import probe, run_ffmpeg

ORANGE = "#f2a65a"


class Reader:
    def duration(self, sentence: Sentence) -> float:
        return 0.7


class OneColour(LectureScene):
    """A frame of one colour, for the length of two sentences."""

    def construct(self) -> None:
        with self.beat("Orange."):
            self.add(Rectangle(width=20, height=20, fill_opacity=1, color=ORANGE))
        with self.beat("Still orange."):
            self.appear(Rectangle(width=20, height=20, fill_opacity=1, color=ORANGE), seconds=1.1)


def played(folder: Path, quality: Quality) -> tuple[LectureScene, Path]:
    with tempconfig(settings(quality, folder)):
        inputs = SceneInputs("One colour", SceneOptions(), {}, Reader())
        scene = OneColour(inputs, CairoRenderer(camera_class=StageCamera))
        scene.render()
        return scene, Path(scene.renderer.file_writer.movie_file_path)


@pytest.mark.parametrize("name", ["draft", "medium"])
def test_the_colour_that_is_meant_is_the_colour_that_is_tagged(tmp_path: Path, name: str) -> None:
    _, movie = played(tmp_path, QUALITIES[name])
    [stream] = ffmpeg.probe(str(movie))["streams"]
    matrix = stream["color_space"]
    source = ffmpeg.input(str(movie)).filter("scale", in_color_matrix=matrix)
    raw = run_ffmpeg(source.output("pipe:", format="rawvideo", pix_fmt="rgb24", vframes=1))
    meant = [int(pair, 16) for pair in re.findall("[0-9a-f]{2}", ORANGE)]
    shown = np.frombuffer(raw, np.uint8).reshape(-1, 3)
    assert np.abs(shown.astype(int) - meant).max() <= 3


def test_cues_and_length_are_whole_frames_of_the_video(tmp_path: Path) -> None:
    scene, movie = played(tmp_path, QUALITIES["draft"])
    chapter = scene.chapter()
    found = probe(movie)
    assert found.video_duration == pytest.approx(chapter.end, abs=1e-6)
    first, second = chapter.cues
    assert first.start == 0
    # A sentence of 0.7 s and a breath of 0.35 s are 16 frames at 15 a second.
    assert second.start == pytest.approx(16 / 15)
    # The second beat lasts as long as its animation, which is longer than its sentence.
    assert chapter.end >= second.start + 1.1
