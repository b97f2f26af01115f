"""Many samples of one model, fast: for measuring, not for showing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from diffusion_core.checkpoints import TrainedModel
from diffusion_core.denoiser import Denoiser, NetworkDenoiser
from diffusion_core.grids import to_pixels
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.recipe import SAMPLERS, SPACINGS, check_name, check_whole
from diffusion_core.reverse import reverse_process
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times

SCHEDULE, T = "cosine", 1000

CHUNK = 1000
"""Samples that walk together; it bounds the memory."""

AT_ONCE = 64
"""Samples that a processor's network is given at once: a third faster a sample than four."""


@dataclass(frozen=True, slots=True)
class Way:
    """A sampler, its number of steps, 1 and up, and where in time they lie."""

    sampler: str = "ddim"
    steps: int = 20
    spacing: str = "trailing"

    def __post_init__(self) -> None:
        check_name("sampler", self.sampler, SAMPLERS)
        check_whole("steps", self.steps, 1, 100_000)
        check_name("spacing", self.spacing, SPACINGS)


class _Elsewhere(nn.Module):
    """A network that computes on ``device`` for callers on the processor."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.network, self.device = network.to(device), device

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*(value.to(self.device) for value in inputs)).cpu()


class Drawer:
    """Draws many samples of one model, fast.

    The network is given many at once, so a sample is the same as in a recording
    to rounding, and not bit for bit.

    Parameters
    ----------
    model
        What to draw from.
    device
        Where the network computes.
    schedule
        The noise schedule.
    """

    def __init__(self, model: TrainedModel, device: torch.device, schedule: str = SCHEDULE) -> None:
        self.model, self.schedule = model, make_schedule(schedule, T)
        away = device.type != "cpu"
        self.network = _Elsewhere(model.network, device) if away else model.network
        self.together = CHUNK if away else AT_ONCE

    def steps(self, way: Way, n: int) -> int:
        """How often ``draw`` will report.

        Raises
        ------
        UsageError
            When the schedule has fewer levels than the way has steps.
        """
        sampling_times(self.schedule, way.steps, way.spacing)
        return way.steps * math.ceil(n / CHUNK)

    def draw(
        self,
        way: Way,
        seeds: Sequence[int],
        *,
        text: Tensor | None = None,
        guidance: float = 1.0,
        tell: Callable[[], None] = lambda: None,
    ) -> tuple[Tensor, int]:
        """One picture a seed, (N, C, H, W) uint8, and the NFE of each.

        Parameters
        ----------
        way
            Sampler, steps and their spacing.
        seeds
            Of the samples' noise.
        text
            The embedding of a prompt for each, (N, text).
        guidance
            g, where there is text.
        tell
            Called after every step.

        Raises
        ------
        LectureError
            When the network's output is not finite.
        """
        times = sampling_times(self.schedule, way.steps, way.spacing)
        sampler = make_sampler(way.sampler, self.schedule)
        drawn, nfe = [], 0
        for begin in range(0, len(seeds), CHUNK):
            some = slice(begin, begin + CHUNK)
            noise, nfe = SampleNoise(seeds[some], self.model.shape), 0
            denoiser = self._denoiser(None if text is None else text[some], guidance)
            x = float(self.schedule.norm(times[0])) * noise.draw()
            for step in reverse_process(denoiser, sampler, x, times, noise):
                x, nfe = step.x_s, nfe + step.evaluations
                tell()
            drawn.append(as_pictures(x))
        return torch.cat(drawn), nfe

    def _denoiser(self, text: Tensor | None, guidance: float) -> Denoiser:
        def judging(words: Tensor | None) -> NetworkDenoiser:
            return NetworkDenoiser(
                self.network,
                self.schedule,
                self.model.prediction,
                text=words,
                together=self.together,
            )

        if text is None or guidance == 1:
            return judging(text)
        return GuidedDenoiser(judging(text), judging(None), self.schedule, guidance)


def as_pictures(x: Tensor) -> Tensor:
    """Values in −1 … 1 (N, C, H, W) as they are saved and seen: uint8."""
    return torch.from_numpy(to_pixels(x.numpy()))
