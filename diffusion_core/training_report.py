"""What a training run tells of itself: sample grids, the loss curve, the model card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffusion_core.checkpoints import TrainedModel
from diffusion_core.denoiser import NetworkDenoiser
from diffusion_core.files import canonical_json, written_whole
from diffusion_core.reverse import sample
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import Schedule
from diffusion_core.timesteps import sampling_times
from diffusion_core.unet import UNetConfig

GRID_SAMPLES = 64
GRID_STEPS = 50


def sample_grid(denoiser: NetworkDenoiser, schedule: Schedule, config: UNetConfig) -> np.ndarray:
    """Seeds 0 … 63 through DDIM, none of them picked: (64, C, H, W) in −1 … 1."""
    times = sampling_times(schedule, min(GRID_STEPS, schedule.T))
    shape = (config.channels, config.size, config.size)
    return sample(denoiser, DDIM(schedule), times, range(GRID_SAMPLES), shape).numpy()


def model_card(model: TrainedModel) -> str:
    """What a reader should know of the weights, as Markdown."""
    training, data = model.facts["training"], model.facts["data"]
    parameters = sum(p.numel() for p in model.network.parameters())
    flags = {
        "--epochs": "epochs",
        "--batch-size": "batch_size",
        "--learning-rate": "learning_rate",
        "--timesteps": "timesteps",
        "--schedule": "schedule",
        "--seed": "seed",
    }
    options = " ".join(f"{flag} {training[key]}" for flag, key in flags.items())
    name = data["name"].partition("/")[0]
    return f"""# Model card

An unconditional denoising diffusion model of {name} pictures, the averaged weights of one run.

| | |
|---|---|
| network | U-Net, {parameters:,} parameters, `{canonical_json(model.facts["network"])}` |
| predicts | {model.prediction}, told the noise level rather than t |
| data | {data["name"]}, {data["pictures"]:,} pictures, SHA-256 of the pixels `{data["sha256"]}` |
| command | `python render.py train --dataset {name} {options}` |
| seed | {training["seed"]} |
| steps | {training["steps"]:,} of {training["batch_size"]} pictures, {training["epochs"]} epochs |
| time | {training["minutes"]} minutes, {training["threads"]} threads, torch {training["torch"]} |
| loss | {training["final_loss"]} (v-prediction, mean of the last 500 steps) |
| digest | `{model.digest}` |

`samples.png` shows seeds 0 to 63, DDIM with {GRID_STEPS} steps; none was picked.

It draws handwritten digits and nothing else; it was not made to recognise them. MNIST comes from
digits of American census workers and students; the model knows their hands only.
"""


def plot_losses(path: Path, losses: list[float]) -> None:
    """Draw the loss of every step and its running mean as a PNG, whole."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    steps = np.arange(1, len(losses) + 1)
    axes.plot(steps, losses, color="#f2a65a", alpha=0.35, linewidth=0.6, label="each step")
    window = max(1, min(200, len(losses) // 10))
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(steps[window - 1 :], smooth, color="#0b62b8", label=f"mean of {window} steps")
    axes.set(xlabel="step", ylabel="loss (mean squared error of v)", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend()
    with written_whole(path) as partial:
        figure.savefig(partial)
