"""What a network draws at each stage of its training, and how its loss falls."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.experiments.paths import Runs, rms
from diffusion_core.files import Facts
from diffusion_core.history import History
from diffusion_core.schedule import CLEAN, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory


def stage_name(step: int) -> str:
    """What the run with the network after ``step`` steps is called."""
    return f"step {step}"


def loss_curve(losses: NDArray[np.floating[Any]], points: int) -> Facts:
    """The losses of a run in at most ``points`` points, equally far apart in the logarithm.

    Each is the mean over the steps since the point before, and stands at the
    last of them: the first is step 1 alone, the last ends with the last step.
    """
    ends = np.unique(np.geomspace(1, len(losses), points).round().astype(int))
    means = np.add.reduceat(losses.astype(np.float64), [0, *ends[:-1]]) / np.diff([0, *ends])
    return {"steps": ends.tolist(), "means": means.tolist()}


def learning(history: History) -> Runs:
    """The stages of a training.

    What does the same noise become while the network learns?

    At every stage the same seeds were sampled, with the same prompts, from the
    averaged weights of then; of each run its start and its end are kept.

    Parameters
    ----------
    history
        Of a run, whose facts say how was sampled.

    Returns
    -------
    Runs
        "step n" for each stage: x_T and the picture, one sample a seed.  Facts:
        "step", "seen", "seconds", "nfe", and "rms_to_last", the distance of each
        picture to that of the last stage.
    """
    asked, trained = history.facts["samples"], history.facts["training"]
    schedule = make_schedule(trained["schedule"], trained["timesteps"])
    start = sampling_times(schedule, asked["steps"])[0]
    x_T = SampleNoise(asked["seeds"], history.samples.shape[2:]).draw().numpy()
    pictures = history.samples.astype(np.float32) / 127.5 - 1
    times = np.array([start, CLEAN])
    alpha_bar = np.array([float(schedule.alpha_bar(int(t))) for t in times])
    # Guidance asks twice a step.
    asks = 2 if any(asked["prompts"]) else 1
    return {
        stage_name(int(step)): Trajectory(
            states=np.stack([x_T, drawn]),
            timesteps=times,
            alpha_bar=alpha_bar,
            facts={
                "experiment": "learning",
                "step": int(step),
                "seen": int(seen),
                "seconds": float(seconds),
                "nfe": asked["steps"] * asks,
                "kept": "x_T and the picture, which is rounded to 256 levels",
                "rms_to_last": rms(drawn, pictures[-1]),
            },
        )
        for step, seen, seconds, drawn in zip(
            history.steps, history.seen, history.seconds, pictures, strict=True
        )
    }
