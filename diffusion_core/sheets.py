"""Samples of a recipe as pictures on disk, and what lay on the way to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffusion_core.grids import save_grid
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import draw, run

STRIP_ROWS = 8
"""Samples in a strip: more would be too small to see."""


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
        save_grid(path, draw(recipe), scale=3)
        return Written(path, (), None)
    recorded = run(recipe)
    save_grid(path, recorded.states[-1], scale=3)
    if intermediate == "strip":
        strip = path.with_name(f"{path.stem}.strip.png")
        rows = recorded.states[:, :STRIP_ROWS].swapaxes(0, 1)
        save_grid(strip, np.concatenate(list(rows)), scale=3, columns=len(recorded.states))
        return Written(path, (strip,), recorded.facts["nfe"])
    folder = path.with_name(f"{path.stem}.states")
    grids: list[Path] = []
    for t, states in zip(recorded.timesteps, recorded.states, strict=True):
        name = "clean" if t < 0 else f"t{t:04d}"
        grids.append(folder / f"{len(grids):03d}-{name}.png")
        save_grid(grids[-1], states, scale=3)
    return Written(path, tuple(grids), recorded.facts["nfe"])
