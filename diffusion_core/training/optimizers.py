"""Which rule moves which weights of a network."""

from __future__ import annotations

import torch
from torch import nn

from diffusion_core.training.muon import Muon, hidden_matrices
from diffusion_core.training.settings import TrainingSettings, best_precision


def optimizers_for(
    network: nn.Module, settings: TrainingSettings, device: torch.device
) -> list[torch.optim.Optimizer]:
    """The optimisers that together move all weights of ``network``, each weight by one."""
    hidden = hidden_matrices(network) if settings.optimizer == "muon" else []
    known = {id(weight) for weight in hidden}
    rest = [weight for weight in network.parameters() if id(weight) not in known]
    rate, decay = settings.learning_rate, settings.weight_decay
    found: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            rest, lr=rate, betas=(0.9, 0.99), weight_decay=decay, fused=device.type != "mps"
        )
    ]
    if hidden:
        found.append(Muon(hidden, rate, decay, getattr(torch, best_precision(device))))
    return found
