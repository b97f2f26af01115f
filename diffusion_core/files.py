"""Files that are whole or absent, and arrays whose damage is found.

safetensors stores arrays without running code, but neither it nor torch
notices a flipped bit; a SHA-256 over every array and over the facts beside
them goes into the header and is checked on reading.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from diffusion_core.errors import DamagedFile, LectureError

Arrays = dict[str, np.ndarray[Any, Any]]
Facts = dict[str, Any]


def canonical_json(value: object) -> str:
    """JSON with one spelling: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_of(value: object) -> str:
    """SHA-256 of the canonical JSON of ``value``, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def array_digest(arrays: Mapping[str, np.ndarray[Any, Any]], facts: Facts | None = None) -> str:
    """SHA-256 over names, types, shapes and bytes of the arrays, and the facts."""
    digest = hashlib.sha256(canonical_json(facts or {}).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
"""What tells this machine from others that write to the same disk."""


def _drop_stale(path: Path) -> None:
    """Remove what killed processes of this machine left half-written beside ``path``."""
    for partial in path.parent.glob(f".{glob.escape(path.stem)}.*.partial{path.suffix}"):
        owner = partial.name.removesuffix(f".partial{path.suffix}").removeprefix(f".{path.stem}.")
        host, _, pid = owner.rpartition(".")
        if host not in ("", HOST):
            continue  # of another file, or of another machine, whose processes we cannot see
        try:
            os.kill(int(pid), 0)
        except (ProcessLookupError, ValueError, OverflowError):
            partial.unlink(missing_ok=True)
        except OSError:
            continue  # alive, and another user's


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; it takes that name when all went well.

    The temporary keeps the suffix, so that a program that goes by it (ffmpeg)
    can write there.  On an error nothing is left; what a killed process left
    is removed by the next writer of the same file.

    Raises
    ------
    LectureError
        When the folder cannot be made or written, or the disk is full.
    """
    partial = path.with_name(f".{path.stem}.{HOST}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_stale(path)
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        raise LectureError(
            f"{path} cannot be written ({error.strerror or error}); "
            "choose another place with --output, or make room there"
        ) from error
    finally:
        # Where the folder could not be made there is nothing to remove either.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` whole, as UTF-8."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: Arrays, facts: Facts, *, kind: str) -> str:
    """Write arrays and facts to one safetensors file, whole; return their digest.

    ``kind`` names the format with its version; reading asks for the same.

    Raises
    ------
    ValueError
        For a type or a name that could not be read again.
    """
    for name, array in arrays.items():
        if array.dtype.str not in _TYPES.values() or name.startswith("__"):
            raise ValueError(f"array {name!r} of type {array.dtype} cannot be kept in a file")
    digest = array_digest(arrays, facts)
    metadata = {"kind": kind, "digest": digest, "facts": canonical_json(facts)}
    content = save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata
    )
    with written_whole(path) as partial:
        partial.write_bytes(content)
    return digest


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where its arrays begin.

    The library checks the file's shape first: lengths, types, overlaps.
    """
    try:
        with safe_open(path, framework="np") as opened:
            opened.keys()
        with path.open("rb") as content:
            length = int.from_bytes(content.read(8), "little")
            return json.loads(content.read(length)), 8 + length
    except FileNotFoundError:
        raise LectureError(f"{path} does not exist") from None
    except (SafetensorError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged: {error}") from error
    except OSError as error:
        raise LectureError(f"{path} cannot be read ({error.strerror or error})") from error


def _metadata(path: Path, header: Mapping[str, Any]) -> dict[str, str]:
    metadata: dict[str, str] = header.get("__metadata__") or {}
    if "digest" not in metadata:
        raise DamagedFile(f"{path} is no file of this project, or damaged: it names no digest")
    return metadata


def read_arrays(path: Path, *, kind: str) -> tuple[Arrays, Facts, str]:
    """Read what ``write_arrays`` wrote: arrays, facts, digest.

    The arrays are read-only views of the file, which is mapped into memory:
    what is not looked at takes none.

    Raises
    ------
    DamagedFile
        When the file is cut short, is no safetensors file, is of another kind
        or version, or its content is not what its digest was taken of.
    LectureError
        When the file is absent or cannot be read.
    """
    header, start = _header(path)
    metadata = _metadata(path, header)
    if metadata.get("kind") != kind:
        raise DamagedFile(f"{path} holds {metadata.get('kind', 'no known kind')!r}, not {kind!r}")
    try:
        facts: Facts = json.loads(metadata["facts"])
        content = np.memmap(path, mode="r", dtype=np.uint8, offset=start)
        arrays = {
            name: _view(content, stored) for name, stored in header.items() if name[:2] != "__"
        }
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFile(f"{path} is damaged: its header cannot be read ({error})") from error
    # 1e-05 and 1E-05 are one number and one flipped bit apart.
    same_text = canonical_json(facts) == metadata["facts"]
    if not same_text or array_digest(arrays, facts) != metadata["digest"]:
        raise DamagedFile(f"{path} is damaged: its content is not what its digest was taken of")
    return arrays, facts, metadata["digest"]


_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "U8": "|u1",
    "BOOL": "|b1",
}


def _view(content: np.ndarray[Any, Any], stored: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    begin, end = stored["data_offsets"]
    return content[begin:end].view(_TYPES[stored["dtype"]]).reshape(stored["shape"])


def kind_of(path: Path) -> str | None:
    """The kind that a file written by ``write_arrays`` names; None where it names none.

    Raises
    ------
    DamagedFile, LectureError
        When the header cannot be read, or the file not at all.
    """
    return _metadata(path, _header(path)[0]).get("kind")


def read_facts(path: Path) -> Facts:
    """The facts beside the arrays, without these, and without asking whether they are whole.

    Raises
    ------
    DamagedFile
        When the header cannot be read or holds no facts.
    LectureError
        When the file is absent or cannot be read.
    """
    try:
        facts: Facts = json.loads(_metadata(path, _header(path)[0])["facts"])
    except (KeyError, ValueError) as error:
        raise DamagedFile(f"{path} is damaged: its header cannot be read ({error})") from error
    return facts


def read_digest(path: Path) -> str:
    """The digest that a file written by ``write_arrays`` claims, without its arrays.

    Raises
    ------
    DamagedFile
        When the header cannot be read or names no digest.
    LectureError
        When the file is absent or cannot be read.
    """
    return _metadata(path, _header(path)[0])["digest"]
