"""What a training run is asked for, and how its learning rate goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from diffusion_core.denoiser import PREDICTIONS, Prediction
from diffusion_core.errors import UsageError
from diffusion_core.recipe import VP_SCHEDULES, check_name, check_range, check_seed, check_whole
from diffusion_core.schedule import make_schedule

PRECISIONS = ("auto", "float32", "bfloat16")
OPTIMIZERS = ("muon", "adamw")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What a training run is; two runs with equal settings give equal weights.

    Parameters
    ----------
    epochs
        Passes over the pictures.
    minutes
        Train so long instead: the speed of the first steps says how many steps
        that is, and from then on their number stands.
    batch_size
        Pictures a step, 1 … 65,536.
    learning_rate
        Peak of the schedule: linear warm-up over ``warmup`` steps, then half a
        cosine down to 1 %, or level where not ``decay``; in (0, 1].
    restart
        Begin that schedule anew after so many epochs, with half the peak: how a
        finished run is made longer (Loshchilov and Hutter 2017, arXiv:1608.03983);
        1 … ``epochs`` − 1.
    optimizer
        "muon" for the hidden matrices and AdamW for the rest (see ``muon``), or
        "adamw" for all.
    weight_decay
        Apart from the gradient (Loshchilov and Hutter 2019, arXiv:1711.05101).
    ema
        Decay a step of the average of the weights that is what one samples
        from; 0 for the weights as they are.
    prediction
        What the network is trained to predict: "v", "epsilon" or "x0".
    timesteps, schedule
        T, 10 … 100,000, and the noise schedule whose levels are trained on.
    precision
        What convolutions and matrices are multiplied in: "float32",
        "bfloat16", or "auto" for the faster one on this machine.
    drop_captions
        Share of captions that are left out, 0 … 1: what makes the same network
        unconditional, and so guidable (Ho and Salimans 2022, arXiv:2207.12598).
    seed
        Of the weights, the order, the times, the noise and the wording.
    sample_every, checkpoint_every
        Steps between sample grids, and between checkpoints.
    """

    epochs: int = 20
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup: int = 500
    decay: bool = True
    restart: int | None = None
    optimizer: str = "muon"
    weight_decay: float = 0.01
    ema: float = 0.999
    prediction: Prediction = "v"
    timesteps: int = 1000
    schedule: str = "cosine"
    precision: str = "auto"
    drop_captions: float = 0.2
    seed: int = 0
    sample_every: int = 1000
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in ("epochs", "sample_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)} must be at least 1")
        check_whole("batch_size", self.batch_size, 1, 65_536)
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning_rate = {self.learning_rate} is outside (0, 1]")
        if self.minutes is not None:
            check_range("minutes", self.minutes, 0.01, 100_000)
        if self.restart is not None:
            self._check_restart(self.restart)
        check_range("ema", self.ema, 0, 0.999999)
        check_range("drop_captions", self.drop_captions, 0, 1)
        check_name("prediction", self.prediction, PREDICTIONS[:3])
        check_name("precision", self.precision, PRECISIONS)
        check_name("optimizer", self.optimizer, OPTIMIZERS)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        make_schedule(self.schedule, self.timesteps)

    def until_restart(self) -> TrainingSettings:
        """The run that ends where this one restarts."""
        return self if self.restart is None else replace(self, epochs=self.restart, restart=None)

    def _check_restart(self, restart: int) -> None:
        if self.minutes is not None:
            raise UsageError(f"restart = {restart} counts epochs; give epochs instead of minutes")
        if not 1 <= restart < self.epochs:
            raise UsageError(
                f"restart = {restart} must leave epochs on both sides: 1 … {self.epochs - 1}"
            )


def learning_rate_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """Linear warm-up to the peak, then half a cosine down to 1 % of it; again after a restart."""
    if settings.restart is None:
        return _one_cycle(step, steps, settings.learning_rate, settings)
    turn = steps * settings.restart // settings.epochs
    if step < turn:
        return _one_cycle(step, turn, settings.learning_rate, settings)
    return _one_cycle(step - turn, steps - turn, settings.learning_rate / 2, settings)


def _one_cycle(step: int, steps: int, peak: float, settings: TrainingSettings) -> float:
    warmup = min(settings.warmup, max(1, steps // 10))
    if step < warmup:
        return peak * (step + 1) / warmup
    if not settings.decay:
        return peak
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def best_precision(device: torch.device) -> str:
    """bfloat16 where the hardware multiplies it, float32 elsewhere.

    On a CPU that is one with AMX: on others bfloat16 is the slower of the two.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    if device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16"):
        return "bfloat16"
    return "float32"
