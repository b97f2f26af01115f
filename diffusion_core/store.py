"""Recordings on disk, filed under their recipes' fingerprints; no torch at import."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, overload

from filelock import FileLock

from diffusion_core.batches import batches
from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.places import cache_dir
from diffusion_core.recipe import (
    ExperimentRecipe,
    Recipe,
    ReverseRecipe,
    SingleRecipe,
    fingerprint,
)
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
        self._said: set[str] = set()

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
        with self._locked(path):
            found = self._read(path, recipe)
            recorded = found or self._run(recipe, report)
            if found is None:
                recorded.save(path)
        # Of a prompt too long for its model, also where the recording was there before.
        for warning in _warnings(recorded):
            if warning not in self._said:
                log.warning("%s", warning)
            self._said.add(warning)
        return Recording(fingerprint(recipe), path, recorded, found is None)

    def fill(self, recipes: Iterable[Recipe], report: Report | None = None) -> int:
        """Record what is absent or damaged of ``recipes``, many seeds at once.

        Recipes that differ in nothing but their seeds go through the network
        together; each has a recording of its own afterwards, the one that it
        would have had alone.

        Parameters
        ----------
        recipes
            What is wanted.
        report
            Told of the steps done, and of all, in hundredths of a recording.

        Returns
        -------
        How many recordings were made.

        Raises
        ------
        LectureError
            When a recipe cannot be run, or the folder cannot be written.
        """
        wanted = {self.path(recipe): recipe for recipe in recipes}
        missing = [recipe for path, recipe in wanted.items() if self._read(path, recipe) is None]
        begun = 0
        made = 0
        for batch in batches(missing):

            def told(done: int, total: int, before: int = begun, count: int = len(batch)) -> None:
                if report is not None:
                    share = 100 * before + 100 * count * done // total
                    report(share, 100 * len(missing))

            made += self._fill_batch(batch, told)
            begun += len(batch)
            told(1, 1)
        return made

    def _fill_batch(self, batch: Sequence[Recipe], report: Report) -> int:
        paths = {self.path(recipe): recipe for recipe in batch}
        with ExitStack() as locks:
            for path in sorted(paths):  # so that two who want the same never wait for one another
                locks.enter_context(self._locked(path))
            left = [recipe for path, recipe in paths.items() if self._read(path, recipe) is None]
            if not left:
                return 0
            for recipe, recorded in self._run_together(left, report):
                recorded.save(self.path(recipe))
        return len(left)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
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
            yield
        finally:
            lock.release()

    def _run_together(
        self, recipes: Sequence[Recipe], report: Report
    ) -> Iterator[tuple[Recipe, Recorded]]:
        reverse = [recipe for recipe in recipes if isinstance(recipe, ReverseRecipe)]
        if not reverse:
            yield from ((recipe, self._run(recipe, report)) for recipe in recipes)
            return
        from diffusion_core.runs import run_together

        yield from zip(reverse, run_together(reverse, report), strict=True)

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


def _warnings(recorded: Recorded) -> list[str]:
    """What a recording says that whoever asked for it should know, each thing once."""
    runs = [recorded] if isinstance(recorded, Trajectory) else list(recorded.values())
    said = (warning for run in runs for warning in run.facts.get("warnings", ()))
    return list(dict.fromkeys(said))
