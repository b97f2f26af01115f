"""The small autoencoder learns to draw its pictures again from few numbers.

Its loss is the mean squared error of the pictures, and a little of the distance
of the latents from a standard normal distribution (Kingma and Welling 2014,
arXiv:1312.6114, eq. 10): so latents carry a little noise while it learns, and
what lies between two of them is drawn as well as they are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.checkpoints import from_arrays, to_arrays
from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Facts, canonical_json, read_arrays, write_arrays
from diffusion_core.latent.model import built_space, rounded, space_facts
from diffusion_core.latent.space import KLSpace, autoencoder, tiny_config
from diffusion_core.training.batches import NOISE, Batches, generator
from diffusion_core.training.settings import TrainingSettings, best_precision, learning_rate_at

AUTOENCODER_KIND = "diffusion-lectures autoencoder 1"
CPU = torch.device("cpu")
PATCH = 2
"""Side of the squares of pixels that become channels first."""
KL_WEIGHT = 4e-3
"""What a nat a latent number costs, in squared error a pixel.

Latents then carry noise that costs about half of it: an error of 0.045 RMS, of
pixels in −1 … 1, while it learns.  Means carry none.
"""
TOGETHER = 500
"""Pictures that are encoded at once where many are."""


def autoencoder_settings(epochs: int, seed: int) -> TrainingSettings:
    """How the small autoencoder is trained: what of the settings concerns it."""
    return TrainingSettings(epochs=epochs, batch_size=32, learning_rate=2e-3, warmup=100, seed=seed)


@dataclass(frozen=True)
class LearntSpace:
    """A latent space ready for use, what it was built of, and the facts of its training."""

    space: KLSpace
    facts: Facts
    digest: str


@dataclass
class AutoencoderRun:
    """One training of the small autoencoder, from its first step to its last.

    Parameters
    ----------
    images
        What is learnt: pictures whose side is a multiple of 4.
    settings
        Epochs, batch size, learning rate, warm-up and seed are used.
    """

    images: ImageSet
    settings: TrainingSettings
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        _, channels, side, _ = self.images.images.shape
        self.config = tiny_config(channels, PATCH)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            network = autoencoder(self.config)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.space = KLSpace(network, side, PATCH)
        self.batches = Batches(self.images, self.settings, None)
        self.steps = self.settings.epochs * self.batches.per_epoch

    def run(self) -> Iterator[tuple[int, float]]:
        """Train, yielding the number of steps done and the squared error of the last.

        Raises
        ------
        LectureError
            When the loss is not finite.
        """
        network, started = self.space.network, time.process_time()
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.settings.learning_rate)
        reduced = best_precision(CPU) == "bfloat16"
        network.train()
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, self.steps, self.settings)
            x = self.batches[step].x_0
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                error, cost = self._loss(x, generator(self.settings.seed, NOISE, step))
            loss = error + KL_WEIGHT * cost
            if not math.isfinite(value := float(loss.detach())):
                raise LectureError(f"the loss is {value} at step {step}; lower the rate")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            self.losses.append(float(error.detach()))
            self.seconds = time.process_time() - started
            yield step + 1, self.losses[-1]
        network.eval().requires_grad_(False)

    def _loss(self, x: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Squared error a pixel, and nats a latent number."""
        own = self.space.own_posterior(x)
        drawn = self.space.draw_own(own.sample(generator=rng).float())
        return F.mse_loss(drawn, x), own.kl().mean() / own.mean[0].numel()

    def finished(self, test: ImageSet) -> LearntSpace:
        """The space as it ships: its weights rounded, its latents at mean 0 and variance 1.

        A picture's latent is the mean of what its posterior allows.
        """
        network = self.space.network
        weights = {k: v.float() for k, v in rounded(network.state_dict()).items()}
        network.load_state_dict(weights)
        mean, std = latents_of(self.space, self.images.images)  # shift 0 and scale 1 as yet
        shift, spread = float(mean.double().mean()), float(mean.double().std())
        facts = {**space_facts(self.space, self.config)}
        facts["config"] |= {"shift_factor": shift, "scaling_factor": 1 / spread}
        space = built_space(facts)
        space.network.load_state_dict(weights)
        space.network.eval().requires_grad_(False)
        training: Facts = {
            **identity(self.images, self.settings),
            "steps": self.steps,
            "processor_minutes": round(self.seconds / 60, 1),
            "precision": best_precision(CPU),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "final_error": round(sum(self.losses[-200:]) / len(self.losses[-200:]), 6),
            "test": {"data": test.name, "pictures": len(test.images), "sha256": test.digest},
            "test_error": round(reconstruction_error(space, test.images), 6),
            "posterior_std": round(float(std.mean()) / spread, 4),
        }
        facts = {"space": facts, "training": training}
        return LearntSpace(space, facts, "")


def identity(images: ImageSet, settings: TrainingSettings) -> Facts:
    """What a training of the autoencoder is: two that agree in it give the same one."""
    return {
        "data": images.name,
        "pictures": len(images.images),
        "sha256": images.digest,
        "kl_weight": KL_WEIGHT,
        **{
            name: getattr(settings, name)
            for name in ("epochs", "batch_size", "learning_rate", "warmup", "seed")
        },
    }


@torch.no_grad()
def latents_of(space: KLSpace, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latents of uint8 ``images``, both (N, c, h, w)."""
    parts = [space.posterior(to_unit(part)) for part in images.split(TOGETHER)]
    means, stds = zip(*parts, strict=True)
    return torch.cat(means).float(), torch.cat(stds).float()


@torch.no_grad()
def reconstruction_error(space: KLSpace, images: Tensor) -> float:
    """Mean squared error, in −1 … 1, of pictures (N, C, H, W), uint8, drawn from their means."""
    errors = [
        F.mse_loss(space.draw(space.mean(to_unit(part))), to_unit(part), reduction="sum")
        for part in images.split(TOGETHER)
    ]
    return float(torch.stack(errors).double().sum()) / images.numel()


def save_space(path: Path, learnt: LearntSpace) -> str:
    """Write the autoencoder as float16, whole; return its digest."""
    arrays = to_arrays(rounded(learnt.space.network.state_dict()))
    return write_arrays(path, arrays, learnt.facts, kind=AUTOENCODER_KIND)


def load_space(path: Path) -> LearntSpace:
    """Read what ``save_space`` wrote.

    Raises
    ------
    DamagedFile, LectureError
        When it is not whole, or not there.
    """
    arrays, facts, digest = read_arrays(path, kind=AUTOENCODER_KIND)
    try:
        space = built_space(facts["space"])
        weights = from_arrays(arrays)
        space.network.load_state_dict({k: v.to(torch.float32) for k, v in weights.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFile(f"{path} does not hold an autoencoder: {error}") from error
    space.network.eval().requires_grad_(False)
    return LearntSpace(space, facts, digest)


def learnt_before(path: Path, images: ImageSet, settings: TrainingSettings) -> LearntSpace | None:
    """The autoencoder at ``path``; None where there is none yet.

    Raises
    ------
    LectureError
        When it learnt something else, or otherwise.
    """
    if not path.exists():
        return None
    learnt, wanted = load_space(path), identity(images, settings)
    found = {key: learnt.facts["training"].get(key) for key in wanted}
    if canonical_json(found) != canonical_json(wanted):
        different = [f"{k} = {found[k]} there, {v} now" for k, v in wanted.items() if found[k] != v]
        raise LectureError(
            f"{path} was trained otherwise ({'; '.join(different)}); give the same settings, or "
            "another --output"
        )
    return learnt
