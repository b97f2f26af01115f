"""A latent model in small: random weights, 8×8 pictures, latents of 4 × 2 × 2."""

from __future__ import annotations

from pathlib import Path

import torch

from diffusion_core.files import Facts
from diffusion_core.latent.model import save_latent_model, space_facts
from diffusion_core.latent.space import KLSpace, autoencoder, tiny_config
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import tiny_network

CONFIG = {**tiny_config(1, 2), "block_out_channels": [8, 8], "norm_num_groups": 4}
"""Of an autoencoder that takes a moment."""
NETWORK = UNetConfig(channels=4, size=2, patch=1, widths=(8,))


def tiny_space(seed: int = 0, shift: float = 0.25, scale: float = 2.0) -> KLSpace:
    """A space whose pictures are 8×8, with random weights."""
    config = {**CONFIG, "shift_factor": shift, "scaling_factor": scale}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = autoencoder(config)
    return KLSpace(network.eval().requires_grad_(False), 8, 2)


def save_tiny_latent(path: Path, seed: int = 0, network: UNetConfig = NETWORK) -> Path:
    """A latent model's file with random weights."""
    space = tiny_space(seed)
    facts: Facts = {
        "space": space_facts(space, CONFIG),
        "data": {"name": "noise", "pictures": 3},
    }
    save_latent_model(path, space, tiny_network(seed, network), "v", facts)
    return path
