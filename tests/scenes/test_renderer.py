"""The stage's renderer: skipped, drawn, in parts or whole, a scene is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manim import Dot, FadeIn, Scene, Square, Text, ValueTracker, Wait, linear, tempconfig
from numpy.typing import NDArray

from scenes.cues import Sentence
from scenes.options import SceneOptions
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from scenes.stage.painter import Painted
from scenes.stage.renderer import StageRenderer
from studio import performance
from studio.quality import QUALITIES, Quality

TINY = Quality("tiny", 160, 90, 10)


class Reader:
    def duration(self, sentence: Sentence) -> float:
        return 0.66


class Watcher:
    """Keeps every picture of every animation, and counts how often one is drawn."""

    def __init__(self) -> None:
        self.frames: dict[int, list[tuple[bytes, NDArray[np.uint8]]]] = {}
        self.said: dict[int, int] = {}

    def begin(self, play: int, frames: int) -> None:
        self.play, self.said[play], self.frames[play] = play, frames, []

    def take(self, look: bytes, repeat: int, picture: Callable[[], Painted]) -> None:
        self.frames[self.play] += [(look, picture().screen.copy())] * repeat

    def end(self) -> None:
        assert len(self.frames[self.play]) == self.said[self.play]


class Walk(LectureScene):
    """A dot that follows a number, a square that follows the dot, and something that counts."""

    def construct(self) -> None:
        number = ValueTracker(0)
        dot = Dot().add_updater(lambda dot: dot.move_to((number.get_value(), 0, 0)))
        square = Square(0.5).add_updater(lambda square: square.next_to(dot, buff=0.1))
        seconds = Dot(radius=0.3)
        seconds.add_updater(lambda dot, dt: dot.shift((0, dt / 3, 0)))
        self.add(Square(1).shift((-2, 0, 0)))
        with self.beat("It stands."):
            self.appear(dot, square, seconds=0.35)
        with self.beat("It walks.") as beat:
            self.play(number.animate(rate_func=linear).set_value(2), run_time=beat.left)
        with self.beat("Something counts."):
            self.play(FadeIn(seconds), run_time=0.2)
            self.add(seconds)
            self.play(number.animate.set_value(-2), run_time=0.57)
            seconds.clear_updaters()
        with self.beat("It rests."):
            pass


def play(folder: Path, wanted: Any = (), **options: Any) -> tuple[Walk, StageRenderer, Watcher]:
    with tempconfig(performance.settings(TINY, folder)):
        watcher = Watcher()
        renderer = StageRenderer(watcher, wanted, **options)
        scene = Walk(SceneInputs("Walk", SceneOptions(), {}, Reader()), renderer)
        scene.render()
        return scene, renderer, watcher


def test_a_rehearsal_draws_nothing_and_keeps_the_time(tmp_path: Path) -> None:
    scene, renderer, watcher = play(tmp_path, to_the_end=True)
    assert watcher.frames == {}
    played, drawing, watched = play(tmp_path, range(len(renderer.lengths)))
    assert scene.chapter() == played.chapter()
    assert renderer.lengths == drawing.lengths == [len(f) for f in watched.frames.values()]
    assert renderer.still == drawing.still
    assert scene.chapter().end == pytest.approx(sum(renderer.lengths) / TINY.frame_rate)


@pytest.mark.parametrize("cut", [1, 3, 4, 6])
def test_in_parts_every_frame_is_as_in_one_go(tmp_path: Path, cut: int) -> None:
    _, renderer, _ = play(tmp_path, to_the_end=True)
    count = len(renderer.lengths)
    _, _, whole = play(tmp_path, range(count))
    _, _, first = play(tmp_path, range(cut))
    _, _, second = play(tmp_path, range(cut, count))
    assert first.frames.keys() | second.frames.keys() == whole.frames.keys()
    for number, frames in (first.frames | second.frames).items():
        for (look, picture), (other_look, other) in zip(frames, whole.frames[number], strict=True):
            np.testing.assert_array_equal(picture, other)
            assert look == other_look


def test_one_look_is_one_picture(tmp_path: Path) -> None:
    _, renderer, _ = play(tmp_path, to_the_end=True)
    _, _, watched = play(tmp_path, range(len(renderer.lengths)))
    pictures: dict[bytes, bytes] = {}
    frames = [frame for frames in watched.frames.values() for frame in frames]
    for look, picture in frames:
        assert pictures.setdefault(look, picture.tobytes()) == picture.tobytes()
    assert 10 < len(pictures) < len(frames)


def test_the_scene_ends_after_the_last_animation_that_is_wanted(tmp_path: Path) -> None:
    _, renderer, watched = play(tmp_path, [2])
    assert list(watched.frames) == [2]
    assert len(renderer.lengths) == 3


def test_the_pictures_are_those_of_the_stock_renderer(tmp_path: Path) -> None:
    """Moving frames, pixel for pixel within one level; manim draws stills twice over."""
    from manim import Camera
    from manim.renderer.cairo_renderer import CairoRenderer

    class Plain(Scene):
        def construct(self) -> None:
            self.camera.background_color = "#102030"
            self.camera.init_background()
            still = Square(2, fill_opacity=0.5).shift((-2, 0, 0))
            number = ValueTracker(0)
            dot = Dot(radius=0.4).add_updater(lambda dot: dot.move_to((number.get_value(), 0, 0)))
            words = Text("over it").add_updater(lambda words: words.move_to((1, 0, 0)))
            self.add(still, dot, words)
            self.play(number.animate.set_value(2), run_time=1)
            self.play(FadeIn(Square(3)), words.animate.set_opacity(0.2), run_time=0.5)

    stock: list[NDArray[np.uint8]] = []

    class Stock(CairoRenderer):
        def add_frame(self, frame: NDArray[np.uint8], num_frames: int = 1) -> None:
            stock.append(frame.copy())

    with tempconfig(performance.settings(QUALITIES["draft"], tmp_path)):
        Plain(renderer=Stock(camera_class=Camera)).render()
        watcher = Watcher()
        Plain(renderer=StageRenderer(watcher, range(2))).render()
    ours = [picture for frames in watcher.frames.values() for _, picture in frames]
    assert len(ours) == len(stock) > 20
    for one, other in zip(ours, stock, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_a_wait_that_is_watched_by_nothing_is_one_still(tmp_path: Path) -> None:
    class Waiting(Scene):
        def construct(self) -> None:
            self.add(Square())
            self.wait(1)
            self.play(Wait(1, frozen_frame=True))

    with tempconfig(performance.settings(TINY, tmp_path)):
        watcher = Watcher()
        renderer = StageRenderer(watcher, range(2))
        Waiting(renderer=renderer).render()
    assert renderer.still == [True, True]
    assert [len(frames) for frames in watcher.frames.values()] == [10, 10]
