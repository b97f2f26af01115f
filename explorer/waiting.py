"""The line of those who wait: tickets in the order of arrival."""

from __future__ import annotations

import threading

from diffusion_core.errors import LectureError

PLACES = 4
"""People who are served at once."""
LONGEST_LINE = 24
"""People who may wait."""


class Line:
    """Tickets in the order of arrival; the first few are served.

    Parameters
    ----------
    places
        How many are served at once.
    longest
        How many may wait.
    """

    def __init__(self, places: int = PLACES, longest: int = LONGEST_LINE) -> None:
        self.places, self.longest = places, longest
        self._tickets: list[object] = []
        self._moved = threading.Condition()

    def join(self) -> object:
        """A ticket at the end of the line.

        Raises
        ------
        LectureError
            When too many wait already.
        """
        with self._moved:
            if len(self._tickets) >= self.places + self.longest:
                raise LectureError(
                    f"{self.longest} people are waiting already; try again in a minute"
                )
            ticket = object()
            self._tickets.append(ticket)
            return ticket

    def ahead(self, ticket: object) -> int:
        """People before this one is served; 0 when it is."""
        with self._moved:
            return max(0, self._tickets.index(ticket) - self.places + 1)

    def wait(self, ticket: object, seconds: float) -> int:
        """``ahead``, once it has changed or the time is over."""
        with self._moved:
            before = self.ahead(ticket)
            if before:
                self._moved.wait_for(lambda: self.ahead(ticket) != before, seconds)
            return self.ahead(ticket)

    def leave(self, ticket: object) -> None:
        """Make room for the next."""
        with self._moved:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
            self._moved.notify_all()

    def __len__(self) -> int:
        return len(self._tickets)
