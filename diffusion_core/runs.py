"""Recipes become recordings here: the only place where one is turned into the other."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from diffusion_core.checkpoints import load_model
from diffusion_core.files import Facts
from diffusion_core.forward import forward_step, noise_within
from diffusion_core.pictures import load_picture
from diffusion_core.recipe import ForwardRecipe, Recipe, ReverseRecipe, describe
from diffusion_core.reverse import reverse_process, sample
from diffusion_core.samplers import make_sampler, sampling_times
from diffusion_core.schedule import CLEAN, Schedule, make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory

Report = Callable[[int, int], None]
"""Called with (steps done, steps in all) while a run goes on."""


def _silent(done: int, total: int) -> None:
    """The report of a run that nobody watches."""


def _facts(recipe: Recipe, nfe: int, **more: object) -> Facts:
    versions = {"torch": torch.__version__, "numpy": np.__version__}
    return {
        "recipe": describe(recipe),
        "nfe": nfe,
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **versions},
        **more,
    }


def _stack(tensors: list[Tensor]) -> np.ndarray:
    return torch.stack(tensors).numpy()


@singledispatch
def run(recipe: Recipe, report: Report = _silent) -> Trajectory:
    """Run ``recipe`` from start to end and return what was recorded.

    Raises
    ------
    LectureError
        When something that the recipe names cannot be read, or the network's
        output is not finite.
    """
    raise TypeError(f"{type(recipe).__name__} is no recipe")


@run.register
def _forward(recipe: ForwardRecipe, report: Report = _silent) -> Trajectory:
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
    times = [CLEAN, *sorted(kept)]
    return Trajectory(
        states=_stack(states),
        timesteps=np.asarray(times, np.int64),
        alpha_bar=_alpha_bar(schedule, times),
        eps=_stack(eps),
        facts=_facts(
            recipe,
            nfe=0,
            kept=f"{len(even)} of {recipe.T} states, evenly spaced in t, and the first at which "
            "the noise weighs as much as the picture",
        ),
    )


def kept_times(T: int, keep: int) -> set[int]:
    """``keep`` of the times 0 … T − 1, evenly spaced, T − 1 among them."""
    return {round(T * (i + 1) / keep) - 1 for i in range(keep)}


def equal_weights_time(schedule: Schedule) -> int:
    """The first t at which the noise weighs at least as much as the picture: ᾱ_t ≤ ½."""
    return int((schedule.alpha_bar(torch.arange(schedule.T)) <= 0.5).nonzero()[0])


def _alpha_bar(schedule: Schedule, times: list[int]) -> np.ndarray:
    return schedule.alpha_bar(torch.tensor(times)).numpy()


@run.register
def _reverse(recipe: ReverseRecipe, report: Report = _silent) -> Trajectory:
    schedule = make_schedule(recipe.schedule, recipe.T)
    model = load_model(recipe.model)
    times = sampling_times(recipe.T, recipe.steps)
    noise = SampleNoise(recipe.seeds, model.shape)
    x = noise.draw()
    states, x0_hat, eps_hat, fresh = [x], [], [], []
    steps = reverse_process(
        model.denoiser(schedule), make_sampler(recipe.sampler, schedule), x, times, noise
    )
    for done, step in enumerate(steps, 1):
        states.append(step.x_s)
        x0_hat.append(step.posterior.x0_hat)
        eps_hat.append(step.posterior.eps_hat)
        fresh.append(torch.zeros_like(x) if step.noise is None else step.noise)
        report(done, recipe.steps)
    return Trajectory(
        states=_stack(states),
        timesteps=np.asarray(times, np.int64),
        alpha_bar=_alpha_bar(schedule, times),
        x0_hat=_stack(x0_hat),
        eps_hat=_stack(eps_hat),
        noise=_stack(fresh),
        facts=_facts(
            recipe,
            nfe=recipe.steps,
            model=model.digest,
            pictures=model.facts["data"]["pictures"],
        ),
    )


def draw(recipe: ReverseRecipe) -> np.ndarray:
    """Only the finished pictures of ``recipe``, (B, C, H, W) in −1 … 1; nothing is recorded.

    Raises
    ------
    LectureError
        When the weights cannot be read, or the network's output is not finite.
    """
    schedule = make_schedule(recipe.schedule, recipe.T)
    model = load_model(recipe.model)
    sampler = make_sampler(recipe.sampler, schedule)
    times = sampling_times(recipe.T, recipe.steps)
    return sample(model.denoiser(schedule), sampler, times, recipe.seeds, model.shape).numpy()
