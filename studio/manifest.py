"""The manifest beside each file: what it was made of, by which versions, from which commit."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from diffusion_core.errors import MissingRequirement
from diffusion_core.files import write_text
from diffusion_core.places import ROOT
from studio.speakers import espeak_version
from studio.video import ffmpeg_version

PACKAGES = ("manim", "torch", "numpy", "pillow")

BRIEF = 100
"""Values of a list that a manifest writes out; of a longer one it tells number and digest."""


def write_manifest(path: Path, facts: Mapping[str, object]) -> None:
    """Write ``facts`` to ``path`` as JSON with sorted keys, whole; paths become text.

    Raises
    ------
    LectureError
        When the file cannot be written.
    TypeError, ValueError
        When a fact has no JSON form (NaN has none).
    """

    def plain(value: object) -> str:
        if isinstance(value, Path):
            return str(value)
        raise TypeError(f"{value!r} ({type(value).__name__}) has no place in a manifest")

    text = json.dumps(
        dict(facts), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=plain
    )
    write_text(path, text + "\n")


def brief(facts: object) -> object:
    """``facts`` with every list of more than a hundred values told by their number and digest.

    Masks and embeddings are in the recording, whose fingerprint is here; a manifest is
    for reading.
    """
    if isinstance(facts, Mapping):
        return {name: brief(value) for name, value in facts.items()}
    if not isinstance(facts, list | tuple):
        return facts
    count = _values(facts)
    if count <= BRIEF:
        return [brief(value) for value in facts]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return {"values": count, "sha256": digest}


def _values(facts: object) -> int:
    if isinstance(facts, Mapping):
        facts = list(facts.values())
    return sum(map(_values, facts)) if isinstance(facts, list | tuple) else 1


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _program(version: Callable[[], str]) -> str | None:
    try:
        return version()
    except MissingRequirement:
        return None


def versions() -> dict[str, str | None]:
    """Versions of Python, of the packages that make the pictures, and of the programs.

    None stands for what is not installed.  Nothing is imported for it.
    """
    return {
        "python": platform.python_version(),
        **{name: _package(name) for name in PACKAGES},
        "ffmpeg": _program(ffmpeg_version),
        "espeak-ng": _program(espeak_version),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def commit(folder: Path = ROOT) -> str | None:
    """The commit that the project in ``folder`` is at, 40 hexadecimal digits.

    "+changes" follows when files differ from it or are new.  None outside git,
    without git, or before the first commit.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return None
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None:
        return None
    return f"{head}+changes" if _git(folder, "status", "--porcelain") else head
