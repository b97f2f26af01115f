"""A denoiser learns the latents of an autoencoder: the run of training that pixels have.

Only what a step learns from is another, and what samples look like: latents
are drawn, and decoded to be seen.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffusion_core.datasets import ImageSet
from diffusion_core.denoiser import NetworkDenoiser, Prediction
from diffusion_core.files import canonical_json, write_text
from diffusion_core.grids import save_grid
from diffusion_core.latent.learning import LearntSpace, latents_of
from diffusion_core.latent.model import TrainedLatentModel, load_latent_file, save_latent_model
from diffusion_core.latent.space import KLSpace
from diffusion_core.reverse import sample
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.training.batches import Batch, Batches
from diffusion_core.training.report import GRID_SAMPLES, GRID_STEPS, STAGE_SAMPLES, SampleSheet
from diffusion_core.training.run import TrainingRun
from diffusion_core.training.settings import TrainingSettings
from diffusion_core.unet import UNet, UNetConfig

WIDTH, BLOCKS = 64, 2
"""Of the denoiser: one level, for a latent is as small as a picture's last level."""


def denoiser_settings(epochs: int, seed: int) -> TrainingSettings:
    """How the denoiser of the latents is trained."""
    return TrainingSettings(epochs=epochs, batch_size=64, optimizer="adamw", seed=seed)


class LatentBatches(Batches):
    """The batches of a run in latents: the mean of each picture's posterior.

    Drawn from the posterior, latents would carry noise that nobody can predict,
    most of it where the picture is empty; a decoder that has learnt with that
    noise forgives it, and needs none of it.

    Parameters
    ----------
    images, settings
        As for ``Batches``.
    space
        Encodes all of the pictures, once.
    """

    def __init__(self, images: ImageSet, settings: TrainingSettings, space: KLSpace) -> None:
        super().__init__(images, settings, None)
        self.latents, _ = latents_of(space, images.images)

    def __getitem__(self, step: int) -> Batch:
        """The latents of the pictures of ``step``, (B, c, h, w)."""
        return Batch(self.latents[self.chosen(step)], None)


class DecodedSheet(SampleSheet):
    """The samples by which a run in latents is followed: drawn there, and decoded."""

    def __init__(self, schedule: Schedule, config: UNetConfig, space: KLSpace) -> None:
        super().__init__(schedule, config)
        self.space = space

    @property
    def stage_shape(self) -> tuple[int, ...]:
        """(P, C, H, W) of what ``stage`` draws."""
        return (STAGE_SAMPLES, *self.space.pictures)

    def _draw(self, network: UNet, prediction: Prediction, count: int, steps: int) -> np.ndarray:
        times = sampling_times(self.schedule, min(steps, self.schedule.T))
        was_training = network.training
        network.eval()
        denoiser = NetworkDenoiser(network, self.schedule, prediction, clip=False)
        latents = sample(denoiser, DDIM(self.schedule), times, range(count), self.shape)
        network.train(was_training)
        return self.space.decode(latents).numpy()


class LatentRun(TrainingRun):
    """One training of a latent denoiser in a folder; see ``TrainingRun`` for what it receives.

    ``weights.safetensors`` holds the autoencoder too.

    Parameters
    ----------
    images
        The pictures.
    learnt
        The autoencoder that encodes them.
    settings, output
        As for ``TrainingRun``; minutes are the processor's.
    """

    def __init__(
        self, images: ImageSet, learnt: LearntSpace, settings: TrainingSettings, output: Path
    ) -> None:
        self.learnt = learnt
        channels, side, _ = learnt.space.shape
        network = UNetConfig(
            channels=channels, size=side, patch=1, widths=(WIDTH,), blocks=BLOCKS, text=0
        )
        schedule = make_schedule(settings.schedule, settings.timesteps)
        named = replace(images, name=f"{images.name}, latents of {learnt.digest[:16]}")
        super().__init__(
            named,
            settings,
            network,
            output,
            clock=time.process_time,
            batches=LatentBatches(images, settings, learnt.space),
            sheet=DecodedSheet(schedule, network, learnt.space),
        )

    def finish(self) -> None:
        """Write both networks, the grid of decoded samples, and the card."""
        if not self.processes.main:
            return
        facts = {**self.learnt.facts, "autoencoder_training": self.learnt.facts["training"]}
        facts |= self._facts()
        save_latent_model(
            self.weights,
            self.learnt.space,
            self._averaged_network(),
            self.settings.prediction,
            facts,
        )
        model = load_latent_file(self.weights)  # judged as it ships, rounded
        states = self.sheet.grid(model.network, model.prediction)
        save_grid(self.output / "samples.png", states, scale=3)
        write_text(self.output / "card.md", latent_card(model))


def latent_card(model: TrainedLatentModel) -> str:
    """What a reader should know of the weights, as Markdown."""
    training, data = model.facts["training"], model.facts["data"]
    coder, space = model.facts["autoencoder_training"], model.facts["space"]
    sizes = [
        sum(p.numel() for p in module.parameters())
        for module in (model.space.network, model.network)
    ]
    name = data["name"].partition("/")[0]
    numbers = [int(np.prod(shape)) for shape in (model.space.pictures, model.space.shape)]
    costs = model.costs()
    return f"""# Latent model card

An autoencoder of {name} pictures and a denoising diffusion model of its latents.

| | |
|---|---|
| latent | {" × ".join(map(str, model.space.shape))}: {numbers[1]} numbers for {numbers[0]} pixels |
| autoencoder | diffusers `AutoencoderKL` on patches of {space["patch"]}×{space["patch"]} pixels, \
{sizes[0]:,} parameters, `{canonical_json(space["config"])}` |
| its loss | squared error, and {coder["kl_weight"]:g} of the nats a latent number has |
| its error | {coder["test_error"]} (mean squared error, pixels in −1 … 1) on the \
{coder["test"]["pictures"]:,} pictures of {coder["test"]["data"]}; \
{coder["final_error"]} with the latents' own noise, last 200 steps |
| its training | {coder["steps"]:,} steps of {coder["batch_size"]} pictures, \
{coder["processor_minutes"]} processor minutes, {coder["precision"]}, {coder["threads"]} threads, \
torch {coder["torch"]} |
| denoiser | U-Net of one level, {sizes[1]:,} parameters, \
`{canonical_json(model.facts["network"])}` |
| predicts | {model.prediction}, told the noise level rather than t; no words |
| its training | {training["steps"]:,} steps of {training["batch_size"]} latents, \
{training["trained_minutes"]} processor minutes, {training["precision"]} on \
{training["device"]}, {training["threads"]} threads, torch {training["torch"]} |
| its loss | {training["final_loss"]} (mean squared error of {model.prediction}, mean of the last \
500 steps) |
| multiplications | {costs["step"]:,} a step, {costs["encode"]:,} to encode, \
{costs["decode"]:,} to decode |
| data | {coder["data"]}, {coder["pictures"]:,} pictures, SHA-256 `{coder["sha256"]}` |
| command | `python -m diffusion_core.latent.train --dataset {name} \
--autoencoder-epochs {coder["epochs"]} --epochs {training["epochs"]} --seed {training["seed"]}` |
| digest | `{model.digest}` |

`samples.png` shows seeds 0 to {GRID_SAMPLES - 1}, DDIM with {GRID_STEPS} steps, decoded; none was
picked.

It draws what it was trained on and nothing else.
"""
