"""What a step trains on: every random choice follows from (seed, step) alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.denoiser import Posterior, Prediction, from_posterior
from diffusion_core.schedule import Schedule
from diffusion_core.text import Vocabulary
from diffusion_core.training.settings import TrainingSettings

ORDER, NOISE, WORDING = range(3)
"""What a generator is for: part of what it is seeded with."""


def generator(seed: int, purpose: int, index: int) -> torch.Generator:
    """A generator of its own for each purpose and index of a run."""
    mixed = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


@dataclass(frozen=True)
class Batch:
    """Pictures (B, C, H, W) in −1 … 1, and their captions' embeddings (B, text)."""

    x_0: Tensor
    text: Tensor | None


class Batches:
    """The batches of a run, each found from its number.

    Parameters
    ----------
    images
        What is learnt.
    settings
        Batch size, seed, the share of captions that are dropped.
    vocabulary
        The embeddings of the captions of ``images``, where the network reads.
    """

    def __init__(
        self, images: ImageSet, settings: TrainingSettings, vocabulary: Vocabulary | None
    ) -> None:
        self.images, self.settings = images.images, settings
        self.size = min(settings.batch_size, len(self.images))
        self.per_epoch = len(self.images) // self.size
        self.captions = images.captions if vocabulary is not None else None
        self.embeddings: Tensor | None = None
        if vocabulary is not None:
            assert images.captions is not None
            row = {text: i for i, text in enumerate(vocabulary.texts)}
            chosen = [row[text] for text in images.captions.texts]
            self.embeddings = torch.from_numpy(vocabulary.embeddings[chosen].astype(np.float32))

    def __getitem__(self, step: int) -> Batch:
        """The batch of ``step``."""
        chosen = self.chosen(step)
        return Batch(to_unit(self.images[chosen]), self._text(chosen, step))

    def chosen(self, step: int) -> Tensor:
        """Which pictures ``step`` trains on; what whole batches leave over joins the next shuffle.

        (B,) positions in ``images``.
        """
        epoch, index = divmod(step, self.per_epoch)
        order = torch.randperm(
            len(self.images), generator=generator(self.settings.seed, ORDER, epoch)
        )
        return order[index * self.size : (index + 1) * self.size]

    def _text(self, chosen: Tensor, step: int) -> Tensor | None:
        if self.captions is None or self.embeddings is None:
            return None
        rng = generator(self.settings.seed, WORDING, step)
        wordings = self.captions.wordings[self.captions.groups[chosen]]  # (B, K)
        pick = torch.randint(wordings.shape[1], (len(chosen), 1), generator=rng)
        text = self.embeddings[wordings.gather(1, pick)[:, 0]]
        dropped = torch.rand(len(chosen), 1, generator=rng) < self.settings.drop_captions
        return text.masked_fill(dropped, 0)


def loss_of(
    network: nn.Module,
    batch: Batch,
    schedule: Schedule,
    rng: torch.Generator,
    prediction: Prediction = "v",
    share: slice = slice(None),
) -> Tensor:
    """Mean squared error of what is predicted at one random time a picture.

    The times are stratified, one from each B-th of the range, which spreads
    them evenly over the batch and makes the loss less noisy.  ``share`` is the
    part of the batch that this process trains on; its times and noise are
    those that it has in the whole.
    """
    x_0 = batch.x_0
    B = len(x_0)
    u = (torch.rand(1, generator=rng) + torch.arange(B) / B) % 1
    t = (u * schedule.T).long().clamp(max=schedule.T - 1)
    alpha = schedule.alpha(t).to(x_0.dtype)[:, None, None, None]
    sigma = schedule.sigma(t).to(x_0.dtype)[:, None, None, None]
    eps = torch.randn(x_0.shape, generator=rng)
    x_t = alpha * x_0 + sigma * eps
    target = from_posterior(Posterior(x_0, eps), prediction, alpha, sigma)
    level = schedule.noise_level(t).to(x_0.dtype)
    device = next(network.parameters()).device
    inputs = [x_t, level] if batch.text is None else [x_t, level, batch.text]
    output = network(*(value[share].to(device) for value in inputs))
    return F.mse_loss(output, target[share].to(device))
