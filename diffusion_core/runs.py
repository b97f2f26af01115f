"""Recipes of one run become recordings here; those of experiments in ``experiment_runs``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch

import numpy as np
import torch

from diffusion_core.checkpoints import load_model
from diffusion_core.files import Facts
from diffusion_core.forward import forward_step, noise_within
from diffusion_core.pictures import load_picture
from diffusion_core.recipe import ForwardRecipe, ReverseRecipe, SingleRecipe, describe
from diffusion_core.recording import Policy, Report, environment, record, silent, stack
from diffusion_core.reverse import sample
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory


@singledispatch
def run(recipe: SingleRecipe, report: Report = silent) -> Trajectory:
    """Run ``recipe`` from start to end and return what was recorded.

    Raises
    ------
    LectureError
        When something that the recipe names cannot be read, or the network's
        output is not finite.
    """
    raise TypeError(f"{type(recipe).__name__} is no recipe")


@run.register
def _forward(recipe: ForwardRecipe, report: Report = silent) -> Trajectory:
    schedule = make_schedule(recipe.schedule, recipe.T)
    x_0 = torch.from_numpy(load_picture(recipe.image, recipe.size))[None]
    noise = SampleNoise([recipe.seed], x_0.shape[1:])
    even = kept_times(recipe.T, recipe.keep)
    kept = even | {equal_weights_time(schedule)}
    states, eps = [x_0], [torch.zeros_like(x_0)]
    x = x_0
    for t in range(recipe.T):
        x = forward_step(x, t - 1, t, schedule, noise.draw())
        if t in kept:
            states.append(x)
            eps.append(noise_within(x, x_0, t, schedule))
        report(t + 1, recipe.T)
    times = torch.tensor([CLEAN, *sorted(kept)])
    facts: Facts = {
        "recipe": describe(recipe),
        "nfe": 0,
        "schedule": schedule.name,
        "kept": f"{len(even)} of {recipe.T} states, evenly spaced in t, and the first at which "
        "the noise weighs as much as the picture",
        **environment(),
    }
    return Trajectory(
        states=stack(states),
        timesteps=times.numpy(),
        alpha_bar=schedule.alpha_bar(times).numpy(),
        eps=stack(eps),
        facts=facts,
    )


def kept_times(T: int, keep: int) -> set[int]:
    """``keep`` of the times 0 … T − 1, evenly spaced, T − 1 among them."""
    return {round(T * (i + 1) / keep) - 1 for i in range(keep)}


def equal_weights_time(schedule: Schedule) -> int:
    """The first t at which the noise weighs at least as much as the picture: ᾱ_t ≤ ½."""
    return int((schedule.alpha_bar(torch.arange(schedule.T)) <= 0.5).nonzero()[0])


def _schedule(recipe: ReverseRecipe) -> Schedule:
    return make_schedule(recipe.schedule, recipe.T, zero_terminal_snr=recipe.zero_terminal_snr)


@run.register
def _reverse(recipe: ReverseRecipe, report: Report = silent) -> Trajectory:
    schedule = _schedule(recipe)
    model = load_model(recipe.model)
    times = sampling_times(schedule, recipe.steps, recipe.spacing)
    noise = SampleNoise(recipe.seeds, model.shape)
    return record(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        float(schedule.norm(times[0])) * noise.draw(),
        times,
        schedule,
        noise=noise,
        policy=Policy(recipe.keep),
        report=report,
        facts={
            "recipe": describe(recipe),
            "model": model.digest,
            "pictures": model.facts["data"]["pictures"],
        },
    )


def run_together(recipes: Sequence[ReverseRecipe], report: Report = silent) -> Iterator[Trajectory]:
    """The recordings of recipes that differ in nothing but their seeds, from one run.

    A seed that several of them have is run once.  Each recording is, bit for
    bit, the one that ``run`` makes of its recipe: a sample is the same in any
    company.

    Raises
    ------
    ValueError
        When they differ in more than their seeds; before anything is run.
    LectureError
        As ``run``.
    """
    if len({replace(recipe, seeds=(0,)) for recipe in recipes}) != 1:
        raise ValueError("only recipes that differ in nothing but their seeds are run together")
    seeds = tuple(dict.fromkeys(seed for recipe in recipes for seed in recipe.seeds))
    whole = run(replace(recipes[0], seeds=seeds), report)
    place = {seed: i for i, seed in enumerate(seeds)}
    for recipe in recipes:
        own = [place[seed] for seed in recipe.seeds]
        arrays = {
            name: array[:, own] if array.ndim == 5 else array
            for name, array in whole.arrays().items()
        }
        yield Trajectory(**arrays, facts={**whole.facts, "recipe": describe(recipe)})


def draw(recipe: ReverseRecipe) -> np.ndarray:
    """Only the finished pictures of ``recipe``, (B, C, H, W) in −1 … 1; nothing is recorded.

    Raises
    ------
    LectureError
        When the weights cannot be read, or the network's output is not finite.
    """
    schedule = _schedule(recipe)
    model = load_model(recipe.model)
    sampler = make_sampler(recipe.sampler, schedule, recipe.eta)
    times = sampling_times(schedule, recipe.steps, recipe.spacing)
    scale = float(schedule.norm(times[0]))
    denoiser = model.denoiser(schedule, recipe.prompt, recipe.guidance)
    return sample(denoiser, sampler, times, recipe.seeds, model.shape, scale).numpy()
