"""Who is here: a room for each browser, with what is theirs, gone when they are."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from diffusion_core.errors import LectureError
from diffusion_core.store import Store

COOKIE = "explorer"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""What a browser is known by: 256 random bits, told to nobody else."""
IDLE = 1800.0
"""Seconds after which a room that no tab is open to is cleared."""
MOST_FILES, MOST_BYTES = 60, 300_000_000
"""What a room may hold; the oldest goes first."""
MOST_SHOWN = 12
"""Pictures that are kept in memory for a browser to fetch at once."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a browser.

    Parameters
    ----------
    browser
        Its token; what is in the room is shown to nobody without it.
    tab
        The tab that asks.
    """

    browser: str
    tab: str


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(32)


@dataclass(eq=False)
class Room:
    """What belongs to one browser: recordings, pictures, files to take away."""

    folder: Path
    tabs: set[str] = field(default_factory=set)
    used: float = field(default_factory=time.monotonic)
    _files: dict[str, Path] = field(default_factory=dict)
    _shown: dict[str, bytes] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The recordings of this room."""
        return Store(self.folder / "recordings")

    def place(self, name: str) -> Path:
        """A path of its own for a file called ``name``, which somebody may have chosen."""
        kept = re.sub(r"[^\w.-]+", "-", Path(name.replace("\\", "/")).name).strip(".-")[-80:]
        folder = self.folder / "files" / secrets.token_hex(16)
        folder.mkdir(parents=True)
        return folder / (kept or "file")

    def offer(self, path: Path) -> str:
        """The address under which this browser, and no other, can fetch ``path``."""
        token = secrets.token_urlsafe(16)
        self._files[token] = path
        return f"kept/{token}/{quote(path.name)}"

    def offered(self, token: str) -> Path | None:
        """What was offered under ``token``."""
        return self._files.get(token)

    def show(self, picture: bytes) -> str:
        """The address of a picture that the page asks for at once; the newest few are kept."""
        token = secrets.token_urlsafe(16)
        shown = {**self._shown, token: picture}
        self._shown = dict(list(shown.items())[-MOST_SHOWN:])
        return f"kept/{token}/picture"

    def shown(self, token: str) -> bytes | None:
        """The picture that is shown under ``token``."""
        return self._shown.get(token)

    def tidy(self) -> None:
        """Let the oldest go where there is more than a room may hold."""
        kept = [path for path in self.folder.rglob("*") if path.is_file()]
        files = sorted(kept, key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for count, path in enumerate(files, 1):
            total += path.stat().st_size
            if count > MOST_FILES or total > MOST_BYTES:
                path.unlink(missing_ok=True)
        self._files = {token: path for token, path in self._files.items() if path.exists()}


class People:
    """All rooms.

    Parameters
    ----------
    folder
        Where they are kept.
    clock
        Seconds that only go up.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.clock = folder, clock
        self._rooms: dict[str, Room] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rooms)

    def room(self, browser: str) -> Room:
        """The room of ``browser``, made where there is none yet.

        Raises
        ------
        LectureError
            For a browser that was never given a token.
        """
        if not TOKEN.fullmatch(browser):
            raise LectureError("this browser keeps no cookie of this page; allow it, and reload")
        with self._lock:
            self._clear_idle()
            room = self._rooms.get(browser)
            if room is None:
                # The folder's name does not tell the token.
                name = hashlib.sha256(browser.encode()).hexdigest()[:32]
                room = self._rooms[browser] = Room(self.folder / name)
                room.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            room.used = self.clock()
            return room

    def enter(self, person: Person) -> Room:
        """The room of ``person``, whose tab is open from now on."""
        room = self.room(person.browser)
        room.tabs.add(person.tab)
        return room

    def leave(self, person: Person) -> None:
        """A tab was closed."""
        with self._lock:
            room = self._rooms.get(person.browser)
            if room is not None:
                room.tabs.discard(person.tab)
                room.used = self.clock()
            self._clear_idle()

    def clear(self) -> None:
        """Everybody has gone."""
        with self._lock:
            for browser in list(self._rooms):
                self._remove(browser)

    def _clear_idle(self) -> None:
        now = self.clock()
        for browser, room in list(self._rooms.items()):
            if not room.tabs and now - room.used > IDLE:
                self._remove(browser)

    def _remove(self, browser: str) -> None:
        shutil.rmtree(self._rooms.pop(browser).folder, ignore_errors=True)
