"""The tiny U-Net: small enough to train on two cores over lunch.

Half resolution from the first layer on (pixel unshuffle: a 28×28 picture
becomes 14×14 with four channels, Shi et al. 2016, arXiv:1609.05158), two
levels, attention where it is cheap (7×7).  Each residual block is told the
noise level, and what the picture shows where there are words for it, as a
scale and shift after its second normalisation (Dhariwal and Nichol 2021,
arXiv:2105.05233).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8
"""Groups of every normalisation."""


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The shape of a U-Net; enough to build it again.

    Parameters
    ----------
    channels
        Channels of the picture (1 for grey).
    size
        Height and width of the picture: a multiple of ``patch``, and halved
        between levels.
    patch
        Side of the squares of pixels that become channels at the entrance.
    widths
        Channels of each level, multiples of 8, the finest level first.
    blocks
        Residual blocks a level on the way down; one more on the way up.
    attention
        Whether the coarsest level attends to itself.
    text
        Length of the embedding of a caption; 0 for a network without words.
    """

    channels: int = 1
    size: int = 28
    patch: int = 2
    widths: tuple[int, ...] = (64, 128)
    blocks: int = 1
    attention: bool = True
    text: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if not self.widths or any(width < GROUPS or width % GROUPS for width in self.widths):
            raise ValueError(f"widths = {self.widths} must be multiples of {GROUPS}")
        step = self.patch * 2 ** (len(self.widths) - 1)
        if self.size % step:
            raise ValueError(f"size = {self.size} must be a multiple of {step}")

    def as_dict(self) -> dict[str, object]:
        """The fields as JSON-ready values."""
        return {**asdict(self), "widths": list(self.widths)}


def begin_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Let ``layer`` add nothing at first, so that a deep network begins as a shallow one."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut, told the noise level and the words."""

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
        q, k, v = qkv.float().transpose(-1, -2).unbind(1)
        # In float32 even where the convolutions are not: the backward pass of
        # attention in bfloat16 is ten times slower on a CPU.
        with torch.autocast(x.device.type, enabled=False):
            h = F.scaled_dot_product_attention(q, k, v)
        return x + self.out(h.transpose(-1, -2).reshape(B, C, H, W))


class Words(nn.Module):
    """The embedding of a caption as the blocks are told it.

    The embeddings of similar sentences lie close together ("a bold seven" and
    "a thin seven" have a cosine of 0.8), so they are spread out first by the
    mean and the scale of the captions that were taught.  A row of zeros stands
    for no caption, and has a learnt vector of its own.
    """

    def __init__(self, text: int, embedding: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(text))
        self.register_buffer("scale", torch.ones(text))
        self.absent = nn.Parameter(torch.zeros(embedding))
        self.layers = nn.Sequential(
            nn.Linear(text, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )

    mean: Tensor
    scale: Tensor

    def spread(self, taught: Tensor) -> None:
        """Take mean and scale from the embeddings (V, text) of what is taught."""
        self.mean.copy_(taught.mean(0))
        self.scale.copy_(taught.std(0).clamp(min=1e-4))

    def forward(self, text: Tensor) -> Tensor:
        """(B, text) → (B, embedding)."""
        there = (text != 0).any(dim=1, keepdim=True)
        return torch.where(there, self.layers((text - self.mean) / self.scale), self.absent)


class UNet(nn.Module):
    """(x_t, noise level, words) → an estimate the shape of x_t."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, last = config.widths, config.widths[-1]
        embedding = 4 * widths[0]
        self.frequencies = 32
        self.embed = nn.Sequential(
            nn.Linear(2 * self.frequencies, embedding),
            nn.SiLU(),
            nn.Linear(embedding, embedding),
        )
        self.words = Words(config.text, embedding) if config.text else None

        def level(inputs: int, outputs: int, blocks: int) -> nn.ModuleList:
            return nn.ModuleList(ResidualBlock(inputs, outputs, embedding) for _ in range(blocks))

        pixels = config.patch**2 * config.channels
        pairs = list(itertools.pairwise(widths))
        self.enter = nn.Conv2d(pixels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(level(width, width, config.blocks) for width in widths)
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.middle = level(last, last, 2)
        self.attend = nn.ModuleList(  # on the way down, in the middle, on the way up
            Attention(last) if config.attention else nn.Identity() for _ in range(3)
        )
        self.up = nn.ModuleList(level(2 * width, width, config.blocks + 1) for width in widths)
        self.enlarge = nn.ModuleList(nn.Conv2d(b, a, 3, padding=1) for a, b in pairs)
        self.norm = nn.GroupNorm(GROUPS, widths[0])
        self.leave = nn.Conv2d(widths[0], pixels, 3, padding=1)
        begin_at_zero(self.leave)

    def forward(self, x: Tensor, noise_level: Tensor, text: Tensor | None = None) -> Tensor:
        """Predict from x_t.

        Parameters
        ----------
        x
            (B, C, H, W).
        noise_level
            (B,), 0 … 1.
        text
            (B, text), the embeddings of captions; a row of zeros, or None for
            all, where there is none.
        """
        e = self.embed(embed_level(noise_level, self.frequencies))
        if self.words is not None:
            absent = x.new_zeros(len(x), self.config.text)
            e = e + self.words(absent if text is None else text)
        e = F.silu(e)
        h = self.enter(F.pixel_unshuffle(x, self.config.patch))
        coarsest = len(self.config.widths) - 1
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.down):
            if i:
                h = self.shrink[i - 1](h)
            skips.append(h)
            for block in blocks:  # type: ignore[attr-defined]
                h = block(h, e)
                skips.append(h)
        h = self.attend[0](h)
        h = self.middle[1](self.attend[1](self.middle[0](h, e)), e)
        for i in range(coarsest, -1, -1):
            for block in self.up[i]:  # type: ignore[attr-defined]
                h = block(torch.cat([h, skips.pop()], dim=1), e)
            if i == coarsest:
                h = self.attend[2](h)
            if i:
                h = self.enlarge[i - 1](F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.leave(F.silu(self.norm(h)))
        return F.pixel_shuffle(h, self.config.patch).float()


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
