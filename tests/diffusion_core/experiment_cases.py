"""Small known cases for the experiments: data whose right answer is exact."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion_core.classifier import ClassifierNetwork, load_judge
from diffusion_core.denoiser import Denoiser, Posterior
from diffusion_core.experiments import ReverseProcess
from diffusion_core.gaussians import ExactDenoiser, Mixture
from diffusion_core.places import data_dirs
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.vision import import_torchvision

COSINE = make_schedule("cosine", 200)
POINT = (2, 1, 1)
PICTURE = (1, 8, 8)
SEEDS = tuple(range(40))

CORNERS = Mixture(
    weights=torch.full((4,), 0.25),
    means=torch.tensor([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)]),
    stds=torch.full((4,), 0.1),
)
"""Four small clouds in the corners of a square."""


def patterns() -> Tensor:
    """Four pictures of black and white, (4, 1, 8, 8): rows, columns, a chequer, a frame."""
    i, j = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    frame = (i == 0) | (i == 7) | (j == 0) | (j == 7)
    shapes = [i % 2 == 0, j % 2 == 0, (i + j) % 2 == 0, frame]
    return torch.stack([2.0 * shape - 1 for shape in shapes])[:, None]


class ExactPictures:
    """What a perfect network says where the data are pictures (B, C, H, W), blurred."""

    evaluations = 1

    def __init__(self, pictures: Tensor, schedule: Schedule, std: float = 0.0) -> None:
        count = len(pictures)
        self.mixture = Mixture(
            torch.full((count,), 1 / count), pictures.flatten(1), torch.full((count,), float(std))
        )
        self.schedule = schedule

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        x0, eps = self.mixture.posterior(x_t.flatten(1), alpha, sigma)
        return Posterior(x0.reshape(x_t.shape), eps.reshape(x_t.shape))


def process(
    sampler: str = "ddim",
    *,
    denoiser: Denoiser | None = None,
    schedule: Schedule = COSINE,
    steps: int = 50,
    eta: float = 0.0,
) -> ReverseProcess:
    """A process on the four clouds, or with another denoiser."""
    return ReverseProcess(
        denoiser or ExactDenoiser(CORNERS, schedule),
        make_sampler(sampler, schedule, eta),
        schedule,
        sampling_times(schedule, steps),
    )


def points(*at: tuple[float, float]) -> Tensor:
    """Points as pictures of two channels and one pixel, (B, 2, 1, 1)."""
    return torch.tensor(at)[:, :, None, None]


def corner_logits(x: Tensor) -> Tensor:
    """The exact classifier of the four clouds: ln of the responsibilities."""
    return CORNERS.responsibilities(x[:, :, 0, 0].double()).clamp_min(1e-30).log()


def corner_of(states: np.ndarray) -> np.ndarray:
    """Which of the four clouds each of the points (B, 2, 1, 1) belongs to."""
    return CORNERS.mode_of(torch.from_numpy(states)[:, :, 0, 0]).numpy()


def pattern_of(states: np.ndarray, pictures: Tensor) -> np.ndarray:
    """Which of ``pictures`` each of the states (B, C, H, W) is closest to."""
    flat = torch.from_numpy(states).flatten(1).double()
    return torch.cdist(flat, pictures.flatten(1).double()).argmin(1).numpy()


def to_nearest(states: np.ndarray) -> np.ndarray:
    """Distance of points (B, 2, 1, 1) to the nearest centre of a cloud, (B,)."""
    return torch.cdist(torch.from_numpy(states).flatten(1).double(), CORNERS.means).amin(1).numpy()


def is_falling(values: list[int]) -> bool:
    return all(t > s for t, s in itertools.pairwise(values))


@functools.cache
def labelled_digits(train: bool) -> tuple[Tensor, Tensor]:
    """MNIST with its labels, uint8 (N, 1, 28, 28) and (N,); the test is skipped where it is not."""
    MNIST = import_torchvision().datasets.MNIST
    for place in data_dirs():
        try:
            found = MNIST(root=str(place), train=train, download=False)
        except RuntimeError:
            continue
        return found.data[:, None], found.targets
    pytest.skip(f"needs MNIST with its labels in one of: {', '.join(map(str, data_dirs()))}")


@functools.cache
def digit_classifier() -> ClassifierNetwork:
    """The classifier of digits that ships."""
    return load_judge().network
