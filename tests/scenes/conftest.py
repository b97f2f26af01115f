"""Scenes played without drawing, and looked at after every animation."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from manim import tempconfig

from diffusion_core.store import Store
from scenes.catalog import scene_entry
from scenes.cues import Sentence
from scenes.options import SceneOptions
from scenes.stage.checks.watcher import Watcher
from scenes.stage.lecture_scene import LectureScene, SceneInputs
from scenes.stage.renderer import StageRenderer
from studio.performance import settings
from studio.quality import QUALITIES

Look = Callable[[LectureScene], None]


class Reader:
    """A narrator that reads at 150 words a minute."""

    def duration(self, sentence: Sentence) -> float:
        """Seconds."""
        return len(sentence.spoken.split()) * 60 / 150


@contextmanager
def rehearsed(
    name: str, options: SceneOptions, folder: Path, look: Look, quality: str = "medium"
) -> Iterator[LectureScene]:
    """The scene after its end; ``look`` is called after every play, with the scene.

    It fails where a lecturer would not show what is seen or said.
    """
    entry = scene_entry(name)
    module, _, kind_name = entry.place.partition(":")
    kind: Any = getattr(importlib.import_module(module), kind_name)

    class Watched(kind):  # type: ignore[misc]
        def play(self, *args: Any, **options: Any) -> None:
            super().play(*args, **options)
            look(self)

    recordings = {key: Store().get(r).trajectory for key, r in entry.recipes(options).items()}
    with tempconfig(settings(QUALITIES[quality], folder, dry=True)):
        watcher = Watcher(name)
        inputs = SceneInputs(entry.title, options, recordings, Reader(), watcher)
        scene = Watched(inputs, StageRenderer(to_the_end=True))
        scene.render()
        findings = watcher.findings(scene.cues, scene.now)
        assert not findings, "\n".join(["", *map(str, findings)])
        yield scene


@pytest.fixture
def rehearse(tmp_path: Path) -> Callable[..., LectureScene]:
    """Play a scene without drawing it, looking at it after every animation."""

    def play(name: str, look: Look, options: SceneOptions | None = None) -> LectureScene:
        with rehearsed(name, options or SceneOptions(steps=10), tmp_path, look) as scene:
            return scene

    return play
