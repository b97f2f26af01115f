"""Training the tiny network: settings, batches, the run, what it leaves behind."""

from diffusion_core.history import History, load_history
from diffusion_core.training.batches import Batch, Batches, loss_of
from diffusion_core.training.run import TrainingProgress, TrainingRun
from diffusion_core.training.settings import TrainingSettings, learning_rate_at
from diffusion_core.training.start import start

__all__ = [
    "Batch",
    "Batches",
    "History",
    "TrainingProgress",
    "TrainingRun",
    "TrainingSettings",
    "learning_rate_at",
    "load_history",
    "loss_of",
    "start",
]
