"""What a recorded training tells: how far the loss and the pictures are at each stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.errors import UsageError

MOST = 0.8
"""Of the fall of the loss: from then on its curve is nearly flat."""
LEAST = 0.05
"""Of its first value, that a loss has to fall before there is something to tell."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Learnt:
    """The stages of a training, S of them, with P samples each.

    Parameters
    ----------
    steps
        (S,), rising: steps done.
    pictures
        (S, P, C, H, W): what the network of then drew.
    start
        (P, C, H, W): the noise that it drew them from, the same each time.
    distance
        (S,): to the pictures of the last stage, averaged over the samples.
    loss_steps, loss
        (K,) each: the loss curve.
    prompts
        (P,): what was asked for, "" for nothing.
    asked, seen
        (P,) the digits that the prompts name, None for no digit; and (S, P) those that
        the judge reads, None where it was not asked.
    seeds, batch, predicts
        Of the noise; pictures a step; what the network is trained to predict.
    """

    steps: NDArray[np.int64]
    pictures: Floats
    start: Floats
    distance: Floats
    loss_steps: Floats
    loss: Floats
    prompts: list[str]
    asked: list[int | None]
    seen: list[list[int]] | None
    seeds: list[int]
    batch: int
    predicts: str

    @classmethod
    def of(cls, recorded: Bundle) -> Learnt:
        """Read what ``TrainingRecipe`` recorded.

        Raises
        ------
        UsageError
            Where the loss has hardly fallen: there is nothing to show yet.
        """
        runs, facts = list(recorded.values()), recorded.common
        loss = np.array(facts["loss"]["means"])
        if loss[-1] > (1 - LEAST) * loss[0]:
            raise UsageError(
                f"the loss of this run is {loss[0]:.3f} at its first step and {loss[-1]:.3f} at "
                f"its last, {facts['loss']['steps'][-1]:,}; train it until it has fallen by "
                f"{LEAST:.0%}"
            )
        seen = [run.facts["final_class"] for run in runs if "final_class" in run.facts]
        return cls(
            steps=np.array([run.facts["step"] for run in runs]),
            pictures=np.stack([run.states[-1] for run in runs]),
            start=runs[0].states[0],
            distance=np.array([np.mean(run.facts["rms_to_last"]) for run in runs]),
            loss_steps=np.array(facts["loss"]["steps"], float),
            loss=loss,
            prompts=facts["samples"]["prompts"],
            asked=facts["digits"],
            seen=seen or None,
            seeds=facts["samples"]["seeds"],
            batch=facts["training"]["batch_size"],
            predicts=facts["training"]["prediction"],
        )

    # -- along the training ---------------------------------------------------------

    @property
    def end(self) -> int:
        """The last step."""
        return int(self.steps[-1])

    def stage(self, step: float) -> int:
        """The last stage that was reached by ``step``."""
        return int(np.searchsorted(self.steps, step + 1e-6, side="right")) - 1

    def loss_at(self, step: float) -> float:
        """Of the curve; before the first step that of the first."""
        return float(np.interp(np.log(max(step, 1)), np.log(self.loss_steps), self.loss))

    def fallen(self, step: float) -> float:
        """The share of its fall that the loss has done, 0 … 1."""
        first, last = self.loss[0], self.loss[-1]
        return float(np.clip((first - self.loss_at(step)) / (first - last), 0, 1))

    def arrived(self, stage: int) -> float:
        """The share of their way to the last ones that the pictures have done, 0 … 1."""
        return float(np.clip(1 - self.distance[stage] / self.distance[0], 0, 1))

    @property
    def flat(self) -> int:
        """The first stage by which the loss has done most of its fall; never the last one."""
        most = [i for i, step in enumerate(self.steps) if self.fallen(step) >= MOST]
        return min(most[0], len(self.steps) - 2)

    @property
    def late(self) -> int:
        """Two stages further, or the last but one."""
        return min(self.flat + 2, len(self.steps) - 2)

    def echo(self, stage: int) -> float:
        """The correlation of what was drawn with the noise that it was drawn from."""
        noise, drawn = self.start.ravel(), self.pictures[stage].ravel()
        # A picture of one grey resembles nothing.
        return float(np.corrcoef(noise, drawn)[0, 1]) if drawn.std() > 0 else 0.0

    @property
    def lags(self) -> bool:
        """Whether the pictures are then less far than the loss."""
        return self.arrived(self.flat) < self.fallen(self.steps[self.flat])

    # -- what the judge says -----------------------------------------------------------

    @property
    def judged(self) -> bool:
        """Whether prompts ask for digits, and the judge has looked for them."""
        return self.seen is not None and any(digit is not None for digit in self.asked)

    @property
    def questions(self) -> int:
        """How many prompts ask for a digit."""
        return sum(digit is not None for digit in self.asked)

    def answered(self, stage: int) -> int:
        """In how many of them the judge sees that digit."""
        assert self.seen is not None
        pairs = zip(self.asked, self.seen[stage], strict=True)
        return sum(digit is not None and digit == found for digit, found in pairs)

    @property
    def free(self) -> list[int]:
        """The samples for which nothing was asked."""
        return [i for i, prompt in enumerate(self.prompts) if not prompt]

    @property
    def prompted(self) -> list[int]:
        """The others."""
        return [i for i, prompt in enumerate(self.prompts) if prompt]

    def turned(self) -> list[int]:
        """The free samples that are read as another digit in the end than at the late stage."""
        assert self.seen is not None
        return [i for i in self.free if self.seen[self.late][i] != self.seen[-1][i]]

    # -- what is shown side by side ----------------------------------------------------

    def shown_stages(self, most: int) -> list[int]:
        """At most ``most`` stages: the first, and those from where the loss begins to fall."""
        begins = next(i for i, step in enumerate(self.steps) if self.fallen(step) > 0.1)
        later = np.arange(max(begins, 1), len(self.steps))
        chosen = later[
            np.linspace(0, len(later) - 1, min(most - 1, len(later))).round().astype(int)
        ]
        return [0, *chosen.tolist()]

    def followed(self) -> list[int]:
        """Up to three samples: the first free one that turned late, two with prompts."""
        free, asked = self.free, self.prompted
        if not (free and asked):
            every = free or asked
            return sorted({every[0], every[len(every) // 2], every[-1]})
        turned = self.turned() if self.seen is not None else []
        return [(turned or free)[0], *sorted({asked[0], asked[-1]})]
