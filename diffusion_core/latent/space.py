"""Latent spaces: from a picture to a small grid of numbers, and back.

What a latent space is, is said by ``LatentSpace``; ``KLSpace`` makes one of
diffusers' ``AutoencoderKL``, the class that Stable Diffusion's autoencoders are
of, whether it was trained here or comes pretrained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion_core.errors import DamagedFile
from diffusion_core.vision import import_torchvision
from diffusion_core.workers import evaluate_all


class LatentSpace(Protocol):
    """Anything that encodes pictures and decodes latents."""

    @property
    def pictures(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a latent."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in −1 … 1 → latents (B, c, h, w) of mean 0 and variance 1."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, c, h, w) → pictures (B, C, H, W), nearly in −1 … 1."""
        ...


class KLSpace:
    """The latents of an ``AutoencoderKL``, as far as one knows it from its means.

    Its own latents have any mean and scale; ``shift_factor`` and
    ``scaling_factor`` of its configuration bring them to 0 and 1, where the
    noise schedules expect a picture: z = (mean − shift) · scale.

    Parameters
    ----------
    network
        A diffusers ``AutoencoderKL``.
    size
        Height and width of the pictures.
    patch
        Side of the squares of pixels that become channels before the network
        and pixels again after it, as in our U-Net; 1 for pretrained ones.
    """

    def __init__(self, network: nn.Module, size: int, patch: int = 1) -> None:
        self.network, self.size, self.patch = network, size, patch
        self.config = cast(Any, network).config  # a module's attributes are of any kind
        self.shift = float(self.config.shift_factor or 0.0)
        self.scale = float(self.config.scaling_factor)

    @property
    def pictures(self) -> tuple[int, int, int]:
        """(C, H, W) of a picture."""
        return self.config.in_channels // self.patch**2, self.size, self.size

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a latent."""
        side = self.size // self.patch // 2 ** (len(self.config.block_out_channels) - 1)
        return self.config.latent_channels, side, side

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in −1 … 1 → the means of their latents, (B, c, h, w).

        One picture at a time, in one thread each: a picture's latent is the
        same bit for bit in any company.
        """
        return torch.cat(evaluate_all(self.mean, [[part] for part in x.split(1)]))

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, c, h, w) → pictures (B, C, H, W); one at a time, as ``encode`` does."""
        return torch.cat(evaluate_all(self.draw, [[part] for part in z.split(1)]))

    # -- whole batches, in the network's own bits ------------------------------

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the latents of ``x``, both (B, c, h, w)."""
        own = self.own_posterior(x)
        return (own.mean - self.shift) * self.scale, own.std * self.scale

    def own_posterior(self, x: Tensor) -> Any:
        """The distribution of the network's own latents of ``x``, before shift and scale."""
        entered = F.pixel_unshuffle(x, self.patch)
        return self.network.encode(entered).latent_dist  # type: ignore[operator]

    def mean(self, x: Tensor) -> Tensor:
        """The means alone, (B, c, h, w)."""
        return self.posterior(x)[0]

    def draw(self, z: Tensor) -> Tensor:
        """(B, c, h, w) → (B, C, H, W)."""
        return self.draw_own(z / self.scale + self.shift)

    def draw_own(self, own: Tensor) -> Tensor:
        """The network's own latents (B, c, h, w), before shift and scale → (B, C, H, W)."""
        drawn = self.network.decode(own).sample  # type: ignore[operator]
        return F.pixel_shuffle(drawn, self.patch).float()


def autoencoder(config: Mapping[str, Any]) -> nn.Module:
    """A diffusers ``AutoencoderKL`` of this configuration, with random weights.

    Raises
    ------
    DamagedFile
        When the configuration is none.
    """
    import_torchvision()  # before diffusers, which imports it as it comes
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    try:
        return AutoencoderKL(**config)
    except (TypeError, ValueError) as error:
        raise DamagedFile(f"this is no configuration of an AutoencoderKL: {error}") from error


def tiny_config(channels: int, patch: int) -> dict[str, Any]:
    """The configuration of the small autoencoder that is trained here.

    Half the size after the patches, and half again inside: of a 28×28 picture
    in patches of 2 the latent is 7×7, with four channels.  Its factors are for
    latents as they come; what they come to is known when it has learnt.
    """
    widths = [32, 48]
    return {
        "in_channels": channels * patch**2,
        "out_channels": channels * patch**2,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "block_out_channels": widths,
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 8,
        "mid_block_add_attention": False,
        "shift_factor": 0.0,
        "scaling_factor": 1.0,
    }
