"""Seeds, and the noise that comes from them: one generator a sample.

Sample s draws from a CPU generator of its own, so that it is the same sample
alone, in any batch, and whichever device the network runs on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion_core.errors import UsageError
from diffusion_core.recipe import check_seed


class SampleNoise:
    """Standard normal noise for a batch, one generator a sample.

    Parameters
    ----------
    seeds
        One seed a sample, each in 0 … 2³² − 1.
    shape
        Shape of one sample, (C, H, W).
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.generators = [torch.Generator().manual_seed(check_seed(seed)) for seed in seeds]
        if not self.generators:
            raise UsageError("seeds is empty; give at least one")

    def draw(self) -> Tensor:
        """The next noise, (B, C, H, W) in float32."""
        return torch.stack([torch.randn(self.shape, generator=g) for g in self.generators])
