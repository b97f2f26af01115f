"""Samples of a recipe as pictures on disk, and what lay on the way to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from diffusion_core.grids import save_grid
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import draw, run

STRIP_ROWS = 8
"""Samples in a strip: more would be too small to see."""

LARGE = 96
"""Pixels a side beyond which pictures are drawn as large as they are."""


@dataclass(frozen=True)
class Written:
    """What ``write_samples`` wrote, and the network evaluations a sample."""

    picture: Path
    intermediate: tuple[Path, ...]
    nfe: int | None


def write_samples(recipe: ReverseRecipe, path: Path, intermediate: str | None = None) -> Written:
    """Draw the samples of ``recipe`` and write them as one grid, a PNG.

    Parameters
    ----------
    recipe
        ``keep`` says how many states of the way are written, besides x_T.
    path
        Of the grid.
    intermediate
        "strip": the first samples, one a row, from noise to picture, beside
        ``path`` as ….strip.png.  "pictures": a grid for each kept state, in a
        folder beside it.  None: neither, and nothing is recorded.

    Raises
    ------
    LectureError
        When the weights cannot be read, or a file cannot be written.
    """
    if intermediate is None:
        pictures = draw(recipe)
        save_grid(path, pictures, scale=_scale(pictures))
        return Written(path, (), None)
    recorded = run(recipe)
    scale = _scale(recorded.pictures)
    save_grid(path, recorded.pictures[-1], scale=scale)
    if intermediate == "strip":
        strip = path.with_name(f"{path.stem}.strip.png")
        rows = recorded.pictures[:, :STRIP_ROWS].swapaxes(0, 1)
        save_grid(strip, np.concatenate(list(rows)), scale=scale, columns=len(recorded.states))
        return Written(path, (strip,), recorded.facts["nfe"])
    folder = path.with_name(f"{path.stem}.states")
    grids: list[Path] = []
    for t, states in zip(recorded.timesteps, recorded.pictures, strict=True):
        name = "clean" if t < 0 else f"t{t:04d}"
        grids.append(folder / f"{len(grids):03d}-{name}.png")
        save_grid(grids[-1], states, scale=scale)
    return Written(path, tuple(grids), recorded.facts["nfe"])


def _scale(pictures: NDArray[np.floating]) -> int:
    """How much larger they are drawn: small ones so that their pixels are seen."""
    return 3 if max(pictures.shape[-2:]) <= LARGE else 1
