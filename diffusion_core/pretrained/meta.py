"""What a network costs, counted on tensors without content: nothing is computed or read.

A network is built from its settings of torch's fake tensors, which have a shape
and a device and no numbers, and asked once.  The operations that come by are
counted: floating-point operations, and the bytes that live at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


@dataclass(frozen=True, slots=True)
class Cost:
    """What one evaluation costs.

    Parameters
    ----------
    flops
        Floating-point operations; a multiplication with an addition is two.
    activations
        Bytes of float32 that live at once besides the weights, at the most.
    """

    flops: int
    activations: int


class _Living(TorchDispatchMode):
    """Adds up the tensors that are alive, by the memory that they lie in."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.now = self.most = 0
        weights = (*network.parameters(), *network.buffers())
        self.seen = {value.untyped_storage()._cdata for value in weights}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor):
                self._add(value.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        place = storage._cdata
        if place in self.seen:
            return
        self.seen.add(place)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, place, size)

    def _drop(self, place: int, size: int) -> None:
        self.seen.discard(place)
        self.now -= size


def _attention(query: Any, key: Any, value: Any, *rest: Any, **more: Any) -> int:
    return sdpa_flop_count(query, key, value)


PROCESSORS = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Operations that torch's counter does not know: attention as a processor computes it."""


def cost_of(build: Callable[[], nn.Module], ask: Callable[[nn.Module], object]) -> Cost:
    """What ``ask`` costs of the network that ``build`` builds; tensors made in them are fake."""
    with FakeTensorMode(), torch.no_grad():
        network = build().eval()
        counter = FlopCounterMode(display=False, custom_mapping=PROCESSORS)
        with counter, _Living(network) as living:
            ask(network)
    return Cost(int(counter.get_total_flops()), living.most)
