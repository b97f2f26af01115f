"""What guidance does to answers, guesses and pictures: measured, and put into sentences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.measures import apart
from scenes.stage.seen import pictures_of, unit

WHITE = 0.9
"""A pixel above it, in −1 … 1, is white; in colour, one beyond it on either side is glaring."""
OVERDONE = 1.2
"""How many times as many such values make pictures overdone."""


def run_name(scale: float) -> str:
    """What the run with guidance scale g is called among a scene's recordings."""
    return f"g{scale:g}"


def variety(run: Trajectory) -> float:
    """How far two finished pictures are from one another: RMS, averaged over all pairs."""
    return apart(pictures_of(run)[-1])


def white(run: Trajectory) -> float:
    """The share of the pixels of all finished pictures that are white.

    Of pictures in colour, the share of their values that are at either end: as
    bright, or as dark, as a colour can be.
    """
    ends = unit(pictures_of(run)[-1])
    return float(((ends if ends.shape[1] == 1 else np.abs(ends)) > WHITE).mean())


def difference(run: Trajectory) -> NDArray[np.float64]:
    """ε_c − ε_∅, (N, B, C, H, W): what the prompt changes in the network's answer."""
    assert run.eps_cond is not None
    assert run.eps_uncond is not None
    return run.eps_cond.astype(np.float64) - run.eps_uncond


def share_of_answer(run: Trajectory, index: int) -> float:
    """The size of the difference at a state, as a share of the answer's: RMS, first sample."""
    assert run.eps_cond is not None
    sizes = [
        np.sqrt((values[index, 0].astype(np.float64) ** 2).mean())
        for values in (difference(run), run.eps_cond)
    ]
    return float(sizes[0] / sizes[1])


def guesses(run: Trajectory, index: int, scales: tuple[float, ...]) -> NDArray[np.float64]:
    """x̂_0 of the first sample at a state, by the formula, one for each scale (S, C, H, W)."""
    assert run.eps_uncond is not None
    x_t = run.states[index, 0].astype(np.float64)
    scaled = [scale * difference(run)[index, 0] for scale in scales]
    eps = run.eps_uncond[index, 0] + np.stack(scaled)
    guessed: NDArray[np.float64] = (x_t - run.noise_weight[index] * eps) / run.signal_weight[index]
    return guessed


def how_white(plain: float, most: float) -> str:
    """The sentence on the share of white pixels, without guidance and at the largest scale."""
    more = 100 * (most / plain - 1) if plain else 0.0
    if more >= 1:
        return f"And the pictures are overdone: {more:.0f} % more of their pixels are white."
    return f"The share of white pixels changes by {more:.0f} %.".replace("-", "−")


def how_glaring(plain: float, most: float) -> str:
    """The same of pictures in colour: the share of values that are at either end."""
    least, largest = (f"{100 * share:.1f} %" for share in (plain, most))
    if most >= OVERDONE * plain and largest != least:
        ends = "are as bright or as dark as can be"
        return f"And the pictures are overdone: {largest} of their colours {ends}, not {least}."
    return f"Of their colours, {largest} are as bright or as dark as can be; before, {least}."
