"""How large a pretrained model's states and pictures are, by its settings; no torch."""

from __future__ import annotations

from diffusion_core.errors import LectureError
from diffusion_core.files import Facts
from diffusion_core.pretrained.source import Source

Shape = tuple[int, int, int]
"""(C, H, W)."""

LEVELS = 1000
"""Of noise, where a scheduler's settings do not say how many."""


def denoising_network(source: Source) -> str:
    """The component that judges x_t."""
    return "unet" if "unet" in source.components else "transformer"


def state_shape(source: Source) -> Shape:
    """(C, H, W) of x_t.

    Raises
    ------
    LectureError
        When the network's settings do not say it.
    """
    network = denoising_network(source)
    config = source.config(network)
    size = config.get("sample_size")
    sides = size if isinstance(size, (list, tuple)) else (size, size)
    numbers = (config.get("in_channels"), *sides)
    if len(numbers) != 3 or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise LectureError(
            f"model {source.name!r} does not say how large its pictures are: in_channels and "
            f"sample_size of its {network} are {config.get('in_channels')!r} and {size!r}; write "
            "whole numbers there"
        )
    channels, height, width = numbers
    return channels, height, width


def picture_shape(source: Source) -> Shape:
    """(C, H, W) of a finished picture.

    Raises
    ------
    LectureError
        As ``state_shape``, and where the autoencoder's settings say too little.
    """
    channels, height, width = state_shape(source)
    if "vae" not in source.components:
        return channels, height, width
    vae = source.config("vae")
    stages, colours = vae.get("block_out_channels"), vae.get("out_channels", 3)
    if not isinstance(stages, list) or not stages or not isinstance(colours, int):
        raise LectureError(
            f"model {source.name!r}: the settings of its vae name no block_out_channels, by which "
            "a latent becomes a picture; choose a whole model"
        )
    times = 2 ** (len(stages) - 1)
    return colours, height * times, width * times


def levels_of(source: Source) -> int:
    """T, the number of noise levels of the model's own scheduler.

    Raises
    ------
    LectureError
        When its settings name none that can be used.
    """
    config: Facts = source.config("scheduler")
    table = config.get("trained_betas")
    T = len(table) if isinstance(table, list) else config.get("num_train_timesteps", LEVELS)
    if not isinstance(T, int) or not 10 <= T <= 100_000:
        raise LectureError(
            f"model {source.name!r}: its scheduler has num_train_timesteps = {T!r}; it must be a "
            "whole number, 10 … 100000"
        )
    return T
