"""One progress display for recording, speaking, rendering and muxing, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from studio.progress import Stage

if TYPE_CHECKING:
    from diffusion_core.training import TrainingProgress


class Display:
    """Bars on a terminal, a line for every finished part elsewhere, nothing when quiet.

    Each stage is one bar, the sum of its parts; parts are counted alike, each
    from 0 to 1.

    Parameters
    ----------
    console
        Where to, usually stderr.
    quiet
        Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console, self.quiet = console, quiet
        self.bars = Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(bar_width=36),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[part]}"),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self.tasks: dict[Stage, TaskID] = {}
        self.shares: dict[Stage, dict[str, float]] = {}

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def expect(self, stage: Stage, parts: list[str]) -> None:
        """Say which parts a stage will have, so that its bar knows the whole."""
        self.shares[stage] = dict.fromkeys(parts, 0.0)

    def __call__(self, stage: Stage, part: str, done: int, total: int) -> None:
        """See ``studio.progress.Progress``."""
        shares = self.shares.setdefault(stage, {})
        was = shares.get(part, 0.0)
        shares[part] = done / total
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage.value, total=1.0, part=part)
        share = sum(shares.values()) / len(shares)
        self.bars.update(self.tasks[stage], completed=share, part=part if share < 1 else "")
        finished = was < 1 <= shares[part]
        if finished and not self.quiet and not self.console.is_terminal:
            self.console.print(f"{stage.value} {part}: done", highlight=False)


def show_training(steps: Iterable[TrainingProgress], *, quiet: bool = False) -> None:
    """Run a training to its end under a bar with loss, speed and time left, on stderr.

    Off a terminal a line stands for every checkpoint and every sample grid.
    """
    console = Console(stderr=True)
    live = console.is_terminal and not quiet
    columns = (
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:.0f} pictures/s"),
        TextColumn("{task.fields[left]:.0f} min left"),
    )
    average = None
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task("", total=None, loss=0.0, speed=0.0, left=0.0)
        for at in steps:
            average = at.loss if average is None else 0.98 * average + 0.02 * at.loss
            bar.update(
                task,
                completed=at.step,
                total=at.steps,
                loss=average,
                speed=at.images_per_second,
                left=at.seconds_left / 60,
            )
            if at.wrote and not live and not quiet:
                console.print(
                    f"step {at.step} of {at.steps}, loss {average:.4f}, "
                    f"{at.images_per_second:.0f} pictures/s, {at.seconds_left / 60:.0f} min left",
                    highlight=False,
                )


@contextmanager
def counted(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for work that is told as (done, of all); nothing off a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(bar_width=36),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    live = console.is_terminal and not quiet
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def fetched(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for bytes that come, told as (come, of all); two lines off a terminal.

    Nothing is shown where nothing comes.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=36),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    live = console.is_terminal and not quiet
    said: set[str] = set()
    one_at_a_time = Lock()  # several files come at once
    with Progress(*columns, console=console, transient=True, disable=not live) as bar:
        task = bar.add_task(f"fetching {what}", total=None, visible=False)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)
            word = "done" if done >= total else decimal(total)
            with one_at_a_time:
                new = word not in said and "done" not in said
                said.add(word)
            if new and not live and not quiet:
                console.print(f"fetching {what}: {word}", highlight=False, soft_wrap=True)

        yield told
