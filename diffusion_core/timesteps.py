"""Which of the T noise levels a run visits.

Sources: Lin et al. 2024 (arXiv:2305.08891), table 2, for the names leading,
linspace and trailing; Karras et al. 2022 (arXiv:2206.00364), eq. 5.
"""

from __future__ import annotations

import torch

from diffusion_core.errors import UsageError
from diffusion_core.recipe import SPACINGS, check_name, check_range, check_whole
from diffusion_core.recipes.checks import OWN
from diffusion_core.schedule import CLEAN, Schedule


def sampling_times(
    schedule: Schedule, steps: int, spacing: str = "trailing", *, rho: float = 7.0
) -> list[int]:
    """The times of a run of ``steps`` steps: N falling times, then −1.

    Parameters
    ----------
    schedule
        Gives T, and σ/α for "karras".
    steps
        N, 1 … T.
    spacing
        "trailing": evenly spaced, counted down from T − 1, so that a run begins
        at pure noise; "leading": counted up from 0, as DDIM's authors did, which
        begins below T − 1; "linspace": from T − 1 to 0, both visited;
        "karras": evenly in (σ/α)^(1/ρ), each brought to the nearest level that
        keeps the times falling; "own": those of a pretrained model's scheduler.
    rho
        Of "karras", 1 … 100; the larger, the more steps are near the picture.

    Raises
    ------
    UsageError
        For an unknown spacing, ``steps`` outside 1 … T, ``rho`` outside 1 … 100, or
        "own" of a schedule that comes with no pretrained model.
    """
    T = schedule.T
    check_name("spacing", spacing, (*SPACINGS, OWN))
    steps = check_whole("steps", steps, 1, T)
    check_range("rho", rho, 1, 100)
    if spacing == OWN:
        return [*schedule.own_times(steps), CLEAN]
    if spacing == "trailing":
        times = _rounded(torch.arange(steps, 0, -1) * T, steps) - 1
    elif spacing == "leading":
        times = torch.arange(steps - 1, -1, -1) * (T // steps)
    elif spacing == "linspace":
        up = torch.arange(steps - 1, -1, -1)
        times = _rounded(up * (T - 1), steps - 1) if steps > 1 else torch.tensor([T - 1])
    else:
        times = _karras(schedule, steps, rho)
    return [*times.tolist(), CLEAN]


def _rounded(over: torch.Tensor, under: int) -> torch.Tensor:
    """over / under to the nearest whole number, a half to the even one, exactly.

    In floating point a half falls on either side, one level off.
    """
    whole, rest = over // under, over % under
    return whole + ((2 * rest > under) | ((2 * rest == under) & (whole % 2 == 1)))


def _karras(schedule: Schedule, steps: int, rho: float) -> torch.Tensor:
    levels = schedule.sigma(torch.arange(schedule.T)) / schedule.alpha(torch.arange(schedule.T))
    if not bool(torch.isfinite(levels).all()):
        raise UsageError("karras spacing needs some signal at T − 1; choose another spacing")
    u = torch.linspace(1, 0, steps, dtype=torch.float64)
    low, high = levels[0] ** (1 / rho), levels[-1] ** (1 / rho)
    wanted = (low + u * (high - low)) ** rho
    nearest = (levels.log()[None, :] - wanted.log()[:, None]).abs().argmin(dim=1)
    # Two that fall on one level are moved apart: first downwards, then off the floor.
    floor = torch.arange(steps - 1, -1, -1)
    offset = torch.arange(steps)
    falling = torch.cummin(nearest + offset, dim=0).values - offset
    return torch.maximum(falling, floor)
