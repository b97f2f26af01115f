"""SHA-256 of large files, remembered by path, size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diffusion_core.errors import LectureError
from diffusion_core.files import canonical_json, digest_of, write_text
from diffusion_core.places import cache_dir


def file_digests(folder: Path, files: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each of ``files`` in ``folder``.

    Gigabytes are read once: a file of the same length, unchanged since, is
    taken to hold what it held.

    Raises
    ------
    LectureError
        When a file cannot be read.
    """
    note = cache_dir() / "pretrained" / f"{digest_of(str(folder.absolute()))[:32]}.json"
    known = _noted(note)
    found = {}
    for name in files:
        try:
            facts = (folder / name).stat()
            stamp = [facts.st_size, facts.st_mtime_ns]
            before = known.get(name)
            if isinstance(before, list) and before[:2] == stamp and len(before) == 3:
                found[name] = before
                continue
            with (folder / name).open("rb") as content:
                found[name] = [*stamp, hashlib.file_digest(content, "sha256").hexdigest()]
        except OSError as error:
            raise LectureError(
                f"{folder / name} cannot be read ({error.strerror or error})"
            ) from error
    if found != known:
        with contextlib.suppress(LectureError):  # a cache that cannot be written costs time only
            write_text(note, canonical_json(found))
    return {name: told[2] for name, told in found.items()}


def _noted(note: Path) -> dict[str, list[Any]]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
