r"""The judge: a small classifier, for pictures and for means of many.

It says how far two sets of pictures are apart (FID on its penultimate layer),
whether a prompted digit is that digit, and when in a run it is decided what a
picture will show.  One that knows digits ships (``load_judge``).

What does x0_hat show?  Far from the end it is no picture but a mean of
pictures: E[x_0 | x_t] = ∑ w_i x_i.  A classifier that has seen only clean
pictures is sure of itself there, and wrong.  So this one is trained on such
means, with the classes' shares as targets:

    x = ∑ w_i x_i,   target = ∑ w_i y_i,   w = softmax(g · z),  z ~ N(0, 1), g ≥ 0

over the pictures of a batch, from the mean of all (g = 0) to one alone; it
extends mixup (Zhang et al. 2018, arXiv:1710.09412, eq. 1) from two pictures to
many.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.checkpoints import from_arrays, to_arrays
from diffusion_core.datasets import mnist, to_unit
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Facts, read_arrays, write_arrays
from diffusion_core.models import WEIGHTS
from diffusion_core.recipe import check_range, check_seed, check_whole

CLASSIFIER_KIND = "diffusion-lectures classifier 2"

JUDGE = WEIGHTS / "judge" / "digits.safetensors"
"""The classifier of digits that ships; in a folder of its own, being no model."""

SHARPEST = 20.0
"""The largest g: of 128 pictures one then has nearly all of the weight."""

FEATURES = 96
"""Values of the penultimate layer, by which pictures are compared."""

SHIFT, TURN, STRETCH = 1 / 14, 10.0, 0.1
"""How far a picture is moved, turned and stretched at most while it is learnt:
a share of its side (two pixels of MNIST's 28), degrees, a share of its size."""


class ClassifierNetwork(nn.Module):
    """Four convolutions, two of them strided, and two linear layers.

    Parameters
    ----------
    channels, size
        Of the pictures; the size is a multiple of 4.
    classes
        K, at least 2.
    """

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10) -> None:
        super().__init__()
        check_whole("channels", channels, 1, 16)
        check_whole("classes", classes, 2, 1000)
        check_whole("size", size, 4, 512)
        if size % 4:
            raise ValueError(f"size = {size} must be a multiple of 4")
        self.channels, self.size, self.classes = channels, size, classes
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(64 * (size // 4) ** 2, FEATURES),
            nn.SiLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def features(self, x: Tensor) -> Tensor:
        """The penultimate layer (B, 96) of pictures (B, C, H, W) in −1 … 1."""
        return self.trunk(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of pictures (B, C, H, W) in −1 … 1."""
        return self.head(self.features(x))

    def as_dict(self) -> dict[str, int]:
        """What is needed to build it again."""
        return {"channels": self.channels, "size": self.size, "classes": self.classes}


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier ready to use, and the facts of its training."""

    network: ClassifierNetwork
    facts: Facts
    digest: str


def blended(
    x: Tensor, y: Tensor, rng: torch.Generator, count: int | None = None
) -> tuple[Tensor, Tensor]:
    """Weighted means of the batch's pictures and of its targets.

    ``count`` of them, (count, C, H, W) and (count, K); as many as there are
    pictures by default.
    """
    count = len(x) if count is None else count
    sharpness = SHARPEST * torch.rand(count, 1, generator=rng)
    weights = (sharpness * torch.randn(count, len(x), generator=rng)).softmax(1)  # (count, B)
    return (weights @ x.flatten(1)).reshape(count, *x.shape[1:]), weights @ y


def moved(x: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures (B, C, H, W), each shifted, turned and stretched a little at random.

    What lies beyond the edge is as the edge is.
    """
    angle, stretch_x, stretch_y, right, down = 2 * torch.rand(5, len(x), generator=rng) - 1
    angle = torch.deg2rad(TURN * angle)
    wide, high = 1 + STRETCH * stretch_x, 1 + STRETCH * stretch_y
    # A grid runs from −1 to 1, so a share of the side is twice as much of it.
    top = torch.stack([wide * angle.cos(), -wide * angle.sin(), 2 * SHIFT * right], 1)
    bottom = torch.stack([high * angle.sin(), high * angle.cos(), 2 * SHIFT * down], 1)
    grid = F.affine_grid(torch.stack([top, bottom], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    classes: int = 10,
    epochs: int = 10,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> ClassifierNetwork:
    """Train on pictures, moved a little, and on means of them: one for every four.

    Parameters
    ----------
    images
        (N, C, H, H), uint8, N at least ``batch_size``.
    labels
        (N,), integers in 0 … ``classes`` − 1.
    epochs, batch_size, learning_rate
        Passes, 1 … 1000; pictures a step, 2 … N; the peak of Adam's rate,
        which falls to 0 as half a cosine, 1e-6 … 1.
    seed
        Of the weights, the order and the blends.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    LectureError
        When the loss is not finite.
    """
    if images.ndim != 4 or images.dtype != torch.uint8 or images.shape[2] != images.shape[3]:
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; give uint8, (N, C, H, H)"
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels are {labels.dtype} of shape {tuple(labels.shape)}; give integers, "
            f"({len(images)},)"
        )
    check_whole("classes", classes, 2, 1000)
    check_whole("epochs", epochs, 1, 1000)
    check_whole("batch_size", batch_size, 2, len(images))
    check_range("learning_rate", learning_rate, 1e-6, 1)
    for label in (int(labels.min()), int(labels.max())):
        check_range("a label", label, 0, classes - 1)
    rng = torch.Generator().manual_seed(check_seed(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ClassifierNetwork(images.shape[1], images.shape[2], classes)
    steps, blends = epochs * (len(images) // batch_size), max(1, batch_size // 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=rng)
        for chosen in order[: len(images) // batch_size * batch_size].split(batch_size):
            x = moved(to_unit(images[chosen]), rng)
            y = F.one_hot(labels[chosen].long(), classes).float()
            mean_x, mean_y = blended(x, y, rng, blends)
            loss = F.cross_entropy(network(torch.cat([x, mean_x])), torch.cat([y, mean_y]))
            if not bool(torch.isfinite(loss)):
                raise LectureError(f"the loss is {float(loss)}; lower the learning rate")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            decay.step()
    return network.eval().requires_grad_(False)


def accuracy(network: ClassifierNetwork, images: Tensor, labels: Tensor) -> float:
    """The share of ``images`` (N, C, H, W), uint8, whose label is the most likely class."""
    with torch.no_grad():
        found = torch.cat([network(to_unit(part)).argmax(1) for part in images.split(1000)])
    return float((found == labels).double().mean())


def features_of(images: Tensor, judge: TrainedClassifier) -> np.ndarray[Any, Any]:
    """What the judge sees in pictures (N, C, H, W), uint8: (N, 96) float32."""
    with torch.no_grad():
        parts = [judge.network.features(to_unit(part)) for part in images.split(500)]
    return torch.cat(parts).numpy()


def classes_of(features: np.ndarray[Any, Any], judge: TrainedClassifier) -> np.ndarray[Any, Any]:
    """The most likely class of each picture by its features (N, 96): (N,) int64."""
    with torch.no_grad():
        return judge.network.head(torch.from_numpy(features)).argmax(1).numpy()


def save_classifier(path: Path, network: ClassifierNetwork, facts: Facts) -> str:
    """Write the weights of ``network``, whole; return their digest."""
    arrays = to_arrays(network.state_dict())
    return write_arrays(path, arrays, {**facts, "network": network.as_dict()}, kind=CLASSIFIER_KIND)


def train_judge(path: Path = JUDGE, *, data_dir: Path | None = None) -> str:
    """Train the classifier that ships, measure it and write it; return its digest.

    On the 60,000 pictures of MNIST, as ``train_classifier`` does by default.
    The same versions and number of threads give the same digest.

    Raises
    ------
    MissingRequirement
        When MNIST is nowhere and cannot be downloaded.
    LectureError
        When the file cannot be written.
    """
    train, test = mnist("train", data_dir=data_dir), mnist("test", data_dir=data_dir)
    assert train.labels is not None
    assert test.labels is not None
    network = train_classifier(train.images, train.labels)
    facts: Facts = {
        "training": {
            "data": train.name,
            "pictures": len(train.images),
            "sha256": train.digest,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "test": {
            "data": test.name,
            "pictures": len(test.images),
            "sha256": test.digest,
            "accuracy": accuracy(network, test.images, test.labels),
        },
    }
    return save_classifier(path, network, facts)


def load_judge() -> TrainedClassifier:
    """The classifier of digits that ships; its card lies beside it.

    Raises
    ------
    LectureError
        When the file is damaged or absent.
    """
    return load_classifier(JUDGE)


def load_classifier(path: Path) -> TrainedClassifier:
    """Read what ``save_classifier`` wrote, ready for use.

    Raises
    ------
    DamagedFile
        When the content is not what was written, or does not fit a classifier.
    LectureError
        When the file is absent or cannot be read.
    """
    arrays, facts, digest = read_arrays(path, kind=CLASSIFIER_KIND)
    try:
        network = ClassifierNetwork(**facts["network"])
        network.load_state_dict(from_arrays(arrays))
    except (KeyError, TypeError, ValueError, RuntimeError, LectureError) as error:
        raise DamagedFile(f"{path} does not hold a classifier of this project: {error}") from error
    return TrainedClassifier(network.eval().requires_grad_(False), facts, digest)
