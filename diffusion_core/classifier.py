r"""A tiny classifier, for pictures and for means of many.

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

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.checkpoints import from_arrays, to_arrays
from diffusion_core.datasets import to_unit
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Facts, read_arrays, write_arrays
from diffusion_core.recipe import check_range, check_seed, check_whole

CLASSIFIER_KIND = "diffusion-lectures classifier 1"

SHARPEST = 20.0
"""The largest g: of 128 pictures one then has nearly all of the weight."""


class ClassifierNetwork(nn.Module):
    """Two strided convolutions and two linear layers.

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
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(32 * (size // 4) ** 2, 64),
            nn.SiLU(),
            nn.Linear(64, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of pictures (B, C, H, W) in −1 … 1."""
        return self.layers(x)

    def as_dict(self) -> dict[str, int]:
        """What is needed to build it again."""
        return {"channels": self.channels, "size": self.size, "classes": self.classes}


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier ready to use, and the facts of its training."""

    network: ClassifierNetwork
    facts: Facts
    digest: str


def blended(x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weighted means of the batch's pictures and of its targets, (B, C, H, W) and (B, K)."""
    B = len(x)
    sharpness = SHARPEST * torch.rand(B, 1, generator=rng)
    weights = (sharpness * torch.randn(B, B, generator=rng)).softmax(1)  # (B, B)
    return (weights @ x.flatten(1)).reshape(x.shape), weights @ y


def train_classifier(
    images: Tensor,
    labels: Tensor,
    *,
    classes: int = 10,
    epochs: int = 3,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> ClassifierNetwork:
    """Train on pictures and, as often, on means of them.

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
    steps = epochs * (len(images) // batch_size)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=rng)
        for chosen in order[: len(images) // batch_size * batch_size].split(batch_size):
            x, y = to_unit(images[chosen]), F.one_hot(labels[chosen].long(), classes).float()
            mean_x, mean_y = blended(x, y, rng)
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


def save_classifier(path: Path, network: ClassifierNetwork, facts: Facts) -> str:
    """Write the weights of ``network``, whole; return their digest."""
    arrays = to_arrays(network.state_dict())
    return write_arrays(path, arrays, {**facts, "network": network.as_dict()}, kind=CLASSIFIER_KIND)


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
