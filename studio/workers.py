"""Worker processes: as many as there are cores and memory, and they end when they should."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from diffusion_core.errors import LectureError

MEMORY = 1_000_000_000
"""Bytes that a worker needs at 1080p at the most; ``benchmarks/rendering.py`` measures them."""
STOPS = (signal.SIGINT, signal.SIGTERM)
"""What ends a production on request."""

Event = tuple[str, int]
"""A scene, and how many more of its frames are done."""
Result = TypeVar("Result")
Key = TypeVar("Key")

OnFrames = Callable[[str, int], None]
"""Is told a scene, and how many more of its frames are done."""

_on_frames: OnFrames | None = None  # of a worker process, set as it starts


def usual_workers() -> int:
    """How many workers this machine takes: one a core, as far as its free memory goes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, _free_memory() // MEMORY))


def _free_memory() -> int:
    """Bytes that can be had without swapping; where that is not known, enough."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return MEMORY * 1024


# -- in a worker ---------------------------------------------------------------


def tell(scene: str, frames: int) -> None:
    """Say, in a worker, that so many more frames of a scene are done."""
    if _on_frames is not None:
        _on_frames(scene, frames)


def _begin_worker(events: Queue[Event]) -> None:
    global _on_frames
    _on_frames = lambda scene, frames: events.put((scene, frames))  # noqa: E731
    end_with_parent()


def end_with_parent() -> None:
    """Leave Ctrl-C to the parent of this worker, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    threading.Thread(target=_outlive_no_parent, daemon=True).start()


def _outlive_no_parent() -> None:
    """End this worker when its parent is killed: then it has nobody to work for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm_up() -> None:
    """Import what every task needs, while others have work already."""
    import studio.performance  # noqa: F401


# -- in the parent ---------------------------------------------------------------


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let a request to end wait until the workers have started.

    A worker that starts meanwhile inherits that it is not disturbed.  This
    thread's mask alone is not enough for us: the signal then takes another one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    waiting: list[int] = []
    handlers = {
        stop: signal.signal(stop, lambda number, frame: waiting.append(number)) for stop in STOPS
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        for number in waiting:
            signal.raise_signal(number)


class Workers:
    """A pool of worker processes; leaving it by an exception ends them at once.

    Parameters
    ----------
    count
        How many.
    on_frames
        Told what workers ``tell``.
    """

    def __init__(self, count: int, on_frames: OnFrames) -> None:
        context: SpawnContext = multiprocessing.get_context("spawn")
        self.count, self.on_frames = count, on_frames
        self._events: Queue[Event] = context.Queue()
        self._pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_begin_worker, initargs=(self._events,)
        )

    def __enter__(self) -> Self:
        self._pool.__enter__()
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
        self._pool.__exit__(kind, error, traceback)

    def run(
        self, task: Callable[..., Result], orders: Mapping[Key, tuple[Any, ...]]
    ) -> Iterator[tuple[Key, Result]]:
        """Do ``task`` with each of the arguments; what is done comes as it is done.

        Workers that have nothing to do yet get ready meanwhile.

        Raises
        ------
        LectureError
            When a task raises one, or its worker was ended.
        """
        with undisturbed():
            futures: dict[Future[Any], Key] = {
                self._pool.submit(task, *arguments): key for key, arguments in orders.items()
            }
            for _ in range(self.count - len(orders)):
                self._pool.submit(_warm_up)
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            self._listen()
            for future in done:
                yield futures[future], self._result(future, futures[future])

    def _listen(self) -> None:
        while True:
            try:
                self.on_frames(*self._events.get_nowait())
            except queue.Empty:
                return

    @staticmethod
    def _result(future: Future[Any], key: object) -> Any:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise LectureError(
                f"a worker was ended while it worked at {key} (out of memory?); "
                "free some and run the same command again"
            ) from error


class Alone:
    """The same for a process that is a worker itself: it does one task after the other.

    What a process has imported and set once serves all that it does.

    Parameters
    ----------
    on_frames
        Told what the tasks ``tell``.
    """

    def __init__(self, on_frames: OnFrames) -> None:
        self.on_frames = on_frames

    def __enter__(self) -> Self:
        global _on_frames
        self._before, _on_frames = _on_frames, self.on_frames
        return self

    def __exit__(self, *error: object) -> None:
        global _on_frames
        _on_frames = self._before

    def run(
        self, task: Callable[..., Result], orders: Mapping[Key, tuple[Any, ...]]
    ) -> Iterator[tuple[Key, Result]]:
        """Do ``task`` with each of the arguments, in their order."""
        for key, arguments in orders.items():
            yield key, task(*arguments)
