"""What a network costs: the multiplications that it makes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


@torch.no_grad()
def multiplications(network: Callable[..., Tensor], *inputs: Tensor) -> int:
    """How many products of two numbers ``network(*inputs)`` sums up.

    Counted by torch as the network runs: in convolutions, matrix products and
    attention, where nearly all of the work is.  Each product comes with one
    addition; torch counts both.
    """
    counter = FlopCounterMode(display=False)
    # Attention as two matrix products: fused, torch counts it on some devices only.
    with sdpa_kernel(SDPBackend.MATH), counter:
        network(*inputs)
    return int(counter.get_total_flops()) // 2
