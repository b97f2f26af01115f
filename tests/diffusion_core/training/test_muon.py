"""Muon: what is made of a gradient, which weights it moves, and that it learns faster here."""

from __future__ import annotations

import pytest
import torch
from torch.optim import Muon as TorchMuon

from diffusion_core.training import TrainingSettings
from diffusion_core.training.muon import Muon, hidden_matrices, orthogonalized
from diffusion_core.training.optimizers import optimizers_for
from diffusion_core.unet import UNet
from tests.diffusion_core.conftest import READS, TINY

CPU = torch.device("cpu")


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 9)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = drawn(*shape)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalized(matrix, torch.float32)
    core = u.T @ found @ vh.T
    values = core.diagonal()
    assert found.shape == matrix.shape
    assert values.min() > 0.5
    assert values.max() < 1.3
    torch.testing.assert_close(core, torch.diag(values), atol=1e-4, rtol=0)


def test_the_size_of_the_gradient_does_not_matter() -> None:
    matrix = drawn(8, 40)
    small, large = (orthogonalized(k * matrix, torch.float32) for k in (1e-3, 1e3))
    torch.testing.assert_close(small, large, atol=1e-3, rtol=1e-3)
    assert not orthogonalized(0 * matrix, torch.float32).any()


def test_on_matrices_it_is_torchs() -> None:
    ours, theirs = (torch.nn.Parameter(drawn(8, 40)) for _ in range(2))
    mine = Muon([ours], 0.1, 0.01, torch.bfloat16)
    reference = TorchMuon([theirs], 0.1, 0.01, adjust_lr_fn="match_rms_adamw")
    for seed in range(1, 4):
        ours.grad, theirs.grad = drawn(8, 40, seed=seed), drawn(8, 40, seed=seed)
        mine.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)  # both round to bfloat16


def test_a_kernel_is_a_matrix_however_it_lies_in_memory() -> None:
    kernels = [
        torch.nn.Parameter(drawn(16, 4, 3, 3).to(memory_format=layout))
        for layout in (torch.contiguous_format, torch.channels_last)
    ]
    flat = torch.nn.Parameter(drawn(16, 36))
    slope = drawn(16, 4, 3, 3, seed=1)
    for kernel in kernels:
        kernel.grad = slope.clone(memory_format=torch.preserve_format)
        Muon([kernel], 0.1, 0.0).step()
    flat.grad = slope.flatten(1)
    Muon([flat], 0.1, 0.0).step()
    for kernel in kernels:
        torch.testing.assert_close(kernel.flatten(1), flat)


def test_each_weight_is_moved_by_one_optimizer() -> None:
    network = UNet(READS)
    groups = [
        {id(weight) for group in one.param_groups for weight in group["params"]}
        for one in optimizers_for(network, TrainingSettings(), CPU)
    ]
    assert len(groups) == 2
    assert not groups[0] & groups[1]
    assert groups[0] | groups[1] == {id(weight) for weight in network.parameters()}
    names = {id(weight): name for name, weight in network.named_parameters()}
    hidden = {names[one] for one in groups[1]}
    assert {"down.0.0.conv1.weight", "embed.2.weight", "middle.0.level.weight"} <= hidden
    assert not [name for name in hidden if name.startswith(("enter", "leave", "words"))]


def test_adamw_alone_is_asked_for_by_name() -> None:
    network = UNet(TINY)
    (only,) = optimizers_for(network, TrainingSettings(optimizer="adamw"), CPU)
    assert isinstance(only, torch.optim.AdamW)
    moved = [weight for group in only.param_groups for weight in group["params"]]
    assert len(moved) == len(list(network.parameters()))
    assert hidden_matrices(network)


def test_a_weight_without_a_gradient_stays() -> None:
    weight = torch.nn.Parameter(drawn(8, 8))
    before = weight.detach().clone()
    Muon([weight], 0.1, 0.1).step()
    assert torch.equal(weight, before)
