"""Sets of points in the plane: data small enough to see whole.

Every set is (N, 2) in float64, centred, with a mean square of 1 a coordinate:
of the size that variance-preserving schedules expect, so that x_t keeps its
size at every t.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from diffusion_core.errors import UsageError
from diffusion_core.gaussians import MAX_POINTS, Mixture
from diffusion_core.recipe import check_name, check_range, check_seed, check_whole

MAX_LETTERS = 40
GLYPH_SIZE = 96
"""Height in pixels at which letters are drawn before points are strewn over them."""


def normalised(points: Tensor) -> Tensor:
    """``points`` (N, 2) moved to mean 0 and scaled to a mean square of 1 a coordinate."""
    centred = points.to(torch.float64) - points.to(torch.float64).mean(0)
    return centred / centred.square().mean().sqrt()


def spiral(count: int, seed: int, *, turns: float = 1.5, jitter: float = 0.02) -> Tensor:
    """Points along an Archimedean spiral, evenly by its length; (count, 2).

    Parameters
    ----------
    count
        At least 2.
    seed
        Of the jitter.
    turns
        How often it winds, 0.1 … 100.
    jitter
        Standard deviation of the points about the curve, in outer radii, 0 … 1.
    """
    rng = _generator(count, seed)
    check_range("turns", turns, 0.1, 100)
    check_range("jitter", jitter, 0, 1)
    # The length up to angle θ is almost θ²/2: evenly spaced roots of u.
    angle = 2 * math.pi * turns * torch.linspace(0, 1, count, dtype=torch.float64).sqrt()
    radius = angle / angle[-1]
    curve = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return normalised(curve + jitter * torch.randn(count, 2, generator=rng, dtype=torch.float64))


def two_moons(count: int, seed: int, *, jitter: float = 0.05) -> Tensor:
    """Two half circles that reach into each other (scikit-learn's make_moons); (count, 2).

    ``jitter``, 0 … 1, is the standard deviation about them in units of their radius.
    """
    from sklearn.datasets import make_moons

    check_whole("count", count, 2, MAX_POINTS)
    check_range("jitter", jitter, 0, 1)
    points, _ = make_moons(count, noise=jitter, random_state=check_seed(seed))
    return normalised(torch.from_numpy(points))


def letters(count: int, seed: int, text: str = "x0") -> Tensor:
    """Points strewn evenly over the strokes of ``text``; (count, 2), y upwards.

    The font is the one bundled with Pillow (Aileron, ASCII only), so that
    every machine has the same letters.

    Raises
    ------
    UsageError
        For text that is blank, too long, or has a character that is not in the font.
    """
    rng = _generator(count, seed)
    rows, columns = np.nonzero(_drawn(text))
    ink = torch.from_numpy(np.stack([columns, -rows], axis=1)).to(torch.float64)
    chosen = torch.randint(len(ink), (count,), generator=rng)
    # Anywhere within the pixel, so that no raster shows.
    within = torch.rand(count, 2, generator=rng, dtype=torch.float64)
    return normalised(ink[chosen] + within)


def _drawn(text: str) -> np.ndarray:
    """Whether there is ink, (H, W) booleans."""
    if not text.strip() or len(text) > MAX_LETTERS:
        raise UsageError(f"text {text!r} must have 1 … {MAX_LETTERS} characters, not only spaces")
    strange = sorted({c for c in text if not (c.isascii() and c.isprintable())})
    if strange:
        raise UsageError(
            f"text {text!r} has {', '.join(map(repr, strange))}, which the bundled font lacks; "
            "write it with printable ASCII characters"
        )
    font = ImageFont.load_default(GLYPH_SIZE)
    left, top, right, bottom = font.getbbox(text)
    sheet = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(sheet).text((-left, -top), text, fill=255, font=font)
    return np.asarray(sheet) > 127


def ring(modes: int = 8, std: float = 0.15) -> Mixture:
    """``modes`` equal Gaussians around a circle, with mean 0 and variance 1 a coordinate.

    Parameters
    ----------
    modes
        2 … 1000; from 3 on the covariance is the identity.
    std
        Of each Gaussian, in [0, 1): the radius is √(2 (1 − std²)).
    """
    check_whole("modes", modes, 2, 1000)
    if not 0 <= std < 1:
        raise UsageError(f"std = {std} is outside [0, 1)")
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    radius = math.sqrt(2 * (1 - std**2))
    means = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Mixture(_equal_weights(modes), means, torch.full((modes,), std))


def as_mixture(points: Tensor, std: float = 0.0) -> Mixture:
    """``points`` (N, D) as the data distribution itself: a Gaussian of ``std`` on each.

    With std = 0 the exact denoiser can only return points of the set (Karras
    et al. 2022, appendix B.3): what a network that had memorised them would do.
    """
    return Mixture(_equal_weights(len(points)), points, torch.full((len(points),), std))


def _equal_weights(count: int) -> Tensor:
    return torch.ones(count, dtype=torch.float64) / count


def _generator(count: int, seed: int) -> torch.Generator:
    check_whole("count", count, 2, MAX_POINTS)
    return torch.Generator().manual_seed(check_seed(seed))


def _around_a_ring(count: int, seed: int) -> Tensor:
    return ring().sample(count, seed)


POINT_SETS: dict[str, Callable[[int, int], Tensor]] = {
    "spiral": spiral,
    "two_moons": two_moons,
    "letters": letters,
    "ring": _around_a_ring,
}
"""The sets that have a name: (count, seed) ↦ (count, 2)."""


def point_set(name: str, count: int = 1000, seed: int = 0) -> Tensor:
    """The set called ``name``, (count, 2) in float64.

    Raises
    ------
    UsageError
        For an unknown name, fewer than 2 points, or a seed outside 0 … 2³² − 1.
    """
    check_name("point set", name, tuple(POINT_SETS))
    return POINT_SETS[name](count, seed)
