"""Recipes of one run become recordings here; those of experiments in ``experiment_runs``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_core.any_model import AnyModel, course_of, decoded, facts_of_model, load_any_model
from diffusion_core.files import Facts
from diffusion_core.forward import forward_step, jump, noise_within
from diffusion_core.pictures import load_picture
from diffusion_core.pretrained.model import PretrainedModel
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.pretrained.preview import policy_for, previewed
from diffusion_core.recipe import ForwardRecipe, ReverseRecipe, SingleRecipe, describe
from diffusion_core.recording import Policy, Report, environment, record, silent, stack
from diffusion_core.reverse import sample
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
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
    ways = {"fresh": _every_step, "one": _jumps}
    states, eps = [x_0], [torch.zeros_like(x_0)]
    for t, x_t, eps_t in ways[recipe.noise](x_0, schedule, sorted(kept), noise):
        if eps_t is not None:
            states.append(x_t)
            eps.append(eps_t)
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


Moments = Iterator[tuple[int, Tensor, Tensor | None]]
"""t, x_t and the ε in it; none where the moment is only passed."""


def _every_step(x_0: Tensor, schedule: Schedule, kept: list[int], noise: SampleNoise) -> Moments:
    x = x_0
    for t in range(schedule.T):
        x = forward_step(x, t - 1, t, schedule, noise.draw())
        yield t, x, noise_within(x, x_0, t, schedule) if t in kept else None


def _jumps(x_0: Tensor, schedule: Schedule, kept: list[int], noise: SampleNoise) -> Moments:
    eps = noise.draw()
    for t in kept:
        yield t, jump(x_0, t, schedule, eps), eps


def kept_times(T: int, keep: int) -> set[int]:
    """``keep`` of the times 0 … T − 1, evenly spaced, T − 1 among them."""
    return {round(T * (i + 1) / keep) - 1 for i in range(keep)}


def equal_weights_time(schedule: Schedule) -> int:
    """The first t at which the noise weighs at least as much as the picture: ᾱ_t ≤ ½."""
    return int((schedule.alpha_bar(torch.arange(schedule.T)) <= 0.5).nonzero()[0])


@run.register
def _reverse(recipe: ReverseRecipe, report: Report = silent) -> Trajectory:
    model = load_any_model(recipe.model)
    if isinstance(model, PretrainedModel):
        return _reverse_of_pretrained(recipe, model, report)
    return _recorded(recipe, model, recipe.seeds, Policy(recipe.keep), report)


def _recorded(
    recipe: ReverseRecipe, model: AnyModel, seeds: Sequence[int], policy: Policy, report: Report
) -> Trajectory:
    schedule, times = course_of(recipe, model, recipe.steps)
    noise = SampleNoise(seeds, model.shape)
    return record(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        float(schedule.start(times[0])) * noise.draw(),
        times,
        schedule,
        noise=noise,
        policy=policy,
        report=report,
        facts={"recipe": describe(recipe), **facts_of_model(model)},
    )


def _reverse_of_pretrained(
    recipe: ReverseRecipe, model: PretrainedModel, report: Report
) -> Trajectory:
    """Bounded in size, with pictures to look at; a seed that is asked for twice is run once."""
    seeds = tuple(dict.fromkeys(recipe.seeds))
    policy = policy_for(model, keep=recipe.keep)
    one = previewed({"": _recorded(recipe, model, seeds, policy, report)}, model, report)[""]
    return one if seeds == recipe.seeds else _samples(one, [seeds.index(s) for s in recipe.seeds])


def _samples(whole: Trajectory, own: Sequence[int], **facts: Any) -> Trajectory:
    """Only these samples of a recording, with ``facts`` added to its own."""
    arrays = {
        name: array[:, own] if array.ndim == 5 else array for name, array in whole.arrays().items()
    }
    return Trajectory(**arrays, facts={**whole.facts, **facts})


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
    if is_pretrained(recipes[0].model):
        # One sample goes through a large network at a time, and each recording has its own bound.
        for number, recipe in enumerate(recipes):
            yield run(recipe, _part_of(report, number, len(recipes)))
        return
    seeds = tuple(dict.fromkeys(seed for recipe in recipes for seed in recipe.seeds))
    whole = run(replace(recipes[0], seeds=seeds), report)
    place = {seed: i for i, seed in enumerate(seeds)}
    for recipe in recipes:
        own = [place[seed] for seed in recipe.seeds]
        yield _samples(whole, own, recipe=describe(recipe))


def _part_of(report: Report, number: int, count: int) -> Report:
    """The report of one run of several, as a part of them all."""
    return lambda done, total: report(number * total + done, count * total)


def draw(recipe: ReverseRecipe) -> np.ndarray:
    """Only the finished pictures of ``recipe``, (B, C, H, W) in −1 … 1; nothing is recorded.

    Raises
    ------
    LectureError
        When the weights cannot be read, or the network's output is not finite.
    """
    model = load_any_model(recipe.model)
    schedule, times = course_of(recipe, model, recipe.steps)
    sampler = make_sampler(recipe.sampler, schedule, recipe.eta)
    scale = float(schedule.start(times[0]))
    denoiser = model.denoiser(schedule, recipe.prompt, recipe.guidance)
    drawn = sample(denoiser, sampler, times, recipe.seeds, model.shape, scale)
    return decoded(model, drawn).numpy()
