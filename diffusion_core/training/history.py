"""What was learnt at each stage: the same noise, sampled again and again during a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion_core.files import Arrays, Facts
from diffusion_core.grids import to_pixels
from diffusion_core.history import History


def is_stage(step: int) -> bool:
    """Whether samples are kept after ``step`` steps: 0, 1, 2, 5, 10, 20, 50 and so on."""
    if step < 1:
        return step == 0
    return str(step).rstrip("0") in ("1", "2", "5")


class Stages:
    """The stages of a run under way."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.steps: list[int] = []
        self.seconds: list[float] = []
        self.samples = np.zeros((0, *shape), np.uint8)

    def add(self, step: int, seconds: float, states: NDArray[np.floating]) -> None:
        """Keep what was sampled, (P, C, H, W) in −1 … 1, after ``step`` steps."""
        self.steps.append(step)
        self.seconds.append(seconds)
        self.samples = np.concatenate([self.samples, to_pixels(states)[None]])

    def to_arrays(self) -> Arrays:
        """For a checkpoint."""
        return {
            "steps": np.asarray(self.steps, np.int64),
            "seconds": np.asarray(self.seconds, np.float64),
            "samples": self.samples,
        }

    def restore(self, arrays: Arrays) -> None:
        """From a checkpoint."""
        self.steps = arrays["steps"].tolist()
        self.seconds = arrays["seconds"].tolist()
        self.samples = np.array(arrays["samples"])

    def history(self, losses: Sequence[float], batch_size: int, facts: Facts) -> History:
        """All stages so far."""
        arrays = self.to_arrays()
        seen = arrays["steps"] * batch_size
        return History(
            **arrays, seen=seen, losses=np.asarray(losses, dtype=np.float32), facts=facts
        )
