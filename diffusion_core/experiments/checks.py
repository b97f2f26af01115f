"""What every experiment asks of its arguments, before the denoiser is called once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_core.recipe import check_range, check_seed, check_whole
from diffusion_core.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of pixels; what is given as H × W = 1 × 1 (a point) has only one.

    Parameters
    ----------
    top, left
        The first row and the first column, from 0.
    height, width
        Rows and columns, at least 1.
    """

    top: int
    left: int
    height: int
    width: int

    def mask(self, height: int, width: int) -> Tensor:
        """1 inside the patch and 0 outside, (height, width).

        Raises
        ------
        UsageError
            When the patch is empty or reaches out of the picture.
        """
        check_whole("patch.top", self.top, 0, height - 1)
        check_whole("patch.left", self.left, 0, width - 1)
        check_whole("patch.height", self.height, 1, height - self.top)
        check_whole("patch.width", self.width, 1, width - self.left)
        mask = torch.zeros(height, width)
        mask[self.top : self.top + self.height, self.left : self.left + self.width] = 1
        return mask


def check_batch(what: str, x: Tensor, shape: Sequence[int] | None = None) -> None:
    """Raise a ValueError unless ``x`` is finite floats, (B, C, H, W) or exactly ``shape``."""
    rule = "(B, C, H, W), none of them 0" if shape is None else str(tuple(shape))
    if x.ndim != 4 or 0 in x.shape or (shape is not None and tuple(x.shape) != tuple(shape)):
        raise ValueError(f"{what} has shape {tuple(x.shape)}; it must be {rule}")
    if not x.is_floating_point():
        raise ValueError(f"{what} is {x.dtype}; give it as floats, pictures in −1 … 1")
    if not bool(torch.isfinite(x).all()):
        raise ValueError(f"{what} holds values that are not finite")


def check_seeds(seeds: Sequence[int], count: int | None = None) -> None:
    """Raise unless there is a seed, or ``count`` (ValueError), each in range (UsageError)."""
    if not seeds or (count is not None and len(seeds) != count):
        rule = "at least one" if count is None else f"{count}, one a sample"
        raise ValueError(f"{len(seeds)} seeds were given; give {rule}")
    for seed in seeds:
        check_seed(seed)


def check_time_of_noise(what: str, t: int, schedule: Schedule) -> None:
    """Raise a UsageError unless ``t`` is a time with noise: 0 … T − 1."""
    check_whole(what, t, 0, schedule.T - 1)


def check_rising(what: str, times: Sequence[int], schedule: Schedule) -> None:
    """Raise unless ``times`` rise, there is at least one, and all lie in 0 … T − 1.

    Raises
    ------
    ValueError
        When there are none, or they do not rise.
    UsageError
        For a time out of range.
    """
    if not times or sorted(set(times)) != list(times):
        raise ValueError(f"{what} must rise and hold at least one time, got {list(times)}")
    for t in times:
        check_time_of_noise(what, t, schedule)


def per_sample(x_0: Tensor, seeds: Sequence[int]) -> Tensor:
    """``x_0`` with one picture a seed: (B, C, H, W) as it is, (1, C, H, W) repeated.

    Raises
    ------
    ValueError
        When x_0 is no batch of finite floats, or has neither one picture nor one a seed.
    UsageError
        For a seed out of range.
    """
    check_batch("x_0", x_0)
    check_seeds(seeds)
    if len(x_0) not in (1, len(seeds)):
        raise ValueError(
            f"x_0 holds {len(x_0)} pictures for {len(seeds)} seeds; give one, or one a seed"
        )
    return x_0.expand(len(seeds), *x_0.shape[1:])


def check_mask(what: str, mask: Tensor, x: Tensor) -> Tensor:
    """``mask`` in the type of ``x`` and broadcast to its shape, (B, C, H, W).

    Parameters
    ----------
    mask
        Values in 0 … 1: (H, W), (C, H, W), (B, 1, H, W) or whatever else
        broadcasts to the shape of x.

    Raises
    ------
    ValueError
        For another shape, or a mask that is 0 everywhere.
    UsageError
        For a value that is outside 0 … 1 or not finite.
    """
    try:
        full = mask.to(x.dtype).expand(x.shape)
    except RuntimeError:
        raise ValueError(
            f"{what} has shape {tuple(mask.shape)}; for x {tuple(x.shape)} it must be "
            f"{tuple(x.shape[2:])}, {tuple(x.shape[1:])} or the shape of x"
        ) from None
    for value in (float(full.min()), float(full.max())):
        check_range(f"a value of {what}", value, 0, 1)
    if not bool(full.any()):
        raise ValueError(f"{what} is 0 everywhere; let it cover something")
    return full
