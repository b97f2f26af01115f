"""Whether what is said and what moves keep each other company; no manim at import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from scenes.cues import Cue

LONGEST_SENTENCE = 12.0
LONGEST_SILENCE = 3.0
LONGEST_STILL = 5.0
"""Seconds for which nothing moves."""
RECENT = 2.0
"""Seconds for which what has moved is still being spoken of."""
EPSILON = 1e-6

Span = tuple[float, float]
"""Begin and end, in seconds."""


def joined(moves: Sequence[Span]) -> list[Span]:
    """The same times without overlaps and seams, in order."""
    found: list[Span] = []
    for start, end in sorted(moves):
        if found and start <= found[-1][1] + EPSILON:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def beat_at(cues: Sequence[Cue], time: float) -> int:
    """The number of the beat that has begun by ``time``, counted from 1; 0 before the first."""
    return sum(cue.start <= time + EPSILON for cue in cues)


def pace(cues: Sequence[Cue], moves: Sequence[Span], end: float) -> Iterator[tuple[int, str]]:
    """What is wrong with the pace of a scene: the number of a beat, and what.

    Parameters
    ----------
    cues
        Its sentences.
    moves
        When something moved.
    end
        Its length in seconds.
    """
    moves = joined(moves)
    for number, cue in enumerate(cues, 1):
        length = cue.end - cue.start
        if length > LONGEST_SENTENCE + EPSILON:
            yield number, f"the sentence takes {length:.1f} s, more than {LONGEST_SENTENCE:g}"
        begun = [move for move in moves if move[0] < cue.end - EPSILON]
        if not begun or begun[-1][1] < cue.start - RECENT:
            yield number, "nothing moves while it is said"
    ends = [0.0, *(cue.end for cue in cues)]
    starts = [*(cue.start for cue in cues), end]
    for number, (quiet, again) in enumerate(zip(ends, starts, strict=True)):
        if again - quiet > LONGEST_SILENCE + EPSILON:
            after = "after it" if number else "before the first sentence"
            quiet_for = f"{again - quiet:.1f} s, more than {LONGEST_SILENCE:g}"
            yield number, f"the silence {after} takes {quiet_for}"
    for (_, still), (again, _) in pairwise([(0.0, 0.0), *moves, (end, end)]):
        if again - still > LONGEST_STILL + EPSILON:
            what = f"nothing moves for {again - still:.1f} s, more than {LONGEST_STILL:g}"
            yield max(1, beat_at(cues, still)), what
