"""A race: several samplers from one noise, each with as many network evaluations."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diffusion_core.errors import UsageError
from diffusion_core.experiments.paths import Runs, rms, saying
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.recipe import check_whole
from diffusion_core.samplers import Sampler
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory

REFERENCE = "reference"


def evaluations_of(process: ReverseProcess) -> list[int]:
    """How often each step of ``process`` evaluates the network, N numbers."""
    asked = (process.sampler.evaluations(t, s) for t, s in itertools.pairwise(process.times))
    return [times * process.denoiser.evaluations for times in asked]


def nfe_of(process: ReverseProcess) -> int:
    """How often a run of ``process`` evaluates the network."""
    return sum(evaluations_of(process))


def within_budget(
    reference: ReverseProcess, sampler: Sampler, nfe: int, spacing: str
) -> ReverseProcess:
    """The process with ``sampler`` and as many steps as ``nfe`` evaluations allow.

    Raises
    ------
    UsageError
        When they do not allow one step.
    """

    def with_steps(steps: int) -> ReverseProcess:
        times = sampling_times(reference.schedule, steps, spacing)
        return replace(reference, sampler=sampler, times=times)

    steps = bisect_right(
        range(1, reference.schedule.T + 1), nfe, key=lambda n: nfe_of(with_steps(n))
    )
    if steps == 0:
        raise UsageError(
            f"nfe = {nfe} does not allow one step of {type(sampler).__name__}, which takes "
            f"{nfe_of(with_steps(1))}"
        )
    return with_steps(steps)


def path_distance(a: Trajectory, b: Trajectory) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """RMS distance of two paths at the times that both hold: (n,) falling times, (n, B)."""
    times = [t for t in a.timesteps.tolist() if t in b.timesteps]
    at = [(int(np.argmax(a.timesteps == t)), int(np.argmax(b.timesteps == t))) for t in times]
    distances = [rms(a.states[i], b.states[j]) for i, j in at]
    return np.array(times, np.int64), np.array(distances, np.float64)


def sampler_race(
    reference: ReverseProcess,
    samplers: Mapping[str, Sampler],
    seeds: Sequence[int],
    shape: Sequence[int],
    *,
    nfe: int,
    also: Sequence[int] = (),
    spacing: str = "trailing",
) -> Runs:
    """Several samplers from the same noise, with as many network evaluations.

    Which is closest to the converged answer for the same work?

    All start from the same noise and may evaluate the network at most ``nfe``
    times; a rule that asks twice a step (Heun) gets half the steps, or as many
    as fit.  Deterministic rules follow one flow, so their ends can be compared
    with a many-step reference (Karras et al. 2022, arXiv:2206.00364, figure 2);
    a random one samples the same distribution, but its distance does not go
    to 0 with more steps.  A higher order shows once the steps are short: with
    few, or ill spaced ones, the first order may well be ahead.

    Parameters
    ----------
    reference
        The converged answer: deterministic, many steps.  It also visits every
        time that a racer of ``nfe`` visits, so that whole paths can be compared.
    samplers
        The racers by name, at least one; "reference" is taken.
    seeds
        One a sample, of the start and of the random rules' steps.
    shape
        Of one sample, (C, H, W).
    nfe
        Network evaluations that each racer may use, 1 … 100,000.
    also
        Other such numbers, none twice: the same race again, with as many.
    spacing
        Of the racers' times (see ``sampling_times``).

    Returns
    -------
    Runs
        "reference" and the racers; those of ``also`` have the number behind
        their names, "heun 20".  Facts of a racer: "runner", its name; "nfe",
        what it really used, and "evaluations", step by step; "nfe_allowed",
        "steps", "random"; "distance_to_reference", a number for each kept state
        that the reference holds too (of ``nfe`` all, unless a policy thins
        them; the end always) and each sample, with their "distance_times"; and
        "distance_to", of its end to that of each racer with as many
        evaluations, one number a sample.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, for a random
        reference, or where ``nfe`` does not allow one step.
    """
    reference.check_deterministic("the reference of a race")
    budgets = (nfe, *also)
    for budget in budgets:
        check_whole("nfe", budget, 1, 100_000)
    if len(set(budgets)) < len(budgets):
        raise UsageError(f"nfe = {nfe} and also = {tuple(also)} name one number twice")
    if not samplers or REFERENCE in samplers:
        raise ValueError(
            f"samplers = {list(samplers)}; give at least one, none called {REFERENCE!r}"
        )
    races = {
        budget: {
            name: within_budget(reference, sampler, budget, spacing)
            for name, sampler in samplers.items()
        }
        for budget in budgets
    }
    visited = set(reference.times).union(*(racer.times for racer in races[nfe].values()))
    reference = replace(reference, times=sorted(visited, reverse=True))

    def run(name: str, process: ReverseProcess) -> Trajectory:
        # The same noise again: the first draw starts every path, the next are its steps'.
        eps, noise = start_noise(seeds, shape)
        facts: Facts = {
            "experiment": "sampler_race",
            "seeds": [int(seed) for seed in seeds],
            "runner": name,
            "steps": len(process.times) - 1,
            "evaluations": evaluations_of(process),
        }
        return process.record(process.pure_noise(eps), noise, facts=facts)

    runs: Runs = {REFERENCE: run(REFERENCE, reference)}
    for budget, racers in races.items():
        ran = {name: run(name, racer) for name, racer in racers.items()}
        for name, racer in racers.items():
            times, distance = path_distance(ran[name], runs[REFERENCE])
            runs[name if budget == nfe else f"{name} {budget}"] = saying(
                ran[name],
                nfe_allowed=budget,
                random=not racer.deterministic,
                distance_times=times.tolist(),
                distance_to_reference=distance.tolist(),
                distance_to={
                    other: rms(ran[name].states[-1], ran[other].states[-1])
                    for other in racers
                    if other != name
                },
            )
    return runs
