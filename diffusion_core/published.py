"""Published sets of pictures: read where they lie, downloaded where they do not.

torchvision knows their formats, their addresses and their digests.  It unpacks
in place, though, and takes for whole whatever a killed download left there; so
here everything is downloaded aside and moved when all of it has arrived.

CIFAR-10 is published as pickles, and a pickle runs code when it is read.
torchvision compares each of its files with a digest first; a file that is
another is refused and never opened.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.pictures import read_picture
from diffusion_core.places import data_dirs
from diffusion_core.vision import import_torchvision

logger = logging.getLogger(__name__)

PARTS = ("train", "test")


@dataclass(frozen=True)
class Published:
    """A set that torchvision knows.

    Parameters
    ----------
    title
        What people call it.
    dataset
        Its class in ``torchvision.datasets``.
    files
        Where its files lie below a data folder.
    contents
        What lies there, for those who put it there themselves.
    space
        Bytes that a download takes, archives and all, with room to spare.
    sheets
        A folder that may hold it as sheets of pictures instead (``read_sheets``).
    """

    title: str
    dataset: str
    files: str
    contents: str
    space: int
    sheets: str = ""


_FOUR_FILES = "its four files, unpacked (train-images-idx3-ubyte, …)"

MNIST = Published("MNIST", "MNIST", "MNIST/raw", _FOUR_FILES, 200 * 10**6)
FASHION_MNIST = Published(
    "Fashion-MNIST", "FashionMNIST", "FashionMNIST/raw", _FOUR_FILES, 200 * 10**6
)
CIFAR10 = Published(
    "CIFAR-10",
    "CIFAR10",
    "cifar-10-batches-py",
    "the files of cifar-10-python.tar.gz",
    600 * 10**6,
    sheets="cifar10",
)

_UNREADABLE = (RuntimeError, ValueError, AssertionError, EOFError, OSError)
"""What torchvision raises where a set is not, where its files are cut short, or others."""

ROWS, COLUMNS, SIDE = 25, 40, 32
TRAIN_SHEETS, ALL_SHEETS = 50, 51


def read_published(
    which: Published, part: str, data_dir: Path | None = None
) -> tuple[Tensor, Tensor]:
    """Pixels (N, C, H, W), uint8, and labels (N,), int64, of a published set.

    Looked for in the data folders as torchvision lays it out; downloaded into
    the last of them where it is in none and there is a network.

    Parameters
    ----------
    which
        The set.
    part
        "train" or "test".
    data_dir
        Look here only.

    Raises
    ------
    MissingRequirement
        When it is nowhere and cannot be downloaded.
    LectureError
        When there is too little room for the download.
    """
    if part not in PARTS:
        raise ValueError(f"part {part!r} is neither 'train' nor 'test'")
    places = data_dirs(data_dir)
    for place in places:
        found = _found(which, place, part)
        if found is not None:
            return found
    return _download(which, places[-1], part)


def _found(which: Published, place: Path, part: str) -> tuple[Tensor, Tensor] | None:
    """What lies in ``place``, if it is whole; of what is not, the log tells."""
    try:
        return _read(which, place, part)
    except _UNREADABLE as error:
        _tell(place / which.files, which, error)
    if which.sheets and (place / which.sheets).is_dir():
        try:
            return read_sheets(place / which.sheets, part)
        except (*_UNREADABLE, LectureError) as error:
            _tell(place / which.sheets, which, error)
    return None


def _tell(folder: Path, which: Published, error: Exception) -> None:
    if folder.exists():
        logger.warning(
            "%s is not %s as it was published, and is not read: %s",
            folder,
            which.title,
            _last_line(error),
        )


def _last_line(error: Exception) -> str:
    """The reason in one line: torchvision tells of every mirror in a line of its own."""
    return str(error).strip().rpartition("\n")[2] or type(error).__name__


def _read(
    which: Published, place: Path, part: str, *, download: bool = False
) -> tuple[Tensor, Tensor]:
    dataset = getattr(import_torchvision().datasets, which.dataset)
    found = dataset(root=str(place), train=part == "train", download=download)
    pixels = torch.as_tensor(found.data)  # (N, H, W), or (N, H, W, 3) in colour
    pixels = pixels[:, None] if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2).contiguous()
    return pixels, torch.as_tensor(found.targets, dtype=torch.int64)


def _download(which: Published, place: Path, part: str) -> tuple[Tensor, Tensor]:
    """Download aside, then move file by file; the archives stay behind."""
    aside = place / f"{which.dataset}.partial"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f"{which.dataset}.lock"):
            try:  # by another process, while this one waited
                return _read(which, place, part)
            except _UNREADABLE:
                pass
            shutil.rmtree(aside, ignore_errors=True)
            _check_room(which, place)
            try:
                read = _read(which, aside, part, download=True)
                folder = place / which.files
                folder.mkdir(parents=True, exist_ok=True)
                for file in (aside / which.files).iterdir():
                    if file.suffix != ".gz":
                        file.replace(folder / file.name)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return read
    except (HTTPException, *_UNREADABLE) as error:
        raise MissingRequirement(
            f"{which.title} is not whole in {place} and cannot be downloaded "
            f"({_last_line(error)}); put {which.contents} into {place / which.files}, or name the "
            f"folder that holds {which.files} with --data-dir"
        ) from error


def _check_room(which: Published, place: Path) -> None:
    free = shutil.disk_usage(place).free
    if free < which.space:
        raise LectureError(
            f"{place} has {free // 10**6} MB free, and {which.title} needs "
            f"{which.space // 10**6} MB to be downloaded; make room there, or name the folder "
            f"that holds {which.files} with --data-dir"
        )


def read_sheets(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """CIFAR-10 from sheets of 25 × 40 pictures, in which nothing is pickled.

    ``batch_00.webp`` … ``batch_49.webp`` hold the pictures to train on,
    ``batch_50.webp`` the first 1,000 to test with, and ``labels.npy`` the
    labels of all of them, in one order.

    Returns
    -------
    pixels, labels
        (N, 3, 32, 32), uint8, and (N,), int64: 50,000 to train on, 1,000 to test with.

    Raises
    ------
    ValueError
        When a sheet or the labels have another shape.
    LectureError, OSError
        When one of them is absent or damaged.
    """
    sheets = range(TRAIN_SHEETS) if part == "train" else range(TRAIN_SHEETS, ALL_SHEETS)
    each = ROWS * COLUMNS
    labels = np.load(folder / "labels.npy", allow_pickle=False)
    if labels.shape != (ALL_SHEETS * each,) or labels.dtype != np.uint8 or labels.max() > 9:
        raise ValueError(
            f"{folder / 'labels.npy'} does not hold {ALL_SHEETS * each} labels of ten classes"
        )
    pixels = np.empty((len(sheets) * each, 3, SIDE, SIDE), np.uint8)
    for position, number in enumerate(sheets):
        path = folder / f"batch_{number:02}.webp"
        sheet = np.asarray(read_picture(path))
        if sheet.shape != (ROWS * SIDE, COLUMNS * SIDE, 3):
            raise ValueError(
                f"{path} has {sheet.shape[1]}×{sheet.shape[0]} pixels, not "
                f"{COLUMNS * SIDE}×{ROWS * SIDE}"
            )
        tiles = sheet.reshape(ROWS, SIDE, COLUMNS, SIDE, 3).transpose(0, 2, 4, 1, 3)
        pixels[position * each : (position + 1) * each] = tiles.reshape(each, 3, SIDE, SIDE)
    return torch.from_numpy(pixels), torch.from_numpy(
        labels[sheets.start * each : sheets.stop * each].astype(np.int64)
    )
