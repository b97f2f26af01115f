"""Whether weights are whole: the head of each file, an index of parts, the hub's digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.pretrained.digests import file_digests
from diffusion_core.pretrained.layout import Part, listed

TENSORS = ".safetensors"
SHA256 = re.compile("[0-9a-f]{64}")
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "I8": 1, "BOOL": 1}
"""Bytes of a number by the name that safetensors has for its type."""


def check_whole_weights(folder: Path, part: Part) -> None:
    """Raise unless every file of the weights opens, and none is missing.

    Raises
    ------
    DamagedFile
        When a file is cut short or is no safetensors.
    LectureError
        When a file cannot be read, or one that the index names is missing.
    """
    for path in part.weights:
        whole = folder / path
        if path.endswith(TENSORS):
            numbers(whole)
            continue
        named = listed(json.loads(whole.read_text(encoding="utf-8")), str(whole))
        here = {Path(other).name for other in part.weights}
        lacking = sorted(named - here)
        if lacking:
            raise LectureError(
                f"{whole} names {lacking[0]}, which is not beside it; put it there, or choose a "
                "whole model"
            )


def numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, by its head.

    The library holds the head against the file's length.

    Raises
    ------
    DamagedFile
        When it is cut short or is no safetensors.
    LectureError
        When it cannot be read.
    """
    try:
        with safe_open(path, framework="np") as opened:
            opened.keys()
        with path.open("rb") as content:
            head = json.loads(content.read(int.from_bytes(content.read(8), "little")))
    except (SafetensorError, ValueError) as error:
        raise DamagedFile(
            f"{path} is damaged ({error}); put a whole one there (of the hub's cache: remove it, "
            "and it is fetched again)"
        ) from error
    except OSError as error:
        raise LectureError(f"{path} cannot be read ({error.strerror or error})") from error
    held = 0
    for key, told in head.items():
        if key != "__metadata__":
            begin, end = told["data_offsets"]
            held += (end - begin) // WIDTHS.get(told["dtype"], 1)
    return held


def check_fetched(name: str, folder: Path, parts: Iterable[Part]) -> None:
    """Raise unless what has just come from the hub is what it sent; remove what is not.

    A large file lies in the hub's cache under its SHA-256.

    Raises
    ------
    DamagedFile
        When a file is not what the hub says, or is no safetensors.
    """
    for part in parts:
        digests = file_digests(folder, [one for one in part.weights if one.endswith(TENSORS)])
        for path, digest in digests.items():
            stored = (folder / path).resolve()
            named = stored.name if SHA256.fullmatch(stored.name) else digest
            try:
                numbers(folder / path)
                damage = "" if named == digest else "its content is not what its digest says"
            except DamagedFile as error:
                damage = str(error).partition("(")[2].partition(")")[0]
            if damage:
                stored.unlink(missing_ok=True)
                raise DamagedFile(
                    f"model {name!r}: {path} came damaged from the hub ({damage}); it was removed, "
                    "try again, or choose another model"
                )
