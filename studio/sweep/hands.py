"""What does a sweep's jobs: a pool of this machine or a cluster, which look the same from here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Protocol

from studio.production import Product
from studio.sweep.plan import SweepJob


class Hands(Protocol):
    """Workers that take jobs; who leaves them by an exception ends them at once."""

    @property
    def free(self) -> bool:
        """Whether another job may be given now."""
        ...

    def submit(self, job: SweepJob) -> Future[Product]:
        """Have a job done."""
        ...

    def shares(self) -> Iterator[tuple[int, float]]:
        """What was told since the last time: a job's number, and its share that is done."""
        ...

    def chances(self, error: BaseException) -> int:
        """How often a job may be tried in all that ended with ``error``."""
        ...

    def said(self, error: BaseException) -> str:
        """What went wrong, in one line."""
        ...
