"""What of a model decides how a scene is run: its size, what it reads, what it costs; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from diffusion_core.files import read_facts
from diffusion_core.models import reads_words, weights_path
from diffusion_core.pretrained.names import is_pretrained

if TYPE_CHECKING:
    from diffusion_core.pretrained.source import Source

CHEAP = 32
"""Pixels a side up to which a pretrained model's pictures are drawn as many at once as ours."""
LARGE = 128
"""Pixels a side from which on a scene leaves out what costs most."""
LEVELS = 1000
"""T, where a model does not say it."""


@dataclass(frozen=True, slots=True)
class ModelKind:
    """A model as far as a scene must know it before anything is run.

    Parameters
    ----------
    pretrained
        Whether it is a pipeline of diffusers.
    reads
        What can be asked of it: "words", "classes", or "" for nothing.
    states, pictures
        Height and width of x_t, and of a finished picture; they differ among latents.
    T
        Levels of noise.
    named
        All that can be asked of it, by name; empty where that is anything.
    """

    pretrained: bool
    reads: str
    states: tuple[int, int]
    pictures: tuple[int, int]
    T: int = LEVELS
    named: tuple[str, ...] = ()

    @property
    def large(self) -> bool:
        """Whether each of its pictures costs so much that only the most telling are drawn."""
        return self.pretrained and max(self.pictures) >= LARGE

    def fewer(self, count: int, least: int) -> int:
        """How many samples are drawn of ``count`` that a scene would show.

        All of them where they are cheap: of our own models, and of pictures of at
        most 32 pixels a side.  Of larger ones fewer, by as much as their side is
        longer, but ``least`` at any size.
        """
        if not self.pretrained:
            return count
        return max(least, count * CHEAP // max(CHEAP, *self.pictures))

    def patch(self, numbers: tuple[int, int, int, int], side: int) -> tuple[int, int, int, int]:
        """A patch (top, left, height, width) of a picture of ``side`` pixels, in this model's x_t.

        At the same place, in shares of the side.
        """
        rows, columns = self.states
        top, left, height, width = numbers
        return (
            round(top * rows / side),
            round(left * columns / side),
            max(1, round(height * rows / side)),
            max(1, round(width * columns / side)),
        )

    def time(self, t: int) -> int:
        """The time of this model that is as far along as ``t`` is among 1,000."""
        return min(round(t * self.T / LEVELS), self.T - 1)


def kind_of_model(name: str) -> ModelKind:
    """What the model ``name`` is.

    Raises
    ------
    UsageError, LectureError
        When there is none, or its files are not what they should be.
    """
    return _pretrained(name) if is_pretrained(name) else _own(name)


def _own(name: str) -> ModelKind:
    facts = read_facts(weights_path(name))
    network = facts.get("network") or facts.get("identity", {}).get("network", {})
    size = int(network.get("size", 28))
    sides, reads = (size, size), "words" if reads_words(name) else ""
    return ModelKind(False, reads, sides, sides, named=tuple(facts.get("captions", ())))


def _pretrained(name: str) -> ModelKind:
    from diffusion_core.pretrained.shapes import levels_of, picture_shape, state_shape
    from diffusion_core.pretrained.source import located

    source = located(name)
    named = _classes(source) if source.reads == "classes" else ()
    states, pictures = state_shape(source)[1:], picture_shape(source)[1:]
    return ModelKind(True, source.reads, states, pictures, levels_of(source), named)


def _classes(source: Source) -> tuple[str, ...]:
    """The first name of each class, in the order of their numbers; these where there is none."""
    from diffusion_core.pretrained.classes import class_count, class_names

    first: dict[int, str] = {}
    for name, number in class_names(source).items():
        first.setdefault(number, name)
    return tuple(first.get(number, str(number)) for number in range(class_count(source)))
