"""What a training run tells of itself: sample grids, the loss curve, the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_core.captions import Captions
from diffusion_core.checkpoints import TrainedModel
from diffusion_core.denoiser import NetworkDenoiser, Prediction
from diffusion_core.files import Facts, canonical_json, written_whole
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.reverse import sample
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule
from diffusion_core.text import Vocabulary
from diffusion_core.timesteps import sampling_times
from diffusion_core.unet import UNet, UNetConfig

GRID_SAMPLES = 64
GRID_STEPS = 50
STAGE_SAMPLES = 16
STAGE_STEPS = 20
GUIDANCE = 2.0


class SampleSheet:
    """The samples by which a run is followed: the same seeds and prompts each time.

    Where the network reads, the lower half is prompted: wordings of groups
    evenly spread over all, with guidance.

    Parameters
    ----------
    schedule, config
        Of the network that is sampled from.
    vocabulary, captions
        Where prompts come from.
    """

    def __init__(
        self,
        schedule: Schedule,
        config: UNetConfig,
        vocabulary: Vocabulary | None = None,
        captions: Captions | None = None,
    ) -> None:
        self.schedule, self.config = schedule, config
        self.vocabulary, self.captions = vocabulary, captions
        self.shape = (config.channels, config.size, config.size)

    @property
    def stage_shape(self) -> tuple[int, ...]:
        """(P, C, H, W) of what ``stage`` draws."""
        return (STAGE_SAMPLES, *self.shape)

    def prompts(self, count: int) -> list[str]:
        """The prompts of ``count`` samples: none for the first half, or for all."""
        if self.vocabulary is None or self.captions is None:
            return [""] * count
        asked = count // 2
        groups = np.linspace(0, len(self.captions.wordings) - 1, asked).round().astype(int)
        first = self.captions.wordings[torch.from_numpy(groups), 0].tolist()
        return [""] * (count - asked) + [self.captions.texts[i] for i in first]

    def _text(self, prompts: list[str]) -> Tensor:
        assert self.vocabulary is not None
        rows = np.zeros((len(prompts), self.vocabulary.embeddings.shape[1]), np.float32)
        for row, prompt in zip(rows, prompts, strict=True):
            if prompt:
                row[:] = self.vocabulary.lookup(prompt)
        return torch.from_numpy(rows)

    def _draw(self, network: UNet, prediction: Prediction, count: int, steps: int) -> np.ndarray:
        times = sampling_times(self.schedule, min(steps, self.schedule.T))
        was_training = network.training
        network.eval()
        plain = NetworkDenoiser(network, self.schedule, prediction)
        denoiser: NetworkDenoiser | GuidedDenoiser = plain
        if self.vocabulary is not None:
            text = self._text(self.prompts(count))
            read = NetworkDenoiser(network, self.schedule, prediction, text=text)
            denoiser = GuidedDenoiser(read, plain, self.schedule, GUIDANCE)
        states = sample(denoiser, DDIM(self.schedule), times, range(count), self.shape).numpy()
        network.train(was_training)
        return states

    def grid(self, network: UNet, prediction: Prediction) -> np.ndarray:
        """Seeds 0 … 63 through DDIM, none of them picked: (64, C, H, W) in −1 … 1."""
        return self._draw(network, prediction, GRID_SAMPLES, GRID_STEPS)

    def stage(self, network: UNet, prediction: Prediction) -> np.ndarray:
        """Seeds 0 … 15 in fewer steps: (16, C, H, W) in −1 … 1."""
        return self._draw(network, prediction, STAGE_SAMPLES, STAGE_STEPS)

    def stage_facts(self) -> Facts:
        """How the samples of a stage are drawn."""
        return {
            "seeds": list(range(STAGE_SAMPLES)),
            "prompts": self.prompts(STAGE_SAMPLES),
            "sampler": "ddim",
            "steps": min(STAGE_STEPS, self.schedule.T),
            "guidance": GUIDANCE,
        }


def model_card(model: TrainedModel, sheet: SampleSheet) -> str:
    """What a reader should know of the weights, as Markdown."""
    training, data = model.facts["training"], model.facts["data"]
    parameters = sum(p.numel() for p in model.network.parameters())
    length = ("--epochs", "epochs") if training["minutes"] is None else ("--minutes", "minutes")
    flags = {
        length[0]: length[1],
        "--batch-size": "batch_size",
        "--learning-rate": "learning_rate",
        "--optimizer": "optimizer",
        "--timesteps": "timesteps",
        "--schedule": "schedule",
        "--seed": "seed",
    }
    if training["restart"] is not None:
        flags["--restart"] = "restart"
    options = " ".join(f"{flag} {training[key]}" for flag, key in flags.items())
    name = data["name"].partition("/")[0]
    reads = model.vocabulary is not None
    kind = "A text-conditioned" if reads else "An unconditional"
    words = "\n| words | none |"
    prompted = ""
    if model.vocabulary is not None:
        words = (
            f"\n| words | {len(model.vocabulary.texts):,} captions taught, "
            f"{training['drop_captions']:.0%} of them dropped; embeddings of all-MiniLM-L6-v2, "
            f"SHA-256 `{model.vocabulary.encoder}` |"
        )
        asked = [prompt for prompt in sheet.prompts(GRID_SAMPLES) if prompt]
        prompted = (
            f" The first {GRID_SAMPLES - len(asked)} have no prompt; the others, with guidance "
            f"{GUIDANCE:g}, have these: {'; '.join(asked)}."
        )
    return f"""# Model card

{kind} denoising diffusion model of {name} pictures, the averaged weights of one run.

| | |
|---|---|
| network | U-Net, {parameters:,} parameters, `{canonical_json(model.facts["network"])}` |
| predicts | {model.prediction}, told the noise level rather than t |{words}
| data | {data["name"]}, {data["pictures"]:,} pictures, SHA-256 `{data["sha256"]}` |
| command | `python render.py train --dataset {name} {options}` |
| steps | {training["steps"]:,} of {min(training["batch_size"], data["pictures"])} pictures |
| time | {training["trained_minutes"]} minutes, {training["precision"]} on {training["device"]}, \
{training["threads"]} threads, torch {training["torch"]} |
| loss | {training["final_loss"]} (mean squared error of {model.prediction}, mean of the last \
500 steps) |
| digest | `{model.digest}` |

`samples.png` shows seeds 0 to {GRID_SAMPLES - 1}, DDIM with \
{min(GRID_STEPS, sheet.schedule.T)} steps; none was picked.{prompted}

It draws what it was trained on and nothing else.
"""


def plot_losses(path: Path, losses: list[float], prediction: Prediction) -> None:
    """Draw the loss of every step and its running mean as a PNG, whole."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color="#f2a65a", alpha=0.35, linewidth=0.6, label="each step")
    window = max(1, min(200, len(losses) // 10))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(steps[window - 1 :], smooth, color="#0b62b8", label=f"mean of {window} steps")
    axes.set(xlabel="step", ylabel=f"loss (mean squared error of {prediction})", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    with written_whole(path) as partial:
        figure.savefig(partial)
