"""Small networks, small pictures, and MNIST where it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from diffusion_core.checkpoints import TrainedModel, load_model, save_weights
from diffusion_core.datasets import ImageSet, mnist
from diffusion_core.errors import LectureError
from diffusion_core.places import ROOT, data_dirs
from diffusion_core.text import EMBEDDING
from diffusion_core.unet import UNet, UNetConfig
from tests.diffusion_core.fakes import tiny_reading_weights

TINY = UNetConfig(size=8, widths=(8, 8))
READS = replace(TINY, text=EMBEDDING)
"""As tiny, and told what the picture shows."""


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are faster so, and the last bits stay the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_network(seed: int = 0, config: UNetConfig = TINY) -> UNet:
    """A network of 8×8 pictures whose output is not the zero it begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = UNet(config)
        for parameter in network.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    return network.eval()


def save_tiny(path: Path, seed: int = 0) -> Path:
    """Weights of ``tiny_network`` in a file."""
    save_weights(path, tiny_network(seed), "v", {"data": {"name": "noise", "pictures": 3}})
    return path


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file that is read only."""
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny.safetensors")


@pytest.fixture(scope="session")
def reading_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file of a network that reads ``fakes.TEXTS``; read only."""
    return tiny_reading_weights(tmp_path_factory.mktemp("reading") / "reading.safetensors")


@pytest.fixture(scope="session")
def shipped() -> TrainedModel:
    """The default model."""
    return load_model("mnist")


@pytest.fixture(scope="session")
def mnist_train() -> ImageSet:
    """The 60,000 pictures, where they are on disk."""
    if not any((place / "MNIST" / "raw").is_dir() for place in data_dirs()):
        pytest.skip("MNIST is not on this machine")
    return mnist("train")


@pytest.fixture
def below_a_file(tmp_path: Path) -> Path:
    """A folder that nobody can make, root neither."""
    (tmp_path / "regular").write_text("a regular file")
    return tmp_path / "regular" / "folder"


def one_line(error: pytest.ExceptionInfo[LectureError]) -> str:
    """The message, which is a single line and no more."""
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


def child_environment() -> dict[str, str]:
    """For Python programs that import the project."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
