"""Noise dabbed onto a picture, as much as one likes, and given to the reverse process as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from diffusion_core.experiments.brush import OUTSIDES
from diffusion_core.experiments.checks import check_mask, check_time_of_noise, per_sample
from diffusion_core.experiments.inpaint import KeepingKnown
from diffusion_core.experiments.paths import Runs, rms, saying
from diffusion_core.experiments.process import ReverseProcess, describe_sampler, start_noise
from diffusion_core.files import Facts
from diffusion_core.forward import jump
from diffusion_core.recipe import check_name, check_range
from diffusion_core.recording import environment, stack
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.trajectory import Trajectory


def dabbed(
    dabs: Sequence[tuple[float, float]], radius: float, strength: float, height: int, width: int
) -> Tensor:
    """The standard deviation of the noise that dabs of a brush lay, (height, width), 0 … 1.

    Each dab lays noise of its own on the pixels within ``radius``, so that its
    variance adds to what is there: after k dabs it is k · strength², at most 1,
    where nothing of the picture is left.

    Parameters
    ----------
    dabs
        Points (row, column) in shares of the height and of the width, 0 … 1.
    radius
        In shares of the larger side, above 0; the pixel below a dab is painted
        however thin the brush.
    strength
        Standard deviation of one dab's noise, above 0 … 1.
    """
    side = max(height, width)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = torch.stack([rows, columns], dim=-1).double() + 0.5  # (H, W, 2)
    count = torch.zeros(height, width, dtype=torch.float64)
    for dab in dabs:
        at = torch.tensor(dab, dtype=torch.float64) * torch.tensor([height, width])
        # Half a pixel's diagonal: no dab slips between the centres.
        count += (centres - at).norm(dim=-1) <= max(radius * side, math.sqrt(0.5))
    return (count * strength**2).clamp(max=1).sqrt().float()


def on_canvas(x_0: Tensor, std: Tensor, eps: Tensor) -> Tensor:
    """√(1 − s²) · x_0 + s · ε: every pixel as noisy as the x_t whose σ_t is its ``std`` s."""
    std = std.to(x_0.dtype)
    return (1 - std.square()).sqrt() * x_0 + std * eps.to(x_0.dtype)


def fitting_time(schedule: Schedule, std: float) -> int:
    """The t whose σ_t is nearest to ``std``, where variance is preserved."""
    return int((schedule.sigmas - std).abs().argmin())


def measured_std(std: Tensor, eps: Tensor) -> float:
    """The root mean square of the noise s · ε, (…, H, W), where there is any; 0 for none."""
    laid = (std * eps)[..., std > 0]
    return float(laid.double().square().mean().sqrt()) if laid.numel() else 0.0


def noise_canvas(
    process: ReverseProcess,
    x_0: Tensor,
    std: Tensor,
    t: int,
    seeds: Sequence[int],
    *,
    outside: str = "kept",
) -> Runs:
    """A picture with noise dabbed onto it is taken for x_t.

    What does the denoiser do with more, or less, noise than it is told?

    The canvas is √(1 − s²) x_0 + s ε with an s for every pixel, and the reverse
    process begins with it at t, as if it had σ_t throughout.  With too little
    noise it takes a part of the picture for noise; what is more than it expects
    stays.  Where s = σ_t in a part and "kept" everywhere else, it is
    ``noise_brush``.

    Parameters
    ----------
    process
        Its times below t are visited, t first; its schedule preserves variance.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    std
        s, (H, W) in 0 … 1, above 0 somewhere.
    t
        The noise that the denoiser is told of, 0 … T − 1.
    seeds
        One a sample, of the painted noise and of the steps.
    outside
        "kept": pixels without noise are noised like x_t, and put back at every
        step, so that they end as they were; "free": they go along as they are.

    Returns
    -------
    Runs
        "painted": x_0 and the canvas, with ``eps`` the noise s · ε and the ᾱ_t
        that the denoiser takes it for; "removed": the way back.  Facts: "std", "turn",
        "outside", "sigma" (σ_t), of each sample "painted_std" (the noise that
        was measured where there is any), of "removed" "rms_to_x0".

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    check_name("outside", outside, tuple(OUTSIDES))
    x_0 = per_sample(x_0, seeds)
    check_mask("std", std, x_0)
    check_range("the norm of x_t", float(process.schedule.norm(t)), 1 - 1e-6, 1 + 1e-6)
    check_time_of_noise("t", t, process.schedule)
    eps, noise = start_noise(seeds, x_0.shape[1:])
    canvas = on_canvas(x_0, std, eps)
    facts: Facts = {
        "experiment": "noise_canvas",
        "seeds": [int(seed) for seed in seeds],
        "std": std.tolist(),
        "turn": t,
        "outside": f"{outside}: {OUTSIDES[outside]}",
        "sigma": float(process.schedule.sigma(t)),
        "painted_std": [measured_std(std, own) for own in eps],
    }
    at = torch.tensor([CLEAN, t])
    painted = Trajectory(
        states=stack([x_0, canvas]),
        timesteps=at.numpy(),
        alpha_bar=process.schedule.alpha_bar(at).numpy(),
        eps=stack([torch.zeros_like(x_0), std.to(x_0.dtype) * eps]),
        facts={
            "nfe": 0,
            "schedule": process.schedule.name,
            **environment(),
            **process.facts,
            **facts,
        },
    )
    back = process.starting_at(t)
    x_t = canvas
    if outside == "kept":
        untouched = (std <= 0).to(x_0.dtype).expand(x_0.shape)
        x_t = torch.where(untouched > 0, jump(x_0, t, process.schedule, eps), canvas)
        keeping = KeepingKnown(process.sampler, process.schedule, x_0, untouched)
        back = replace(back, sampler=keeping)
    removed = back.record(x_t, noise, facts={**describe_sampler(process.sampler), **facts})
    measured = {"rms_to_x0": rms(removed.states[-1], x_0)}
    return {"painted": painted, "removed": saying(removed, **measured)}
