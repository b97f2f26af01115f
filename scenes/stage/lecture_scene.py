"""The scene that all scenes are made from: beats, cues and what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from manim import DOWN, LEFT, Arrow, FadeIn, Mobject, Scene, Typst, VGroup, config
from manim.renderer.cairo_renderer import CairoRenderer

from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.trajectory import Trajectory
from scenes.cues import Chapter, Cue, Narrator, Sentence
from scenes.options import SceneOptions
from scenes.stage.camera import StageCamera
from scenes.stage.hurry import HURRIED, changing
from scenes.stage.layout import TITLE, px
from scenes.stage.lettering import TITLE_SIZE, WORDS_SIZE, Lettering
from scenes.stage.theme import THEMES
from scenes.stage.tiles import Panel

if TYPE_CHECKING:
    from scenes.stage.checks.watcher import Watcher

BREATH = 0.35
"""Seconds between one sentence and the next."""


@dataclass(frozen=True, slots=True)
class SceneInputs:
    """All that a scene is given.

    Parameters
    ----------
    title
        Its heading, and the name of its chapter.
    options
        What the user chose.
    recordings
        The runs that it shows, by the names of its catalogue entry.
    narrator
        Knows how long a sentence lasts.
    watcher
        Looks at the stage after every animation; nobody by default.
    translate
        Turns each sentence into the language in which it is said; it is said as
        it stands by default.
    """

    title: str
    options: SceneOptions
    recordings: Mapping[str, Recorded]
    narrator: Narrator
    watcher: Watcher | None = None
    translate: Callable[[Sentence], Sentence] | None = None


class Beat:
    """The time of one spoken sentence."""

    def __init__(self, scene: LectureScene, seconds: float) -> None:
        self.scene, self.seconds = scene, seconds
        self.start = scene.now

    @property
    def left(self) -> float:
        """Seconds until the sentence has been said; at least one frame."""
        return max(self.start + self.seconds - self.scene.now, 1 / config.frame_rate)


class LectureScene(Scene):
    """A scene whose ``construct`` reads as the lecture is told.

    Parameters
    ----------
    inputs
        What the studio hands over.
    renderer
        The renderer to play on; manim's own with the stage's camera otherwise.
    """

    def __init__(self, inputs: SceneInputs, renderer: CairoRenderer | None = None) -> None:
        super().__init__(renderer=renderer, camera_class=StageCamera)
        self.inputs = inputs
        self.options = inputs.options
        self.theme = THEMES[inputs.options.theme]
        self.lettering = Lettering(self.theme)
        self.cues: list[Cue] = []
        self._updating: dict[int, bool] = {}  # of this animation: whether a mobject has updaters
        self._hurried = False
        self.camera.background_color = self.theme.background

    def play(self, *animations: Any, **options: Any) -> None:
        """See ``manim.Scene.play``; in a detail of a short cut, hurried through."""
        if self._hurried:
            animations, options = tuple(changing(animations)), options | {"run_time": HURRIED}
            if not animations:
                return
        self._updating.clear()
        start = self.now
        super().play(*animations, **options)
        if self.inputs.watcher is not None:
            self.inputs.watcher.look(self, start)

    def update_mobjects(self, dt: float) -> None:
        """See ``manim.Scene.update_mobjects``; what nothing follows is passed over."""
        for mobject in list(self.mobjects):
            key = id(mobject)
            if key not in self._updating:
                self._updating[key] = any(member.updaters for member in mobject.get_family())
            if self._updating[key]:
                mobject.update(dt)

    def run(self, name: str) -> Trajectory:
        """The recording called ``name``, of one run."""
        recorded = self.inputs.recordings[name]
        if not isinstance(recorded, Trajectory):
            raise TypeError(f"{name!r} holds several runs; ask for them with runs({name!r})")
        return recorded

    def runs(self, name: str) -> Bundle:
        """The recording called ``name``, of an experiment: its runs by their names."""
        recorded = self.inputs.recordings[name]
        if not isinstance(recorded, Bundle):
            raise TypeError(f"{name!r} is one run; ask for it with run({name!r})")
        return recorded

    @property
    def now(self) -> float:
        """Seconds since the scene began, in whole frames."""
        return float(self.renderer.time)

    @property
    def short(self) -> bool:
        """Whether only the essential beats are asked for."""
        return self.options.cut == "short"

    @contextmanager
    def beat(
        self,
        caption: str,
        spoken: str | None = None,
        *,
        detail: bool = False,
        loops: bool = False,
    ) -> Iterator[Beat]:
        """One sentence and what moves while it is said; lasts as long as the longer of both.

        Parameters
        ----------
        caption
            The sentence as it is written.
        spoken
            As it is said, where that differs.
        detail
            Whether a short cut does without it: nothing is said then, and what
            moves is hurried through (see ``scenes.stage.hurry``).
        loops
            Whether a talk that waits here shows it over and over.
        """
        if detail and self.short:
            self._hurried = True
            try:
                yield Beat(self, 0)
            finally:
                self._hurried = False
            return
        sentence = Sentence(caption, spoken or caption)
        if self.inputs.translate is not None:
            sentence = self.inputs.translate(sentence)
        beat = Beat(self, self.inputs.narrator.duration(sentence))
        cue = Cue(beat.start, beat.start + beat.seconds, sentence, loops=loops)
        self.cues.append(cue)
        yield beat
        # At least one frame: an animation's last one is a little before its end, and here a
        # talk waits.
        self.rest(max(beat.start + beat.seconds - self.now + BREATH, 1 / config.frame_rate))
        self.cues[-1] = replace(cue, rest=self.now)
        if self.inputs.watcher is not None:
            self.inputs.watcher.rested(self)

    def rest(self, seconds: float) -> None:
        """Let the picture stand, for a whole number of frames."""
        frames = round(seconds * config.frame_rate)
        if frames > 0 and not self._hurried:
            # Half a frame more, because manim rounds down.
            self.wait((frames + 0.5) / config.frame_rate, frozen_frame=True)

    def chapter(self) -> Chapter:
        """The scene as a chapter, once it was constructed."""
        return Chapter(self.inputs.title, 0.0, self.now, tuple(self.cues))

    # -- what most scenes begin with -------------------------------------------

    def heading(self, question: str) -> VGroup:
        """The title and the question, in the title strip."""
        title: Typst = self.lettering.words(self.inputs.title, size=TITLE_SIZE, bold=True)
        asked = self.lettering.words(question, size=WORDS_SIZE, colour=self.theme.quiet)
        asked.next_to(title, DOWN, buff=px(10)).align_to(title, LEFT)
        heading = VGroup(title, asked)
        TITLE.put(heading, 0, 0)
        return heading

    def arrow(self, left: Panel, right: Panel, *, gap: float = 12, tip: float = 0.25) -> Arrow:
        """From one tile to the next: ``gap`` pixels from each, the tip a share of its length."""
        return Arrow(
            left.border.get_right(),
            right.border.get_left(),
            buff=px(gap),
            stroke_width=4,
            color=self.theme.quiet,
            max_tip_length_to_length_ratio=tip,
        )

    def appear(self, *mobjects: Mobject, seconds: float = 0.8) -> None:
        """Fade things in, as they are at this moment."""
        for mobject in mobjects:
            mobject.update()  # what is not on the stage does not follow the playhead
        self.play(*(FadeIn(mobject) for mobject in mobjects), run_time=seconds)
