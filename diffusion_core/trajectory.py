"""The recording of one run: every state that is shown later; no torch at import."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.files import Facts, read_arrays, write_arrays

FORMAT = "diffusion-lectures trajectory 2"

Floats = NDArray[np.floating[Any]]
Levels = NDArray[np.uint8]
"""Pictures in whole levels, 0 … 255."""

PREVIEW = 256
"""Pixels of the longest side of what is kept to be looked at: what a tile shows."""


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """N steps give N + 1 states; reverse runs begin with x_T, forward runs with x_0.

    Parameters
    ----------
    states
        (N + 1, B, C, H, W), x at ``timesteps``.
    timesteps
        (N + 1,) integers; −1 is the clean picture.
    alpha_bar
        (N + 1,) float64, ᾱ at ``timesteps``.
    x0_hat, eps_hat
        (N, B, C, H, W), what the network said of the first N states (reverse).
    eps_cond, eps_uncond
        (N, B, C, H, W), the two judgements that guidance made eps_hat of.
    noise
        (N, B, C, H, W), fresh noise of each step, zero where a step took none;
        absent from thinned recordings.
    eps
        (N + 1, B, C, H, W), the ε with x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε (forward);
        zero at x_0.
    shown, shown_x0
        (N + 1, B, C', h, w) and (N, B, C', h, w) uint8: the states and x0_hat as
        pictures to look at, where they are latents, or large; none of a run of
        small pictures, which show themselves (see ``pictures`` and ``guesses``).
    facts
        Recipe, model digest, NFE, threads, versions: JSON-ready.
    """

    states: Floats
    timesteps: NDArray[np.int64]
    alpha_bar: NDArray[np.float64]
    x0_hat: Floats | None = None
    eps_hat: Floats | None = None
    eps_cond: Floats | None = None
    eps_uncond: Floats | None = None
    noise: Floats | None = None
    eps: Floats | None = None
    shown: Levels | None = None
    shown_x0: Levels | None = None
    facts: Facts = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.steps
        if self.states.ndim != 5:
            raise ValueError(f"states has shape {self.states.shape}; it must be (N+1, B, C, H, W)")
        expected = {"timesteps": (n + 1,), "alpha_bar": (n + 1,), "eps": self.states.shape}
        expected |= dict.fromkeys(
            ("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise"), (n, *self.states.shape[1:])
        )
        if self.shown is not None:
            size = (self.states.shape[1], *self.shown.shape[2:])
            expected |= {"shown": (n + 1, *size), "shown_x0": (n, *size)}
        elif self.shown_x0 is not None:
            raise ValueError("shown_x0 without shown; give both, or shown alone")
        for name, shape in expected.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}; it must be {shape}")
        for name, array in self.arrays().items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds values that are not finite")

    @property
    def steps(self) -> int:
        """N, the number of steps between kept states."""
        return len(self.states) - 1

    @property
    def signal_weight(self) -> NDArray[np.float64]:
        """√ᾱ at each state, (N + 1,): the weight of x_0 where variance is preserved."""
        return np.sqrt(self.alpha_bar)

    @property
    def noise_weight(self) -> NDArray[np.float64]:
        """√(1 − ᾱ) at each state, (N + 1,): the weight of ε where variance is preserved."""
        return np.sqrt(1 - self.alpha_bar)

    @property
    def snr(self) -> NDArray[np.float64]:
        """ᾱ / (1 − ᾱ) at each state, (N + 1,); infinite at the clean picture."""
        with np.errstate(divide="ignore"):
            return self.alpha_bar / (1 - self.alpha_bar)

    @property
    def pictures(self) -> NDArray[np.float32]:
        """The states as pictures to look at, (N + 1, B, C, H, W) in about −1 … 1."""
        return _unit(self.states if self.shown is None else self.shown)

    @property
    def guesses(self) -> NDArray[np.float32]:
        """x0_hat as pictures to look at, (N, B, C, H, W) in about −1 … 1.

        Raises
        ------
        ValueError
            For a run in which nothing was guessed.
        """
        found = self.x0_hat if self.shown is None else self.shown_x0
        if found is None:
            raise ValueError("this run holds no guesses of x_0; show its pictures")
        return _unit(found)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that are held, by name."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "facts")
        return {name: value for name, value in values if value is not None}

    def save(self, path: Path) -> str:
        """Write the recording to ``path``, whole; return its digest."""
        return write_arrays(path, self.arrays(), self.facts, kind=FORMAT)

    @classmethod
    def load(cls, path: Path) -> Trajectory:
        """Read a recording; its arrays are read-only views of the file, mapped into memory.

        Raises
        ------
        DamagedFile
            When the file is not what ``save`` wrote, bit for bit, or is of
            another format version.
        LectureError
            When it is absent or cannot be read.
        """
        arrays, facts, _ = read_arrays(path, kind=FORMAT)
        return cls(**arrays, facts=facts)


def _unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Levels as −1 … 1; floats as they are."""
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(127.5) - 1
    return values.astype(np.float32, copy=False)
