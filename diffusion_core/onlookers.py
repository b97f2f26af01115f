"""Looking on while a recipe is run: every state as it is reached; no torch at import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from diffusion_core.trajectory import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One step of a reverse process, seen as it is taken.

    Parameters
    ----------
    done, total
        Steps taken so far, and of the whole run.
    t, s
        The times that the step goes from and to.
    x_t, x_s
        The states at these, (B, C, H, W).
    x0_hat, eps_hat
        What the network said of x_t, (B, C, H, W).
    nfe
        Network evaluations so far.
    """

    done: int
    total: int
    t: int
    s: int
    x_t: Floats
    x_s: Floats
    x0_hat: Floats
    eps_hat: Floats
    nfe: int


Onlooker = Callable[[Look], None]
"""Told of every step.  What it raises ends the run, and nothing is kept of it."""

_onlooker: ContextVar[Onlooker | None] = ContextVar("onlooker", default=None)


@contextmanager
def looking_on(onlooker: Onlooker) -> Iterator[None]:
    """Whatever this thread records within the block is shown to ``onlooker`` as it goes."""
    token = _onlooker.set(onlooker)
    try:
        yield
    finally:
        _onlooker.reset(token)


def present() -> Onlooker | None:
    """Who looks on, if anybody does."""
    return _onlooker.get()
