"""Latent models: a space, and the denoiser that learnt its latents; one file of both.

The seam for models from elsewhere is ``LatentModel``: whoever can encode,
decode and judge a noisy latent is recorded and shown like the one that ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from diffusion_core.checkpoints import NETWORK, channels_last, from_arrays, to_arrays
from diffusion_core.denoiser import PREDICTIONS, Denoiser, NetworkDenoiser, Prediction
from diffusion_core.errors import DamagedFile
from diffusion_core.files import Facts, read_arrays, write_arrays
from diffusion_core.latent.cost import multiplications
from diffusion_core.latent.models import LATENT_KIND, latent_weights_path
from diffusion_core.latent.space import KLSpace, LatentSpace, autoencoder
from diffusion_core.schedule import Schedule
from diffusion_core.unet import UNet, UNetConfig

AUTOENCODER = "autoencoder."
"""What the names of the autoencoder's arrays begin with; the denoiser's are ``NETWORK``."""


class LatentModel(Protocol):
    """What a run in latents needs of a model."""

    @property
    def space(self) -> LatentSpace:
        """Encodes and decodes."""
        ...

    @property
    def facts(self) -> Facts:
        """Of its training: ``data`` with ``name`` and ``pictures`` at least."""
        ...

    @property
    def digest(self) -> str:
        """Of all of its weights."""
        ...

    def denoiser(self, schedule: Schedule) -> Denoiser:
        """What judges a noisy latent under ``schedule``; x0_hat is a latent and is not clipped."""
        ...

    def costs(self) -> dict[str, int]:
        """Multiplications for one sample of: "step", one look at a latent; "encode"; "decode"."""
        ...


@dataclass(frozen=True)
class TrainedLatentModel:
    """A pair that was trained here, ready to use, and the facts of its training."""

    space: KLSpace
    network: UNet
    prediction: Prediction
    facts: Facts
    digest: str

    def denoiser(self, schedule: Schedule) -> NetworkDenoiser:
        """See ``LatentModel``."""
        # A latent has no range that it could be limited to.
        return NetworkDenoiser(self.network, schedule, self.prediction, clip=False)

    def costs(self) -> dict[str, int]:
        """See ``LatentModel``."""
        z, x = torch.zeros(1, *self.space.shape), torch.zeros(1, *self.space.pictures)
        return {
            "step": multiplications(self.network, z, torch.zeros(1)),
            "encode": multiplications(self.space.mean, x),
            "decode": multiplications(self.space.draw, z),
        }


def rounded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as float16, in which weights are kept."""
    return {name: tensor.to(torch.float16) for name, tensor in tensors.items()}


def space_facts(space: KLSpace, config: Facts) -> Facts:
    """What is needed to build ``space`` again; ``config`` is what its network was built of."""
    factors = {"shift_factor": space.shift, "scaling_factor": space.scale}
    return {"config": {**config, **factors}, "size": space.size, "patch": space.patch}


def built_space(facts: Facts) -> KLSpace:
    """The space that ``space_facts`` describes, with random weights."""
    return KLSpace(autoencoder(facts["config"]), facts["size"], facts["patch"])


def save_latent_model(
    path: Path, space: KLSpace, network: UNet, prediction: Prediction, facts: Facts
) -> str:
    """Write both networks as float16, whole; return their digest.

    ``facts["space"]`` is what ``space_facts`` says.
    """
    arrays = to_arrays(rounded(space.network.state_dict()), AUTOENCODER)
    arrays |= to_arrays(rounded(network.state_dict()), NETWORK)
    facts = {**facts, "network": network.config.as_dict(), "prediction": prediction}
    return write_arrays(path, arrays, facts, kind=LATENT_KIND)


def load_latent_file(path: Path) -> TrainedLatentModel:
    """Read what ``save_latent_model`` wrote, ready for use.

    Raises
    ------
    DamagedFile
        When the content is not what was written, or does not fit the networks.
    LectureError
        When the file is absent or cannot be read.
    """
    arrays, facts, digest = read_arrays(path, kind=LATENT_KIND)
    try:
        space, network = built_space(facts["space"]), UNet(UNetConfig(**facts["network"]))
        for module, prefix in ((space.network, AUTOENCODER), (network, NETWORK)):
            weights = from_arrays(arrays, prefix)
            module.load_state_dict({k: v.to(torch.float32) for k, v in weights.items()})
            module.eval().requires_grad_(False)
        fits = (network.config.channels, network.config.size) == space.shape[:2]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFile(f"{path} does not hold a latent model: {error}") from error
    if not fits or facts.get("prediction") not in PREDICTIONS:
        raise DamagedFile(f"{path} holds an autoencoder and a network that do not fit together")
    return TrainedLatentModel(space, channels_last(network), facts["prediction"], facts, digest)


def load_latent_model(name: str) -> TrainedLatentModel:
    """The latent model that ships under ``name``, or the one at the path ``name``.

    Raises
    ------
    UsageError
        For a name that is neither; it says what works.
    """
    return load_latent_file(latent_weights_path(name))
