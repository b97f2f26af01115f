"""Pictures to train on, held as one uint8 tensor.

A published set by its name (MNIST, Fashion-MNIST, CIFAR-10), or a folder of
one's own pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from diffusion_core.captions import DIGITS, Captions, class_captions, digit_captions
from diffusion_core.errors import UsageError
from diffusion_core.files import array_digest
from diffusion_core.published import CIFAR10, FASHION_MNIST, MNIST, PARTS, read_published

GARMENTS = (
    "t-shirt",
    "pair of trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""What Fashion-MNIST's classes are called; words that "a photo of a …" can end with."""

THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""What CIFAR-10's classes are called."""

FOLDER_SIZE = 32
"""Pixels a side that pictures of a folder are given where none are asked for."""


@dataclass(frozen=True)
class ImageSet:
    """Pictures of one size.

    Parameters
    ----------
    name
        What the set is called, with the part that is held ("mnist/train").
    images
        (N, C, H, W), uint8.
    labels
        (N,), int64: the class of each picture, where the set has classes.
    classes
        What each class is called, in the order of the labels.
    captions
        What may be said of each picture, where words are wanted.
    """

    name: str
    images: Tensor  # (N, C, H, W)
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    captions: Captions | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels, and of the captions where there are any."""
        if self.captions is None:
            return hashlib.sha256(self.images.contiguous().numpy().tobytes()).hexdigest()
        arrays = {
            "images": self.images.numpy(),
            "wordings": self.captions.wordings.numpy(),
            "groups": self.captions.groups.numpy(),
        }
        return array_digest(arrays, {"texts": list(self.captions.texts)})


def with_captions(images: ImageSet) -> ImageSet:
    """The same pictures, with what may be said of each of them.

    Of MNIST's digits the captions are built from measured facts (the digit,
    its strokes' thickness, its slant); of other sets from the class names.
    Captions that came with the pictures stay.  Where nothing is known that
    could be said, the set comes back as it is.
    """
    if images.captions is not None or images.labels is None or not images.classes:
        return images
    if images.classes == DIGITS:
        captions = digit_captions(images.images, images.labels)
    else:
        captions = class_captions(images.labels, images.classes)
    return replace(images, captions=captions)


def to_unit(images: Tensor) -> Tensor:
    """uint8 0 … 255 → float32 −1 … 1, the range that the networks work in."""
    return images.to(torch.float32) / 127.5 - 1


def mnist(part: str = "train", *, data_dir: Path | None = None) -> ImageSet:
    """MNIST (LeCun et al.): 60,000 digits to train on, or 10,000 to test with; 28×28, grey.

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
    LectureError
        When there is too little room for the download.
    """
    return ImageSet(f"mnist/{part}", *read_published(MNIST, part, data_dir), DIGITS)


def fashion_mnist(part: str = "train", *, data_dir: Path | None = None) -> ImageSet:
    """Fashion-MNIST: 60,000 garments, or 10,000; 28×28, grey.

    Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.  Looked for
    (``FashionMNIST/raw``), downloaded and refused as ``mnist`` is.
    """
    return ImageSet(
        f"fashion-mnist/{part}", *read_published(FASHION_MNIST, part, data_dir), GARMENTS
    )


def cifar10(part: str = "train", *, data_dir: Path | None = None) -> ImageSet:
    """CIFAR-10: 50,000 photographs to train on, or 10,000 to test with; 32×32, in colour.

    Krizhevsky 2009, "Learning multiple layers of features from tiny images".
    Looked for (``cifar-10-batches-py``), downloaded and refused as ``mnist``
    is; a file that is not the published one is never unpickled.  Sheets of
    pictures in ``cifar10`` do as well (``published.read_sheets``); of those to
    test with they hold the first 1,000.
    """
    return ImageSet(f"cifar10/{part}", *read_published(CIFAR10, part, data_dir), THINGS)


_PUBLISHED: dict[str, tuple[Callable[..., ImageSet], int]] = {
    "mnist": (mnist, 28),
    "fashion-mnist": (fashion_mnist, 28),
    "cifar10": (cifar10, 32),
}

DATASETS = tuple(_PUBLISHED)
"""The names of the published sets."""


def load_dataset(
    name_or_folder: str,
    part: str = "train",
    *,
    data_dir: Path | None = None,
    size: int | None = None,
) -> ImageSet:
    """A published set by its name, or the pictures of a folder.

    Parameters
    ----------
    name_or_folder
        One of ``DATASETS``, or the path of a folder (``folders.read_folder``).
        A folder that is called like a published set needs a ``./`` before it.
    part
        "train" or "test"; a folder is for training and has no second part.
    data_dir
        Look for published sets here only.
    size
        Height and width of a folder's pictures, a multiple of 4 (32 where it is
        None); published sets come in their own.

    Raises
    ------
    UsageError
        For a name that is neither, a part or a size that the set does not have.
    MissingRequirement
        When a published set is nowhere and cannot be downloaded.
    LectureError
        When a folder has no pictures to learn from, or too many to hold.
    """
    if part not in PARTS:
        raise UsageError(f"part {part!r} is unknown; choose one of: {', '.join(PARTS)}")
    if name_or_folder in _PUBLISHED:
        read, own_size = _PUBLISHED[name_or_folder]
        if size not in (None, own_size):
            raise UsageError(
                f"size = {size}: the pictures of {name_or_folder} have {own_size}×{own_size} "
                "pixels; leave the size out, or give a folder of pictures"
            )
        return read(part, data_dir=data_dir)
    folder = _folder(name_or_folder)
    if part != "train":
        raise UsageError(
            f"folder {name_or_folder} has no part {part!r}; give the folder that holds the "
            "pictures to test with"
        )
    from diffusion_core.folders import read_folder  # which needs the ImageSet from here

    return read_folder(folder, FOLDER_SIZE if size is None else size).images


def _folder(name: str) -> Path:
    known = f"choose one of: {', '.join(DATASETS)}, or give the path of a folder of pictures"
    try:
        # An empty path would be the folder that one is in.
        if name and Path(name).is_dir():
            return Path(name)
        kind = (
            "is a file"
            if name and Path(name).exists()
            else "is unknown, and there is no such folder"
        )
    except OSError as error:  # a name that is too long, a folder above that is closed
        kind = f"cannot be read as a folder ({error.strerror})"
    raise UsageError(f"dataset {name!r} {kind}; {known}")
