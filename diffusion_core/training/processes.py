"""Where a run computes: one device found by itself, or one of several processes.

``accelerate launch --num_processes 4 render.py train …`` starts the same run
on four GPUs (or, with ``--cpu``, in four processes); accelerate joins them.
Each then trains on its part of every batch, so the run is the same whatever
their number, but for the last bits of a sum.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from diffusion_core.errors import MissingRequirement, UsageError
from diffusion_core.training.settings import best_device

if TYPE_CHECKING:
    from accelerate import Accelerator


class Processes:
    """The processes that train together, and which of them this is; usually one alone.

    Raises
    ------
    MissingRequirement
        When several were started and accelerate is not installed.
    """

    def __init__(self) -> None:
        self.accelerator = _accelerator() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None
        together = self.accelerator
        self.device: torch.device = together.device if together else best_device()
        self.count: int = together.num_processes if together else 1
        self.index: int = together.process_index if together else 0

    @property
    def main(self) -> bool:
        """Whether this is the one that writes and reports."""
        return self.index == 0

    def share(self, network: nn.Module) -> nn.Module:
        """``network`` as it is to be called for training: its gradients are averaged."""
        return self.accelerator.prepare(network) if self.accelerator else network

    def part_of(self, size: int) -> slice:
        """The part that this process has of a batch of ``size`` pictures.

        Raises
        ------
        UsageError
            When it cannot be dealt out evenly.
        """
        if size % self.count:
            raise UsageError(
                f"batch_size = {size} cannot be dealt out to {self.count} processes; "
                f"choose a multiple of {self.count}"
            )
        each = size // self.count
        return slice(self.index * each, (self.index + 1) * each)

    def backward(self, loss: Tensor) -> None:
        """The gradients of ``loss``."""
        if self.accelerator:
            self.accelerator.backward(loss)
        else:
            loss.backward()

    def mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        if self.accelerator:
            value = self.accelerator.reduce(value, reduction="mean")
        return float(value)

    def same(self, value: float) -> float:
        """One number for all: the mean of what each says."""
        return self.mean(torch.tensor(value, device=self.device))


def _accelerator() -> Accelerator:
    try:
        from accelerate import Accelerator
    except ImportError:
        raise MissingRequirement(
            "several processes were started and accelerate, which joins them, is not "
            "installed; type: pip install 'diffusion-lectures[train]'"
        ) from None
    # Left to itself it would take a machine without a GPU for one process.
    return Accelerator(cpu=best_device().type == "cpu")
