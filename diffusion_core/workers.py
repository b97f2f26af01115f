"""Batches dealt out to the cores, one thread each.

A small network keeps a core busy with four pictures, and two cores with four
pictures spend their time waiting for one another: on two cores the shipped
network is four times as fast on two batches in two threads as on one batch
after the other with both threads in each.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

Network = Callable[..., Tensor]
"""A module, or a function that asks one."""


def _alone() -> None:
    torch.get_num_threads()  # else the first operation takes over what others have set
    torch.set_num_threads(1)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(threads, "evaluate", initializer=_alone)
    atexit.register(pool.shutdown, wait=False, cancel_futures=True)
    return pool


@torch.no_grad()
def _evaluate(network: Network, inputs: Sequence[Tensor]) -> Tensor:
    return network(*inputs)


def evaluate_all(network: Network, parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The network's output for each of ``parts``, in their order.

    On a CPU each part is computed in one thread, as many at a time as torch
    may use threads; elsewhere one after the other.
    """
    if parts[0][0].device.type != "cpu":
        return [_evaluate(network, inputs) for inputs in parts]
    threads = torch.get_num_threads()
    try:
        return list(_pool(threads).map(lambda inputs: _evaluate(network, inputs), parts))
    finally:
        # What the pool's threads set for themselves, threads to come would begin with.
        torch.set_num_threads(threads)
