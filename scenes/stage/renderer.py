"""The stage's renderer: plays a scene, draws what has changed, and hands over each picture once.

manim draws everything anew for every frame, from the first thing that moves
upwards, also while nothing moves and also while it only looks ahead.  Here a
frame that looks like the last one is not drawn at all, and of any other only
what has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

import numpy as np
from manim import Mobject, Scene, config
from manim.renderer.cairo_renderer import CairoRenderer
from manim.utils.exceptions import EndSceneEarlyException

from scenes.stage.camera import StageCamera
from scenes.stage.looks import Item, LookBook, digest_of_looks
from scenes.stage.painter import Painted, Painter


class Taker(Protocol):
    """What becomes of the pictures of a scene, animation by animation."""

    def begin(self, play: int, frames: int) -> None:
        """An animation that is to be drawn begins; it has so many frames."""
        ...

    def take(self, look: bytes, repeat: int, picture: Callable[[], Painted]) -> None:
        """The next ``repeat`` frames look alike.

        ``look`` stands for what they look like.  ``picture`` draws them; the
        screen that it returns is drawn on again for the next ones.
        """
        ...

    def end(self) -> None:
        """The animation has ended."""
        ...


class Unwatched:
    """Takes nothing: for a scene that is only rehearsed."""

    def begin(self, play: int, frames: int) -> None:
        """See ``Taker``."""

    def take(self, look: bytes, repeat: int, picture: Callable[[], Painted]) -> None:
        """See ``Taker``."""

    def end(self) -> None:
        """See ``Taker``."""


class StageRenderer(CairoRenderer):
    """Plays a scene and draws the animations that are wanted.

    What is not wanted is skipped: everything is put where it would have ended
    up.  Time is counted in whole frames either way.

    Parameters
    ----------
    taker
        Is given the pictures.
    wanted
        Numbers of the animations to draw, counted from 0; none by default.
        The scene ends after the last of them.
    to_the_end
        Play on after that, skipping: for a rehearsal, which wants none.
    """

    def __init__(
        self,
        taker: Taker | None = None,
        wanted: Collection[int] = (),
        *,
        to_the_end: bool = False,
    ) -> None:
        super().__init__(camera_class=StageCamera)
        self.taker: Taker = taker or Unwatched()
        self.wanted = frozenset(wanted)
        self.to_the_end = to_the_end
        self.frames = 0
        """Frames since the scene began."""
        self.lengths: list[int] = []
        """Frames of each animation so far."""
        self.still: list[bool] = []
        """Of each animation, whether nothing moves in it."""
        self.painter = Painter(self.camera)
        self.looks = LookBook(self.camera)
        self._drawing = False
        self._lowest: list[Item] = []
        self._movable: list[Mobject] = []

    # -- one animation -----------------------------------------------------------

    def play(self, scene: Scene, *args: Any, **options: Any) -> None:
        """Play one animation; see ``manim.Scene.play``."""
        number = self.num_plays
        if not self.to_the_end and number > max(self.wanted, default=-1):
            raise EndSceneEarlyException
        self._drawing = number in self.wanted
        scene.compile_animation_data(*args, **options)
        scene.begin_animations()
        # What counts seconds by itself ends up elsewhere when it is skipped.
        counting = any(m.has_time_based_updater() for m in scene.get_mobject_family_members())
        self.skip_animations = not self._drawing and not counting
        frozen = bool(scene.is_current_animation_frozen_frame())
        frames = _frames_of(scene.duration, frozen)
        if self._drawing:
            self._draw(scene, number, frames, frozen)
        elif not frozen:
            scene.play_internal()
            scene.update_mobjects(0)  # manim leaves this out where it skips
        self.frames += frames
        self.lengths.append(frames)
        self.still.append(frozen)
        self.time = self.frames / config.frame_rate
        self.num_plays += 1

    def _draw(self, scene: Scene, number: int, frames: int, frozen: bool) -> None:
        self.taker.begin(number, frames)
        self._lowest = self._items(scene.static_mobjects)
        self._movable = _roots(scene.moving_mobjects)
        if frozen:
            self._hand_over(frames)
        else:
            scene.play_internal()
        self.taker.end()

    def render(
        self, scene: Scene, time: float, moving_mobjects: Iterable[Mobject] | None = None
    ) -> None:
        """One frame of the animation that is played."""
        if self._drawing:
            self._hand_over(1)

    def update_frame(self, scene: Scene, *args: Any, **options: Any) -> None:
        """Draw the scene as it is now, where somebody asks for that."""
        self.painter.forget()
        self.camera.reset()
        self.camera.capture_mobjects(scene.mobjects)

    # -- one frame ---------------------------------------------------------------

    def _items(self, mobjects: Iterable[Mobject]) -> list[Item]:
        return self.looks.items(self.camera.get_mobjects_to_display(mobjects))

    def _hand_over(self, repeat: int) -> None:
        items = self._lowest + self._items(self._movable)
        background = repr((str(self.camera.background_color), self.camera.frame_width))
        look = digest_of_looks([background.encode(), *(look.digest for _, look in items)])

        self.taker.take(look, repeat, lambda: self.painter.paint(items))


def _frames_of(seconds: float, frozen: bool) -> int:
    """How many frames manim makes of an animation; of a frozen one, rounded down."""
    if frozen:
        return int(seconds / (1 / config.frame_rate))
    return len(np.arange(0, seconds, 1 / config.frame_rate))


def _roots(mobjects: Iterable[Mobject]) -> list[Mobject]:
    """Those that no other of ``mobjects`` brings with it, in their order."""
    found: list[Mobject] = []
    covered: set[int] = set()
    for mobject in mobjects:
        if id(mobject) not in covered:
            found.append(mobject)
            covered.update(id(member) for member in mobject.get_family())
    return found
