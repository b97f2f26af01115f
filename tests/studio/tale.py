"""A scene of three beats that takes no recording, played and drawn in this process."""

from __future__ import annotations

from pathlib import Path

from manim import RIGHT, Dot, FadeOut, linear

from scenes.catalog import SceneEntry
from scenes.cues import Sentence
from scenes.options import LOOK, SceneOptions
from scenes.stage.lecture_scene import LectureScene
from studio.job import Job
from studio.performance import perform, rehearse
from studio.quality import Quality
from studio.rendering import SilentScene
from studio.stretches import join

TINY = Quality("tiny", 320, 180, 10)
CAPTIONS = ("Noise & signal: x_t < 1.", "It goes *right*.", "It goes on, to <b>there</b>.")
SPOKEN = ("Noise and signal.", "It goes right.", "It goes on, to there.")


class Voice:
    """Says every sentence in 0.85 s."""

    name = "test"

    def duration(self, sentence: Sentence) -> float:
        return 0.85


class Tale(LectureScene):
    """A dot appears, goes right in a beat that loops, and further; then the stage is cleared."""

    def construct(self) -> None:
        self.dot = Dot(radius=0.8, color=self.theme.noise).shift(4 * RIGHT * -1)
        with self.beat(CAPTIONS[0], SPOKEN[0]):
            self.appear(self.dot, seconds=0.4)
        with self.beat(CAPTIONS[1], SPOKEN[1], loops=True):
            # It takes longer than it takes to say so.
            self.go(3)
        self.play(self.dot.animate(rate_func=linear).shift(RIGHT), run_time=0.5)
        with self.beat(CAPTIONS[2]):
            self.go(4)
        self.play(FadeOut(self.dot), run_time=0.5)

    def go(self, far: float) -> None:
        self.play(self.dot.animate(rate_func=linear).shift(far * RIGHT), run_time=2)


class Dull(LectureScene):
    """Nothing happens for too long."""

    def construct(self) -> None:
        with self.beat("Wait."):
            self.appear(Dot(radius=0.8), seconds=0.4)
        self.rest(6)
        with self.beat("On."):
            self.appear(Dot(radius=0.8), seconds=0.4)


ENTRIES = {
    kind.__name__.lower(): SceneEntry(
        name=kind.__name__.lower(),
        title=title,
        teaches="nothing & everything",
        place=f"tests.studio.tale:{kind.__name__}",
        accepts=LOOK,
        recipes=lambda options: {},
    )
    for kind, title in ((Tale, "A <tale>"), (Dull, "A dull one"))
}


def job(target: Path, name: str = "tale", theme: str = "dark") -> Job:
    return Job(name, ENTRIES[name].title, SceneOptions(theme=theme), TINY, "silent", {}, target)


def rendered(target: Path, theme: str = "dark") -> SilentScene:
    """The tale as a silent video at ``target``; it must be in the catalogue."""
    told = job(target, theme=theme)
    rehearsal = rehearse(told, Voice())
    kept, _ = perform(told, Voice(), range(len(rehearsal.lengths)), lambda frames: None)
    join([kept[play] for play in range(len(rehearsal.lengths))], TINY, target)
    return SilentScene(told, rehearsal.chapter, fresh=True)
