"""Noise painted onto a picture by hand, then removed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from diffusion_core.experiments.checks import check_mask, check_time_of_noise, per_sample
from diffusion_core.experiments.inpaint import KeepingKnown
from diffusion_core.experiments.paths import Runs, record_jumps, rms, saying
from diffusion_core.experiments.process import ReverseProcess, describe_sampler, start_noise
from diffusion_core.files import Facts
from diffusion_core.recipe import check_name

OUTSIDES = {
    "kept": "put back at every step, at that step's noise level",
    "free": "taken along without noise; the denoiser believes it as noisy as the rest",
}


def brushed(path: Sequence[tuple[float, float]], radius: float, height: int, width: int) -> Tensor:
    """The mask of a stroke: 1 within ``radius`` of the path, 0 elsewhere, (height, width).

    Parameters
    ----------
    path
        Points (row, column) in shares of the height and of the width, 0 … 1,
        joined by straight lines; at least one.
    radius
        In shares of the larger side, above 0; the pixels that the path goes
        through are painted however thin the brush.
    """
    side = max(height, width)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = torch.stack([rows, columns], dim=-1) + 0.5  # (H, W, 2)
    points = torch.tensor(path, dtype=torch.float64) * torch.tensor([height, width])
    nearest = torch.full((height, width), torch.inf, dtype=torch.float64)
    for a, b in itertools.pairwise([points[0], *points]):
        along = b - a
        share = ((centres - a) @ along / along.square().sum().clamp(min=1e-12)).clamp(0, 1)
        away = (centres - a - share[..., None] * along).norm(dim=-1)
        nearest = torch.minimum(nearest, away)
    # Half a pixel's diagonal: no path slips between the centres.
    return (nearest <= max(radius * side, math.sqrt(0.5))).float()


def noise_brush(
    process: ReverseProcess,
    x_0: Tensor,
    mask: Tensor,
    t: int,
    seeds: Sequence[int],
    *,
    outside: str = "kept",
) -> Runs:
    r"""Noise is painted onto a part of a picture, and removed.

    What grows where the noise was?

        painted:  x_t = α_t · x_0 + σ_t · m · ε

    The denoiser has one noise level for the whole picture, so something has to
    be decided about the pixels that were not painted:

    - "kept": they are noised too, and put back at every step, as in
      ``inpainting``; where m is 0 the end is x_0 exactly.  The run starts from
      α_t x_0 + σ_t ε everywhere.
    - "free": the run starts from what was painted.  Unpainted pixels have less
      noise than the denoiser is told, and it takes part of the picture for it.

    Parameters
    ----------
    process
        Its times below t are visited, t first.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    mask
        m: 1 where noise is painted, 0 elsewhere, between at a soft edge.
        Broadcasts to (B, C, H, W).
    t
        How much noise is painted, 0 … T − 1.
    seeds
        One a sample, of the painted noise and of the steps.
    outside
        "kept" or "free".

    Returns
    -------
    Runs
        "painted": x_0 and what was painted, whose ``eps`` is m · ε; "removed":
        the way back.  Facts: "mask", "turn", "outside", and of "removed"
        "rms_inside" and "rms_outside", distances of the end to x_0.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    check_name("outside", outside, tuple(OUTSIDES))
    x_0 = per_sample(x_0, seeds)
    painted = check_mask("mask", mask, x_0)
    check_time_of_noise("t", t, process.schedule)
    eps, noise = start_noise(seeds, x_0.shape[1:])
    facts: Facts = {
        "experiment": "noise_brush",
        "seeds": [int(seed) for seed in seeds],
        "mask": mask.tolist(),
        "turn": t,
        "outside": f"{outside}: {OUTSIDES[outside]}",
    }
    shown = record_jumps(x_0, [t], [painted * eps], process.schedule, {**process.facts, **facts})
    back = process.starting_at(t)
    x_t = torch.from_numpy(shown.states[-1])
    if outside == "kept":
        x_t = x_t + process.schedule.sigma(t).to(x_0.dtype) * (1 - painted) * eps
        keeping = KeepingKnown(process.sampler, process.schedule, x_0, 1 - painted)
        back = replace(back, sampler=keeping)
    removed = back.record(x_t, noise, facts={**describe_sampler(process.sampler), **facts})
    end = removed.states[-1]
    measured = {"rms_inside": rms(end, x_0, painted), "rms_outside": rms(end, x_0, 1 - painted)}
    return {"painted": shown, "removed": saying(removed, **measured)}
