"""What the recording of a field says: scores, ways, errors, arrivals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory

Floats = NDArray[np.float64]
LIKELY = 0.01
"""Share of the likeliest place's density from which on a place belongs to the data."""


def places(run: Trajectory) -> Floats:
    """Where a field was asked, (K, 2)."""
    return np.asarray(run.states[0, :, :, 0, 0], np.float64)


def score(run: Trajectory) -> Floats:
    """∇ log p_t = −ε̂ / √(1 − ᾱ_t) of a field, (N, K, 2)."""
    assert run.eps_hat is not None
    eps = np.asarray(run.eps_hat[..., 0, 0], np.float64)
    return np.asarray(-eps / run.noise_weight[: run.steps, None, None])


def paths(run: Trajectory) -> Floats:
    """Where particles are at each moment, (N + 1, B, 2)."""
    return np.asarray(run.states[..., 0, 0], np.float64)


def drawn(bundle: Bundle) -> Floats:
    """The points of the data that were drawn by hand, (K, 2); none of a set that has a name."""
    points = bundle.facts["recipe"].get("drawn", ())
    return np.asarray(points, np.float64).reshape(-1, 2)


def length(run: Trajectory) -> float:
    """Of a particle's way, the mean over all of them."""
    return float(_strides(run).sum())


def gone(run: Trajectory, index: int) -> float:
    """Which share of their ways, 0 … 1, particles have gone up to a moment."""
    return float(_strides(run)[:index].sum()) / length(run)


def _strides(run: Trajectory) -> Floats:
    """The length of each step, the mean over all particles, (N,)."""
    return np.asarray(np.linalg.norm(np.diff(paths(run), axis=0), axis=2).mean(axis=1))


def likely(field: Trajectory, density: Trajectory) -> Floats:
    """The density at the places of a field at each moment it was asked, (N, K)."""
    side, fine = int(field.facts["side"]), int(density.facts["side"])
    every = (fine - 1) // (side - 1)
    if every * (side - 1) != fine - 1 or field.facts["reach"] != density.facts["reach"]:
        raise ValueError(f"the {side} places of the field are not among the {fine} of the density")
    upwards = density.states[: density.steps, 0, 0, ::-1]
    # The field runs along x first, a picture along y.
    found = upwards[:, ::every, ::every].transpose(0, 2, 1)
    return np.asarray(found.reshape(len(found), -1), np.float64)


def errors(bundle: Bundle) -> Floats:
    """How far the learned field is off, as a share of the exact one, at each moment (N,).

    Root mean squares over the places, each counted as often as points come by:
    elsewhere nothing is learnt, and nothing is asked.
    """
    weight = likely(bundle["field"], bundle["density"])
    exact, learned = score(bundle["field"]), score(bundle["field learned"])
    wrong = (weight * ((learned - exact) ** 2).sum(axis=2)).sum(axis=1)
    whole = (weight * (exact**2).sum(axis=2)).sum(axis=1)
    return np.asarray(np.sqrt(wrong / whole))


def arrived(run: Trajectory, density: Trajectory) -> int:
    """How many particles end where the data is."""
    data, reach = density.states[-1, 0, 0], float(density.facts["reach"])
    ends = paths(run)[-1]
    side = len(data)
    column, up = np.rint((ends + reach) / (2 * reach) * (side - 1)).astype(int).T
    inside = (column >= 0) & (column < side) & (up >= 0) & (up < side)
    there = data[side - 1 - up[inside], column[inside]]
    return int((there >= LIKELY * data.max()).sum())


def near(run: Trajectory, points: Floats, std: float) -> int:
    """How many particles end where one of the data's Gaussians has not faded yet.

    The same rule as ``arrived`` has, without a grid: a spread may be finer than it.
    """
    away = np.linalg.norm(paths(run)[-1][:, None] - points, axis=2).min(axis=1)
    return int((away <= std * np.sqrt(-2 * np.log(LIKELY))).sum())


def landed(bundle: Bundle, name: str) -> int:
    """How many particles of a run end where the data is."""
    points = drawn(bundle)
    if len(points):
        return near(bundle[name], points, float(bundle.facts["recipe"]["std"]))
    return arrived(bundle[name], bundle["density"])


def apart(one: Trajectory, other: Trajectory, index: int) -> float:
    """How far from alike two crowds are at a moment: 0 where they are, 1 where they share no place.

    The share of particles that would have to go elsewhere, on a board of 4 × 4
    fields in each row and column of which a quarter of all of them are.
    """
    crowds = [paths(run)[index] for run in (one, other)]
    edges = np.quantile(np.concatenate(crowds), (0.25, 0.5, 0.75), axis=0)
    shares = []
    for crowd in crowds:
        column, row = (np.searchsorted(edges[:, axis], crowd[:, axis]) for axis in (0, 1))
        shares.append(np.bincount(4 * row + column, minlength=16) / len(crowd))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def moment(run: Trajectory, t: int) -> int:
    """The state of a run whose time is nearest to ``t``."""
    return int(np.abs(run.timesteps - t).argmin())


def homewards(run: Trajectory, index: int) -> float:
    """How well the arrows of a moment point to the middle: 1 straight at it, −1 away, on average.

    The place in the middle has no direction to it.
    """
    where, arrows = places(run), score(run)[index]
    away = np.linalg.norm(where, axis=1) > 1e-6
    where, arrows = where[away], arrows[away]
    along = -(where * arrows).sum(axis=1)
    return float((along / (np.linalg.norm(where, axis=1) * np.linalg.norm(arrows, axis=1))).mean())
