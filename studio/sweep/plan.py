"""What a sweep consists of: a job for every seed and every choice of the swept options."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from diffusion_core.errors import UsageError
from diffusion_core.files import digest_of
from diffusion_core.recipe import Recipe, fingerprint
from scenes.options import SceneOptions
from studio.production import MEDIA, Order

MOST = 10_000
"""Jobs of one sweep."""


@dataclass(frozen=True)
class SweepJob:
    """One video of a sweep.

    Parameters
    ----------
    number
        Its place in the sweep, from 0.
    order
        What is to be made.
    changed
        What tells it from the others, its seed first: option and value.
    """

    number: int
    order: Order
    changed: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What tells it from the others, in words: "seed 5, guidance 3"."""
        return ", ".join(f"{name} {_short(value)}" for name, value in self.changed.items())


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


@dataclass(frozen=True)
class Sweep:
    """A scene or a lecture, for several seeds and several values of other options.

    Parameters
    ----------
    base
        What all videos have in common; its ``output`` is the folder, if one was chosen.
    seeds
        At least one.
    axes
        Further options and the values that they take, all of them together.
    """

    base: Order
    seeds: tuple[int, ...]
    axes: Mapping[str, tuple[Any, ...]]

    def __post_init__(self) -> None:
        for name in ("seed", *self.axes):
            if name not in self.base.accepts:
                accepted = ", ".join(sorted(self.base.accepts))
                raise UsageError(f"{self.base.name!r} has no use for {name}; it takes {accepted}")
        count = len(self.seeds) * self.choices
        if not 1 <= count <= MOST:
            raise UsageError(f"the sweep has {count} videos; ask for 1 to {MOST} at a time")

    @property
    def choices(self) -> int:
        """Videos of each seed."""
        count = 1
        for values in self.axes.values():
            count *= len(values)
        return count

    @property
    def folder(self) -> Path:
        """Where everything goes; the name says what is swept and what is not as usual."""
        if self.base.output is not None:
            return self.base.output
        usual = SceneOptions()
        same = {name: getattr(usual, name) for name in ("seed", *self.axes)}
        stem = replace(self.base, options=replace(self.base.options, **same)).stem
        rest = stem.removeprefix(f"{self.base.name}-seed{usual.seed}")
        return MEDIA / self.base.name / f"sweep-{self._swept()}{rest}"

    def _swept(self) -> str:
        parts = [f"seeds{_runs(self.seeds)}"]
        for name, values in self.axes.items():
            said = "+".join(_short(value) for value in values)
            plain = re.fullmatch(r"[\w.+-]{1,40}", said)
            parts.append(f"{name}-{said if plain else digest_of(list(values))[:8]}")
        return "-".join(parts)

    @cached_property
    def jobs(self) -> tuple[SweepJob, ...]:
        """All videos: seed after seed, and of each seed every choice of the other options.

        Raises
        ------
        UsageError
            When a scene cannot be asked for one of them; says for which.
        """
        found: list[SweepJob] = []
        for values in itertools.product(self.seeds, *self.axes.values()):
            changed = dict(zip(("seed", *self.axes), values, strict=True))
            options = replace(self.base.options, **changed)
            order = replace(self.base, options=options, output=self.folder)
            found.append(SweepJob(len(found), order, changed))
        return tuple(found)

    def check(self) -> None:
        """Find out before any work what could not be run.

        Raises
        ------
        LectureError
            When a job's recipe is refused, or a file that it names cannot be read.
        """
        for job in self.jobs:
            try:
                for recipe in job.order.recipes().values():
                    fingerprint(recipe)
            except UsageError as error:
                raise UsageError(f"{job.label}: {error}") from error

    def as_facts(self) -> dict[str, Any]:
        """What was asked for, JSON-ready."""
        common = {
            name: getattr(self.base.options, name)
            for name in sorted(self.base.accepts - {"seed", *self.axes})
        }
        return {
            "name": self.base.name,
            "title": self.base.entry.title,
            "seeds": list(self.seeds),
            "axes": {name: list(values) for name, values in self.axes.items()},
            "options": common,
            "quality": self.base.quality.name,
            "voice": self.base.voice,
            "language": self.base.language,
        }


def recipes_of(jobs: tuple[SweepJob, ...] | list[SweepJob]) -> list[Recipe]:
    """Every run that the jobs show, each once."""
    return list(dict.fromkeys(r for job in jobs for r in job.order.recipes().values()))


def _runs(seeds: tuple[int, ...]) -> str:
    """Seeds as a name has them: 0-15+20."""
    parts: list[tuple[int, int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1] = parts[-1][0], seed
        else:
            parts.append((seed, seed))
    said = "+".join(f"{first}-{last}" if first < last else str(first) for first, last in parts)
    return said if len(said) <= 40 else digest_of(list(seeds))[:8]
