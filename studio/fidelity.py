"""How true an encoded picture is to the one that was drawn: PSNR and SSIM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]

_WINDOW = 7  # pixels a side, as scikit-image and the field have it without a Gaussian
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(one: Levels, other: Levels) -> float:
    """Peak signal-to-noise ratio of two pictures of levels 0 … 255, in decibels."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(one: Levels, other: Levels) -> float:
    """Mean structural similarity of two pictures (H, W) of levels 0 … 255; 1 for equal ones.

    Wang et al. 2004, with even windows of 7 × 7.
    """
    from scipy.ndimage import uniform_filter

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        edge = _WINDOW // 2
        found: NDArray[np.float64] = uniform_filter(values, _WINDOW)
        return found[edge:-edge, edge:-edge]

    x, y = one.astype(np.float64), other.astype(np.float64)
    mean_x, mean_y = mean(x), mean(y)
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    variances = unbiased * (mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2)
    covariance = unbiased * (mean(x * y) - mean_x * mean_y)
    top = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + _C1) * (variances + _C2))))
