"""Words that are changed on the way: what came of it, measured and put into sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.errors import LectureError
from diffusion_core.trajectory import Trajectory
from scenes.digits import a
from scenes.measures import distance
from scenes.stage.seen import pictures_of
from scenes.text_to_image.rows import quoted

BEGINNING = "changed after "
"""Of the names of the recordings; the number of steps follows."""
NAMED = 30
"""Letters of a prompt that are said in a sentence about it."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A path that was asked for other words from a time on.

    Parameters
    ----------
    after
        The state at which the words were changed: so many steps were done with the old ones.
    t
        When they were changed.
    run
        The whole path, several samples.
    moved
        How far the first sample's picture is from the one that kept its words: RMS.
    short_of
        How far it is from the one that had the new words from the start.
    classes
        What the judge reads in the finished pictures; empty where it cannot.
    """

    after: int
    t: int
    run: Trajectory
    moved: float
    classes: tuple[int, ...]
    short_of: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether the picture is nearer to that of the new words than to that of the old."""
        return self.short_of < self.moved

    def followers(self, new: int) -> int:
        """How many samples but the first show the digit ``new``."""
        return self.classes[1:].count(new)


def read(run: Trajectory) -> tuple[int, ...]:
    """The digits that the judge sees in the finished pictures of ``run``.

    Raises
    ------
    LectureError
        Where it knows nothing of such pictures.
    """
    if "final_class" not in run.facts:
        raise LectureError(
            "this scene asks a judge which digit was drawn, and the judge knows none but the "
            "digits of MNIST; choose a model that draws them, such as 'mnist'"
        )
    return tuple(run.facts["final_class"])


def judged(run: Trajectory) -> bool:
    """Whether a judge has read the finished pictures of ``run``."""
    return "final_class" in run.facts


def changes_of(
    recordings: Mapping[str, Recorded], kept: Trajectory, new: Trajectory | None = None
) -> list[Change]:
    """The paths among ``recordings`` whose words were changed, the earliest change first.

    ``kept`` is the path of the first sample that kept its words, ``new`` the one
    that had the new words from the start.
    """
    changes = []
    for name, bundle in recordings.items():
        if not name.startswith(BEGINNING):
            continue
        assert isinstance(bundle, Bundle)
        [run] = bundle.values()
        end = pictures_of(run)[-1, 0]
        # Of the states that are kept, the one at which the path forked.
        after = int(run.facts["shared_states"]) - 1
        t = int(run.timesteps[after])
        moved, short_of = (
            distance(end, pictures_of(other)[-1, 0]) for other in (kept, new or kept)
        )
        classes = read(run) if judged(run) or new is None else ()
        changes.append(Change(after, t, run, moved, classes, short_of))
    return sorted(changes, key=lambda change: change.after)


def outcomes(changes: list[Change], kept: int, new: int) -> list[tuple[str, int]]:
    """What came of the first sample: sentences, each with the change that it speaks of.

    ``kept`` and ``new`` are the digits of the old words and of the new ones.
    """
    read_first = [change.classes[0] for change in changes]
    last = len(changes) - 1
    if kept == new:
        return [(f"With the old words or the new ones, {a(new)} came.", last)]
    said = []
    counted = [i for i, found in enumerate(read_first) if found == new]
    if counted:
        at = counted[-1]
        even = "Even changed" if at == last else "Changed"
        said.append((f"{even} at t = {changes[at].t}, the words still count: {a(new)} came.", at))
    late = next((i for i in range(last + 1) if set(read_first[i:]) == {kept}), None)
    if late is not None:
        said.append((f"At t = {changes[late].t}, they come too late: it stays {a(kept)}.", late))
    elif not counted or counted[-1] != last:
        found = read_first[last]
        said.append((f"Changed at t = {changes[last].t}, neither: {a(found)} came.", last))
    return said


def nearer(changes: list[Change], kept: str, new: str) -> list[tuple[str, int]]:
    """What came of the first sample, where no judge can read it: by what it is nearer to.

    Sentences, each with the change that it speaks of; ``kept`` and ``new`` are the
    old words and the new ones.
    """
    said, last = [], len(changes) - 1
    counted = [i for i, change in enumerate(changes) if change.counts]
    if counted:
        at = counted[-1]
        even = "Even changed" if at == last else "Changed"
        words = quoted(new, NAMED)
        said.append((f"{even} at t = {changes[at].t}, it comes nearer to that of {words}.", at))
    late = next((i for i in range(last + 1) if not any(c.counts for c in changes[i:])), None)
    if late is not None:
        words = quoted(kept, NAMED)
        told = f"At t = {changes[late].t}, they come too late: it is nearer to that of {words}."
        said.append((told, late))
    return said


def how_many(count: int, of: int) -> str:
    """ "all", "none" or "2 of 3"."""
    return "all" if count == of else "none" if count == 0 else f"{count} of {of}"


def how_often(changes: list[Change], new: int) -> str:
    """The sentence on the other samples: at the first change on the way, and at the last one."""
    samples = len(changes[0].classes) - 1
    first, last = changes[1], changes[-1]
    early, late = (how_many(change.followers(new), samples) for change in (first, last))
    return f"Other noise: at t = {first.t}, {early} still became {a(new)}; at t = {last.t}, {late}."


def how_far(change: Change) -> str:
    """The sentence on how far the first sample's picture was moved."""
    return f"Changed at t = {change.t}, the picture has moved by {change.moved:.2f}."


def aloud(sentence: str) -> str:
    """The sentence as it is said: "t = 800" is "t equals 800"."""
    return sentence.replace("t = ", "t equals ")
