"""The reverse process that the experiments vary, and the noise that they start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from diffusion_core.denoiser import Denoiser
from diffusion_core.errors import UsageError
from diffusion_core.experiments.checks import check_seeds
from diffusion_core.files import Facts
from diffusion_core.recipe import check_whole
from diffusion_core.recording import Policy, Report, record, silent
from diffusion_core.reverse import check_times
from diffusion_core.samplers import Sampler
from diffusion_core.schedule import CLEAN, Schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory


@dataclass(frozen=True)
class ReverseProcess:
    """All that a run needs besides where it starts and its noise.

    Parameters
    ----------
    denoiser, sampler
        What judges x_t, and the rule that uses the judgement.
    schedule
        The one of both.
    times
        N + 1 falling times in 0 … T − 1, and −1 last.
    policy
        Which states are kept; all, exactly, by default.
    report
        Told after every step of every run.
    facts
        What every recording should say besides, such as the model's digest.

    Raises
    ------
    ValueError
        When the times do not fall or do not end in −1, or the denoiser or the
        sampler has another schedule.
    UsageError
        For a time that is not whole or outside −1 … T − 1.
    """

    denoiser: Denoiser
    sampler: Sampler
    schedule: Schedule
    times: Sequence[int]
    policy: Policy = field(default_factory=Policy)
    report: Report = silent
    facts: Facts = field(default_factory=dict)

    def __post_init__(self) -> None:
        for t in self.times:
            check_whole("a time", t, CLEAN, self.schedule.T - 1)
        check_times(self.times)
        if self.times[-1] != CLEAN:
            raise ValueError(
                f"times end in {self.times[-1]}; they must end in {CLEAN}, the picture"
            )
        for what in ("denoiser", "sampler"):
            check_same_schedule(what, getattr(self, what), self.schedule)

    @property
    def deterministic(self) -> bool:
        """Whether no step takes noise."""
        pairs = zip(self.times, self.times[1:], strict=False)
        return not any(self.sampler.needs_noise(t, s) for t, s in pairs)

    def check_deterministic(self, experiment: str) -> None:
        """Raise a UsageError unless no step takes noise."""
        if not self.deterministic:
            raise UsageError(
                f"{experiment} compares pictures from different noise, so the sampler must add "
                f"none of its own; {type(self.sampler).__name__} does: choose DDIM with eta = 0, "
                "Euler, Heun or DPM-Solver++"
            )

    def starting_at(self, t: int) -> ReverseProcess:
        """The same process from ``t`` on: t, and the times below it."""
        return replace(self, times=(t, *(s for s in self.times if s < t)))

    def pure_noise(self, noise: Tensor) -> Tensor:
        """Standard normal ``noise`` at the scale of x at ``times[0]``."""
        return self.schedule.start(self.times[0]).to(noise.dtype) * noise

    def record(
        self,
        x: Tensor,
        noise: SampleNoise | None = None,
        *,
        facts: Facts,
        until: int = CLEAN,
    ) -> Trajectory:
        """Run from ``x`` (B, C, H, W) at ``times[0]`` to ``until``; ``facts`` say what was done."""
        return record(
            self.denoiser,
            self.sampler,
            x,
            [t for t in self.times if t >= until],
            self.schedule,
            noise=noise,
            policy=self.policy,
            report=self.report,
            facts={**self.facts, **describe_sampler(self.sampler), **facts},
        )


def describe_sampler(sampler: Sampler) -> Facts:
    """The sampler's name, and its η where it has one."""
    eta = getattr(sampler, "eta", None)
    return {"sampler": type(sampler).__name__} | ({} if eta is None else {"eta": eta})


def check_same_schedule(what: str, thing: object, schedule: Schedule) -> None:
    """Raise a ValueError when ``thing`` names a schedule with other values than ``schedule``."""
    its = getattr(thing, "schedule", None)
    if not isinstance(its, Schedule) or its is schedule:
        return
    same = torch.equal(its.alphas, schedule.alphas) and torch.equal(its.sigmas, schedule.sigmas)
    if not same:
        raise ValueError(
            f"the {what} has the schedule {its.name!r} with T = {its.T}, the process "
            f"{schedule.name!r} with T = {schedule.T}; give both the same"
        )


def start_noise(seeds: Sequence[int], shape: Sequence[int]) -> tuple[Tensor, SampleNoise]:
    """The first draw of every seed, (B, C, H, W), and the source, which goes on from there.

    The first draw is what a run from pure noise begins with, so the noise of
    the steps is never the noise of the start again.

    Raises
    ------
    ValueError
        When there are no seeds, or the shape is not three sizes of at least 1.
    UsageError
        For a seed out of range.
    """
    check_seeds(seeds)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape = {tuple(shape)} must be (C, H, W), none of them 0")
    noise = SampleNoise(seeds, shape)
    return noise.draw(), noise
