"""Similar noise, similar pictures: a patch or a sample of the starting noise is replaced."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from diffusion_core.experiments.checks import (
    Patch,
    check_batch,
    check_seeds,
)
from diffusion_core.experiments.paths import Runs, rms, saying
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.recipe import check_whole


def similar_noise(
    process: ReverseProcess,
    x_T: Tensor,
    seeds: Sequence[int],
    *,
    patch: Patch | Sequence[Patch] | None = None,
    entry: int | None = None,
) -> Runs:
    """A patch (or several), or a sample, of the starting noise is replaced.

    Does the picture change as little as its noise does?

    A deterministic sampler is a map from noise to picture; a smooth one, as
    the flow of an ODE is (Song et al. 2021, arXiv:2010.02502, section 4.3).
    So a patch of new noise changes the picture mostly there, and other noise
    for one sample changes that sample and no other.

    Parameters
    ----------
    process
        Deterministic.
    x_T
        Where the original starts, (B, C, H, W).
    seeds
        Of the new noise, one a sample; other than those of x_T.
    patch
        Of every sample's noise, what is replaced: one patch, or several together.
    entry
        Which sample's noise is replaced as a whole, 0 … B − 1.

    Returns
    -------
    Runs
        "original", and "patch" and "entry" where these were given; facts of
        the changed ones: "rms_change" of the finished pictures, one number a
        sample, and for a patch "rms_inside" and "rms_outside".

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, for neither patch
        nor entry, new noise that is the old, or a sampler that adds noise.
    """
    process.check_deterministic("similar_noise")
    check_batch("x_T", x_T)
    check_seeds(seeds, len(x_T))
    patches = [patch] if isinstance(patch, Patch) else list(patch or ())
    if not patches and entry is None:
        raise ValueError("nothing is replaced; give a patch, an entry or both")
    fresh = process.pure_noise(start_noise(seeds, x_T.shape[1:])[0]).to(x_T.dtype)
    masks: dict[str, Tensor] = {}
    if patches:
        covered = torch.stack([one.mask(*x_T.shape[2:]) for one in patches]).amax(0)
        masks["patch"] = covered.expand(x_T.shape)
    if entry is not None:
        check_whole("entry", entry, 0, len(x_T) - 1)
        masks["entry"] = torch.zeros_like(x_T).index_fill(0, torch.tensor(entry), 1)
    changed = {name: torch.where(mask > 0, fresh, x_T) for name, mask in masks.items()}
    if any(torch.equal(x, x_T) for x in changed.values()):
        raise ValueError(f"seeds = {list(seeds)} give the noise that x_T holds; choose others")
    facts: Facts = {"experiment": "similar_noise", "seeds": [int(seed) for seed in seeds]}
    original = process.record(x_T, facts={**facts, "replaced": "nothing"})
    runs = {"original": original}
    for name, x in changed.items():
        replaced = _said(patches) if name == "patch" else f"sample {entry}"
        run = process.record(x, facts={**facts, "replaced": replaced})
        ends = run.states[-1], original.states[-1]
        measured = {"rms_change": rms(*ends)}
        if name == "patch":
            measured["rms_inside"] = rms(*ends, masks[name])
            measured["rms_outside"] = rms(*ends, 1 - masks[name])
        runs[name] = saying(run, **measured)
    return runs


def _said(patches: Sequence[Patch]) -> str:
    return "; ".join(
        f"rows {patch.top} … {patch.top + patch.height - 1}, "
        f"columns {patch.left} … {patch.left + patch.width - 1}"
        for patch in patches
    )


def sensitivity_map(process: ReverseProcess, x_T: Tensor, seed: int, grid: tuple[int, int]) -> Runs:
    """Every patch of the starting noise in turn is replaced.

    Which part of the noise does the finished picture hang on most?

    The noise is cut into a grid of patches; each in turn takes its values
    from one other noise, and all the changed runs go through the network as
    one batch.

    Parameters
    ----------
    process
        Deterministic.
    x_T
        Where one sample starts, (1, C, H, W).
    seed
        Of the other noise.
    grid
        Rows and columns of patches; they divide H and W.

    Returns
    -------
    Runs
        "original", (N + 1, 1, C, H, W), and "changed", (N + 1, rows · columns,
        C, H, W), patch by patch in reading order.  The facts of "changed" hold
        "grid" and "rms_change", rows × columns: the RMS change of the picture.

    Raises
    ------
    ValueError, UsageError
        Before any work, as ``similar_noise`` does, and for a grid that does
        not divide the picture.
    """
    process.check_deterministic("sensitivity_map")
    check_batch("x_T", x_T, (1, *x_T.shape[1:]))
    height, width = x_T.shape[2:]
    rows, columns = grid
    for what, count, size in (("rows", rows, height), ("columns", columns, width)):
        check_whole(f"grid {what}", count, 1, size)
        if size % count:
            raise ValueError(f"{count} {what} of patches do not divide {size} pixels")
    fresh = process.pure_noise(start_noise([seed], x_T.shape[1:])[0]).to(x_T.dtype)
    h, w = height // rows, width // columns
    patches = [Patch(r * h, c * w, h, w) for r in range(rows) for c in range(columns)]
    masks = torch.stack([patch.mask(height, width) for patch in patches])[:, None]
    changed = torch.where(masks > 0, fresh, x_T)
    if torch.equal(changed, x_T.expand_as(changed)):
        raise ValueError(f"seed = {seed} gives the noise that x_T holds; choose another")
    facts: Facts = {"experiment": "sensitivity_map", "seed": seed, "grid": [rows, columns]}
    original = process.record(x_T, facts={**facts, "replaced": "nothing"})
    said = "one patch a sample, in reading order"
    run = process.record(changed, facts={**facts, "replaced": said})
    change = np.reshape(rms(run.states[-1], original.states[-1]), (rows, columns))
    return {"original": original, "changed": saying(run, rms_change=change.tolist())}
