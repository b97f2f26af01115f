"""The recording of one experiment: several trajectories in one file; no torch at import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from diffusion_core.files import Arrays, Facts, kind_of, read_arrays, write_arrays
from diffusion_core.trajectory import FORMAT, Trajectory

BUNDLE_FORMAT = f"diffusion-lectures bundle 1, {FORMAT.removeprefix('diffusion-lectures ')}"


class Bundle(Mapping[str, Trajectory]):
    """Trajectories by name, in the order in which they were run.

    Parameters
    ----------
    runs
        At least one.  Array names in the file begin with a run's name.
    facts
        What is true of all of them, the recipe first of all: JSON-ready.
    """

    def __init__(self, runs: Mapping[str, Trajectory], facts: Facts | None = None) -> None:
        if not runs:
            raise ValueError("a bundle of no runs says nothing; give at least one")
        self.runs, self.common = dict(runs), dict(facts or {})

    def __getitem__(self, name: str) -> Trajectory:
        if name not in self.runs:
            raise KeyError(f"{name!r}; the runs are: {', '.join(map(repr, self.runs))}")
        return self.runs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def facts(self) -> Facts:
        """What is true of all runs, and under "runs" the facts of each."""
        return {**self.common, "runs": {name: run.facts for name, run in self.items()}}

    def save(self, path: Path) -> str:
        """Write all runs to ``path``, whole; return the file's digest."""
        arrays: Arrays = {
            f"{name}/{array}": values
            for name, run in self.items()
            for array, values in run.arrays().items()
        }
        facts = {"common": self.common, "names": list(self), "runs": self.facts["runs"]}
        return write_arrays(path, arrays, facts, kind=BUNDLE_FORMAT)

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read a bundle; its arrays are read-only views of the file, mapped into memory.

        Raises
        ------
        DamagedFile
            When the file is not what ``save`` wrote, bit for bit, or is of
            another format version.
        LectureError
            When it is absent or cannot be read.
        """
        arrays, facts, _ = read_arrays(path, kind=BUNDLE_FORMAT)
        members: dict[str, Arrays] = {name: {} for name in facts["names"]}
        for key, values in arrays.items():
            name, _, array = key.rpartition("/")
            members[name][array] = values
        runs = {name: Trajectory(**own, facts=facts["runs"][name]) for name, own in members.items()}
        return cls(runs, facts["common"])


Recorded = Trajectory | Bundle
"""What the store keeps of a recipe."""


def load_recorded(path: Path) -> Recorded:
    """Read a trajectory or a bundle, whichever the file holds.

    Raises
    ------
    DamagedFile, LectureError
        As ``Trajectory.load`` and ``Bundle.load`` do.
    """
    return Bundle.load(path) if kind_of(path) == BUNDLE_FORMAT else Trajectory.load(path)
