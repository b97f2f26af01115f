"""The one place in which the core's work is done for the page.

At most ``PLACES`` pieces of work run at once; who comes later waits in a line
and is told how many are ahead.  A tab has one piece of work at a time: a new
one stops the old one, and closing the tab stops it as well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from diffusion_core.errors import LectureError
from diffusion_core.onlookers import Look, looking_on
from diffusion_core.recipe import Recipe
from diffusion_core.store import Recording
from explorer.handles import SILENCE, Handle, Mailbox, Stopped
from explorer.people import People, Person, Room
from explorer.waiting import PLACES, Line

Result = TypeVar("Result")
Tell = Callable[[object], None]
Job = Callable[[Tell], Result]


@dataclass(frozen=True, slots=True)
class Waiting:
    """All places are taken; ``ahead`` people come first."""

    ahead: int

    def __str__(self) -> str:
        people = "1 person is" if self.ahead == 1 else f"{self.ahead} people are"
        return f"{PLACES} people are being served. You wait in line: {people} ahead of you."


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """How far a recipe is: steps done and in all, and the step just taken where there is one."""

    done: int
    total: int
    look: Look | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Finished(Generic[Result]):
    """What came of it."""

    result: Result


class Work:
    """Runs what tabs ask for.

    Parameters
    ----------
    folder
        Where each browser has its room.
    places
        Pieces of work that run at once.
    """

    def __init__(self, folder: Path, places: int = PLACES) -> None:
        self.people, self.line = People(folder), Line(places)
        self._handles: dict[str, Handle] = {}
        self._shown: dict[tuple[str, str], Any] = {}
        self._turns: dict[str, float] = {}
        self._lock = threading.Lock()
        self._ended = False

    def room(self, person: Person) -> Room:
        """What belongs to ``person``."""
        return self.people.room(person.browser)

    def handle(self, person: Person) -> Handle | None:
        """What holds the work of this tab, if it has any."""
        return self._handles.get(person.tab)

    def stop(self, person: Person) -> None:
        """End the work of this tab."""
        handle = self._handles.get(person.tab)
        if handle is not None:
            handle.stop()

    def show(self, person: Person, name: str, shown: Any) -> None:
        """Remember what this tab shows under ``name``, until it is closed."""
        with self._lock:
            self._shown[person.tab, name] = shown

    def shown(self, person: Person, name: str) -> Any:
        """What this tab shows under ``name``; None where it shows nothing."""
        return self._shown.get((person.tab, name))

    def is_newest(self, person: Person, turn: float) -> bool:
        """Whether nothing was begun in this tab after its turn ``turn``.

        Two requests that a tab sends at once may be taken up in either order.
        """
        with self._lock:
            newest = self._turns[person.tab] = max(turn, self._turns.get(person.tab, turn))
            return turn >= newest

    def leave(self, person: Person) -> None:
        """A tab was closed: its work stops, and what it showed is forgotten."""
        self.stop(person)
        with self._lock:
            self._turns.pop(person.tab, None)
            for key in [key for key in self._shown if key[0] == person.tab]:
                del self._shown[key]
        self.people.leave(person)

    def end(self) -> None:
        """The server is about to end: all work stops, and no more is taken."""
        with self._lock:
            self._ended = True
            handles = list(self._handles.values())
        for handle in handles:
            handle.stop()

    def close(self) -> None:
        """The server has ended: nothing of anybody is left."""
        self.end()
        self.people.clear()

    def do(self, person: Person, job: Job[Result]) -> Iterator[Any]:
        """Do ``job`` when it is its turn, yielding what is to be shown.

        Yields ``Waiting`` while others come first, then whatever the job tells
        of itself (the newest, where it tells faster than it is read), and
        ``Finished`` with its result at the end; nothing more once it was stopped.

        Parameters
        ----------
        person
            Whose work it is.
        job
            Is given ``tell``, and calls it often: there it is stopped or paused.

        Raises
        ------
        LectureError
            What the job raised, or when too many wait.
        """
        ticket = self.line.join()
        handle, begun = Handle(), False
        try:
            self._begin(person, handle)
            while ahead := self.line.wait(ticket, 0):
                if handle.stopped:
                    return
                yield Waiting(ahead)
                self.line.wait(ticket, SILENCE)
            begun = True
            yield from self._run(job, handle, ticket)
        finally:
            handle.stop()
            if not begun:
                self.line.leave(ticket)
            with self._lock:
                if self._handles.get(person.tab) is handle:
                    del self._handles[person.tab]

    def _begin(self, person: Person, handle: Handle) -> None:
        self.people.enter(person)
        with self._lock:
            if self._ended:
                raise LectureError("the explorer is being closed")
            before = self._handles.get(person.tab)
            self._handles[person.tab] = handle
        if before is not None:
            before.stop()

    def _run(self, job: Job[Result], handle: Handle, ticket: object) -> Iterator[Any]:
        box = Mailbox()
        ended: list[Finished[Result] | BaseException] = []

        def tell(news: object) -> None:
            box.put(news)
            # Told once more where it is held, so that what is shown last knows of it.
            handle.check(lambda: box.put(news))

        def work() -> None:
            try:
                handle.check()
                ended.append(Finished(job(tell)))
            except Stopped:
                pass
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                ended.append(error)
            finally:
                # Only now is the place free: the processor is.
                self.line.leave(ticket)
                box.close()

        threading.Thread(target=work, daemon=True).start()
        yield from box.read(handle)
        for end in ended:
            if isinstance(end, BaseException):
                raise end
            yield end

    def run(
        self, person: Person, recipe: Recipe, show: Callable[[Look], object] | None = None
    ) -> Iterator[Any]:
        """Record ``recipe`` in the person's room, or find it there.

        Yields ``Waiting``, ``Running`` and at the end ``Finished`` with the
        store's ``Recording``.

        Parameters
        ----------
        person
            Whose room it is kept in.
        recipe
            What is run.
        show
            Makes of each step what is yielded instead of ``Running``; all of it
            stays with the handle as ``seen`` until the run ends.

        Raises
        ------
        LectureError
            When it cannot be run, or too many wait.
        """
        room = self.room(person)
        looked: list[bool] = []

        def job(tell: Tell) -> Recording[Any]:
            def report(done: int, total: int) -> None:
                # Where the steps are seen they tell of themselves.
                if not looked:
                    tell(Running(done, total))

            def onlooker(look: Look) -> None:
                looked.append(True)
                if show is None:
                    tell(Running(look.done, look.total, look))
                    return
                shown = show(look)
                if (handle := self.handle(person)) is not None:
                    handle.seen.append(shown)
                tell(shown)

            room.tidy()
            with looking_on(onlooker):
                return room.store.get(recipe, report)

        yield from self.do(person, job)


@contextmanager
def working(folder: Path, places: int = PLACES) -> Iterator[Work]:
    """Work that leaves nothing behind."""
    work = Work(folder, places)
    try:
        yield work
    finally:
        work.close()
