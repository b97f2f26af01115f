"""What of a recording is looked at: its pictures, or what a decoder made of its latents."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.fitting import NARROW_GAP, mosaic_of, tile_of
from scenes.stage.frames import States
from scenes.stage.tiles import Tile

REACH = 3.0
"""Latents have mean 0 and variance 1; they are shown from −3, black, to 3, white."""


def pictures_of(run: Trajectory) -> States:
    """The states as a tile takes them, (N + 1, B, C, H, W): previews in levels where there are."""
    return run.states if run.shown is None else run.shown


def guesses_of(run: Trajectory) -> States:
    """The same of x̂_0, (N, B, C, H, W)."""
    found = run.x0_hat if run.shown is None else run.shown_x0
    assert found is not None
    return found


def guesses_to_the_end(run: Trajectory) -> States:
    """x̂_0 at every state, (N + 1, B, C, H, W); the finished picture is its own guess."""
    return np.concatenate([guesses_of(run), pictures_of(run)[-1:]])


def along(states: States, run: Trajectory, like: Trajectory) -> States:
    """Rows of ``run`` (N + 1 or N, …) as ``like`` has them: at each of its times, or just before.

    Of large pictures not every recording keeps as many states.
    """
    if np.array_equal(run.timesteps, like.timesteps):
        return states
    # Times fall along a run; the last that is not below each is the state that stands then.
    found = np.searchsorted(-run.timesteps, -like.timesteps, side="right") - 1
    return states[np.clip(found, 0, len(states) - 1)[: len(like.timesteps)]]


def unit(pictures: States) -> NDArray[np.float64]:
    """Pictures as numbers in −1 … 1, to be measured."""
    values: NDArray[np.float64] = pictures.astype(np.float64)
    return values / 127.5 - 1 if pictures.dtype == np.uint8 else values


def in_latents(run: Trajectory) -> bool:
    """Whether the process runs among latents, and what is seen of it was decoded."""
    if run.shown is None:
        return False
    own, seen = run.states.shape[2:], run.shown.shape[2:]
    return own[0] != seen[0] or own[-1] < seen[-1]


def columns(maps: int) -> int:
    """How many of a latent's maps stand side by side: as nearly a square as it goes."""
    return math.ceil(math.sqrt(maps))


def noise_tile(eps: States, run: Trajectory, room: float, background: str) -> Tile:
    """ε̂ (N, C, H, W) of ``run`` in a tile; of latents each map by itself, side by side."""
    if not in_latents(run):
        return tile_of(eps, room)
    maps = eps[:, :, None] / np.float32(REACH)
    room += NARROW_GAP  # a map of 64 in a room of 128 is to keep its pixels
    return mosaic_of(maps, columns(maps.shape[1]), (room, room), background, gap=1)
