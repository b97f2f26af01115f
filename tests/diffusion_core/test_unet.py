"""The network: its shapes, its beginning, and that all of it takes part."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from diffusion_core.unet import UNet, UNetConfig, Words, embed_level
from tests.diffusion_core.conftest import READS, TINY, tiny_network
from tests.diffusion_core.fakes import vocabulary

CONFIGS = [
    TINY,
    UNetConfig(size=28, widths=(16, 24)),
    UNetConfig(channels=3, size=12, widths=(8, 16), blocks=2),
    UNetConfig(size=12, patch=1, widths=(8, 16, 24)),
    UNetConfig(size=6, patch=1, widths=(8,), attention=False),
    READS,
]


def inputs(config: UNetConfig, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, config.channels, config.size, config.size)
    return torch.randn(shape, generator=generator), torch.linspace(0, 1, batch)


def taught() -> torch.Tensor:
    """The embeddings of four captions, (4, 384)."""
    return torch.from_numpy(vocabulary().embeddings).float()


def some_words(config: UNetConfig) -> torch.Tensor | None:
    """Of four pictures, where the network reads; the third has none."""
    if not config.text:
        return None
    return taught() * torch.tensor([1.0, 1.0, 0.0, 1.0])[:, None]


def after_some_steps(config: UNetConfig, steps: int = 4) -> UNet:
    torch.manual_seed(0)
    network = UNet(config)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    x, level = inputs(config, batch=4)
    for _ in range(steps):
        optimizer.zero_grad()
        output = network(x, level, some_words(config))
        F.mse_loss(output, level[:, None, None, None] * x).backward()
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
        ({"size": 28, "widths": (8, 8, 8)}, "size = 28 must be a multiple of 8"),
        ({"size": 6, "patch": 1, "widths": (8, 8, 8)}, "size = 6 must be a multiple of 4"),
        ({"widths": (8, 12)}, r"widths = \(8, 12\) must be multiples of 8"),
        ({"widths": (0, 8)}, r"widths = \(0, 8\) must be multiples of 8"),
        ({"widths": ()}, r"widths = \(\) must be multiples of 8"),
    ],
)
def test_a_shape_that_cannot_be_built_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        UNetConfig(**options)


class TestLevels:
    @pytest.mark.parametrize(
        ("config", "sides"),
        [
            (UNetConfig(size=16, widths=(8, 16)), [8, 4]),
            (UNetConfig(size=12, patch=1, widths=(8, 16, 24)), [12, 6, 3]),
            (UNetConfig(size=6, patch=1, widths=(8,)), [6]),
        ],
        ids=str,
    )
    def test_each_is_half_as_fine_and_as_wide_as_asked(
        self, config: UNetConfig, sides: list[int]
    ) -> None:
        seen: dict[str, list[tuple[int, ...]]] = {"down": [], "up": []}
        network = UNet(config)
        for way, levels in (("down", network.down), ("up", network.up)):
            for blocks in levels:
                blocks[-1].register_forward_hook(  # type: ignore[index, union-attr]
                    lambda module, inputs, output, way=way: seen[way].append(tuple(output.shape))
                )
        network(*inputs(config, batch=2))
        shapes = [(2, width, side, side) for width, side in zip(config.widths, sides, strict=True)]
        assert seen == {"down": shapes, "up": shapes[::-1]}

    def test_squares_of_pixels_become_channels(self) -> None:
        for patch in (1, 2, 4):
            config = UNetConfig(channels=3, size=8, patch=patch, widths=(8,))
            assert UNet(config).enter.in_channels == 3 * patch**2


class TestWords:
    def test_none_is_a_row_of_zeros(self) -> None:
        network = tiny_network(config=READS)
        x, level = inputs(READS, batch=4)
        with torch.no_grad():
            unasked = network(x, level)
            assert torch.equal(unasked, network(x, level, torch.zeros(4, READS.text)))
            mixed = network(x, level, some_words(READS))
        assert torch.allclose(mixed[2], unasked[2], rtol=0, atol=1e-6)

    def test_each_picture_is_told_its_own(self) -> None:
        network = tiny_network(config=READS)
        x, level = inputs(READS, batch=1)
        with torch.no_grad():
            outputs = network(x.expand(4, -1, -1, -1), level.expand(4), some_words(READS))
            alone = [network(x, level, row[None])[0] for row in taught()]
        for i, output in enumerate(outputs):
            for other in outputs[i + 1 :]:
                assert (output - other).abs().max() > 1e-3
            if i != 2:  # it has no words
                assert torch.allclose(output, alone[i], rtol=0, atol=1e-5)

    def test_a_network_without_words_takes_none(self) -> None:
        assert tiny_network().words is None
        assert not any("words" in name for name in tiny_network().state_dict())

    def test_spread_brings_the_taught_to_mean_zero_and_deviation_one(self) -> None:
        words = Words(READS.text, 8)
        heard: list[torch.Tensor] = []
        words.layers.register_forward_hook(lambda module, given, out: heard.append(given[0]))
        near = 0.9 * taught()[:1] + 0.1 * taught()
        words.spread(near)
        words(near)
        assert torch.allclose(heard[0].mean(0), torch.zeros(READS.text), atol=1e-4)
        assert torch.allclose(heard[0].std(0), torch.ones(READS.text), rtol=1e-3)

    def test_a_number_that_all_captions_share_is_not_blown_up(self) -> None:
        words = Words(READS.text, 8)
        words.spread(taught()[:1].expand(4, -1))
        assert torch.isfinite(words(taught())).all()

    def test_no_caption_is_learnt_apart_from_the_captions(self) -> None:
        """Its vector is one of its own: it is not what the layers say of zeros."""
        words = Words(READS.text, 8)
        torch.nn.init.normal_(words.absent)
        words.spread(taught())
        rows = torch.cat([torch.zeros(1, READS.text), taught()])
        told = words(rows)
        assert torch.equal(told[0], words.absent)
        told[0].sum().backward()
        assert words.absent.grad is not None
        assert words.absent.grad.any()
        assert not any(p.grad is not None and p.grad.any() for p in words.layers.parameters())
