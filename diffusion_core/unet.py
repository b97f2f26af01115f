"""The tiny U-Net: small enough to train on two cores over lunch.

Half resolution from the first layer on (pixel unshuffle: a 28×28 picture
becomes 14×14 with four channels, Shi et al. 2016, arXiv:1609.05158), two
levels, attention where it is cheap (7×7).  Each residual block is told the
noise level as a scale and shift after its second normalisation (Dhariwal and
Nichol 2021, arXiv:2105.05233).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The shape of a U-Net; enough to build it again.

    Parameters
    ----------
    channels
        Channels of the picture (1 for grey).
    size
        Height and width of the picture, a multiple of 4.
    widths
        Channels of the two levels, multiples of 8.
    blocks
        Residual blocks a level on the way down; one more on the way up.
    """

    channels: int = 1
    size: int = 28
    widths: tuple[int, int] = (64, 96)
    blocks: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.size % 4:
            raise ValueError(f"size = {self.size} must be a multiple of 4")
        if len(self.widths) != 2 or any(width % GROUPS for width in self.widths):
            raise ValueError(f"widths = {self.widths} must be two multiples of {GROUPS}")

    def as_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values."""
        return {**asdict(self), "widths": list(self.widths)}


def begin_at_zero(layer: nn.Conv2d) -> None:
    """Let ``layer`` add nothing at first, so that a deep network begins as a shallow one."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut, told the noise level."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.level = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        begin_at_zero(self.conv2)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, inputs, H, W), (B, embedding) → (B, outputs, H, W)."""
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.level(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """Self-attention between the positions of a feature map."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        begin_at_zero(self.out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) → the same shape."""
        B, C, H, W = x.shape
        qkv = self.qkv(self.norm(x)).reshape(B, 3, self.heads, C // self.heads, H * W)
        q, k, v = qkv.transpose(-1, -2).unbind(1)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, C, H, W))


class UNet(nn.Module):
    """(x_t, noise level) → an estimate the shape of x_t."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        w0, w1 = config.widths
        embedding = 4 * w0
        self.frequencies = 32
        self.embed = nn.Sequential(
            nn.Linear(2 * self.frequencies, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
            nn.SiLU(),
        )

        def block(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, embedding)

        self.enter = nn.Conv2d(4 * config.channels, w0, 3, padding=1)
        self.down0 = nn.ModuleList(block(w0, w0) for _ in range(config.blocks))
        self.shrink = nn.Conv2d(w0, w1, 3, stride=2, padding=1)
        self.down1 = nn.ModuleList(block(w1, w1) for _ in range(config.blocks))
        self.middle0, self.middle1 = block(w1, w1), block(w1, w1)
        self.attend = nn.ModuleList(Attention(w1) for _ in range(3))  # down, middle, up
        self.up1 = nn.ModuleList(block(2 * w1, w1) for _ in range(config.blocks + 1))
        self.enlarge = nn.Conv2d(w1, w0, 3, padding=1)
        self.up0 = nn.ModuleList(block(2 * w0, w0) for _ in range(config.blocks + 1))
        self.norm = nn.GroupNorm(GROUPS, w0)
        self.leave = nn.Conv2d(w0, 4 * config.channels, 3, padding=1)
        begin_at_zero(self.leave)

    def forward(self, x: Tensor, noise_level: Tensor) -> Tensor:
        """Predict from x_t (B, C, H, W) at noise levels (B,) in 0 … 1."""
        e = self.embed(embed_level(noise_level, self.frequencies))
        h = self.enter(F.pixel_unshuffle(x, 2))
        skips0 = [h]
        for block in self.down0:
            h = block(h, e)
            skips0.append(h)
        h = self.shrink(h)
        skips1 = [h]
        for block in self.down1:
            h = block(h, e)
            skips1.append(h)
        h = self.attend[0](h)
        h = self.middle1(self.attend[1](self.middle0(h, e)), e)
        for block in self.up1:
            h = block(torch.cat([h, skips1.pop()], dim=1), e)
        h = self.attend[2](h)
        h = self.enlarge(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        for block in self.up0:
            h = block(torch.cat([h, skips0.pop()], dim=1), e)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(h))), 2)


def embed_level(noise_level: Tensor, frequencies: int) -> Tensor:
    """Sines and cosines of the level, (B,) → (B, 2·frequencies).

    Frequencies run from half a turn to 16 turns over the whole range, evenly
    on a logarithmic scale (Vaswani et al. 2017, arXiv:1706.03762, 3.5).
    """
    turns = torch.logspace(
        math.log10(0.5), math.log10(16), frequencies, device=noise_level.device
    ).to(noise_level.dtype)
    angle = 2 * math.pi * noise_level[:, None] * turns[None, :]
    return torch.cat([angle.sin(), angle.cos()], dim=1)
