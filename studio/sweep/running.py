"""The jobs of a sweep, done by many hands: what fails is tried again, and the others go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Literal, Protocol

from diffusion_core.errors import LectureError
from studio.production import Product
from studio.sweep.hands import Hands
from studio.sweep.plan import SweepJob

FAILED_CHANCES = 2
"""How often a job is tried that raises: what is wrong with it is mostly wrong the second time."""
LOST_CHANCES = 3
"""How often a job is tried whose worker is lost, which may be no fault of the job."""
PATIENCE = 0.1
"""Seconds between two looks at what the workers tell."""

Status = Literal["made", "kept", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    job
        The job.
    status
        Made now, kept from before, or failed.
    product
        What was made, unless it failed.
    error
        Why it failed, in one line.
    tries
        How often it was begun now.
    """

    job: SweepJob
    status: Status
    product: Product | None = None
    error: str = ""
    tries: int = 0


class Watch(Protocol):
    """Whoever watches a sweep."""

    def share(self, number: int, share: float) -> None:
        """So much of a job is done, 0 … 1."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """A job has ended for good."""
        ...

    def again(self, job: SweepJob, error: str) -> None:
        """A job failed and is tried again."""
        ...


def one_line(error: BaseException) -> str:
    """What an error says, without its traceback; what is not ours says its kind as well."""
    text = " ".join(str(error).split())
    return text if isinstance(error, LectureError) else f"{type(error).__name__}: {text}"


def work(jobs: Sequence[SweepJob], hands: Hands, watch: Watch) -> dict[int, Outcome]:
    """Have ``jobs`` done; how each ended, by its number.

    A job that fails is tried again at the end of the queue, one whose worker
    is lost once more often; then it is given up, and the others go on.
    """
    waiting = deque(jobs)
    tries = dict.fromkeys((job.number for job in jobs), 0)
    running: dict[Future[Product], SweepJob] = {}
    outcomes: dict[int, Outcome] = {}
    while waiting or running:
        while waiting and hands.free:
            job = waiting.popleft()
            tries[job.number] += 1
            running[hands.submit(job)] = job
        done, _ = wait(running, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        for number, share in hands.shares():
            if number not in outcomes:
                watch.share(number, share)
        for future in done:
            job = running.pop(future)
            error = _error_of(future)
            count = tries[job.number]
            if error is None:
                outcome = Outcome(job, "made", future.result(), tries=count)
            elif count < hands.chances(error):
                watch.again(job, hands.said(error))
                waiting.append(job)
                continue
            else:
                outcome = Outcome(job, "failed", error=hands.said(error), tries=count)
            outcomes[job.number] = outcome
            watch.ended(outcome)
    return outcomes


def _error_of(future: Future[Product]) -> BaseException | None:
    if future.cancelled():
        return LectureError("the cluster gave it up; look whether its workers still run")
    return future.exception()
