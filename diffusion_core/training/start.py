"""A run from what one asks for: a dataset by its name or folder, and settings."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from diffusion_core.checkpoints import load_model
from diffusion_core.datasets import ImageSet, load_dataset, with_captions
from diffusion_core.errors import LectureError
from diffusion_core.models import shipped_models
from diffusion_core.text import EMBEDDING, Vocabulary, vocabulary_of
from diffusion_core.training.run import TrainingRun
from diffusion_core.training.settings import TrainingSettings
from diffusion_core.unet import UNetConfig

SPACE = 500 * 2**20
"""Bytes that a run's folder takes at most: checkpoints, grids, weights."""


def start(
    dataset: str,
    settings: TrainingSettings,
    output: Path,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
    size: int | None = None,
    words: bool = True,
) -> TrainingRun:
    """A run with the network that ships, new or resumed.

    Parameters
    ----------
    dataset
        Its name, or a folder of pictures.
    settings
        How it is trained.
    output
        The run's folder.
    data_dir
        Where the dataset is looked for; the usual places by default.
    limit
        Use only so many of the pictures, evenly spread over all.
    size
        Pixels a side that the pictures of a folder are brought to.
    words
        Teach the network the pictures' captions, where there are any.

    Raises
    ------
    MissingRequirement
        When the dataset is nowhere and cannot be downloaded, or its captions
        are unknown and there is no encoder for them.
    LectureError
        When the folder holds another run, cannot be written, or the disk is full.
    """
    check_space(output)
    images = load_dataset(dataset, "train", data_dir=data_dir, size=size)
    if limit is not None:
        images = some(images, limit)
    vocabulary: Vocabulary | None = None
    if words:
        images = with_captions(images)
        if images.captions is not None:
            vocabulary = words_for(images.captions.texts)
    _, C, H, _ = images.images.shape
    config = UNetConfig(channels=C, size=H, text=EMBEDDING if vocabulary else 0)
    return TrainingRun(images, settings, config, output, vocabulary=vocabulary)


def words_for(texts: Sequence[str]) -> Vocabulary:
    """The embeddings of captions: from a model that ships, where it knows them all.

    So the digits can be taught again without the encoder.
    """
    for name in shipped_models():
        known = load_model(name).vocabulary
        rows = [] if known is None else [known.lookup(text) for text in texts]
        found = [row for row in rows if row is not None]
        if known is not None and len(found) == len(texts):
            return Vocabulary(tuple(texts), np.stack(found), known.encoder)
    return vocabulary_of(texts)


def some(images: ImageSet, count: int) -> ImageSet:
    """``count`` pictures, evenly spread over all, as a set of their own."""
    total = len(images.images)
    rows = torch.linspace(0, total - 1, min(count, total)).long()
    labels = None if images.labels is None else images.labels[rows]
    captions = images.captions
    if captions is not None:
        captions = replace(captions, groups=captions.groups[rows])
    return replace(
        images,
        name=f"{images.name}, {len(rows)} of {total}",
        images=images.images[rows],
        labels=labels,
        captions=captions,
    )


def check_space(output: Path) -> None:
    """Raise a LectureError where a run's folder would not fit on the disk."""
    place = next(place for place in (output, *output.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if free < SPACE:
        raise LectureError(
            f"{output} has {free / 2**20:.0f} MB free, and a run takes up to "
            f"{SPACE / 2**20:.0f} MB; make room there, or choose another --output"
        )
