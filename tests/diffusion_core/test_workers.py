"""Batches on the cores: one thread each, in their order, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from diffusion_core import workers
from diffusion_core.workers import evaluate_all


class Notes(nn.Module):
    """A network that doubles, and notes who computes and with how many threads."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 2.0))
        self.computed_by: set[int] = set()
        self.threads: set[int] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.computed_by.add(threading.get_ident())
        self.threads.add(torch.get_num_threads())
        return self.weight * x


def parts(count: int) -> list[tuple[Tensor]]:
    return [(torch.full((2, 3), float(i)),) for i in range(count)]


def in_a_new_thread() -> int:
    """The number of threads that a new thread may use."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_outputs_come_in_the_order_of_the_parts(threads: int) -> None:
    outputs = evaluate_all(Notes(), parts(20))
    for i, output in enumerate(outputs):
        assert torch.equal(output, torch.full((2, 3), 2.0 * i))
    assert len(outputs) == 20


def test_each_is_computed_in_one_thread_and_not_in_more_than_there_may_be(threads: int) -> None:
    network = Notes()
    for _ in range(3):
        evaluate_all(network, parts(12))
    assert network.threads == {1}
    assert len(network.computed_by) <= threads
    assert threading.get_ident() not in network.computed_by


def test_as_many_are_computed_at_once_as_there_may_be(threads: int) -> None:
    """Each waits for the others: fewer at a time would wait in vain."""
    meeting = threading.Barrier(threads, timeout=60)

    class Meets(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            meeting.wait()
            return x

    assert len(evaluate_all(Meets(), parts(2 * threads))) == 2 * threads


def test_neither_here_nor_in_threads_to_come_is_their_number_another(threads: int) -> None:
    before = in_a_new_thread()
    evaluate_all(Notes(), parts(5))
    assert (torch.get_num_threads(), in_a_new_thread()) == (threads, before)


def test_so_it_is_after_a_failure(threads: int) -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no answer")

    before = in_a_new_thread()
    workers._pool.cache_clear()  # the threads of a new pool begin with this failure
    with pytest.raises(RuntimeError, match="no answer"):
        evaluate_all(Fails(), parts(5))
    assert (torch.get_num_threads(), in_a_new_thread()) == (threads, before)
    assert len(evaluate_all(Notes(), parts(5))) == 5


def test_no_gradient_is_kept(threads: int) -> None:
    assert not any(output.requires_grad for output in evaluate_all(Notes(), parts(3)))


def test_elsewhere_than_on_a_cpu_one_comes_after_the_other() -> None:
    network = Notes().to("meta")
    outputs = evaluate_all(network, [(torch.zeros(2, 3, device="meta"),)] * 3)
    assert [output.device.type for output in outputs] == ["meta"] * 3
    assert network.computed_by == {threading.get_ident()}
    assert not any(output.requires_grad for output in outputs)
