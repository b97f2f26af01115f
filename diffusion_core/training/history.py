"""What was learnt at each stage: the same noise, sampled again and again during a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusion_core.errors import DamagedFile
from diffusion_core.files import Arrays, Facts, read_arrays, write_arrays
from diffusion_core.grids import to_pixels

HISTORY_KIND = "diffusion-lectures training history 1"


def is_stage(step: int) -> bool:
    """Whether samples are kept after ``step`` steps: 0, 1, 2, 5, 10, 20, 50 and so on."""
    if step < 1:
        return step == 0
    return str(step).rstrip("0") in ("1", "2", "5")


@dataclass(frozen=True)
class History:
    """The stages of a run, S of them.

    Parameters
    ----------
    steps, seen, seconds
        (S,), when: steps done, pictures seen, seconds trained.
    samples
        (S, P, C, H, W), uint8: what the averaged network then made of the same
        noise and the same words.
    losses
        (N,), float32, of every step.
    facts
        ``seeds`` and ``prompts`` of the P samples, the sampler, its steps and
        guidance, and what was trained on what.
    """

    steps: NDArray[np.int64]
    seen: NDArray[np.int64]
    seconds: NDArray[np.float64]
    samples: NDArray[np.uint8]
    losses: NDArray[np.float32]
    facts: Facts

    def to_arrays(self) -> Arrays:
        """All but the facts, by name."""
        return {
            "steps": self.steps,
            "seen": self.seen,
            "seconds": self.seconds,
            "samples": self.samples,
            "losses": self.losses,
        }

    def save(self, path: Path) -> str:
        """Write it whole; return the digest."""
        return write_arrays(path, self.to_arrays(), self.facts, kind=HISTORY_KIND)


def load_history(path: Path) -> History:
    """Read what ``History.save`` wrote.

    Raises
    ------
    DamagedFile
        When the content is not what was written.
    LectureError
        When the file is absent or cannot be read.
    """
    arrays, facts, _ = read_arrays(path, kind=HISTORY_KIND)
    try:
        return History(**arrays, facts=facts)
    except TypeError as error:
        raise DamagedFile(f"{path} does not hold the history of a training: {error}") from error


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
