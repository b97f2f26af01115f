"""Recordings on disk, filed under their recipes' fingerprints; no torch at import."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.places import cache_dir
from diffusion_core.recipe import Recipe, fingerprint
from diffusion_core.trajectory import Trajectory

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A trajectory and where it is kept.

    ``fresh`` says whether this call had to run the recipe.
    """

    fingerprint: str
    path: Path
    trajectory: Trajectory
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

    def get(self, recipe: Recipe, report: Callable[[int, int], None] | None = None) -> Recording:
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
            trajectory = self._read(path)
            fresh = trajectory is None
            if trajectory is None:
                from diffusion_core.runs import run

                trajectory = run(recipe, report) if report else run(recipe)
                trajectory.save(path)
        finally:
            lock.release()
        return Recording(fingerprint(recipe), path, trajectory, fresh)

    @staticmethod
    def _read(path: Path) -> Trajectory | None:
        if not path.exists():
            return None
        try:
            return Trajectory.load(path)
        except DamagedFile as error:
            log.warning("%s; it is recorded again", error)
            return None
