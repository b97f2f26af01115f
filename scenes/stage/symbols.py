"""How a run's states, guesses and weights are written: on pixels, among latents, along a flow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_core.trajectory import Trajectory
from scenes.stage.seen import in_latents


@dataclass(frozen=True, slots=True)
class Symbols:
    """What stands in formulas and over tiles, in Typst's notation.

    Parameters
    ----------
    latents
        Whether states are latents, of which is seen what a decoder D makes of them.
    flow
        Whether noise and picture are mixed along a straight line, x_t = (1 − σ_t) x_0
        + σ_t ε, as flow matching has it, or so that the variance is preserved.
    """

    latents: bool = False
    flow: bool = False

    @property
    def letter(self) -> str:
        """What a state is called: x, or z among latents."""
        return "z" if self.latents else "x"

    def seen(self, symbol: str) -> str:
        """What stands over a tile of ``symbol``: D(…) where it was decoded."""
        return f"D({symbol})" if self.latents else symbol

    @property
    def state(self) -> str:
        """x_t, as it is seen."""
        return self.seen(f"{self.letter}_t")

    @property
    def start(self) -> str:
        """x_T, as it is seen."""
        return self.seen(f"{self.letter}_T")

    @property
    def guess(self) -> str:
        """x̂_0, as it is seen."""
        return self.seen(f"hat({self.letter})_0")

    @property
    def clean(self) -> str:
        """x_0, as it is seen."""
        return self.seen(f"{self.letter}_0")

    @property
    def noise(self) -> str:
        """The weight of ε in x_t."""
        return "sigma_t" if self.flow else "sqrt(1 - macron(alpha)_t)"

    @property
    def guessing(self) -> str:
        """How x̂_0 follows from ε̂; the parts "guess" and "noise"."""
        x = self.letter
        signal = "(1 - sigma_t)" if self.flow else "sqrt(macron(alpha)_t)"
        return (
            f"{{{{ hat({x})_0 : guess }}}} = ({x}_t - {self.noise}"
            f" thin {{{{ hat(epsilon) : noise }}}}) / {signal}"
        )

    @property
    def jumping(self) -> str:
        """How x_t is made of x_0 and ε; the parts "signal" and "noise"."""
        x = self.letter
        signal = "(1 - sigma_t)" if self.flow else "sqrt(macron(alpha)_t)"
        return (
            f"{x}_t = {{{{ {signal} thin {x}_0 : signal }}}}"
            f" + {{{{ {self.noise} thin epsilon : noise }}}}"
        )

    @property
    def dice(self) -> str:
        """The weight of fresh noise in a step, and how it is said."""
        return "tau" if self.flow else "sigma"

    @property
    def stepping(self) -> str:
        """A step of DDIM and of DDPM; the parts "guess", "named" and "dice"."""
        x = self.letter
        signal = "(1 - sigma_s)" if self.flow else "sqrt(macron(alpha)_s)"
        left = "sigma_s^2 - tau^2" if self.flow else "1 - macron(alpha)_s - sigma^2"
        return (
            f"{x}_s = {signal} thin {{{{ hat({x})_0 : guess }}}}"
            f" + sqrt({left}) thin {{{{ hat(epsilon) : named }}}}"
            f" + {{{{ {self.dice} z : dice }}}}"
        )

    @property
    def level(self) -> str:
        """What says how noisy x_t is."""
        return "sigma_t" if self.flow else "macron(alpha)_t"

    def levels(self, run: Trajectory) -> NDArray[np.float64]:
        """Its value at each state, (N + 1,)."""
        return self.noise_weight(run) if self.flow else run.alpha_bar

    def noise_weight(self, run: Trajectory) -> NDArray[np.float64]:
        """The weight of ε at each state, (N + 1,)."""
        if not self.flow:
            return run.noise_weight
        # ᾱ is what share of the variance is picture: α² / (α² + σ²), and α + σ is 1.
        signal, noise = run.signal_weight, run.noise_weight
        return noise / (signal + noise)


def symbols_of(run: Trajectory) -> Symbols:
    """How the states of ``run`` are written."""
    told = run.facts.get("pretrained", {})
    return Symbols(in_latents(run), told.get("prediction") == "flow")
