"""The network: its shapes, its beginning, and that all of it takes part."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from diffusion_core.unet import UNet, UNetConfig, embed_level
from tests.diffusion_core.conftest import TINY

CONFIGS = [
    TINY,
    UNetConfig(size=28, widths=(16, 24)),
    UNetConfig(channels=3, size=12, widths=(8, 16), blocks=2),
]


def inputs(config: UNetConfig, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, config.channels, config.size, config.size)
    return torch.randn(shape, generator=generator), torch.linspace(0, 1, batch)


def after_some_steps(config: UNetConfig, steps: int = 4) -> UNet:
    torch.manual_seed(0)
    network = UNet(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    x, level = inputs(config, batch=4)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(network(x, level), level[:, None, None, None] * x).backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_it_begins_at_zero_and_keeps_the_shape(config: UNetConfig) -> None:
    x, level = inputs(config)
    output = UNet(config)(x, level)
    assert output.shape == x.shape
    assert not output.any()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_after_some_steps_every_parameter_has_a_say(config: UNetConfig) -> None:
    for name, parameter in after_some_steps(config).named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_the_output_depends_on_the_level_and_on_the_picture() -> None:
    network = after_some_steps(TINY).eval().requires_grad_(False)
    x, _ = inputs(TINY)
    at = {level: network(x, torch.full((3,), level)) for level in (0.0, 0.25, 0.5, 1.0)}
    outputs = list(at.values())
    for i, output in enumerate(outputs):
        for other in outputs[i + 1 :]:
            assert (output - other).abs().max() > 1e-3
    assert (at[0.5][0] - at[0.5][1]).abs().max() > 1e-3


def test_each_picture_has_its_own_level() -> None:
    network = after_some_steps(TINY).eval().requires_grad_(False)
    x, level = inputs(TINY)
    together = network(x, level)
    for i in range(3):
        alone = network(x[i : i + 1], level[i : i + 1])
        assert torch.allclose(together[i], alone[0], rtol=0, atol=1e-5)


def test_levels_are_told_apart() -> None:
    codes = embed_level(torch.linspace(0, 1, 1001), 32)
    assert codes.shape == (1001, 64)
    assert codes.abs().max() <= 1
    near = (codes[1:] - codes[:-1]).norm(dim=1)
    assert near.min() > 0.01


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_configuration_survives_json(config: UNetConfig) -> None:
    again = UNetConfig(**json.loads(json.dumps(config.as_dict())))
    assert again == config
    names = UNet(config).state_dict().keys()
    assert UNet(again).state_dict().keys() == names


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"size": 30}, "size = 30 must be a multiple of 4"),
        ({"widths": (8, 12)}, r"widths = \(8, 12\) must be two multiples of 8"),
        ({"widths": (8, 8, 8)}, "two multiples"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        UNetConfig(**options)
