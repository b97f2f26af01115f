"""Scratch folders that do not outlive the process that needs them, even when it is killed."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from diffusion_core.errors import LectureError
from diffusion_core.files import HOST
from diffusion_core.places import cache_dir

log = logging.getLogger(__name__)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_stale() -> None:
    """Remove the scratch folders of this machine's processes that are gone."""
    for left in (cache_dir() / "work").glob(f"*-{HOST}-*"):
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _not_to_be_written(error: OSError) -> LectureError:
    return LectureError(
        f"{cache_dir()} cannot be written ({error.strerror or error}); name another "
        "folder in DIFFUSION_LECTURES_CACHE"
    )


@contextlib.contextmanager
def scratch(purpose: str = "work") -> Iterator[Path]:
    """A folder of this process; those of processes that were killed are removed first.

    ``purpose`` is in its name, for whoever looks on.

    Raises
    ------
    LectureError
        When the cache, where the folder is, cannot be written.
    """
    root = cache_dir() / "work"
    try:
        remove_stale()
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{HOST}-{purpose}-", dir=root))
    except OSError as error:
        raise _not_to_be_written(error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """While it lasts nobody else makes ``path``; who comes second waits, and says so.

    A lock ends with its process, however that ends.

    Raises
    ------
    LectureError
        When the cache, where the lock is, cannot be written.
    """
    name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    lock = FileLock(cache_dir() / "locks" / f"{name[:32]}.lock")
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("%s is being made by another command; this one waits for it", path)
            lock.acquire()
    except OSError as error:
        raise _not_to_be_written(error) from error
    try:
        yield
    finally:
        lock.release()
