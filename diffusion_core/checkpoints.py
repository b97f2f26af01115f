"""Networks on disk: weights, their configuration and where they came from.

Weights that ship are kept as float16 beside this module; a training run's
checkpoints hold the full state in float32.  Both are one safetensors file
with a digest (see ``files``), so loading runs no code and finds damage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from diffusion_core.denoiser import PREDICTIONS, NetworkDenoiser, Prediction
from diffusion_core.errors import DamagedFile
from diffusion_core.files import Arrays, Facts, read_arrays, write_arrays
from diffusion_core.models import weights_path
from diffusion_core.schedule import Schedule
from diffusion_core.unet import UNet, UNetConfig

WEIGHTS_KIND = "diffusion-lectures weights 1"


def to_arrays(tensors: Mapping[str, Tensor], prefix: str = "") -> Arrays:
    """Tensors as numpy arrays, names prefixed."""
    return {prefix + name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def from_arrays(arrays: Arrays, prefix: str = "") -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {
        # Copied, because what was read is a read-only view of the file.
        name.removeprefix(prefix): torch.from_numpy(array.copy())
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def channels_last(network: UNet) -> UNet:
    """``network`` with its weights laid out as CPUs convolve fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class TrainedModel:
    """A network ready to use, and the facts of its training."""

    network: UNet
    prediction: Prediction
    facts: Facts
    digest: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its pictures."""
        config = self.network.config
        return (config.channels, config.size, config.size)

    def denoiser(self, schedule: Schedule) -> NetworkDenoiser:
        """The network as a denoiser under ``schedule``."""
        return NetworkDenoiser(self.network, schedule, self.prediction)


def save_weights(path: Path, network: UNet, prediction: Prediction, facts: Facts) -> str:
    """Write the weights of ``network`` as float16, whole; return their digest."""
    arrays = to_arrays({k: v.to(torch.float16) for k, v in network.state_dict().items()})
    facts = {**facts, "network": network.config.as_dict(), "prediction": prediction}
    return write_arrays(path, arrays, facts, kind=WEIGHTS_KIND)


def load_weights(path: Path) -> TrainedModel:
    """Read what ``save_weights`` wrote, ready for inference.

    Raises
    ------
    DamagedFile
        When the content is not what was written, or does not fit a network.
    """
    arrays, facts, digest = read_arrays(path, kind=WEIGHTS_KIND)
    try:
        network = UNet(UNetConfig(**facts["network"]))
        network.load_state_dict({k: v.to(torch.float32) for k, v in from_arrays(arrays).items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedFile(f"{path} does not hold a network of this project: {error}") from error
    if facts.get("prediction") not in PREDICTIONS:
        raise DamagedFile(f"{path} does not say what its network predicts")
    network.eval().requires_grad_(False)
    return TrainedModel(channels_last(network), facts["prediction"], facts, digest)


def load_model(name: str) -> TrainedModel:
    """The model that ships under ``name``, or the weights at the path ``name``.

    Raises
    ------
    UsageError
        For a name that is neither.
    """
    return load_weights(weights_path(name))
