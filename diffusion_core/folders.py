"""A folder of one's own pictures, with or without words.

Three kinds of folder are taken:

- pictures;
- pictures in class folders, whose names say what they show;
- pictures and a ``captions.csv`` with the columns ``file`` and ``caption``, in
  which a picture may have several rows.

People's folders are untidy: what cannot be read is named and skipped, and the
rest is learnt from.
"""

from __future__ import annotations

import logging
import math
import mimetypes
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from diffusion_core.caption_table import COLUMNS, TABLE, captions_of, read_table
from diffusion_core.captions import normalised
from diffusion_core.datasets import FOLDER_SIZE, ImageSet
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.pictures import FORMATS, middle_square, read_picture
from diffusion_core.recipe import check_whole

logger = logging.getLogger(__name__)

MAX_BYTES = 4 * 10**9
"""The most that the pictures of a folder may take in memory, counted in colour."""

FEWEST = 2
"""Pictures of a set; of one alone there is nothing to learn but itself."""

NAMED = 10
"""How many of the skipped files the log names."""

LOOKED_FOR = (
    f"pictures ({', '.join(FORMATS)}), pictures in folders named after what they show, or "
    f"pictures and a {TABLE} with the columns {' and '.join(COLUMNS)}"
)

Files = Mapping[str, Path]
"""Path below the folder, with slashes ↦ path; in order."""


@dataclass(frozen=True)
class FolderReport:
    """What a folder gave.

    Parameters
    ----------
    images
        The pictures that could be read, in the order of their paths.
    skipped
        What could not, each with the reason, in one line.
    """

    images: ImageSet
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A picture that is to be read, and what the folder says of it."""

    path: Path
    label: str = ""
    captions: tuple[str, ...] = ()


def read_folder(folder: Path, size: int = FOLDER_SIZE) -> FolderReport:
    """The pictures of a folder, each cropped to its middle square.

    Every mode is taken, and every format in ``pictures.FORMATS``; the pictures
    are reduced smoothly, or enlarged crisply, to one size, and the set is grey
    where all of them are.  Class folders give labels and classes, and
    ``captions.csv`` gives captions to the pictures that it names; the others
    are left out.  Hidden files are not looked at, and nothing outside the
    folder is read, whatever a link or ``captions.csv`` says.

    Parameters
    ----------
    folder
        Where they lie; folders in it are searched as well.
    size
        Height and width of the result: 8 … 512, a multiple of 4.

    Returns
    -------
    FolderReport
        The set, of pixels (N, 1 or 3, size, size), and what was skipped; the
        log names the first 10 of that.

    Raises
    ------
    UsageError
        For another size, or one at which the pictures take more than
        ``MAX_BYTES``; before any is read.
    LectureError
        When fewer than two pictures can be read, when pictures lie beside
        class folders, or when ``captions.csv`` is not as described.
    """
    check_whole("size", size, 8, 512)
    if size % 4:
        raise UsageError(f"size = {size} must be a multiple of 4")
    skipped: list[str] = []
    files = _files_below(folder, skipped)
    choose = _captioned if TABLE in files else _labelled
    chosen = choose(folder, files, skipped)
    _check_memory(folder, len(chosen), size)
    entries, pixels = _read(chosen, size, skipped)
    skipped = [_printable(line) for line in skipped]
    _log(skipped)
    if len(entries) < FEWEST:
        raise LectureError(_too_few(folder, len(entries), skipped))
    images = ImageSet(_encodable(folder.resolve().name) or "pictures", torch.from_numpy(pixels))
    return FolderReport(_with_words(images, entries), tuple(skipped))


def _with_words(images: ImageSet, entries: Sequence[_Entry]) -> ImageSet:
    """All entries have captions, or all of them a label, or none has either."""
    if entries[0].captions:
        return replace(images, captions=captions_of([entry.captions for entry in entries]))
    if entries[0].label:
        classes = tuple(sorted({entry.label for entry in entries}))
        number = {label: i for i, label in enumerate(classes)}
        labels = torch.tensor([number[entry.label] for entry in entries])
        return replace(images, labels=labels, classes=classes)
    return images


# -- which files -------------------------------------------------------------


def _files_below(folder: Path, skipped: list[str]) -> Files:
    """All files that are not hidden, in the order of their paths."""

    def closed(error: OSError) -> None:
        skipped.append(f"folder {error.filename} cannot be read ({error.strerror})")

    files: dict[str, Path] = {}
    for place, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = (path for name in folders if (path := Path(place, name)).is_symlink())
        skipped += [f"folder {path} is a link, which is not followed" for path in links]
        paths = (Path(place, name) for name in names if not name.startswith("."))
        files |= {path.relative_to(folder).as_posix(): path for path in paths}
    return dict(sorted(files.items()))


def _labelled(folder: Path, files: Files, skipped: list[str]) -> list[_Entry]:
    """The pictures, each with the first folder on its path as its class."""
    pictures = {name: path for name, path in files.items() if _is_picture(path, skipped)}
    loose = [name for name in pictures if "/" not in name]
    sorted_in = [name for name in pictures if "/" in name]
    if loose and sorted_in:
        raise LectureError(
            f"{folder} holds pictures ({_printable(loose[0])}, …) beside folders of pictures "
            f"({_printable(sorted_in[0])}, …); put all of them into folders named after what "
            f"they show, or all into one folder, or describe them in a {TABLE}"
        )
    return [
        _Entry(path, label="" if loose else _class_name(name.partition("/")[0]))
        for name, path in pictures.items()
        if _stays_inside(folder, path, skipped)
    ]


def _captioned(folder: Path, files: Files, skipped: list[str]) -> list[_Entry]:
    """The pictures that ``captions.csv`` names, in the order of their paths."""
    if not _stays_inside(folder, files[TABLE], skipped):
        raise LectureError(f"{files[TABLE]} is a link that leads out of the folder; copy it there")
    table, unusable = read_table(files[TABLE])
    skipped += unusable
    # Systems spell an é in two ways, and archives carry one system's to another.
    spelt = {unicodedata.normalize("NFC", name): name for name in files}
    captions: dict[str, tuple[str, ...]] = {}
    for written, said in table.items():
        path = PurePosixPath(written)
        name = (
            str(path) if str(path) in files else spelt.get(unicodedata.normalize("NFC", str(path)))
        )
        if path.is_absolute() or ".." in path.parts:
            skipped.append(f"{written}, named in {TABLE}, leads out of the folder")
        elif name is None:
            skipped.append(f"{written}, named in {TABLE}, is not in the folder")
        elif _stays_inside(folder, files[name], skipped):
            captions[name] = tuple(dict.fromkeys(captions.get(name, ()) + said))
    skipped += [
        f"picture {path} has no row in {TABLE}"
        for name, path in files.items()
        if name not in captions and name not in table and _is_picture(path, skipped)
    ]
    return [_Entry(files[name], captions=captions[name]) for name in sorted(captions)]


def _is_picture(path: Path, skipped: list[str]) -> bool:
    """Whether a file is called like one; pictures of kinds that are not taken are named."""
    suffix = path.suffix.lower()
    if Image.registered_extensions().get(suffix) in FORMATS:
        return True
    kind = mimetypes.guess_type(f"picture{suffix}", strict=False)[0] or ""
    if kind.startswith("image/"):
        skipped.append(f"picture {path} is none of {', '.join(FORMATS)}; save it as PNG or JPEG")
    return False


def _stays_inside(folder: Path, path: Path, skipped: list[str]) -> bool:
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        inside = False
    if not inside:
        skipped.append(f"{path} is a link that leads out of the folder")
    return inside


def _class_name(folder: str) -> str:
    """What a class folder is called, as words."""
    words = _encodable(folder).replace("_", " ")
    return normalised(words) or words


# -- reading them ------------------------------------------------------------


def _check_memory(folder: Path, count: int, size: int) -> None:
    needed = count * 3 * size**2
    if needed > MAX_BYTES:
        fits = math.isqrt(MAX_BYTES // (3 * count)) // 4 * 4
        way_out = f"choose a size of {fits} at most, or fewer" if fits >= 8 else "take fewer"
        raise UsageError(
            f"size = {size}: the {count:,} pictures of {folder} would take {needed / 1e9:.1f} GB "
            f"in memory, and {MAX_BYTES / 1e9:.0f} GB are the most; {way_out} pictures"
        )


def _read(
    chosen: Sequence[_Entry], size: int, skipped: list[str]
) -> tuple[list[_Entry], NDArray[np.uint8]]:
    """Those that can be read, and their pixels (N, 1 or 3, size, size)."""
    pixels = np.empty((len(chosen), 3, size, size), np.uint8)
    entries: list[_Entry] = []
    grey = True
    for entry in chosen:
        try:
            # Twice the size leaves the reduction its smoothness.
            picture = read_picture(entry.path, at_least=2 * size)
        except LectureError as error:
            skipped.append(str(error))
            continue
        levels = np.asarray(middle_square(picture, size))  # (size, size, 3)
        grey = grey and bool((levels == levels[..., :1]).all())
        pixels[len(entries)] = levels.transpose(2, 0, 1)
        entries.append(entry)
    read = pixels[: len(entries)]
    return entries, read[:, :1].copy() if grey else read


# -- what is told ------------------------------------------------------------


def _log(skipped: Sequence[str]) -> None:
    for line in skipped[:NAMED]:
        logger.warning("skipped: %s", line)
    if len(skipped) > NAMED:
        logger.warning("skipped: %d more", len(skipped) - NAMED)


def _too_few(folder: Path, count: int, skipped: Sequence[str]) -> str:
    found = "one picture" if count else "no picture"
    why = f" ({len(skipped)} skipped, the first: {skipped[0]})" if skipped else ""
    return (
        f"{folder} has {found} that can be read{why}, and at least {FEWEST} are needed; "
        f"looked for: {LOOKED_FOR}"
    )


def _printable(text: str) -> str:
    """``text`` on one line, whatever characters a file's name has."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _encodable(name: str) -> str:
    """A file's name as text that can be written again: names are bytes, and not always UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
