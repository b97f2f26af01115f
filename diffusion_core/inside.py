"""Where a U-Net can be looked into and where it can be cut, without changing it.

PyTorch's hooks see what a module gives on, and may put something else in its
place; they are taken off again when one has seen enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from diffusion_core.files import Facts
from diffusion_core.unet import UNet, UNetConfig

NOISE_LEVEL, WORDS = "noise level", "words"
"""What every block is told besides the picture: the names of their embeddings."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two parts of a U-Net, where a feature map stands.

    Parameters
    ----------
    name
        "down 1", …, "middle", …, "up 1".
    side
        "down", "middle" or "up".
    level
        1 is the finest.
    channels, size
        Of the feature map (channels, size, size).
    """

    name: str
    side: str
    level: int
    channels: int
    size: int

    def as_dict(self) -> Facts:
        """The fields as JSON-ready values."""
        return asdict(self)


def places(config: UNetConfig) -> tuple[Place, ...]:
    """The places of a network, in the order in which a picture passes them.

    One a level on the way down and one on the way up, behind the level's last
    block (and its attention), and one in the middle.
    """
    sizes = [config.size // config.patch // 2**i for i in range(len(config.widths))]
    levels = list(enumerate(zip(config.widths, sizes, strict=True), 1))
    down = [Place(f"down {i}", "down", i, width, size) for i, (width, size) in levels]
    middle = Place("middle", "middle", len(levels), config.widths[-1], sizes[-1])
    up = [Place(f"up {i}", "up", i, width, size) for i, (width, size) in reversed(levels)]
    return (*down, middle, *up)


def skip_facts(config: UNetConfig) -> list[Facts]:
    """How many feature maps each level hands across, and of what shape; the finest first."""
    return [
        {
            "level": place.level,
            "count": config.blocks + 1,
            "channels": place.channels,
            "size": place.size,
        }
        for place in places(config)
        if place.side == "down"
    ]


def _module_at(network: UNet, place: Place) -> nn.Module:
    if place.side == "middle":
        return network.middle[1]
    coarsest = place.level == len(network.config.widths)
    if coarsest:
        return network.attend[0 if place.side == "down" else 2]
    blocks = (network.down if place.side == "down" else network.up)[place.level - 1]
    return blocks[-1]  # type: ignore[index]


@contextmanager
def _hooked(handles: list[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def watching(network: UNet) -> Iterator[dict[str, Tensor]]:
    """See what stands at each place, and what the blocks are told, by its name.

    What is given holds the last call's: feature maps (B, channels, size, size),
    and the embeddings of noise level and words, (B, embedding).
    """
    seen: dict[str, Tensor] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            seen[name] = output

        return hook

    told: dict[str, nn.Module | None] = {NOISE_LEVEL: network.embed, WORDS: network.words}
    told |= {place.name: _module_at(network, place) for place in places(network.config)}
    handles = [
        module.register_forward_hook(note(name))
        for name, module in told.items()
        if module is not None
    ]
    with _hooked(handles):
        yield seen


@contextmanager
def without_skips(network: UNet) -> Iterator[None]:
    """Every skip connection hands zeros across."""

    def cut(block: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        both, embedding = inputs
        # What comes from below is the first half, what comes across is the second.
        below, across = both.chunk(2, dim=1)
        return torch.cat([below, torch.zeros_like(across)], dim=1), embedding

    blocks = [block for level in network.up for block in level]  # type: ignore[attr-defined]
    with _hooked([block.register_forward_pre_hook(cut) for block in blocks]):
        yield


@contextmanager
def without_depths(network: UNet) -> Iterator[None]:
    """Nothing comes up to the finest level from the ones below it.

    The network has at least two levels.
    """

    def cut(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    with _hooked([network.enlarge[0].register_forward_hook(cut)]):
        yield
