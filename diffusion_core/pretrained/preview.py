"""What is kept of a run to be looked at: its states and guesses as pictures in whole levels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from diffusion_core.budget import HEAD, LARGEST, Room
from diffusion_core.errors import LectureError
from diffusion_core.pretrained.model import PretrainedModel
from diffusion_core.recording import Policy
from diffusion_core.trajectory import PREVIEW, Levels, Trajectory

Report = Callable[[int, int], None]

HALF = ("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise")
"""What is shown and not computed with is kept as float16."""


def policy_for(model: PretrainedModel, *, keep: int | None = None, runs: int = 1) -> Policy:
    """What is kept of each of ``runs`` runs of a recording, so that the file stays bounded."""
    return Policy(keep, half=HALF, room=Room((LARGEST - HEAD) // runs, _preview_size(model)))


def _preview_size(model: PretrainedModel) -> int:
    """Numbers of a picture to look at."""
    if not model.previews:
        return 0
    channels, height, width = model.picture_shape
    share = min(1.0, PREVIEW / max(height, width))
    return channels * math.ceil(height * share) * math.ceil(width * share)


def previewed(
    runs: Mapping[str, Trajectory], model: PretrainedModel, report: Report
) -> dict[str, Trajectory]:
    """The runs with pictures to look at beside their states and guesses.

    What several of them share (the noise that all begin with, the path up to a
    fork) is decoded once.

    Parameters
    ----------
    runs
        Of states of ``model``.
    model
        Decodes.
    report
        Told of the arrays' rows, of all runs together.
    """
    if not model.previews:
        return dict(runs)
    seen: dict[bytes, Levels] = {}
    total = sum(
        len(run.states) + (0 if run.x0_hat is None else len(run.x0_hat)) for run in runs.values()
    )
    done = 0

    def levels(rows: NDArray[Any]) -> Levels:
        nonlocal done
        found = []
        for row in rows:
            key = hashlib.sha256(np.ascontiguousarray(row).data).digest()
            if key not in seen:
                seen[key] = to_levels(model.pictures(torch.tensor(row)))
            found.append(seen[key])
            done += 1
            report(done, total)
        return np.stack(found)

    return {
        name: replace(
            run,
            shown=levels(run.states),
            shown_x0=None if run.x0_hat is None else levels(run.x0_hat),
        )
        for name, run in runs.items()
    }


def to_levels(x: torch.Tensor) -> Levels:
    """Pictures in −1 … 1 as whole levels, 0 … 255; what lies beyond is cut.

    Raises
    ------
    LectureError
        When a value is not finite.
    """
    if not bool(torch.isfinite(x).all()):
        raise LectureError(
            "a decoded picture is not finite; the autoencoder overflowed: compute with "
            "--dtype float32, or choose another model"
        )
    levels: Levels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()
    return levels
