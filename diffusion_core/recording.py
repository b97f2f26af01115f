"""From a run to a recording: which states are kept, and how exactly.

The rule is stated, and goes into the file: x at the first and the last time is
always kept, the others by the policy.  What a picture needs may be stored as
float16; what is exact and what is not is said under ``stored``.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_core.budget import Room, fit
from diffusion_core.denoiser import Denoiser
from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.onlookers import Look, present
from diffusion_core.recipe import check_name
from diffusion_core.reverse import Step, reverse_process
from diffusion_core.samplers import Sampler
from diffusion_core.schedule import Schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory

Report = Callable[[int, int], None]
"""Called with (steps done, steps in all) while a run goes on."""

RULES = ("log_snr", "t")
ROUNDABLE = ("states", "x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise")


def silent(done: int, total: int) -> None:
    """The report of a run that nobody watches."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What of a run is kept.

    Parameters
    ----------
    keep
        States besides the first; all of them when None.
    rule
        "log_snr": evenly spaced in ln SNR, where the picture changes evenly, as
        near as the times of the run allow;
        "t": evenly spaced along the run.
    half
        Arrays that are stored as float16: 3 decimal digits, enough for a screen.
    room
        Where a file has a largest size: what does not fit is thinned by the rule,
        or rounded (see ``budget.fit``).
    """

    keep: int | None = None
    rule: str = "log_snr"
    half: tuple[str, ...] = ()
    room: Room | None = None

    def __post_init__(self) -> None:
        if self.keep is not None and not 1 <= self.keep < math.inf:
            raise UsageError(f"keep = {self.keep} must be at least 1, and finite")
        if self.rule not in RULES:
            raise UsageError(f"rule {self.rule!r} is unknown; choose one of: {', '.join(RULES)}")

        for name in self.half:
            check_name("half", name, ROUNDABLE)

    def fitted(self, shape: Sequence[int], steps: int, *, guided: bool) -> Policy:
        """The policy of a run of so many steps with states (B, C, H, W), so that it fits."""
        if self.room is None:
            return self
        found = fit(self.room, shape, steps, self.half, guided=guided)
        keep = found.keep if self.keep is None else min(self.keep, found.keep)
        return replace(self, keep=keep if keep < steps else self.keep, half=found.half)

    def kept(self, times: Sequence[int], schedule: Schedule) -> list[int]:
        """Which of ``times`` are kept, as rising positions; 0 and the last among them."""
        last = len(times) - 1
        if self.keep is None or self.keep >= last:
            return list(range(last + 1))
        if self.rule == "t":
            return sorted({round(last * i / self.keep) for i in range(self.keep + 1)})
        # The ends of ln SNR are infinite; positions between are spaced by what is finite.
        position = schedule.log_snr(torch.tensor(times)).numpy()
        finite = position[np.isfinite(position)]
        margin = (finite.max() - finite.min()) / max(1, len(finite) - 1)
        position = np.clip(position, finite.min() - margin, finite.max() + margin)
        wanted = np.linspace(position[0], position[-1], self.keep + 1)
        found = np.array([np.abs(position - value).argmin() for value in wanted])
        # Two that fall on one state are moved apart: towards the picture, then back from its end.
        order = np.arange(self.keep + 1)
        found = np.maximum.accumulate(found - order) + order
        return [int(i) for i in np.minimum(found, last - order[::-1])]

    def said(self, kept: int, total: int) -> str:
        """The rule in words, for the file."""
        if kept == total:
            return f"all {total} states"
        spaced = "ln SNR" if self.rule == "log_snr" else "t"
        return (
            f"{kept} of {total} states, evenly spaced in {spaced}, the first and the last included"
        )


def stored(arrays: dict[str, np.ndarray[Any, Any]], half: Iterable[str]) -> tuple[Any, Facts]:
    """Arrays as they are kept, and what to say of it."""
    rounded = {
        name: _halved(array) if name in set(half) else array for name, array in arrays.items()
    }
    return rounded, {
        name: f"{array.dtype}{'' if name not in set(half) else ', rounded'}"
        for name, array in rounded.items()
    }


def _halved(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """float16, with what is beyond its range at its end: a guess where nothing is left of x_0."""
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float16)
    beyond = np.isinf(rounded) & np.isfinite(array)
    if beyond.any():
        rounded[beyond] = np.copysign(np.finfo(np.float16).max, array[beyond])
    return rounded


def environment() -> Facts:
    """Threads and versions: what the last bits of a run depend on."""
    return {
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def stack(tensors: Sequence[Tensor]) -> np.ndarray[Any, Any]:
    """(N, …) from N tensors, on the CPU."""
    return torch.stack(list(tensors)).cpu().numpy()


def record(
    denoiser: Denoiser,
    sampler: Sampler,
    x_T: Tensor,
    times: Sequence[int],
    schedule: Schedule,
    *,
    noise: SampleNoise | None = None,
    policy: Policy | None = None,
    report: Report = silent,
    facts: Facts | None = None,
) -> Trajectory:
    """Run a reverse process and keep of it what the policy says.

    Memory grows with the states that are kept, not with the steps.

    Parameters
    ----------
    denoiser, sampler, x_T, times, noise
        As for ``reverse_process``.
    schedule
        Gives ᾱ at ``times``.
    policy
        All states, exact, by default.
    report
        Told after every step; whoever is ``looking_on`` is shown it as well.
    facts
        What else the recording should say.

    Raises
    ------
    ValueError
        As ``reverse_process`` does, and for an x_T that is not (B, C, H, W).
    LectureError
        When the network's output is not finite.
    """
    if x_T.ndim != 4:
        raise ValueError(f"x_T has shape {tuple(x_T.shape)}; it must be (B, C, H, W)")
    policy = (policy or Policy()).fitted(x_T.shape, len(times) - 1, guided=denoiser.evaluations > 1)
    positions = policy.kept(times, schedule)
    wanted = set(positions)
    kept: list[Step] = []
    states: list[Tensor] = []
    nfe = 0
    onlooker = present()
    steps = reverse_process(denoiser, sampler, x_T, times, noise)
    for done, step in enumerate(steps, 1):
        if done - 1 in wanted:
            kept.append(step)
            states.append(step.x_t)
        nfe += step.evaluations
        final = step.x_s
        if onlooker is not None:
            onlooker(_look(step, done, len(times) - 1, nfe))
        report(done, len(times) - 1)
    states.append(final)
    arrays = {"states": stack(states), **_said_of(kept)}
    if len(positions) == len(times):
        none = torch.zeros_like(x_T)
        arrays["noise"] = stack([none if step.noise is None else step.noise for step in kept])
    arrays, precision = stored(arrays, policy.half)
    at = torch.tensor([times[i] for i in positions])
    return Trajectory(
        **arrays,
        timesteps=at.numpy(),
        alpha_bar=schedule.alpha_bar(at).numpy(),
        facts={
            "nfe": nfe,
            "schedule": schedule.name,
            "kept": policy.said(len(positions), len(times)),
            "stored": precision,
            **environment(),
            # A denoiser may have something to say of itself: of a prompt too long for it.
            **getattr(denoiser, "facts", {}),
            **(facts or {}),
        },
    )


def _look(step: Step, done: int, total: int, nfe: int) -> Look:
    shown = (step.x_t, step.x_s, step.posterior.x0_hat, step.posterior.eps_hat)
    x_t, x_s, x0_hat, eps_hat = (values.cpu().numpy() for values in shown)
    return Look(done, total, step.t, step.s, x_t, x_s, x0_hat, eps_hat, nfe)


def _said_of(steps: Sequence[Step]) -> dict[str, np.ndarray[Any, Any]]:
    """What the network said at the kept states: x0_hat, eps_hat, and guidance's halves."""
    arrays = {
        "x0_hat": stack([step.posterior.x0_hat for step in steps]),
        "eps_hat": stack([step.posterior.eps_hat for step in steps]),
    }
    for name in ("eps_cond", "eps_uncond"):
        halves = [getattr(step.posterior, name) for step in steps]
        if all(half is not None for half in halves):
            arrays[name] = stack(halves)
    return arrays
