"""Strokes of known width and lean, measured; and MNIST, from which the constants come."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.strokes import UPRIGHT_SLANT, lean, slant, thickness

FINE = 16
"""Drawn so many times larger, then averaged: antialiased."""


def drawn(corners: list[tuple[float, float]], size: int = 28) -> Tensor:
    """(1, 1, size, size) uint8: a polygon, corners in pixels from the middle, y downward."""
    large = Image.new("L", (size * FINE, size * FINE))
    middle = size / 2
    points = [((middle + x) * FINE, (middle + y) * FINE) for x, y in corners]
    ImageDraw.Draw(large).polygon(points, fill=255)
    return torch.from_numpy(np.array(large.resize((size, size), Image.Resampling.BOX)))[None, None]


def stroke(width: float, angle: float = 0.0, length: float = 20.0) -> Tensor:
    """A straight stroke; 0° is vertical, positive angles lean right."""
    along = np.array([math.sin(math.radians(angle)), -math.cos(math.radians(angle))]) * length / 2
    across = np.array([-along[1], along[0]]) * width / length
    corners = (along + across, along - across, -along - across, -along + across)
    return drawn([(float(x), float(y)) for x, y in corners])


def sheared(angle: float) -> Tensor:
    """An upright bar 4 by 16, then sheared."""
    k = math.tan(math.radians(angle))
    return drawn([(x - k * y, y) for x, y in ((-2, -8), (2, -8), (2, 8), (-2, 8))])


@pytest.mark.parametrize("angle", [0.0, 20.0, 45.0, 70.0])
def test_thickness_is_near_the_width_and_grows_with_it(angle: float) -> None:
    widths = [1.5, 2.0, 2.5, 3.0, 4.0, 5.0]
    measured = thickness(torch.cat([stroke(width, angle) for width in widths]))
    assert (measured.diff() > 0.05).all()
    # A stroke's ends are boundary too; below two pixels, what a pixel is decides.
    error = (measured - torch.tensor([w / (1 + w / 20) for w in widths])).abs()
    assert error[0] < 0.45
    assert (error[1:] < 0.15).all(), error


@pytest.mark.parametrize("angle", [-30.0, -10.0, 0.0, 5.0, 20.0, 40.0])
def test_slant_is_the_shear(angle: float) -> None:
    assert slant(sheared(angle)).item() == pytest.approx(angle, abs=0.6)


def test_floats_and_integers_measure_alike_and_brightness_does_not_matter() -> None:
    images = torch.cat([stroke(3, 20), sheared(-10)])
    for measure in (thickness, slant):
        exact = measure(images)
        assert torch.allclose(measure(to_unit(images)), exact, atol=1e-4)
        assert torch.allclose(measure(to_unit(images).half()), exact, atol=0.05)
        dim = (images.float() * 0.8).to(torch.uint8)
        assert torch.allclose(measure(dim), exact, atol=0.1)


def test_what_a_sampler_leaves_on_the_paper_does_not_count() -> None:
    noise = 0.05 * torch.randn((2, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    images = to_unit(torch.cat([stroke(3, 20), sheared(-10)]))
    assert torch.allclose(thickness(images + noise), thickness(images), atol=0.1)
    assert torch.allclose(slant(images + noise), slant(images), atol=0.5)


def test_no_ink_measures_zero() -> None:
    blank = torch.zeros((2, 1, 28, 28), dtype=torch.uint8)
    assert thickness(blank).tolist() == slant(blank).tolist() == [0, 0]
    assert thickness(blank[:0]).shape == slant(blank[:0]).shape == (0,)


def test_lean_is_the_slant_past_upright() -> None:
    bar = sheared(10).expand(10, 1, 28, 28)
    past = slant(bar) - lean(bar, torch.arange(10))
    assert past.tolist() == pytest.approx(UPRIGHT_SLANT, abs=1e-4)


def test_refusals() -> None:
    good = stroke(2)
    for bad, word in ((good[0], r"\(N, 1, H, W\)"), (good.expand(1, 3, 28, 28), "must be")):
        with pytest.raises(ValueError, match=word):
            thickness(bad)
    with pytest.raises(ValueError, match="int64"):
        slant(good.to(torch.int64))
    for digits, word in ((torch.tensor([10]), "0 … 9"), (torch.tensor([1, 2]), "one each")):
        with pytest.raises(ValueError, match=word):
            lean(good, digits)


def test_upright_is_as_measured_on_mnist(mnist_train: ImageSet) -> None:
    digits = mnist_train.labels
    assert digits is not None
    measured = slant(mnist_train.images)
    medians = torch.stack([measured[digits == digit].median() for digit in range(10)])
    assert (medians - medians[1]).tolist() == pytest.approx(UPRIGHT_SLANT, abs=0.051)
