"""What a training run left behind of its way: losses, and samples at each stage; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import Arrays, Facts, kind_of, read_arrays, write_arrays
from diffusion_core.models import WEIGHTS, shipped_models

HISTORY_KIND = "diffusion-lectures training history 1"
HISTORY = "history.safetensors"
"""What the file is called in a run's folder."""


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


def history_path(model: str) -> Path:
    """The file that holds the history of ``model``.

    Parameters
    ----------
    model
        A model that ships, a training run's folder, the weights or a checkpoint
        in one, or the path of a history.

    Raises
    ------
    UsageError
        For a name that is none of these, or a run that has left no history yet.
    """
    if model in shipped_models():
        return WEIGHTS / "history" / f"{model}.safetensors"
    named = Path(model)
    if model and named.is_dir():
        places = [named]
    elif model.endswith(".safetensors"):
        if _is_history(named):
            return named
        # Weights lie in the run's folder, checkpoints one folder deeper.
        places = [named.parent, named.parent.parent]
    else:
        raise UsageError(
            f"model {model!r} is unknown; choose one of: {', '.join(shipped_models())}, "
            "or give the folder of a training run"
        )
    for place in places:
        if (place / HISTORY).exists():
            return place / HISTORY
    raise UsageError(
        f"model {model!r} comes without the history of its training; give the folder of a run "
        f"that holds {HISTORY}: one is written with every checkpoint"
    )


def _is_history(path: Path) -> bool:
    try:
        return kind_of(path) == HISTORY_KIND
    except LectureError:
        return False  # absent, or no file of this project: whoever reads it says so
