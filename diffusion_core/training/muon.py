"""Muon: the optimiser of a network's hidden matrices.

The momentum of each matrix is replaced by the nearest matrix whose singular
values are all one, so that a step moves every direction alike and not only
those in which the slope happens to be large (Jordan et al. 2024, "Muon: an
optimizer for hidden layers in neural networks"; the size of a step as in Liu
et al. 2025, arXiv:2502.16982, eq. 4).  torch.optim.Muon is the same rule, but
takes no kernels of convolutions and multiplies in bfloat16 whatever the
machine: without hardware for it that costs fifty times as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic, as Jordan et al. chose them: singular values end in 0.7 … 1.2, and soon."""
ITERATIONS = 5


def orthogonalized(matrix: Tensor, precision: torch.dtype) -> Tensor:
    """The matrix with the singular vectors of ``matrix`` and singular values near one.

    Newton-Schulz iterations of a quintic, multiplied in ``precision``; (m, n)
    → (m, n) in the type of ``matrix``.  A matrix of zeros stays one.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).to(precision)
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Steps of one size in every direction of a matrix.

    Parameters
    ----------
    parameters
        Weights of two dimensions or more; a convolution's kernel counts as the
        matrix (outputs, inputs · height · width).
    lr
        As for AdamW: a step's root mean square is what AdamW's is, 0.2 · lr.
    weight_decay
        Apart from the gradient, as in AdamW.
    precision
        What the iterations are multiplied in.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients that are there; ``closure`` is not used."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight.grad)
                momentum = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                ahead = weight.grad.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
                update = orthogonalized(ahead, self.precision).view(weight.shape)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * 0.2 * max(ahead.shape) ** 0.5)


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights that lie between features and features.

    The entrance and the exit see pixels, ``words`` sees an encoder's numbers:
    directions there are not alike, and AdamW, which takes each number by
    itself, serves them better.
    """
    outer = ("enter.", "leave.", "words.")
    return [
        weight
        for name, weight in network.named_parameters()
        if weight.ndim >= 2 and not name.startswith(outer)
    ]
