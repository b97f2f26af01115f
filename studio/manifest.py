"""The manifest beside each file: what it was made of, by which versions, from which commit.

A product's manifest begins with ``provenance``: the command, its order and the
digests of what came out.  ``reproduce`` needs no more to make it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from diffusion_core.bundle import Bundle, Recorded
from diffusion_core.errors import LectureError
from diffusion_core.files import Facts, array_digest, write_text
from diffusion_core.latent.models import shipped_latent_models
from diffusion_core.models import model_digest, shipped_models, weights_path
from diffusion_core.pictures import BUNDLED
from diffusion_core.places import ROOT
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.pretrained.runtime import as_order
from diffusion_core.pretrained.source import located
from diffusion_core.recipe import Recipe
from diffusion_core.store import Recording
from studio.finished import CODE, file_digest
from studio.speakers import espeak_version
from studio.video import ffmpeg_version

PACKAGES = ("manim", "torch", "numpy", "pillow", "av")
FORMAT = 1
"""Of manifests: what ``reproduce`` reads."""
NAMING = ("image", "model", "picture_model")
"""Fields of recipes that may name a file of the user's."""

BRIEF = 100
"""Values of a list that a manifest writes out; of a longer one it tells number and digest."""


def write_manifest(path: Path, facts: Mapping[str, object]) -> None:
    """Write ``facts`` to ``path`` as ``manifest_text`` has them, whole.

    Raises
    ------
    LectureError
        When the file cannot be written.
    TypeError, ValueError
        When a fact has no JSON form (NaN has none).
    """
    write_text(path, manifest_text(facts))


def manifest_text(facts: Mapping[str, object]) -> str:
    """``facts`` as JSON with sorted keys; paths become text.

    Raises
    ------
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
    return text + "\n"


def provenance(
    command: str,
    order: Mapping[str, object],
    output: Path,
    files: Iterable[Path],
    *,
    recipes: Mapping[str, Recipe] | None = None,
    recordings: Mapping[str, Recording] | None = None,
    also: Iterable[Path] = (),
) -> Facts:
    """What a manifest must say so that its product can be made again, and compared.

    Parameters
    ----------
    command
        Of the command line: "gif", "figure", …
    order
        What it was asked for, with what was asked for by keeping silent: the
        argument ``name``, and options by their long names (``max_size`` is
        ``--max-size``).  A list is an option that is given several times,
        True a flag; None and False are not given.
    output
        What ``--output`` named, a file or a folder.
    files
        All that was made, besides the manifest: in ``output``'s folder (in
        ``output`` where that is a folder), or below.
    recipes
        What was run: the user's pictures and weights are found in it.
    recordings
        What came of it.
    also
        Files of the user's that no recipe names, as the order names them: a translation.

    Raises
    ------
    LectureError
        When a file cannot be read.
    """
    folder = output if output.is_dir() else output.parent
    models = pretrained_in((recipes or {}).values())
    # It was wanted once: that it is long needs no second word.
    computed = {**as_order(), "yes": True} if models else {}
    return {
        "format": FORMAT,
        "command": command,
        "order": {**order, **computed},
        "output": "" if output.is_dir() else output.name,
        "files": {path.relative_to(folder).as_posix(): digest_of_file(path) for path in files},
        "inputs": {
            **inputs_of((recipes or {}).values()),
            **{str(path): input_digest(str(path)) for path in also},
        },
        **({"models": models} if models else {}),
        "recordings": {
            name: brief(
                {
                    "fingerprint": recording.fingerprint,
                    "digest": numbers_digest(recording.trajectory),
                    **recording.trajectory.facts,
                }
            )
            for name, recording in (recordings or {}).items()
        },
        "versions": versions(),
        "commit": commit(),
        "sources": sources(),
        "processors": os.cpu_count(),
    }


def numbers_digest(recorded: Recorded) -> str:
    """SHA-256 of the arrays alone: how many threads there were is beside them, and says little."""
    runs = recorded.items() if isinstance(recorded, Bundle) else [("", recorded)]
    return array_digest(
        {f"{name}/{key}": array for name, run in runs for key, array in run.arrays().items()}
    )


def digest_of_file(path: Path) -> str:
    """SHA-256 of the file at ``path``.

    Raises
    ------
    LectureError
        When it cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise LectureError(f"{path} cannot be read ({error.strerror or error})") from error


def inputs_of(recipes: Iterable[Recipe]) -> dict[str, str]:
    """The user's own pictures and weights that ``recipes`` name, as named, and their SHA-256."""
    known = {*BUNDLED, *shipped_models(), *shipped_latent_models()}
    named = {getattr(recipe, field, "") for recipe in recipes for field in NAMING} - known
    # What is no file is a published set, or nothing.
    return {name: input_digest(name) for name in sorted(named) if name and Path(name).exists()}


def pretrained_in(recipes: Iterable[Recipe]) -> dict[str, Facts]:
    """The pretrained models that ``recipes`` name: what they are, down to the commit.

    Raises
    ------
    LectureError
        When one is not here any more.
    """
    named = {str(getattr(recipe, field, "")) for recipe in recipes for field in NAMING}
    found = {name: located(name) for name in sorted(named) if is_pretrained(name)}
    return {
        name: {
            "pipeline": source.pipeline,
            "revision": source.revision or None,
            "digest": source.digest,
        }
        for name, source in found.items()
    }


def input_digest(name: str) -> str:
    """SHA-256 of a picture, of weights, or of those in the folder of a run or a pipeline.

    Raises
    ------
    LectureError
        When it cannot be read.
    """
    if is_pretrained(name):
        return model_digest(name)
    return digest_of_file(weights_path(name) if Path(name).is_dir() else Path(name))


def sources() -> str:
    """SHA-256 of the project's own code and fonts: what the commit cannot say of changes."""
    digest = hashlib.sha256()
    for path in sorted(path for name in CODE for path in (ROOT / name).rglob("*")):
        if path.suffix in (".py", ".otf"):
            content = path.read_bytes()
            digest.update(f"\0{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


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
    except LectureError:  # absent, or it cannot say
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
