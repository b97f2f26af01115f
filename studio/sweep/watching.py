"""A sweep as whoever waits for it sees it, on stderr: what is done, and the time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from studio.sweep.plan import SweepJob
from studio.sweep.running import Outcome


def in_words(seconds: float) -> str:
    """A time as one says it: "40 s", "3 min", "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Watcher:
    """One bar on a terminal, a line for every job elsewhere, nothing when quiet.

    Parameters
    ----------
    quiet
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console, self.quiet = Console(stderr=True), quiet
        self.bar = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=36),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._recording: TaskID | None = None
        self._jobs: TaskID | None = None
        self._shares: dict[int, float] = {}
        self._begun = 0.0
        self._count = self._done = 0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def recording(self, done: int, total: int) -> None:
        """So many steps of the recordings are done."""
        if self._recording is None:
            self._recording = self.bar.add_task("recording", total=1.0, said="")
        self.bar.update(self._recording, completed=done / total)

    def begin(self, jobs: int, kept: int, recorded: int) -> None:
        """The jobs begin; so many others were kept from before, so many recordings made now."""
        if recorded:
            self._say(f"recordings: {recorded} made")
        if kept:
            self._say(f"{kept} of {jobs + kept} videos are there already")
        self._begun = time.monotonic()
        self._count = jobs
        self._jobs = self.bar.add_task("rendering", total=1.0, said=f"0 of {jobs}")

    def share(self, number: int, share: float) -> None:
        """See ``studio.sweep.running.Watch``."""
        self._shares[number] = share
        self._show()

    def ended(self, outcome: Outcome) -> None:
        """See ``studio.sweep.running.Watch``."""
        self._shares[outcome.job.number] = 1.0
        self._done += 1
        self._show()
        how = f"failed: {outcome.error}" if outcome.error else outcome.status
        left = self.seconds_left()
        rest = f"; about {in_words(left)} left" if left and not self.console.is_terminal else ""
        self._say(f"{self._done} of {self._count}: {outcome.job.label} {how}{rest}")

    def again(self, job: SweepJob, error: str) -> None:
        """See ``studio.sweep.running.Watch``."""
        self._shares[job.number] = 0.0
        self._show()
        self._say(f"{job.label} is tried again: {error}")

    def seconds_left(self) -> float | None:
        """As it has gone so far; None before anything is known, and when all is done."""
        done = sum(self._shares.values()) / self._count
        if not 0 < done < 1:
            return None
        return (time.monotonic() - self._begun) * (1 - done) / done

    def _show(self) -> None:
        assert self._jobs is not None, "nothing has begun"
        left = self.seconds_left()
        said = f"{self._done} of {self._count}" + (f", {in_words(left)} left" if left else "")
        completed = sum(self._shares.values()) / self._count
        self.bar.update(self._jobs, completed=completed, said=said)

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.console.print(line, highlight=False, soft_wrap=True, markup=False)
