"""Scratch folders that do not outlive the process that needs them, even when it is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from diffusion_core.places import cache_dir


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_stale() -> None:
    """Remove the scratch folders of processes that are gone."""
    for left in (cache_dir() / "work").glob("*-*"):
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def scratch(purpose: str = "work") -> Iterator[Path]:
    """A folder of this process; those of processes that were killed are removed first.

    ``purpose`` is in its name, for whoever looks on.
    """
    remove_stale()
    root = cache_dir() / "work"
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{purpose}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
