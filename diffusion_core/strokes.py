r"""What a ruler says of a digit: how thick its strokes are, and how far it leans.

Both are sums over the pixels, so a thousand pictures are measured at once and
antialiased edges count for what they are.

Thickness.  A stroke of width w and length L ≫ w has the area A = wL and a
boundary of length P = 2L.  The area is the sum of the ink, I; the boundary of
a grey picture is its total variation (the coarea formula), so

    w = 2 A / P,   A = ∑ I,   P = ∑ |∇I|

A stroke's two ends belong to its boundary, so a short one measures thinner
than it is, by the factor 1 / (1 + w/L).  Between 2 and 5 pixels that is right
to 0.15 pixels in every direction; below 2, where a stroke lies on the pixels
can add 0.4.

Slant.  Shearing a picture by the angle φ moves x by −y tan φ (rows count
downward), and the second central moments tell φ as a regression of x on y:

    tan φ = −μ11 / μ02

the angle that deskewing takes away (LeCun et al. 1998, Gradient-based learning
applied to document recognition, section III.A).  It is 0 for a shape whose
left and right halves mirror each other, and no digit but 0, 1 and 8 is such a
shape: a 7 that stands upright has most of its ink at the top left and at the
bottom, which measures as a lean.  ``lean`` takes that away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

FAINTEST = 0.1
"""Ink, 0 … 1, below which a pixel is paper: a sampler leaves paper nearly
black, and a little of it in every pixel would count as much as a stroke."""

UPRIGHT_SLANT = (-0.1, 0.0, -6.4, -9.3, -9.0, -0.9, -10.5, -10.4, -2.1, -11.6)
"""Degrees of ``slant`` at which each of the digits 0 … 9 stands upright.

Measured on MNIST's 60,000 training pictures: the digit's median slant, less
the ones' median slant (12°).  An upright one is a vertical stroke and has the
slant 0, so the ones tell how far those who wrote MNIST lean; that they lean
the other digits equally far is an assumption, and looking at the pictures
bears it out."""

_AT_ONCE = 4096
"""Pictures measured at a time, so that MNIST needs no gigabyte."""


def thickness(images: Tensor) -> Tensor:
    """Mean width of the strokes.

    Parameters
    ----------
    images
        (N, 1, H, W), light strokes on black: uint8 0 … 255, or float −1 … 1.

    Returns
    -------
    Tensor
        (N,) float32, pixels; 0 where there is no ink.

    Raises
    ------
    ValueError
        For another shape or type.
    """
    return _measured(images, _thickness)


def slant(images: Tensor) -> Tensor:
    """The shear that the second moments tell.

    Parameters
    ----------
    images
        (N, 1, H, W), light strokes on black: uint8 0 … 255, or float −1 … 1.

    Returns
    -------
    Tensor
        (N,) float32, degrees in −90 … 90, positive where the top leans to the
        right; 0 where there is no ink.

    Raises
    ------
    ValueError
        For another shape or type.
    """
    return _measured(images, _slant)


def lean(images: Tensor, digits: Tensor) -> Tensor:
    """How far digits lean from where they stand upright.

    Parameters
    ----------
    images
        As for ``slant``.
    digits
        (N,) int64, 0 … 9: what each picture shows.

    Returns
    -------
    Tensor
        (N,) float32, degrees, positive to the right.

    Raises
    ------
    ValueError
        For another shape or type, or a digit that is none.
    """
    if digits.shape != images.shape[:1]:
        raise ValueError(
            f"digits of shape {tuple(digits.shape)} for {len(images)} pictures: give one each"
        )
    if digits.numel() and not 0 <= int(digits.min()) <= int(digits.max()) <= 9:
        raise ValueError(
            f"digits from {int(digits.min())} to {int(digits.max())}: a digit is 0 … 9"
        )
    measured = slant(images)
    return measured - torch.tensor(UPRIGHT_SLANT, device=measured.device)[digits]


def _measured(images: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
    if images.ndim != 4 or images.shape[1] != 1:
        raise ValueError(f"images of shape {tuple(images.shape)}: must be (N, 1, H, W)")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(f"images of {images.dtype}: must be uint8, or float in −1 … 1")
    return torch.cat([measure(_ink(part)) for part in images.split(_AT_ONCE)])


def _ink(images: Tensor) -> Tensor:
    """(N, 1, H, W) → (N, H, W) float32, 0 … 1."""
    grey = images[:, 0].to(torch.float32)
    ink = grey / 255 if images.dtype == torch.uint8 else ((grey + 1) / 2).clamp(0, 1)
    return (ink - FAINTEST).clamp_min(0) / (1 - FAINTEST)


def _thickness(ink: Tensor) -> Tensor:
    # Roberts' cross: differences along the two diagonals.  It is local enough to see both
    # sides of a stroke one pixel wide, which central differences are not, and it measures
    # slanting strokes less wrongly than differences along rows and columns.
    padded = F.pad(ink, (1, 1, 1, 1))
    falling = padded[:, 1:, 1:] - padded[:, :-1, :-1]
    rising = padded[:, 1:, :-1] - padded[:, :-1, 1:]
    boundary = ((falling.square() + rising.square()) / 2).sqrt().sum((1, 2))
    return 2 * ink.sum((1, 2)) / boundary.clamp_min(1e-12)


def _slant(ink: Tensor) -> Tensor:
    height, width = ink.shape[1:]
    rows = torch.arange(height, device=ink.device, dtype=torch.float32)
    columns = torch.arange(width, device=ink.device, dtype=torch.float32)
    mass = ink.sum((1, 2)).clamp_min(1e-12)
    y = rows - (ink.sum(2) @ rows / mass)[:, None]
    x = columns - (ink.sum(1) @ columns / mass)[:, None]
    mu11 = torch.einsum("nij,ni,nj->n", ink, y, x)
    mu02 = torch.einsum("nij,ni->n", ink, y.square())
    return torch.rad2deg(torch.atan2(-mu11, mu02))
