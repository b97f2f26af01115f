"""Into the noise and back: the U-turn of a picture, and of a damaged one."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion_core.experiments.checks import check_mask, check_rising, per_sample
from diffusion_core.experiments.paths import Runs, record_jumps, rms, saying
from diffusion_core.experiments.process import ReverseProcess
from diffusion_core.files import Facts
from diffusion_core.recipe import check_range
from diffusion_core.seeds import SampleNoise


def turn_name(t: int) -> str:
    """What the run that turns back at ``t`` is called."""
    return f"from {t}"


def u_turn(
    process: ReverseProcess,
    x_0: Tensor,
    turns: Sequence[int],
    seeds: Sequence[int],
    *,
    shared: bool = True,
) -> Runs:
    """The U-turn: a picture is noised to t, and led back.

    How much of it must be destroyed before another picture comes back?

    x_0 jumps to x_t for each t of a row, and the sampler leads each x_t back.
    What is left of the picture at t decides: coarse traits outlive fine ones
    (Ho et al. 2020, arXiv:2006.11239, figure 7; Sclocchi et al. 2025,
    arXiv:2402.16991, for the t at which the class turns).

    Parameters
    ----------
    process
        Its times below t are visited on the way back, t first.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    turns
        Rising times in 0 … T − 1 at which is turned back.
    seeds
        One a sample, of the jumps and of the steps; the steps of every return
        draw the same noise in the same order.
    shared
        Whether all jumps of a sample take one ε, or each its own.

    Returns
    -------
    Runs
        "forward": x_0 and x at each turn; "from t" for each t: the way back,
        whose facts hold "turn" and "rms_to_x0", one number a sample.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    x_0 = per_sample(x_0, seeds)
    check_rising("turns", turns, process.schedule)
    noise = SampleNoise(seeds, x_0.shape[1:])
    eps = [noise.draw()] * len(turns) if shared else [noise.draw() for _ in turns]
    facts: Facts = {
        "experiment": "u_turn",
        "seeds": [int(seed) for seed in seeds],
        "eps": "one a sample, the same for all turns" if shared else "one a sample and turn",
    }
    forward = record_jumps(x_0, turns, eps, process.schedule, {**process.facts, **facts})
    runs = {"forward": forward}
    for t, x_t in zip(turns, forward.states[1:], strict=True):
        back = process.starting_at(t).record(
            torch.from_numpy(x_t), copy.deepcopy(noise), facts={**facts, "turn": t}
        )
        runs[turn_name(t)] = saying(back, rms_to_x0=rms(back.states[-1], x_0))
    return runs


def erased(x_0: Tensor, mask: Tensor, value: float = -1.0) -> Tensor:
    """``x_0`` with ``value`` where the mask is 1: (1 − m) · x_0 + m · value.

    Parameters
    ----------
    x_0
        (B, C, H, W).
    mask
        Values in 0 … 1 that broadcast to the shape of x_0.
    value
        In −1 … 1; −1 is black, the paper of MNIST.
    """
    check_range("value", value, -1, 1)
    m = check_mask("mask", mask, x_0)
    return (1 - m) * x_0 + m * value


def repair(
    process: ReverseProcess,
    x_0: Tensor,
    mask: Tensor,
    turns: Sequence[int],
    seeds: Sequence[int],
    *,
    value: float = -1.0,
    shared: bool = True,
    black: Tensor | None = None,
) -> Runs:
    """The U-turn of a damaged picture.

    What does too little noise fail to repair?

    A part of the picture is erased, and the rest takes the U-turn.  The
    denoiser is not told where the damage is: with little noise the hole is as
    plain to see in x_t as all else, and comes back; what would fill it is
    believed only when the noise hides the hole, and then the rest goes too
    (Meng et al. 2022, SDEdit, arXiv:2108.01073, section 3: realism against
    faithfulness).

    Parameters
    ----------
    process, x_0, turns, seeds, shared
        As for ``u_turn``.
    mask
        1 where the picture is erased, 0 elsewhere; broadcasts to (B, C, H, W).
    value
        What is put there, −1 … 1.
    black
        What is put there instead where states are no pictures: the latent of a
        black one, broadcast to the shape of x_0.

    Returns
    -------
    Runs
        As ``u_turn``'s, of the damaged picture.  Facts of each way back:
        "hole_to_damaged", "hole_to_x0" and "rest_to_x0", RMS distances of the
        end inside and outside the mask, one number a sample.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range.
    """
    x_0 = per_sample(x_0, seeds)
    hole = check_mask("mask", mask, x_0)
    damaged = erased(x_0, mask, value) if black is None else (1 - hole) * x_0 + hole * black
    runs = u_turn(process, damaged, turns, seeds, shared=shared)
    facts = {"experiment": "repair", "value": value, "mask": mask.tolist()}
    said = {"forward": saying(runs["forward"], **facts)}
    for t in turns:
        back = runs[turn_name(t)]
        end = back.states[-1]
        said[turn_name(t)] = saying(
            back,
            **facts,
            hole_to_damaged=rms(end, damaged, hole),
            hole_to_x0=rms(end, x_0, hole),
            rest_to_x0=rms(end, x_0, 1 - hole),
        )
    return said
