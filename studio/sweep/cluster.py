"""Dask workers: a cluster of this machine, of a queue, or one that runs elsewhere; one code path.

``distributed`` and ``dask-jobqueue`` are the extra ``cluster``.
"""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from studio.production import Product
from studio.sweep.plan import SweepJob
from studio.sweep.running import FAILED_CHANCES, LOST_CHANCES, one_line
from studio.sweep.task import Surroundings, make
from studio.workers import MEMORY
from studio.workspace import scratch

LOCAL = "local"
QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "htcondor": "HTCondorCluster",
}
"""Batch systems that dask-jobqueue can ask for workers."""
INSTALLATION = "pip install 'diffusion-lectures[cluster]'"
PROTOCOLS = ("tcp://", "tls://", "ws://", "wss://", "ucx://", "inproc://")
ANSWER = 15
"""Seconds in which a scheduler has to answer."""
UNINTERRUPTED = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What a worker of this machine does first: Ctrl-C is for its parent, who ends it."""
SLACK = 2
"""Times the memory that drawing takes is asked for a worker of a queue."""


def check_cluster(where: str, workers: int | None) -> None:
    """Find out before any work whether ``where`` can be asked for workers.

    Raises
    ------
    UsageError
        When it is no kind of cluster and no address, or the number of its
        workers is not ours to choose.
    MissingRequirement
        When what it needs is not installed.
    """
    if where == LOCAL or where in QUEUES:
        pass
    elif where.startswith(PROTOCOLS):
        if workers is not None:
            raise UsageError(
                f"--workers {workers}: the cluster at {where} has workers of its own; leave it out"
            )
    else:
        raise UsageError(
            f"--cluster {where!r} is neither local, nor a batch system ({', '.join(QUEUES)}), nor "
            "the address of a Dask scheduler, for example tcp://192.168.1.5:8786"
        )
    try:
        import distributed  # noqa: F401

        if where in QUEUES:
            import dask_jobqueue
    except ImportError as error:
        raise MissingRequirement(
            f"--cluster {where} needs {error.name}, which is not installed; type: {INSTALLATION}"
        ) from error
    if where in QUEUES:
        submit = getattr(dask_jobqueue, QUEUES[where]).job_cls.submit_command
        if shutil.which(submit.split()[0]) is None:
            raise MissingRequirement(
                f"--cluster {where} hands jobs in with {submit}, which is not here; start the "
                "sweep on a machine of the cluster that has it"
            )


class _Teller:
    def __init__(self, topic: str) -> None:
        self.topic = topic

    def __call__(self, number: int, share: float) -> None:
        from distributed import get_worker

        get_worker().log_event(self.topic, (number, share))


class DaskCluster:
    """Workers of Dask; see ``Hands``.

    Parameters
    ----------
    where
        "local", a batch system, or the address of a scheduler.
    workers
        How many to have or to ask for; not of a scheduler's.
    """

    free = True  # Dask keeps the queue

    def __init__(self, where: str, workers: int) -> None:
        self.where, self.count = where, workers
        self.place = Surroundings.here()
        self._topic = f"sweep-{uuid.uuid4().hex}"
        self._told: deque[tuple[int, float]] = deque()
        self._until_then = ExitStack()

    def __enter__(self) -> Self:
        import dask
        from distributed import Client

        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        with self._until_then:  # what began is ended when the rest cannot
            try:
                with dask.config.set({"distributed.scheduler.allowed-failures": LOST_CHANCES - 1}):
                    at = self._scheduler()
                    self.client = self._until_then.enter_context(Client(at, timeout=ANSWER))
            except (OSError, ValueError, RuntimeError) as error:
                raise LectureError(
                    f"the cluster {self.where} cannot be had ({one_line(error)}); look whether it "
                    "runs and can be reached from here"
                ) from error
            self.client.subscribe_topic(self._topic, lambda event: self._told.append(event[1]))
            self._executor = self.client.get_executor(pure=False)
            self._until_then.callback(self._executor.shutdown, wait=False)
            self._until_then = self._until_then.pop_all()
        return self

    def _scheduler(self) -> Any:
        """A cluster that was started for this sweep, or the address of one that runs."""
        if self.where == LOCAL:
            from distributed import LocalCluster

            folder = self._until_then.enter_context(scratch("dask"))
            return self._until_then.enter_context(
                LocalCluster(
                    n_workers=self.count,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    local_directory=str(folder),
                    silence_logs=logging.CRITICAL,
                    preload=[UNINTERRUPTED],
                )
            )
        if self.where in QUEUES:
            import dask
            import dask_jobqueue

            usual = {"cores": 1, "processes": 1, "memory": f"{SLACK * MEMORY / 1e9:g}GB"}
            asked = {
                name: value
                for name, value in usual.items()
                if not dask.config.get(f"jobqueue.{self.where}.{name}", None)
            }
            kind = getattr(dask_jobqueue, QUEUES[self.where])
            page = {"dashboard_address": ":0"}  # the usual port may be taken
            cluster = self._until_then.enter_context(kind(**asked, scheduler_options=page))
            cluster.scale(self.count)
            return cluster
        return self.where

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and self.where == LOCAL:
            for process in multiprocessing.active_children():
                process.kill()
        self._until_then.close()

    def submit(self, job: SweepJob) -> Future[Product]:
        """See ``Hands``."""
        tell = _Teller(self._topic)
        try:
            future: Future[Product] = self._executor.submit(
                make, job.order, job.number, self.place, tell
            )
        except (OSError, RuntimeError) as error:
            raise LectureError(
                f"the cluster {self.where} was lost ({one_line(error)}); the same command again "
                "goes on where it was"
            ) from error
        return future

    def shares(self) -> Iterator[tuple[int, float]]:
        """See ``Hands``."""
        while self._told:
            yield self._told.popleft()

    def chances(self, error: BaseException) -> int:
        """See ``Hands``; what was lost, Dask has tried again already."""
        return 1 if self._lost(error) else FAILED_CHANCES

    @staticmethod
    def _lost(error: BaseException) -> bool:
        from distributed.scheduler import KilledWorker

        return isinstance(error, KilledWorker)

    def said(self, error: BaseException) -> str:
        """See ``Hands``."""
        if self._lost(error):
            return "its worker was ended each time (out of memory?); give the workers more"
        return one_line(error)
