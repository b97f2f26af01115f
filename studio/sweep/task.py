"""One job of a sweep, as a worker does it: in one process, wherever that is."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusion_core.errors import LectureError
from diffusion_core.places import cache_dir
from diffusion_core.pretrained.runtime import as_environment
from studio.production import Order, Product, produce
from studio.progress import Progress, Stage

VARIABLES = ("DIFFUSION_LECTURES_CACHE", "DIFFUSION_LECTURES_DATA")
PAUSE = 0.3
"""Seconds between two words of a worker on how far it is."""
BEFORE_MUXING = 0.95
"""Share of a job that is done when its frames are; shown on the way, and nothing else."""

Tell = Callable[[int, float], None]
"""Is told, in a worker, a job's number and its share that is done, 0 … 1."""

_one_at_a_time = threading.Lock()
# manim's settings are one global; so are the folder and the environment.


@dataclass(frozen=True)
class Surroundings:
    """Where the sweep was started, so that every worker finds the same files.

    Parameters
    ----------
    folder
        The present one: pictures and weights may be named from there.
    variables
        What is set of the environment.
    """

    folder: Path
    variables: dict[str, str]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process; the cache is named even where it is the usual one."""
        found = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        absolute = {name: str(Path(value).absolute()) for name, value in found.items()}
        cache = {"DIFFUSION_LECTURES_CACHE": str(cache_dir().absolute())}
        return cls(Path.cwd(), absolute | cache | as_environment())

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Work as if from there, one job of this process at a time.

        Raises
        ------
        LectureError
            When the folder is not there: the worker sees other disks.
        """
        with _one_at_a_time:
            if not self.folder.is_dir():
                raise LectureError(
                    f"{self.folder} is not there for a worker of the cluster; start the sweep in a "
                    "folder that all machines share, and set DIFFUSION_LECTURES_CACHE to another"
                )
            before = {name: os.environ.get(name) for name in self.variables}
            os.environ.update(self.variables)
            try:
                with contextlib.chdir(self.folder):
                    yield
            finally:
                for name, value in before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value


def make(order: Order, number: int, place: Surroundings, tell: Tell) -> Product:
    """Make the video of ``order`` in this process, and all that goes beside it.

    Raises
    ------
    LectureError, MissingRequirement
        As ``produce``.
    """
    with place.entered():
        return produce(order, _told(order, number, tell), workers=0)


def _told(order: Order, number: int, tell: Tell) -> Progress:
    """Tells how far the job is: by its frames, and not too often."""
    shares = dict.fromkeys(order.scenes, 0.0)
    last = 0.0

    def progress(stage: Stage, part: str, done: int, total: int) -> None:
        nonlocal last
        if stage is not Stage.RENDERING:
            return
        shares[part] = done / total
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            tell(number, BEFORE_MUXING * sum(shares.values()) / len(shares))

    return progress
