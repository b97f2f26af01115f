"""How paths become recordings: forward paths, joined paths, and distances between states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion_core.files import Facts
from diffusion_core.forward import jump, noise_within
from diffusion_core.recording import environment, stack
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.trajectory import Trajectory

Runs = dict[str, Trajectory]
"""The recordings of one experiment, by name."""


def record_forward(
    x_0: Tensor, times: Sequence[int], states: Sequence[Tensor], schedule: Schedule, facts: Facts
) -> Trajectory:
    """x_0 and then ``states``, noisy at ``times``, as a recording of the forward process."""
    eps = [noise_within(x, x_0, t, schedule) for t, x in zip(times, states, strict=True)]
    at = torch.tensor([CLEAN, *times])
    return Trajectory(
        states=stack([x_0, *states]),
        timesteps=at.numpy(),
        alpha_bar=schedule.alpha_bar(at).numpy(),
        eps=stack([torch.zeros_like(x_0), *eps]),
        facts={"nfe": 0, "schedule": schedule.name, **environment(), **facts},
    )


def record_jumps(
    x_0: Tensor, times: Sequence[int], eps: Sequence[Tensor], schedule: Schedule, facts: Facts
) -> Trajectory:
    """One jump from x_0 to each of ``times``, with the ``eps`` of each."""
    noisy = [jump(x_0, t, schedule, e.to(x_0.dtype)) for t, e in zip(times, eps, strict=True)]
    return record_forward(x_0, times, noisy, schedule, facts)


def joined(first: Trajectory, then: Trajectory) -> Trajectory:
    """Two paths as one; ``then`` begins where ``first`` ends, and its facts are kept.

    Evaluations add up; arrays are kept as exactly as ``then`` keeps them, and
    what only one of the two holds (noise, guidance's halves) is dropped.
    """
    arrays: dict[str, NDArray[Any]] = {}
    before, after = first.arrays(), then.arrays()
    for name in before.keys() & after.keys():
        # N + 1 states and times, of which the middle one is in both; N of all else.
        own = before[name][: first.steps]
        arrays[name] = np.concatenate([own, after[name]]).astype(after[name].dtype)
    facts = {
        **then.facts,
        "nfe": first.facts["nfe"] + then.facts["nfe"],
        "kept": f"{first.facts['kept']}; from there {then.facts['kept']}",
    }
    return Trajectory(**arrays, facts=facts)


def saying(run: Trajectory, **facts: Any) -> Trajectory:
    """``run`` with ``facts`` added to its own."""
    return replace(run, facts={**run.facts, **facts})


def rms(
    a: NDArray[Any] | Tensor, b: NDArray[Any] | Tensor, mask: NDArray[Any] | Tensor | None = None
) -> list[float]:
    """√(mean of (a − b)²) of each sample, (B, …) → B numbers; weighted by ``mask``, the shape of b.

    A sample of which the mask covers nothing has distance 0.
    """
    squared = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2
    weight = np.ones(squared.shape) if mask is None else np.asarray(mask, np.float64)
    rest = tuple(range(1, squared.ndim))
    covered = np.maximum(weight.sum(rest), np.finfo(np.float64).tiny)
    mean: list[float] = np.sqrt((weight * squared).sum(rest) / covered).tolist()
    return mean
