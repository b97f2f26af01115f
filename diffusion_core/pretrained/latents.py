"""The latent space of a pretrained model: its autoencoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffusion_core.errors import LectureError
from diffusion_core.latent.space import KLSpace
from diffusion_core.pretrained.runtime import runtime
from diffusion_core.pretrained.shapes import Shape, picture_shape, state_shape
from diffusion_core.pretrained.source import Source


class PretrainedSpace(KLSpace):
    """The latents of a pipeline's ``AutoencoderKL``; one picture at a time, in float32.

    Raises
    ------
    LectureError
        When network and autoencoder are of other latents, or these are brought to
        mean 0 in a way that is not known here.
    """

    def __init__(self, pipeline: Any, source: Source) -> None:
        super().__init__(pipeline.vae, picture_shape(source)[1])
        self._shapes = picture_shape(source), state_shape(source)
        channels = self.config.latent_channels
        if channels != self._shapes[1][0]:
            raise LectureError(
                f"model {source.name!r}: its network is given {self._shapes[1][0]} channels, and "
                f"its autoencoder's latents have {channels}: it draws into a picture that it is "
                "given; choose a model that draws from noise alone"
            )
        if getattr(self.config, "latents_mean", None) is not None:
            raise LectureError(
                f"model {source.name!r}: its autoencoder names latents_mean, which is not read "
                "here; choose another model"
            )

    @property
    def pictures(self) -> Shape:
        """(C, H, W) of a picture."""
        return self._shapes[0]

    @property
    def shape(self) -> Shape:
        """(c, h, w) of a latent."""
        return self._shapes[1]

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in −1 … 1 → the means of their latents, (B, c, h, w)."""
        given = x.to(runtime().device, torch.float32)
        return torch.cat([self.mean(part) for part in given.split(1)]).to(x)

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, c, h, w) → pictures (B, C, H, W)."""
        given = z.to(runtime().device, torch.float32)
        return torch.cat([self.draw(part) for part in given.split(1)]).to(z)
