"""FID, diversity and rank correlation against what is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import linalg
from scipy.spatial.distance import pdist

from diffusion_core.metrics import diversity, fid, rank_correlation


def spread(seed: int, rows: int = 400, columns: int = 5) -> np.ndarray:
    """Correlated features, moved away from 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + rng.normal()


def whitened(seed: int, rows: int, columns: int) -> np.ndarray:
    """Features whose mean is 0 and whose covariance is 1, to the last bits."""
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    values -= values.mean(0)
    return values @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(values, rowvar=False)))).T


def test_equal_sets_are_not_apart() -> None:
    features = spread(0)
    assert fid(features, features) == pytest.approx(0, abs=1e-10)
    assert fid(features, features[::-1]) == pytest.approx(0, abs=1e-10)
    assert fid(features, features) >= 0


def test_one_feature_gives_the_distance_of_means_and_of_deviations() -> None:
    a, b = 3 * whitened(0, 200, 1) + 2, 0.5 * whitened(1, 300, 1) - 1
    assert fid(a, b) == pytest.approx((2 + 1) ** 2 + (3 - 0.5) ** 2)


def test_independent_features_add_up() -> None:
    std_a, std_b = np.array([0.1, 2, 5]), np.array([3, 0, 0.5])
    shift = np.array([1, -2, 0.25])
    a, b = std_a * whitened(0, 500, 3), std_b * whitened(1, 700, 3) + shift
    assert fid(a, b) == pytest.approx((shift**2).sum() + ((std_a - std_b) ** 2).sum())


def test_correlated_features_agree_with_the_matrix_square_root() -> None:
    a, b = spread(0), spread(1, 300)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(cov_a @ cov_b).real
    between = a.mean(0) - b.mean(0)
    assert fid(a, b) == pytest.approx(between @ between + np.trace(cov_a + cov_b - 2 * root))
    assert fid(a, b) == pytest.approx(fid(b, a))
    assert fid(a, b) > 0.1
    # Turning both sets changes nothing.
    turn = linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]
    assert fid(a @ turn, b @ turn) == pytest.approx(fid(a, b))


def test_fewer_pictures_than_features_and_dead_features_still_give_a_number() -> None:
    a, b = spread(0, 4, 20), spread(1, 6, 20)
    assert 0 < fid(a, b) < math.inf
    a[:, 3] = b[:, 3] = 0
    assert fid(a, a) == pytest.approx(0, abs=1e-8)
    assert fid(a.astype(np.float32), b) == pytest.approx(fid(a, b), rel=1e-5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), r"\(1, 3\)"),
        (np.zeros(3), np.zeros((4, 3)), r"\(3,\)"),
        (np.zeros((4, 0)), np.zeros((4, 0)), r"\(4, 0\)"),
        (np.zeros((4, 2)), np.zeros((4, 3)), "2 features of one set and 3"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "not finite"),
    ],
)
def test_features_that_cannot_be_compared_are_refused(
    a: np.ndarray, b: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fid(a, b)


def test_diversity_is_the_root_mean_square_distance() -> None:
    features = spread(3, 60)
    assert diversity(features) == pytest.approx(math.sqrt((pdist(features) ** 2).mean()))
    assert diversity(2 * features + 7) == pytest.approx(2 * diversity(features))


def test_collapse_is_seen() -> None:
    features = spread(4, 600)
    assert diversity(np.repeat(features[:1], 600, axis=0)) == pytest.approx(0, abs=1e-10)
    # Two of three kinds are never drawn.
    kinds = features + 20 * (np.arange(600) % 3)[:, None]
    assert diversity(kinds[::3]) < 0.5 * diversity(kinds)
    # Drawn half way to the mean.
    assert diversity(features.mean(0) + 0.5 * (features - features.mean(0))) == pytest.approx(
        diversity(features) / 2
    )


def test_what_diversity_cannot_see_the_distance_does() -> None:
    features = spread(10, 600, 20)
    ten = np.repeat(features[:10], 60, axis=0)
    assert diversity(ten) > 0.8 * diversity(features)
    assert fid(ten, features) > 5 * fid(features[::2], features[1::2])


def test_within_groups_only_pictures_of_one_group_are_compared() -> None:
    features = whitened(5, 400, 3)
    groups = np.arange(400) % 4
    apart = features + 100 * groups[:, None]
    assert diversity(apart) > 100
    assert diversity(apart, groups) == pytest.approx(diversity(features, groups))
    assert diversity(apart, groups) == pytest.approx(math.sqrt(2 * 3), rel=0.05)
    # A prompt that gives one picture only is seen, though prompts differ.
    assert diversity(100.0 * groups[:, None], groups) == 0
    assert diversity(features, np.zeros(400)) == pytest.approx(diversity(features))


def test_groups_of_unequal_sizes_bias_nothing() -> None:
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(400), [2, 3, 5, 10] * 100)
    features = rng.normal(size=(len(groups), 4)) + rng.normal(size=400)[groups, None]
    assert diversity(features, groups) == pytest.approx(math.sqrt(2 * 4), rel=0.03)


def test_diversity_of_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="no two pictures are of one group"):
        diversity(spread(0, 3), np.arange(3))
    with pytest.raises(ValueError, match=r"groups of shape \(2,\) for 3 pictures"):
        diversity(spread(0, 3), np.arange(2))
    with pytest.raises(ValueError, match="at least 2"):
        diversity(spread(0, 1))


def test_rank_correlation_knows_order_and_nothing_else() -> None:
    x = np.random.default_rng(7).normal(size=50)
    assert rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert rank_correlation(x, -(x**3)) == pytest.approx(-1)
    # No ties: 1 − 6 ∑ d² / (n (n² − 1)).
    assert rank_correlation(np.arange(4), np.array([1, 0, 2, 3])) == pytest.approx(1 - 12 / 60)


def test_three_levels_that_are_kept_reach_the_bound() -> None:
    levels = np.repeat([0, 1, 2], 400)
    measured = levels + np.random.default_rng(8).uniform(0, 0.9, 1200)
    assert rank_correlation(levels, measured) == pytest.approx(math.sqrt(8 / 9), abs=1e-3)
    assert abs(rank_correlation(levels, np.random.default_rng(9).normal(size=1200))) < 0.1


def test_what_never_varies_says_nothing() -> None:
    assert rank_correlation(np.ones(5), np.arange(5)) == 0
    assert rank_correlation(np.arange(5), np.ones(5)) == 0
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        rank_correlation(np.arange(3), np.arange(4))
    with pytest.raises(ValueError, match="not finite"):
        rank_correlation(np.array([0, np.inf]), np.arange(2))
