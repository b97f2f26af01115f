"""What the recording of a race says: who is where after how many evaluations, and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffusion_core.bundle import Bundle
from diffusion_core.trajectory import Trajectory

NAMES = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "dpmpp": "DPM-Solver++",
}
"""What the racers are called, in the order in which they stand."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SAME = 0.001
"""Of a range of 2: a distance that is rounding, not another picture."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one racer did with one number of evaluations.

    Parameters
    ----------
    runner
        The rule.
    run
        Its recording.
    """

    runner: str
    run: Trajectory

    @property
    def allowed(self) -> int:
        """Evaluations that it was allowed."""
        return int(self.run.facts["nfe_allowed"])

    @property
    def nfe(self) -> int:
        """Evaluations that it made; a rule that makes two a step may have one left over."""
        return int(self.run.facts["nfe"])

    @property
    def distances(self) -> list[float]:
        """Of its pictures to the converged answer, one number a sample."""
        ends: list[float] = self.run.facts["distance_to_reference"][-1]
        return ends

    @property
    def distance(self) -> float:
        """The mean of them."""
        return float(np.mean(self.distances))

    def state_after(self, evaluations: float) -> int:
        """The state that it has reached after so many evaluations."""
        made = np.cumsum(self.run.facts["evaluations"])
        return int(np.searchsorted(made, evaluations + 1e-6, side="right"))


class Results:
    """All racers of a recording.

    Parameters
    ----------
    race
        As ``experiments.sampler_race`` records it.
    """

    def __init__(self, race: Bundle) -> None:
        self.reference = race["reference"]
        found = [Result(run.facts["runner"], run) for run in race.values()]
        racers = [result for result in found if result.runner in NAMES]
        self.nfe = racers[0].allowed
        """Evaluations of the race whose paths are shown."""
        self.budgets = sorted({result.allowed for result in racers})
        self.all = {
            name: {result.allowed: result for result in racers if result.runner == name}
            for name in NAMES
        }
        self.samples = int(self.reference.states.shape[1])

    def of(self, runner: str) -> Result:
        """A racer of the race whose paths are shown."""
        return self.all[runner][self.nfe]

    def row(self, runner: str) -> list[Result]:
        """A rule with every number of evaluations, the fewest first."""
        return [self.all[runner][budget] for budget in self.budgets]

    def gain(self, runner: str) -> float:
        """How many times nearer a rule comes from the race that is shown to the longest one."""
        return self.of(runner).distance / self.row(runner)[-1].distance

    @property
    def ranking(self) -> list[str]:
        """Those that aim at the converged answer, the nearest first; Euler's rule is DDIM's."""
        return sorted(("ddim", "heun", "dpmpp"), key=lambda name: self.of(name).distances[0])

    # -- in words ------------------------------------------------------------------

    def of_ddim_and_euler(self) -> str:
        """Whether the two drew the same picture."""
        apart = self.of("ddim").run.facts["distance_to"]["euler"][0]
        if apart < SAME:
            return "DDIM and Euler arrive at the same picture: one rule, written in two ways."
        return f"DDIM and Euler are one rule on paper; by rounding they differ {apart:.3f}."

    def of_ddpm(self) -> str:
        """Whether DDPM gets nearer with more evaluations."""
        first, *_, last = self.row("ddpm")
        if last.distance > first.distance / 2:
            return "DDPM never arrives here: with more steps it draws yet another picture."
        return "DDPM comes nearer with more steps, but it throws dice, so it need not arrive."

    def who_is_nearest(self) -> str:
        """The order of the race that is shown."""
        first, second, third = (NAMES[name] for name in self.ranking)
        return f"With {self.nfe} evaluations, {first} is nearest, then {second}, then {third}."

    def of_ddim(self) -> str:
        """How fast DDIM comes nearer."""
        times = self.budgets[-1] / self.nfe
        return (
            f"DDIM: with {times:g} times the work, it comes {self.gain('ddim'):.1f} times nearer."
        )

    def of_heun(self) -> str:
        """How fast Heun comes nearer, and from when on it is ahead of DDIM."""
        said = f"Heun comes {self.gain('heun'):.1f} times nearer: "
        pairs = zip(self.row("heun"), self.row("ddim"), strict=True)
        ahead = [heun.distance < ddim.distance for heun, ddim in pairs]
        first = ahead.index(True) if True in ahead else len(ahead)
        if first == len(ahead):
            return said + "but its second look at every step does not pay here."
        if not all(ahead[first:]):
            return said + "whether its second look pays changes from race to race."
        if first == 0:
            return said + "its second look at every step pays from the start."
        return said + f"its second look at every step pays from NFE {self.budgets[first]} on."

    def of_dpmpp(self) -> str:
        """How far DPM-Solver++ is ahead of DDIM in the longest race."""
        nfe = self.budgets[-1]
        ratio = self.row("ddim")[-1].distance / self.row("dpmpp")[-1].distance
        if ratio > 1:
            return f"That makes it {ratio:.1f} times as precise as DDIM, at NFE {nfe}."
        return f"Here that does not pay: at NFE {nfe}, DDIM is nearer."


def aloud(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace("NFE", "N F E").replace("++", " plus plus").replace("DPM", "D P M")
