"""Runs of training that take a moment: 8×8 pictures, 20 steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffusion_core.checkpoints import CHECKPOINT_KIND, WEIGHTS_KIND
from diffusion_core.datasets import ImageSet
from diffusion_core.files import Arrays, array_digest, read_arrays
from diffusion_core.training import TrainingRun, TrainingSettings, report
from diffusion_core.training import run as run_module
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import READS, TINY
from tests.diffusion_core.fakes import captions, vocabulary

SETTINGS = TrainingSettings(
    epochs=4,
    batch_size=8,
    timesteps=20,
    warmup=3,
    checkpoint_every=5,
    sample_every=10,
    precision="float32",
)
STEPS = 20


def blobs(count: int = 40, seed: int = 0, *, words: bool = False) -> ImageSet:
    """Random 8×8 pictures, each flat but for some speckles; with ``words``, dark or bright."""
    generator = np.random.default_rng(seed)
    flat = generator.integers(0, 200, (count, 1, 1, 1))
    pixels = flat + generator.integers(0, 56, (count, 1, 8, 8))
    images = torch.from_numpy(pixels.astype(np.uint8))
    return ImageSet("blobs/train", images, captions=captions(images) if words else None)


def leave_out_pictures(patch: pytest.MonkeyPatch) -> None:
    """Drawing curves, and samples in many steps, takes longer than training these networks."""
    patch.setattr(run_module, "plot_losses", lambda *of: None)
    patch.setattr(report, "GRID_STEPS", 1)
    patch.setattr(report, "STAGE_STEPS", 1)


def start(
    output: Path,
    settings: TrainingSettings = SETTINGS,
    images: ImageSet | None = None,
    network: UNetConfig = TINY,
    **options: Any,
) -> TrainingRun:
    return TrainingRun(images or blobs(), settings, network, output, **options)


def start_reading(output: Path, settings: TrainingSettings = SETTINGS) -> TrainingRun:
    """A run that is taught words, too."""
    return start(output, settings, blobs(words=True), READS, vocabulary=vocabulary())


def go_on(run: TrainingRun, stop_after: int | None = None) -> TrainingRun:
    """Run to the end, or let go of the run after some steps, as a killed process would."""
    for progress in run.run():
        if progress.step == stop_after:
            break
    return run


def train(output: Path, stop_after: int | None = None) -> TrainingRun:
    return go_on(start(output), stop_after)


def weights_digest(output: Path) -> str:
    """Of the final weights alone: the facts beside them tell how long it took."""
    arrays, _, _ = read_arrays(output / "weights.safetensors", kind=WEIGHTS_KIND)
    return array_digest(arrays)


def checkpoint(output: Path, step: int) -> Arrays:
    """The state after ``step`` steps, but for how long it took."""
    path = output / "checkpoints" / f"step-{step:06d}.safetensors"
    arrays, _, _ = read_arrays(path, kind=CHECKPOINT_KIND)
    return {name: array for name, array in arrays.items() if name != "stages.seconds"}


def checkpoints(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").iterdir())


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


class Clock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
