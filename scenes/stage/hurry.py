"""What a short cut leaves out is not cut away but hurried through, without a word.

Things still come, move and go, so that the next sentence finds the stage as it
would have found it, and nothing jumps; what only points at something is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from manim import (
    AnimationGroup,
    ApplyWave,
    Circumscribe,
    Flash,
    FocusOn,
    Indicate,
    ShowPassingFlash,
    Wait,
    Wiggle,
)

HURRIED = 0.4
"""Seconds of an animation that is hurried through."""
POINTING = (ApplyWave, Circumscribe, Flash, FocusOn, Indicate, ShowPassingFlash, Wait, Wiggle)
"""Animations after which the stage is as it was before."""


def only_points(animation: object) -> bool:
    """Whether an animation leaves the stage as it found it."""
    if isinstance(animation, POINTING):
        return True
    return isinstance(animation, AnimationGroup) and all(map(only_points, animation.animations))


def changing(animations: Iterable[Any]) -> list[Any]:
    """The animations after which something is otherwise than before."""
    return [animation for animation in animations if not only_points(animation)]
