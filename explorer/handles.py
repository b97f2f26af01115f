"""What holds a piece of work from outside, and what it tells of itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_PAUSE = 120.0
"""Seconds after which work that somebody holds goes on: others may be waiting."""
SILENCE = 0.5
"""Seconds after which whoever waits looks whether the work is still wanted."""


class Stopped(Exception):
    """The work is not wanted any more; raised where it tells of itself."""


class Handle:
    """What stops, pauses and steps one piece of work from outside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = self._paused = False
        self._steps = 0
        self.seen: list[Any] = []
        """What the work has told of itself so far, where it is asked to keep it."""

    @property
    def stopped(self) -> bool:
        """Whether it should end."""
        return self._stopped

    @property
    def paused(self) -> bool:
        """Whether it should wait where it is."""
        return self._paused

    def stop(self) -> None:
        """End it at its next step."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def pause(self, paused: bool = True) -> None:
        """Hold it after its next step, or let it go on."""
        with self._changed:
            self._paused, self._steps = paused, 0
            self._changed.notify_all()

    def step(self) -> None:
        """Let it take one more step and wait again."""
        with self._changed:
            self._paused = True
            self._steps += 1
            self._changed.notify_all()

    def check(self, held: Callable[[], None] = lambda: None) -> None:
        """Raise where it should end; wait where it should wait.

        Parameters
        ----------
        held
            Called when it has to wait.

        Raises
        ------
        Stopped
            When it is not wanted any more.
        """
        with self._changed:
            if self._paused and not self._stopped:
                held()
                free = self._changed.wait_for(
                    lambda: self._stopped or not self._paused or self._steps > 0, LONGEST_PAUSE
                )
                self._steps = max(0, self._steps - 1)
                self._paused = self._paused and free
            if self._stopped:
                raise Stopped


class Mailbox:
    """Holds the newest of what was told; whoever reads slowly misses what is between."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._news: object = None
        self._unread = self._closed = False

    def put(self, news: object) -> None:
        """Tell this instead of what was told before."""
        with self._changed:
            self._news, self._unread = news, True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> tuple[object, bool]:
        """The newest, or None after a silence; and whether more may come."""
        with self._changed:
            self._changed.wait_for(lambda: self._unread or self._closed, SILENCE)
            news, more = (self._news if self._unread else None), self._unread or not self._closed
            self._unread = False
            return news, more

    def read(self, handle: Handle) -> Iterator[Any]:
        """All that is told, until it is closed or stopped."""
        more = True
        while more and not handle.stopped:
            news, more = self.take()
            if news is not None:
                yield news
