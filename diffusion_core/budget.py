"""How much of a run fits into a file of a bounded size; no torch at import."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from diffusion_core.errors import LectureError

LARGEST = 300_000_000
"""Bytes that a recording of a pretrained model has at most, however many steps it has."""
HEAD = 1_000_000
"""Of these, what is left for the facts and what is not counted below."""
ENOUGH = 50
"""States that a run needs to be seen to move; where fewer would fit, these are rounded."""


@dataclass(frozen=True, slots=True)
class Room:
    """The room that a run has.

    Parameters
    ----------
    bytes
        For all of its arrays.
    preview
        Numbers of a sample's picture to look at, which comes to each state and to
        each guess in whole levels; 0 where none is kept.
    exact
        Whether the states must stay as they are, because others go on from them.
    """

    bytes: int = LARGEST - HEAD
    preview: int = 0
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """What of a run is kept, so that it fits.

    Parameters
    ----------
    keep
        States besides the first.
    half
        Arrays that are stored as float16.
    """

    keep: int
    half: tuple[str, ...]


def fit(
    room: Room, shape: Sequence[int], steps: int, half: Collection[str], *, guided: bool
) -> Fit:
    """As many states as fit: exactly where these are enough, else rounded to float16.

    Parameters
    ----------
    room
        What there is.
    shape
        (B, C, H, W) of a state.
    steps
        Of the run; no more states than these can be kept besides the first.
    half
        What is rounded in any case.
    guided
        Whether both judgements of guidance are kept.

    Raises
    ------
    LectureError
        When not even the first and the last state fit.
    """
    enough = min(ENOUGH, steps)
    exactly = _most(room, shape, steps, half, guided=guided)
    if exactly >= enough or room.exact or "states" in half:
        kept, rounded = exactly, tuple(half)
    else:
        rounded = (*half, "states")
        kept = _most(room, shape, steps, rounded, guided=guided)
    if kept < 1:
        raise LectureError(
            f"{shape[0]} samples of {shape[2]}×{shape[3]} do not fit into a recording of "
            f"{room.bytes // 10**6} MB; choose fewer samples"
        )
    return Fit(kept, rounded)


def _most(
    room: Room, shape: Sequence[int], steps: int, half: Collection[str], *, guided: bool
) -> int:
    """States besides the first that fit."""
    samples, numbers = shape[0], math.prod(shape)
    state = numbers * _width("states", half) + samples * room.preview
    said = ["x0_hat", "eps_hat", *(("eps_cond", "eps_uncond") if guided else ())]
    step = numbers * sum(_width(name, half) for name in said) + samples * room.preview
    # The noise of the steps is kept where every step is.
    noise = numbers * _width("noise", half)
    if state + steps * (state + step + noise) <= room.bytes:
        return steps
    return min(steps - 1, (room.bytes - state) // (state + step))


def _width(name: str, half: Collection[str]) -> int:
    """Bytes of a number of the array."""
    return 2 if name in half else 4
