"""Bars of any thickness and lean in the place of digits, and tiny networks that draw them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_core.captions import digit_captions
from diffusion_core.checkpoints import save_weights
from diffusion_core.datasets import DIGITS, ImageSet
from diffusion_core.text import EMBEDDING, Vocabulary
from diffusion_core.unet import UNet, UNetConfig


def bars(count: int, seed: int = 0) -> ImageSet:
    """Leaning bars, each called one of the ten digits."""
    rng = torch.Generator().manual_seed(seed)
    width = 1.5 + 2.5 * torch.rand(count, 1, 1, generator=rng)
    angle = torch.deg2rad(torch.rand(count, 1, 1, generator=rng) * 50 - 20)
    y, x = torch.meshgrid(torch.arange(28.0) - 13.5, torch.arange(28.0) - 13.5, indexing="ij")
    across = ((x + y * angle.tan()) * angle.cos()).abs()
    ink = (width / 2 + 0.5 - across).clamp(0, 1) * (y.abs() < 9)
    labels = torch.randint(0, 10, (count,), generator=rng)
    return ImageSet("mnist/test", (255 * ink).to(torch.uint8)[:, None], labels, DIGITS)


def write_bars(folder: Path, train: int = 300, test: int = 200) -> Path:
    """Bars where MNIST would be, in its format; returns ``folder``."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, count, seed in (("train", train, 1), ("t10k", test, 2)):
        found = bars(count, seed)
        assert found.labels is not None
        images = struct.pack(">IIII", 0x803, count, 28, 28) + found.images.numpy().tobytes()
        labels = struct.pack(">II", 0x801, count) + bytes(found.labels.tolist())
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


def save_drawing(path: Path, *, reads: bool, data: str = "mnist/train", size: int = 28) -> Path:
    """Weights of a tiny network that was never trained; one that reads knows all captions."""
    config = UNetConfig(size=size, widths=(8, 8), text=EMBEDDING if reads else 0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(config)
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    vocabulary = taught() if reads else None
    facts = {"data": {"name": data, "pictures": 300}}
    save_weights(path, network.eval(), "v", facts, vocabulary)
    return path


def taught() -> Vocabulary:
    """All captions of the digits, with embeddings that say nothing of them but differ."""
    texts = digit_captions(
        torch.zeros(1, 1, 28, 28, dtype=torch.uint8), torch.zeros(1).long()
    ).texts
    rows = np.random.default_rng(0).normal(size=(len(texts), EMBEDDING))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Vocabulary(texts, rows.astype(np.float16), "0" * 64)


def shuffled(images: Tensor) -> Tensor:
    """The same pictures, each for another prompt."""
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(9))]
