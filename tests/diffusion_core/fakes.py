"""Networks, denoisers and runs that cost nothing and are known through and through."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_core.captions import Captions
from diffusion_core.checkpoints import save_weights
from diffusion_core.denoiser import Posterior, Prediction, clipped, to_posterior
from diffusion_core.history import History
from diffusion_core.recording import record
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import Schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.text import EMBEDDING, Vocabulary
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory
from diffusion_core.unet import UNet, UNetConfig

SHAPE = (2, 1, 4, 4)

Network = Callable[[Tensor, float], Tensor]
"""(x_t, t) ↦ an output the shape of x_t."""


def normal(seed: int, shape: tuple[int, ...] = SHAPE, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers that are the same every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


TEXTS = ("a dark blob", "dark", "a bright blob", "bright")
"""What may be said of a small picture: the first two of a dark one, the others of a bright one."""


def vocabulary(texts: tuple[str, ...] = TEXTS) -> Vocabulary:
    """Captions with random embeddings of length 1, each the same in any vocabulary."""
    rows = []
    for text in texts:
        row = np.random.default_rng(list(text.encode())).normal(size=EMBEDDING)
        rows.append(row / np.linalg.norm(row))
    return Vocabulary(texts, np.array(rows).astype(np.float16))


def captions(images: Tensor) -> Captions:
    """What may be said of pictures (N, C, H, W), uint8."""
    bright = images.flatten(1).float().mean(1) > 127.5
    return Captions(TEXTS, torch.tensor([[0, 1], [2, 3]]), bright.long())


def small_history(seed: int = 0) -> History:
    """Of a run of two steps, in which two samples were drawn three times; nobody trained it."""
    generator = np.random.default_rng(seed)
    return History(
        steps=np.array([0, 1, 2]),
        seen=np.array([0, 8, 16]),
        seconds=np.array([0.5, 0.75, 1.25]),
        samples=generator.integers(0, 256, (3, 2, 1, 8, 8), np.uint8),
        losses=np.array([0.9, 0.8], np.float32),
        facts={
            "samples": {
                "seeds": [0, 1],
                "prompts": ["", "dark"],
                "sampler": "ddim",
                "steps": 3,
                "guidance": 2.0,
            },
            "training": {"schedule": "cosine", "timesteps": 20},
            "data": {"name": "blobs/train", "pictures": 40},
        },
    )


def tiny_reading_weights(path: Path) -> Path:
    """Weights of a small network that was taught ``TEXTS``."""
    network = small_network(UNetConfig(size=8, widths=(8, 8), text=EMBEDDING))
    save_weights(path, network, "v", {"data": {"name": "noise", "pictures": 3}}, vocabulary())
    return path


class RandomFunction:
    """A fixed random function of (x, t), smooth and within −1 … 1.

    As the v of a network it gives pictures that stay bounded; as the ε of one,
    only where ``as_epsilon`` made it so.
    """

    def __init__(self, seed: int = 0, size: int = 16, T: int = 1000) -> None:
        self.mix = normal(seed, (size, size), torch.float64) / (2 * size**0.5)
        self.shift = normal(seed + 1, (2, size), torch.float64)
        self.T = T
        self.asked: list[float] = []

    def __call__(self, x: Tensor, t: float) -> Tensor:
        self.asked.append(float(t))
        u = float(t) / self.T
        flat = x.to(torch.float64).flatten(1) @ self.mix
        moved = flat + self.shift[0] + u * self.shift[1]
        return torch.tanh(moved).reshape(x.shape).to(x.dtype)


class Outputs:
    """A network that predicts ``prediction`` by way of v, so that its pictures stay bounded."""

    def __init__(self, prediction: Prediction, schedule: Schedule, v: Network) -> None:
        self.prediction, self.schedule, self.v = prediction, schedule, v

    def __call__(self, x: Tensor, t: float) -> Tensor:
        v = self.v(x, t)
        alpha, sigma = (float(f(int(t))) for f in (self.schedule.alpha, self.schedule.sigma))
        return {"v": v, "epsilon": sigma * x + alpha * v, "x0": alpha * x - sigma * v}[
            self.prediction
        ]


class FakeDenoiser:
    """A network of (x, t) as a denoiser; it counts how often it is asked, and when."""

    def __init__(
        self,
        network: Network,
        schedule: Schedule,
        prediction: Prediction = "v",
        *,
        clip: bool = False,
        evaluations: int = 1,
    ) -> None:
        self.network, self.schedule, self.clip = network, schedule, clip
        self.prediction: Prediction = prediction
        self.evaluations = evaluations
        self.asked: list[int] = []

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        self.asked.append(t)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        posterior = to_posterior(self.network(x_t, t), x_t, self.prediction, alpha, sigma)
        return clipped(posterior, x_t, alpha, sigma) if self.clip else posterior


class Refuses:
    """A denoiser that nobody may ask."""

    evaluations = 1

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        raise AssertionError(f"the network was asked at t = {t}")


def recorded(
    schedule: Schedule,
    steps: int,
    *,
    sampler: str = "ddim",
    spacing: str = "trailing",
    seeds: tuple[int, ...] = (3, 4),
    **options: Any,
) -> Trajectory:
    """A run of a fake denoiser."""
    noise = SampleNoise(seeds, SHAPE[1:])
    times = sampling_times(schedule, steps, spacing)
    denoiser = FakeDenoiser(RandomFunction(), schedule)
    x_T = float(schedule.norm(times[0])) * noise.draw()
    return record(
        denoiser, make_sampler(sampler, schedule), x_T, times, schedule, noise=noise, **options
    )


def small_network(config: UNetConfig) -> UNet:
    """A network whose output is not the zero it begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(config)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(1))
    return network


def tiny_weights(path: Path, *, broken: bool = False) -> Path:
    """Weights of a small network; broken, one of them is not a number."""
    network = small_network(UNetConfig(size=8, widths=(8, 8)))
    if broken:
        next(network.parameters()).data.flatten()[0] = math.nan
    save_weights(path, network, "v", {"data": {"name": "noise", "pictures": 3}})
    return path
