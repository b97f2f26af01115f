"""Recordings on disk, filed under their recipes' fingerprints; no torch at import."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, overload

from filelock import FileLock

from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.places import cache_dir
from diffusion_core.recipe import ExperimentRecipe, Recipe, SingleRecipe, fingerprint
from diffusion_core.trajectory import Trajectory

log = logging.getLogger(__name__)

Report = Callable[[int, int], None]
Content = TypeVar("Content", bound=Recorded, covariant=True)


@dataclass(frozen=True)
class Recording(Generic[Content]):
    """What was recorded and where it is kept.

    ``trajectory`` is a bundle of several where the recipe is of an experiment;
    ``fresh`` says whether this call had to run the recipe.
    """

    fingerprint: str
    path: Path
    trajectory: Content
    fresh: bool


class Store:
    """A folder of recordings.

    Parameters
    ----------
    folder
        Where they are kept; ``recordings`` in the cache by default.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or cache_dir() / "recordings"

    def path(self, recipe: Recipe) -> Path:
        """Where the recording of ``recipe`` is, or would be."""
        kind = type(recipe).__name__.removesuffix("Recipe").lower()
        return self.folder / f"{kind}-{fingerprint(recipe)[:32]}.safetensors"

    @overload
    def get(self, recipe: SingleRecipe, report: Report | None = ...) -> Recording[Trajectory]: ...

    @overload
    def get(self, recipe: ExperimentRecipe, report: Report | None = ...) -> Recording[Bundle]: ...

    def get(self, recipe: Recipe, report: Report | None = None) -> Recording[Recorded]:
        """The recording of ``recipe``; it is run if it is absent or damaged.

        A file lock lets two processes that want the same recording run it once.

        Raises
        ------
        LectureError
            When the recipe cannot be run, or the folder cannot be written.
        """
        path = self.path(recipe)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"))
            lock.acquire()
        except OSError as error:
            raise LectureError(
                f"{path.parent} cannot be written ({error.strerror or error}); name another "
                "folder in DIFFUSION_LECTURES_CACHE"
            ) from error
        try:
            found = self._read(path, recipe)
            recorded = found or self._run(recipe, report)
            if found is None:
                recorded.save(path)
        finally:
            lock.release()
        return Recording(fingerprint(recipe), path, recorded, found is None)

    @staticmethod
    def _run(recipe: Recipe, report: Report | None) -> Recorded:
        # torch is imported only where something has to be run.
        told = () if report is None else (report,)
        if isinstance(recipe, SingleRecipe):
            from diffusion_core.runs import run

            return run(recipe, *told)
        from diffusion_core.experiment_runs import run_experiment

        return run_experiment(recipe, *told)

    @staticmethod
    def _read(path: Path, recipe: Recipe) -> Recorded | None:
        if not path.exists():
            return None
        try:
            single = isinstance(recipe, SingleRecipe)
            return Trajectory.load(path) if single else Bundle.load(path)
        except DamagedFile as error:
            log.warning("%s; it is recorded again", error)
            return None
