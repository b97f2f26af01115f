"""A latent model at work: there and back, one cell erased, and noise removed among latents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion_core.experiments.checks import Patch, check_batch
from diffusion_core.experiments.paths import Runs, rms
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.latent.space import LatentSpace
from diffusion_core.recording import environment, stack, stored
from diffusion_core.schedule import CLEAN
from diffusion_core.trajectory import Trajectory

NEAR = 1
"""Cells on each side of one that count as its neighbourhood."""


def still(x: Tensor, facts: Facts) -> Trajectory:
    """Pictures or latents (B, C, H, W) that no step was taken from: one clean state."""
    return Trajectory(
        states=stack([x]),
        timesteps=np.array([CLEAN]),
        alpha_bar=np.ones(1),
        facts={"nfe": 0, **environment(), **facts},
    )


def there_and_back(space: LatentSpace, x: Tensor) -> Runs:
    """Pictures are encoded, and drawn again.

    How much of a picture do so few numbers hold?  Beside it stands what as few
    pixels hold: the picture shrunk, and enlarged again, smoothly both.

    Parameters
    ----------
    space
        Encodes and decodes.
    x
        (B, C, H, W), pictures of the space, in −1 … 1.

    Returns
    -------
    Runs
        One state each: "latents" and "returned"; "small", the picture shrunk to a
        side of as many pixels as a latent has numbers, or a few less, and
        "enlarged".  Facts of "returned" and "enlarged": "rms_to_picture", one
        number a sample.

    Raises
    ------
    ValueError
        For pictures of another shape.
    """
    check_batch("x", x, (len(x), *space.pictures))
    facts: Facts = {"experiment": "there_and_back"}
    z = space.encode(x)
    returned = space.decode(z)
    numbers, (channels, size, _) = math.prod(space.shape), space.pictures
    side = math.isqrt(numbers // channels)
    small = F.interpolate(x, (side, side), mode="bicubic", antialias=True)
    enlarged = F.interpolate(small, (size, size), mode="bicubic")
    return {
        "latents": still(z, facts),
        "returned": still(returned, {**facts, "rms_to_picture": rms(returned, x)}),
        "small": still(small, facts),
        "enlarged": still(enlarged, {**facts, "rms_to_picture": rms(enlarged, x)}),
    }


def one_cell_erased(space: LatentSpace, z: Tensor) -> Runs:
    """The cell of each latent that stands out most is set to 0, the mean of all latents.

    Where does the picture change?

    Parameters
    ----------
    space
        Decodes.
    z
        Latents (B, c, h, w).

    Returns
    -------
    Runs
        "erased latents" and "erased", one state each; facts of "erased", one of
        each sample: "cell", its row and column, the one whose c numbers are the
        largest; "near", the pixels (top, left, height, width) of the cell and its
        neighbours; "share_near", how much of the squared change lies there; and
        "rms_change".

    Raises
    ------
    ValueError
        For latents of another shape.
    """
    check_batch("z", z, (len(z), *space.shape))
    columns = space.shape[2]
    strongest = z.double().square().sum(1).flatten(1).argmax(1)
    cells = [divmod(int(index), columns) for index in strongest]
    erased = z.clone()
    for sample, (row, column) in enumerate(cells):
        erased[sample, :, row, column] = 0
    before, after = space.decode(z), space.decode(erased)
    patches = [around(cell, space) for cell in cells]
    squared = (after - before).double() ** 2
    masks = torch.stack([patch.mask(*space.pictures[1:]) for patch in patches])[:, None]
    shares = (squared * masks).sum((1, 2, 3)) / squared.sum((1, 2, 3))
    facts: Facts = {"experiment": "one_cell_erased", "cell": [list(cell) for cell in cells]}
    measured = {
        "near": [[p.top, p.left, p.height, p.width] for p in patches],
        "share_near": shares.tolist(),
        "rms_change": rms(after, before),
    }
    return {
        "erased latents": still(erased, facts),
        "erased": still(after, {**facts, **measured}),
    }


def around(cell: tuple[int, int], space: LatentSpace) -> Patch:
    """The pixels of a cell and of its neighbours."""
    (row, column), (_, rows, columns) = cell, space.shape
    tall, wide = space.pictures[1] // rows, space.pictures[2] // columns
    top, left = max(row - NEAR, 0), max(column - NEAR, 0)
    bottom, right = min(row + NEAR + 1, rows), min(column + NEAR + 1, columns)
    return Patch(top * tall, left * wide, (bottom - top) * tall, (right - left) * wide)


def among_latents(process: ReverseProcess, space: LatentSpace, seeds: Sequence[int]) -> Runs:
    """Noise becomes latents, and every state on the way is decoded to be seen.

    The decoding is for the eyes: the process takes none of it up.

    Parameters
    ----------
    process
        Of a denoiser of the space's latents.
    space
        Decodes.
    seeds
        One a sample.

    Returns
    -------
    Runs
        "process", and "decoded": its states and guesses of x_0 as pictures,
        stored as float16.
    """
    noise, source = start_noise(seeds, space.shape)
    facts: Facts = {"experiment": "among_latents", "seeds": [int(seed) for seed in seeds]}
    run = process.record(process.pure_noise(noise), source, facts=facts)
    assert run.x0_hat is not None

    def decoded(values: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(values.astype(np.float32))
        return space.decode(given.flatten(0, 1)).unflatten(0, given.shape[:2]).numpy()

    arrays, precision = stored(
        {"states": decoded(run.states), "x0_hat": decoded(run.x0_hat)}, ("states", "x0_hat")
    )
    seen = Trajectory(
        **arrays,
        timesteps=run.timesteps,
        alpha_bar=run.alpha_bar,
        facts={**run.facts, "nfe": 0, "stored": precision},
    )
    return {"process": run, "decoded": seen}
