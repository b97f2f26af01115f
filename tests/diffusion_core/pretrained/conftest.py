"""Recordings of tiny pretrained pipelines, each made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import run
from diffusion_core.trajectory import Trajectory
from tests.tiny_pipelines import TinyPipelines


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """The last bits stay the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def guided(tiny_pipelines: TinyPipelines) -> Trajectory:
    """Two samples of Stable Diffusion, guided towards words."""
    return run(
        ReverseRecipe(
            model=str(tiny_pipelines["sd-v"]), prompt="a dog", guidance=3.0, steps=3, seeds=(5, 9)
        )
    )
