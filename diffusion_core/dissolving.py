"""One picture and one noise: x_t at any t, in one jump; numpy in, numpy out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion_core.forward import jump
from diffusion_core.pictures import load_picture
from diffusion_core.recipe import ForwardRecipe
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.seeds import SampleNoise


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A picture as it is at t.

    Parameters
    ----------
    t
        The time, −1 for the clean picture.
    x_t
        √ᾱ_t x_0 + √(1 − ᾱ_t) ε, (C, H, W).
    noise
        √(1 − ᾱ_t) ε, the part of it that is noise, (C, H, W).
    alpha_bar, snr
        ᾱ_t, and the signal-to-noise ratio.
    """

    t: int
    x_t: NDArray[np.float32]
    noise: NDArray[np.float32]
    alpha_bar: float
    snr: float


@lru_cache(maxsize=8)
def _drawn(image: str, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """x_0 and ε; the noise is the first that a ``ForwardRecipe`` with this seed draws."""
    x_0 = torch.from_numpy(load_picture(image, size))[None]
    return x_0, SampleNoise([seed], x_0.shape[1:]).draw()


@lru_cache(maxsize=8)
def _schedule(name: str, T: int) -> Schedule:
    return make_schedule(name, T)


def dissolved(recipe: ForwardRecipe, t: int) -> Moment:
    """The picture of ``recipe`` at t, by one jump with one ε that is the same at every t.

    Picture and noise are kept for the next call: moving through t costs one
    sum a pixel.

    Raises
    ------
    LectureError
        When the picture cannot be read.
    IndexError
        For a time outside −1 … T − 1.
    """
    schedule = _schedule(recipe.schedule, recipe.T)
    x_0, eps = _drawn(recipe.image, recipe.size, recipe.seed)
    clean = t < 0
    x_t = x_0 if clean else jump(x_0, t, schedule, eps)
    noise = schedule.sigma(t).to(eps.dtype) * eps
    return Moment(
        t, x_t[0].numpy(), noise[0].numpy(), float(schedule.alpha_bar(t)), float(schedule.snr(t))
    )


def weights(name: str, T: int = 1000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ᾱ_t and √(1 − ᾱ_t) for t = 0 … T − 1."""
    alpha_bar = _schedule(name, T).alpha_bar(torch.arange(T)).numpy()
    return alpha_bar, np.sqrt(1 - alpha_bar)
