"""Workers of this machine; one that is lost takes its own job with it, and no other."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import Queue
from types import TracebackType
from typing import Self

from studio.production import Product
from studio.sweep.plan import SweepJob
from studio.sweep.running import FAILED_CHANCES, LOST_CHANCES, one_line
from studio.sweep.task import Surroundings, make
from studio.workers import end_with_parent, undisturbed

Share = tuple[int, float]

_shares: Queue[Share] | None = None  # of a worker process, set as it starts


# -- in a worker ---------------------------------------------------------------


def _begin(shares: Queue[Share]) -> None:
    global _shares
    _shares = shares
    end_with_parent()


def _tell(number: int, share: float) -> None:
    if _shares is not None:
        _shares.put((number, share))


# -- in the parent ---------------------------------------------------------------


class _Worker:
    """One process, with a queue of its own: a killed one may leave it locked."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.shares: Queue[Share] = context.Queue()
        self.pool = ProcessPoolExecutor(
            1, mp_context=context, initializer=_begin, initargs=(self.shares,)
        )
        self.work: Future[Product] | None = None

    @property
    def idle(self) -> bool:
        return self.work is None or self.work.done()

    @property
    def lost(self) -> bool:
        done = self.work is not None and self.work.done()
        return done and isinstance(self.work.exception(), BrokenProcessPool)  # type: ignore[union-attr]

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.shares.close()


class LocalPool:
    """Processes of this machine that live as long as the sweep; see ``Hands``.

    What a worker imports and sets once serves all jobs that it does.

    Parameters
    ----------
    count
        How many.
    """

    def __init__(self, count: int) -> None:
        self.workers = [_Worker() for _ in range(count)]
        self.place = Surroundings.here()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        for worker in self.workers:
            worker.close()

    @property
    def free(self) -> bool:
        """See ``Hands``."""
        return any(worker.idle for worker in self.workers)

    def submit(self, job: SweepJob) -> Future[Product]:
        """See ``Hands``; a worker that was lost is replaced first."""
        place = next(i for i, worker in enumerate(self.workers) if worker.idle)
        if self.workers[place].lost:
            self.workers[place].close()
            self.workers[place] = _Worker()
        worker = self.workers[place]
        with undisturbed():  # the process starts now
            worker.work = worker.pool.submit(make, job.order, job.number, self.place, _tell)
        return worker.work

    def shares(self) -> Iterator[tuple[int, float]]:
        """See ``Hands``."""
        for worker in self.workers:
            while True:
                try:
                    yield worker.shares.get_nowait()
                except queue.Empty:
                    break

    def chances(self, error: BaseException) -> int:
        """See ``Hands``."""
        return LOST_CHANCES if isinstance(error, BrokenProcessPool) else FAILED_CHANCES

    def said(self, error: BaseException) -> str:
        """See ``Hands``."""
        if isinstance(error, BrokenProcessPool):
            return "its worker was ended each time (out of memory?); free some, or take --workers 1"
        return one_line(error)
