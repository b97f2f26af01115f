"""One path that forks: the same until t, then other noise or another denoiser."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from diffusion_core.denoiser import Denoiser
from diffusion_core.errors import UsageError
from diffusion_core.experiments.checks import check_seeds
from diffusion_core.experiments.paths import Runs, joined, saying
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts


@dataclass(frozen=True)
class Branch:
    """What a path does differently from the fork on.

    Parameters
    ----------
    denoiser
        Who judges: another label, prompt or guidance scale; None: as before.
    seeds
        Of the noise from the fork on, one a sample; None: the noise goes on.
    """

    denoiser: Denoiser | None = None
    seeds: Sequence[int] | None = None


def forks(
    process: ReverseProcess,
    seeds: Sequence[int],
    shape: Sequence[int],
    t: int,
    branches: Mapping[str, Branch],
) -> Runs:
    """One path to x_t, and several from there.

    What is settled at t, and what can still become of it?

    Every branch shares the path from x_T down to x_t, bit for bit, and goes its
    own way from there: with other noise, what still differs at the end was
    open at t (Ho et al. 2020, arXiv:2006.11239, figure 7, with its progressive
    shared latents); with another denoiser, so much of a prompt's work was left.

    Parameters
    ----------
    process
        The shared path, and what a branch does not change.
    seeds
        Of the start and of the shared steps, one a sample.
    shape
        Of one sample, (C, H, W).
    t
        Where the path forks: one of the process's times, not the last.
        ``times[0]`` shares the starting noise alone.
    branches
        At least one, by name; ``Branch()`` is the path as it would have gone.
        A multistep sampler (DPM-Solver++) begins anew at the fork.

    Returns
    -------
    Runs
        A whole path for each branch, from x_T.  Facts: "forked_at" and
        "shared_states", how many of its states are those of the others.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, for a t that is
        not visited, or for other noise where no noise is taken.
    """
    if t not in process.times[:-1]:
        visited = ", ".join(map(str, process.times[:-1]))
        raise UsageError(f"t = {t} is not visited; fork at one of: {visited}")
    if not branches:
        raise ValueError("branches is empty; give at least one")
    x, noise = start_noise(seeds, shape)
    tail = process.starting_at(t)
    tails = {name: _turned(tail, branch, len(seeds)) for name, branch in branches.items()}
    x = process.pure_noise(x)
    facts: Facts = {"experiment": "forks", "seeds": [int(seed) for seed in seeds], "forked_at": t}
    trunk = None
    if t != process.times[0]:
        # What the branches start from is kept as it is, however exactly the rest is.
        room = process.policy.room
        policy = replace(process.policy, half=(), room=room and replace(room, exact=True))
        exact = replace(process, policy=policy)
        trunk = exact.record(x, noise, facts=facts, until=t)
        x = torch.from_numpy(trunk.states[-1])
    runs: Runs = {}
    for name, branch in branches.items():
        # The first draw is the start's, so that no seed brings x_T back as a step's noise.
        own = start_noise(branch.seeds, shape)[1] if branch.seeds else copy.deepcopy(noise)
        path = tails[name].record(x, own, facts={**facts, "branch": name})
        shared = 1 if trunk is None else len(trunk.states)
        path = path if trunk is None else joined(trunk, path)
        runs[name] = saying(path, shared_states=shared)
    return runs


def _turned(tail: ReverseProcess, branch: Branch, samples: int) -> ReverseProcess:
    """``tail`` with the denoiser of ``branch``, whose arguments are checked."""
    if branch.seeds is not None:
        check_seeds(branch.seeds, samples)
        if tail.deterministic:
            raise UsageError(
                f"from t = {tail.times[0]} on {type(tail.sampler).__name__} takes no noise, so "
                "other seeds change nothing; choose DDPM, or DDIM with eta above 0"
            )
    return tail if branch.denoiser is None else replace(tail, denoiser=branch.denoiser)
