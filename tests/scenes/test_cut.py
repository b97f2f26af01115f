"""The short cut: what is left out of it, what is not, and what of the stage stays the same."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from manim import (
    RIGHT,
    Circle,
    Circumscribe,
    FadeIn,
    FadeOut,
    Indicate,
    LaggedStart,
    Square,
    ValueTracker,
    tempconfig,
)

from diffusion_core.errors import UsageError
from diffusion_core.store import Store
from scenes.catalog import SCENES
from scenes.options import LOOK, SceneOptions
from scenes.stage.hurry import HURRIED, changing
from scenes.stage.lecture_scene import Beat, LectureScene, SceneInputs
from scenes.stage.renderer import StageRenderer
from studio.performance import settings
from studio.production import Order
from studio.quality import QUALITIES
from studio.rendering import plan_job
from studio.speakers import make_speaker
from tests.scenes.conftest import Reader

Rehearse = Callable[..., LectureScene]
Photos = dict[str, np.ndarray]

TOLD = [name for name, entry in SCENES.items() if not entry.card]
WHOLE = ("forward_process", "ddpm_and_ddim", "similar_noise")
"""Scenes that end on a stage to which every passage before has led."""


# -- a scene of four beats -----------------------------------------------------------


class Story(LectureScene):
    """Two of four sentences are details."""

    def construct(self) -> None:
        at = ValueTracker(0)
        ball = Circle(radius=0.5).add_updater(lambda ball: ball.set_x(at.get_value()))
        box = Square()
        with self.beat("One begins the story."):
            self.appear(ball)
        with self.beat("Two moves it to the right.", detail=True) as beat:
            self.play(Indicate(ball))
            self.play(at.animate.set_value(3), run_time=max(beat.left - 1, 2))
            self.rest(1.5)
        with self.beat("Three puts a box on the stage, and points at it.", detail=True) as beat:
            self.play(FadeIn(box, shift=RIGHT), run_time=beat.left)
            self.play(LaggedStart(Indicate(ball), Circumscribe(box)), ball.animate.set_opacity(0.5))
        with self.beat("Four ends the story.") as beat:
            self.play(at.animate.set_value(-3), run_time=beat.left)
        self.play(FadeOut(box), run_time=0.6)


def played(
    kind: type[LectureScene], options: SceneOptions, folder: Path, quality: str = "draft"
) -> LectureScene:
    """The scene ``kind``, which shows no runs, after its end."""
    with tempconfig(settings(QUALITIES[quality], folder)):
        inputs = SceneInputs("Story", options, {}, Reader())
        scene = kind(inputs, StageRenderer(to_the_end=True))
        scene.render()
        return scene


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> Photos:
    """What the stage looks like at the end of each sentence, by its caption."""
    taken: Photos = {}
    beat = LectureScene.beat

    @contextmanager
    def photographed(
        scene: LectureScene, caption: str, spoken: str | None = None, *, detail: bool = False
    ) -> Iterator[Beat]:
        with beat(scene, caption, spoken, detail=detail) as begun:
            yield begun
        if not (detail and scene.short):
            camera = scene.renderer.camera
            camera.reset()
            camera.capture_mobjects(scene.mobjects)
            taken[caption] = camera.pixel_array.copy()

    monkeypatch.setattr(LectureScene, "beat", photographed)
    return taken


def captions(scene: LectureScene) -> list[str]:
    return [cue.sentence.caption for cue in scene.cues]


def test_details_are_not_said_and_are_hurried_through(tmp_path: Path) -> None:
    full = played(Story, SceneOptions(), tmp_path)
    short = played(Story, SceneOptions(cut="short"), tmp_path)
    assert len(captions(full)) == 4
    assert captions(short) == ["One begins the story.", "Four ends the story."]
    first, last = short.cues
    # Three animations of the details change the stage; the others only point, or rest.
    between = last.start - first.end
    frame = 1 / QUALITIES["draft"].frame_rate
    assert between == pytest.approx(0.35 + 3 * HURRIED, abs=2 * frame)
    # What is kept takes its time as before.
    assert last.end - last.start == pytest.approx(full.cues[-1].end - full.cues[-1].start)
    assert short.now - last.start == pytest.approx(full.now - full.cues[-1].start)


def test_what_is_kept_finds_and_leaves_the_stage_as_in_the_full_cut(
    tmp_path: Path, photos: Photos
) -> None:
    played(Story, SceneOptions(), tmp_path)
    full = dict(photos)
    photos.clear()
    played(Story, SceneOptions(cut="short"), tmp_path)
    assert len(photos) == 2
    for caption, photo in photos.items():
        np.testing.assert_array_equal(photo, full[caption])
    assert not any(np.array_equal(one, other) for one, other in pairwise(full.values()))


def test_what_only_points_is_told_from_what_changes_something() -> None:
    ball = Circle()
    pointing = [Indicate(ball), Circumscribe(ball), LaggedStart(Indicate(ball), Indicate(ball))]
    moving = [FadeIn(ball), LaggedStart(Indicate(ball), FadeIn(ball)), ball.animate.shift(RIGHT)]
    assert changing([*pointing, *moving]) == moving


def test_a_beat_that_fails_does_not_hurry_what_follows(tmp_path: Path) -> None:
    class Failing(LectureScene):
        def construct(self) -> None:
            with pytest.raises(ZeroDivisionError), self.beat("Gone.", detail=True):
                _ = 1 / 0
            with self.beat("A sentence of six words follows."):
                self.appear(Circle())

    scene = played(Failing, SceneOptions(cut="short"), tmp_path)
    assert scene.now == pytest.approx(6 * 60 / 150 + 0.35, abs=0.1)


# -- an order ----------------------------------------------------------------------------


def test_there_are_two_cuts() -> None:
    with pytest.raises(UsageError, match=r"cut 'tiny' is unknown; choose one of: full, short"):
        SceneOptions(cut="tiny")


def test_the_two_cuts_share_neither_name_nor_render_but_their_recordings() -> None:
    orders = [
        Order("introduction", SceneOptions(cut=cut), QUALITIES["draft"], "silent")
        for cut in ("full", "short")
    ]
    full, short = orders
    assert short.stem == "introduction-seed0-cut-short-draft-silent"
    assert full.stem == "introduction-seed0-draft-silent"
    assert full.recipes() == short.recipes()
    speaker = make_speaker("silent")
    jobs = [
        plan_job("forward_process", order.options, order.quality, "silent", speaker, {})
        for order in orders
    ]
    assert jobs[0].target != jobs[1].target
    assert [job.options.cut for job in jobs] == ["full", "short"]


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_can_be_asked_for_its_short_cut(name: str) -> None:
    assert SCENES[name].accepts >= LOOK


# -- the scenes that ship ------------------------------------------------------------------


def unwatched(name: str, options: SceneOptions, folder: Path) -> LectureScene:
    """A scene after its end, which nobody has watched."""
    entry = SCENES[name]
    module, _, kind = entry.place.partition(":")
    recordings = {key: Store().get(r).trajectory for key, r in entry.runs(options).items()}
    with tempconfig(settings(QUALITIES["draft"], folder)):
        inputs = SceneInputs(entry.title, options, recordings, Reader())
        scene: LectureScene = getattr(importlib.import_module(module), kind)(
            inputs, StageRenderer(to_the_end=True)
        )
        scene.render()
        return scene


@pytest.mark.parametrize("name", TOLD)
def test_a_short_cut_is_about_half_as_long_and_tells_the_idea(
    rehearse: Rehearse, tmp_path: Path, name: str
) -> None:
    """``rehearse`` looks for what a lecturer would not show."""
    full = unwatched(name, SceneOptions(steps=10), tmp_path)
    short = rehearse(name, lambda scene: None, SceneOptions(steps=10, cut="short"))
    assert 0.4 <= short.now / full.now <= 0.6
    said = captions(short)
    assert said[0] == captions(full)[0]
    assert said[-1] == captions(full)[-1]
    kept = [caption for caption in captions(full) if caption in said]
    assert [caption for caption in said if caption in kept] == kept
    assert len(said) - len(kept) <= 1  # reworded where its neighbour is gone


@pytest.mark.parametrize("name", WHOLE)
def test_both_cuts_end_on_the_same_picture(name: str, tmp_path: Path, photos: Photos) -> None:
    unwatched(name, SceneOptions(steps=10), tmp_path)
    full = dict(photos)
    photos.clear()
    unwatched(name, SceneOptions(steps=10, cut="short"), tmp_path)
    last = list(photos)[-1]
    np.testing.assert_array_equal(photos[last], full[last])
    assert np.unique(photos[last]).size > 10
