r"""How good samples are, in numbers: computed on features, not on pixels.

Features are what a classifier's penultimate layer says of pictures, one row a
picture; see ``evaluation`` for where they come from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, stats

Array = np.ndarray[Any, Any]


def _checked(features: Array, rows: int = 2) -> Array:
    """``features`` as float64, where they are (N, F), N ≥ ``rows``, and finite."""
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or len(values) < rows or not values.shape[1]:
        raise ValueError(f"features of shape {values.shape}: must be (N, F), N at least {rows}")
    if not np.isfinite(values).all():
        raise ValueError("features hold values that are not finite")
    return values


def fid(a: Array, b: Array) -> float:
    r"""The Fréchet distance between two sets of features, as if each were normal.

        d² = |μ_a − μ_b|² + Tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½)

    Heusel et al. 2017, arXiv:1706.08500, eq. 6.  It is computed in float64, and
    by the singular values of Σ_a^½ Σ_b^½, whose sum is the trace of the last
    term: so it stays real where a covariance has no inverse, as it has none
    where a feature is always 0 or there are fewer pictures than features.

    It is biased upward, the more the fewer pictures there are: compare only
    distances of equally many.

    Parameters
    ----------
    a, b
        (N, F) and (M, F), at least two rows each.

    Returns
    -------
    float
        0 and up; 0 where mean and covariance are the same.

    Raises
    ------
    ValueError
        For other shapes, or values that are not finite.
    """
    a, b = _checked(a), _checked(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} features of one set and {b.shape[1]} of the other")
    between = a.mean(0) - b.mean(0)
    cov_a, cov_b = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (a, b))
    overlap = linalg.svdvals(_root(cov_a) @ _root(cov_b)).sum()
    distance = between @ between + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap
    return max(0.0, float(distance))  # of equal sets rounding leaves either sign


def _root(covariance: Array) -> Array:
    """The symmetric square root; eigenvalues are negative by rounding alone."""
    values, vectors = linalg.eigh(covariance)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def diversity(features: Array, groups: Array | None = None) -> float:
    """How unlike one another pictures are: the distance between two of them.

    Its root mean square over all pairs, √(2 Tr Σ): so sets of unequal size
    compare.  What is quoted is its ratio to that of real pictures.  It falls
    where samples crowd together, to 0 where all are one; a few unlike pictures
    over and over it does not see, and ``fid`` does.

    Parameters
    ----------
    features
        (N, F), at least two rows.
    groups
        (N,): what each picture was asked to show.  Pictures are then compared
        within their group alone: Σ is the covariance around the group's mean,
        pooled over all groups.

    Returns
    -------
    float
        0 and up, in units of the features.

    Raises
    ------
    ValueError
        For another shape, values that are not finite, or where no two pictures
        are of one group.
    """
    values = _checked(features)
    kind = np.zeros(len(values), np.int64) if groups is None else np.asarray(groups)
    if kind.shape != values.shape[:1]:
        raise ValueError(f"groups of shape {kind.shape} for {len(values)} pictures: give one each")
    _, kind, count = np.unique(kind, return_inverse=True, return_counts=True)
    if len(count) == len(values):
        raise ValueError("no two pictures are of one group, so none can be compared")
    means = np.zeros((len(count), values.shape[1]))
    np.add.at(means, kind, values)
    apart = values - (means / count[:, None])[kind]
    return float(np.sqrt(2 * (apart**2).sum() / (len(values) - len(count))))


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's ρ between what was asked for and what was measured, −1 … 1.

    Ties share their mean rank.  With three levels that are equally frequent,
    values that keep to their levels without fail reach √(8/9) ≈ 0.943, not 1.

    Parameters
    ----------
    a, b
        (N,), at least two.

    Returns
    -------
    float
        0 where one of the two is the same throughout: it then says nothing of
        the other.

    Raises
    ------
    ValueError
        When they are not equally many, or hold values that are not finite.
    """
    x, y = (np.asarray(values, np.float64) for values in (a, b))
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"shapes {x.shape} and {y.shape}: must be (N,) both, N at least 2")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("values that are not finite have no rank")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(stats.spearmanr(x, y).statistic)
