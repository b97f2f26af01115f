"""render.py as its users run it: a process with its streams, its signals and its files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RENDER = ROOT / "render.py"
PATIENCE = 500.0
"""Seconds that a command has, also beside others on busy cores."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """What it printed as JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Workplace:
    """A folder to run commands in, and the cache that they use.

    ``settings`` are environment variables that all its commands have.
    """

    folder: Path
    cache: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def environment(self, **settings: str) -> dict[str, str]:
        """That of the tests, without what would change what is made."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DIFFUSION_LECTURES_") or name == "DIFFUSION_LECTURES_DATA"
        }
        for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
            kept.pop(name, None)
        # Threads that wait without spinning: 20 times faster when the cores are busy.
        kept |= {"OMP_WAIT_POLICY": "passive", "DIFFUSION_LECTURES_CACHE": str(self.cache)}
        return {**kept, **self.settings, **settings}

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Start ``render.py`` with ``arguments``, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, str(RENDER), *arguments],
            cwd=self.folder,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def render(self, *arguments: str, **settings: str) -> Done:
        """Run ``render.py`` with ``arguments`` to its end."""
        return finished(self.start(*arguments, **settings))

    def files(self) -> dict[str, bytes]:
        """Every file in the folder, by its path from there, hidden ones too."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


def finished(process: subprocess.Popen[str]) -> Done:
    """Wait for ``process``; end its whole group when that takes too long."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return Done(process.returncode, out, err)


def session_of(leader: int) -> list[int]:
    """The processes that ``leader`` started, itself among them, which still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            columns = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(columns[3]) == leader and columns[0] not in "ZX":
            found.append(int(place.name))
    return found


def wait_until(true: Callable[[], Any], seconds: float = PATIENCE) -> bool:
    """Look again and again whether something is true, for so long; whether it became so."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def path_with(folder: Path, *programs: str) -> str:
    """A PATH on which there are only ``programs``."""
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        found = shutil.which(program)
        assert found is not None, f"{program} is not installed"
        (folder / program).symlink_to(found)
    return str(folder)
