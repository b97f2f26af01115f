"""The noise schedule that a pretrained model brings: the table of its own scheduler.

The table is read from diffusers' scheduler, whatever its settings made it of:
linear, scaled linear or squared-cosine betas, trained ones, a table stretched to
zero terminal SNR, or the levels of flow matching, x_t = (1 − s) x_0 + s ε.  What
else the scheduler does at the ends of a run is said by the properties that
``Schedule`` has for it.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from diffusion_core.denoiser import Prediction
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.recipes.checks import OWN
from diffusion_core.schedule import CLEAN, Schedule

PREDICTIONS: dict[str, Prediction] = {
    "epsilon": "epsilon",
    "v_prediction": "v",
    "sample": "x0",
}
"""What diffusers calls what a network predicts, and what it is called here."""

BENT = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "invert_sigmas")
"""Settings that give a scheduler levels of its own choice, off its table."""


@dataclass(frozen=True, eq=False)
class OwnSchedule(Schedule):
    """The table of a pretrained model's scheduler.

    Parameters
    ----------
    scheduler
        The scheduler of diffusers; only its settings and its table are asked.
    flow
        Whether it is one of flow matching.
    shift
        By how much the levels of flow matching are moved towards noise, as ``mu``
        of the scheduler; None where it moves them by its own settings.
    """

    scheduler: Any = None
    flow: bool = False
    mu: float | None = None

    @property
    def last(self) -> int:
        """0 where DDIM is configured to end there (``set_alpha_to_one = False``)."""
        return CLEAN if self.setting("set_alpha_to_one", True) else 0

    @property
    def variance(self) -> Literal["posterior", "beta"]:
        """That of its ``variance_type``; a learned one is left aside, for the posterior's."""
        large = str(self.setting("variance_type", "")).startswith("fixed_large")
        return "beta" if large else "posterior"

    def setting(self, name: str, usual: Any = None) -> Any:
        """What the scheduler's configuration says of ``name``."""
        return self.scheduler.config.get(name, usual)

    def start(self, t: int) -> Tensor:
        """As ``init_noise_sigma`` has it: 1, or no more than noise weighs in x_t.

        Schedulers that step along σ/α begin at its largest value, σ_t in x_t, where
        they count their times from T − 1; elsewhere they make up for what x_0
        weighs beside it.
        """
        in_sigma = not self.flow and float(self.scheduler.init_noise_sigma) != 1
        alone = in_sigma and self.setting("timestep_spacing") in ("linspace", "trailing")
        return self.sigma(t) if alone else self.norm(t)

    def told(self, t: int) -> Tensor:
        """What the network is told at ``t``: t, or 1,000 s where it learnt a flow."""
        if self.flow:
            return self.sigma(t).float() * self.setting("num_train_timesteps", 1000)
        return torch.tensor(t)

    def own_times(self, steps: int) -> list[int]:
        """The falling times that the scheduler visits in ``steps`` steps.

        Where it visits levels between those of its table, the nearest ones; those
        of flow matching are put into the table by ``for_steps``.

        Raises
        ------
        UsageError
            Where these are other than ``steps`` times of the table.
        """
        visited = self._levels(steps) if self.flow else self._set(steps).timesteps
        if self.flow:
            gaps = (self.sigmas[None, :] - visited.double()[:, None]).abs()
            found = gaps.argmin(dim=1).tolist()
        else:
            # Some schedulers visit a time twice, for a second look or a start.
            found = sorted({round(float(t)) for t in visited}, reverse=True)
        falls = all(t > s for t, s in itertools.pairwise(found))
        if not falls or len(found) != steps or not 0 <= found[-1] <= found[0] < self.T:
            raise UsageError(
                f"steps = {steps}: the model's own spacing visits {len(set(found))} times from "
                f"t = {found[0]}, and there are {self.T}, 0 … {self.T - 1}; choose fewer steps, or "
                "the spacing trailing"
            )
        return found

    def for_steps(self, steps: int) -> OwnSchedule:
        """The schedule with the levels that the scheduler visits in ``steps`` steps in its table.

        Flow matching has no table that it keeps to: any level between 0 and 1 may
        be visited.  Each that is takes the place of the nearest in the table.
        """
        if not self.flow:
            return self
        sigmas = self.sigmas.clone()
        sigmas[torch.tensor(self.own_times(steps))] = self._levels(steps).double()
        return replace(self, alphas=1 - sigmas, sigmas=sigmas)

    def _levels(self, steps: int) -> Tensor:
        return self._set(steps).sigmas[:-1]

    def _set(self, steps: int) -> Any:
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(steps, **({} if self.mu is None else {"mu": self.mu}))
        return scheduler


def own_schedule(scheduler: Any, name: str, mu: float | None = None) -> OwnSchedule:
    """The schedule of a diffusers scheduler.

    Parameters
    ----------
    scheduler
        With ``alphas_cumprod``, or of flow matching.
    name
        Of the model, for what is said.
    mu
        Of a flow whose levels are moved by the size of the picture.

    Raises
    ------
    LectureError
        When it has no such table, or none of noise that grows.
    """
    flow = "FlowMatch" in type(scheduler).__name__
    kind = type(scheduler).__name__
    if flow and any(scheduler.config.get(setting) for setting in (*BENT, "shift_terminal")):
        raise LectureError(
            f"model {name!r}: its scheduler bends its levels ({kind} with one of "
            f"{', '.join((*BENT, 'shift_terminal'))}), which is not read here; switch it off in "
            "scheduler_config.json"
        )
    if not flow and getattr(scheduler, "alphas_cumprod", None) is None:
        raise LectureError(
            f"model {name!r}: its scheduler, {kind}, has no table of ᾱ and is none of flow "
            "matching; put another, such as DDIMScheduler, into its scheduler_config.json and "
            "model_index.json"
        )
    try:
        if flow:
            return _flow_schedule(scheduler, mu)
        alpha_bar = scheduler.alphas_cumprod.double()
        alphas, sigmas = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        return OwnSchedule(OWN, alphas, sigmas, scheduler=scheduler)
    except ValueError as error:
        raise LectureError(
            f"model {name!r}: the table of its scheduler is none that can be run ({error}); mend "
            "its scheduler_config.json"
        ) from error


def _flow_schedule(scheduler: Any, mu: float | None) -> OwnSchedule:
    T = int(scheduler.config.num_train_timesteps)
    table = copy.deepcopy(scheduler)
    even = (torch.arange(T, 0, -1, dtype=torch.float64) / T).tolist()
    table.set_timesteps(sigmas=even, **({} if mu is None else {"mu": mu}))
    sigmas = table.sigmas[:-1].flip(0).double()
    return OwnSchedule(OWN, 1 - sigmas, sigmas, scheduler=scheduler, flow=True, mu=mu)


def prediction_of(scheduler: Any, name: str) -> Prediction:
    """What the network predicts, by its scheduler's settings; ε where they say nothing.

    Raises
    ------
    LectureError
        For a prediction that is not known here.
    """
    said = scheduler.config.get("prediction_type", "epsilon")
    if said not in PREDICTIONS:
        raise LectureError(
            f"model {name!r}: its network predicts {said!r}, by its scheduler's prediction_type; "
            f"choose a model of one of: {', '.join(PREDICTIONS)}"
        )
    return PREDICTIONS[said]
