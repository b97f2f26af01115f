"""Pictures to train on, held as one uint8 tensor."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor

from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.places import data_dirs
from diffusion_core.vision import import_torchvision

SPACE_FOR_MNIST = 200 * 2**20
"""Bytes: the four archives and what they unpack to, with room to spare."""


@dataclass(frozen=True)
class ImageSet:
    """Pictures of one size.

    Parameters
    ----------
    name
        What the set is called, with the part that is held ("mnist/train").
    images
        (N, C, H, W), uint8.
    """

    name: str
    images: Tensor  # (N, C, H, W)

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels."""
        return hashlib.sha256(self.images.contiguous().numpy().tobytes()).hexdigest()


def to_unit(images: Tensor) -> Tensor:
    """uint8 0 … 255 → float32 −1 … 1, the range that the networks work in."""
    return images.to(torch.float32) / 127.5 - 1


def mnist(part: str = "train", *, data_dir: Path | None = None) -> ImageSet:
    """MNIST (LeCun et al.): 60,000 digits to train on, or 10,000 to test with.

    Looked for as torchvision lays it out (``MNIST/raw``) in the data folders;
    downloaded into the last of them where it is in none and there is a network.

    Parameters
    ----------
    part
        "train" or "test".
    data_dir
        Look here only.

    Raises
    ------
    MissingRequirement
        When it is nowhere and cannot be downloaded.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part {part!r} is neither 'train' nor 'test'")
    places = data_dirs(data_dir)
    for place in places:
        try:
            return _read_mnist(place, part)
        except _UNREADABLE:
            continue
    return _download_mnist(places[-1], part)


_UNREADABLE = (RuntimeError, ValueError, AssertionError)
"""What torchvision raises where MNIST is not, and where its files are cut short."""


def _read_mnist(place: Path, part: str, *, download: bool = False) -> ImageSet:
    MNIST = import_torchvision().datasets.MNIST
    found = MNIST(root=str(place), train=part == "train", download=download)
    return ImageSet(f"mnist/{part}", found.data[:, None])


def _download_mnist(place: Path, part: str) -> ImageSet:
    """Download MNIST aside, then move it to its place file by file.

    torchvision unpacks in place, and takes for whole whatever a killed
    download left there.
    """
    aside = place / "MNIST.partial"
    try:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free < SPACE_FOR_MNIST:
            raise LectureError(f"{place} has less than 200 MB free, which MNIST needs")
        with FileLock(place / "MNIST.lock"):
            shutil.rmtree(aside, ignore_errors=True)
            try:
                images = _read_mnist(aside, part, download=True)
                raw = place / "MNIST" / "raw"
                raw.mkdir(parents=True, exist_ok=True)
                for file in (aside / "MNIST" / "raw").iterdir():
                    file.replace(raw / file.name)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        return images
    except (OSError, *_UNREADABLE) as error:
        reason = str(error).strip().rpartition("\n")[2]  # torchvision tells of every mirror
        raise MissingRequirement(
            f"MNIST is not whole in {place} and cannot be downloaded ({reason}); put its four "
            f"files into {place / 'MNIST' / 'raw'}, or name the folder that holds MNIST/raw "
            "with --data-dir"
        ) from error


DATASETS = {"mnist": mnist}
