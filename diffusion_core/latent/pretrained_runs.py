"""The recipe of a run in latents, with a pretrained pipeline."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from diffusion_core.any_model import course_of, facts_of_model
from diffusion_core.errors import UsageError
from diffusion_core.experiments.paths import Runs
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.latent.cost import multiplications
from diffusion_core.latent.experiment import one_cell_erased, still, there_and_back
from diffusion_core.latent.space import LatentSpace
from diffusion_core.pictures import load_picture
from diffusion_core.pretrained.model import PretrainedModel, load_pretrained, reduced
from diffusion_core.pretrained.preview import policy_for, previewed, to_levels
from diffusion_core.recipes.latent import LatentRecipe
from diffusion_core.recording import Policy, Report
from diffusion_core.samplers import make_sampler
from diffusion_core.trajectory import PREVIEW, Trajectory

PICTURES = 5
"""Whole pictures beside the process, in the room of so many float32: four, and some small."""


def pretrained_runs(recipe: LatentRecipe, report: Report) -> tuple[Runs, Facts]:
    """What ``recipe`` asks for, by name, and what a state and a step cost.

    Raises
    ------
    UsageError
        For a model that has no latents.
    LectureError
        When the model cannot be read, or a network's output is not finite.
    """
    model = load_pretrained(recipe.model)
    space = model.space
    if space is None:
        raise UsageError(f"model {recipe.model!r} has no autoencoder; choose one of latents")
    schedule, times = course_of(recipe, model, recipe.steps)
    process = ReverseProcess(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        schedule,
        times,
        policy=_beside_pictures(policy_for(model), space),
        report=report,
        facts=facts_of_model(model),
    )
    noise, source = start_noise(recipe.seeds, space.shape)
    facts: Facts = {"experiment": "among_latents", "seeds": [int(s) for s in recipe.seeds]}
    run = process.record(process.pure_noise(noise), source, facts=facts)
    if recipe.image:
        _, height, width = space.pictures
        picture = torch.from_numpy(load_picture(recipe.image, max(height, width)))[None]
        picture = picture[:, :, :height, :width]
    else:
        # The first is enough to be encoded, and as large as some of them are, all that fits.
        picture = space.decode(torch.from_numpy(run.states[-1][:1]).float()).clamp(-1, 1)
    there = there_and_back(space, picture)
    beside = {"picture": still(picture, {"experiment": "there_and_back"}), **there}
    beside |= one_cell_erased(space, torch.from_numpy(there["latents"].states[0]))
    runs = previewed({"process": run}, model, report)
    return runs | {name: _looked_at(beside[name]) for name in beside}, costs(model, recipe.prompt)


def _beside_pictures(policy: Policy, space: LatentSpace) -> Policy:
    """The policy of a process that shares its file with the pictures beside it."""
    assert policy.room is not None
    taken = PICTURES * 4 * math.prod(space.pictures)
    return replace(policy, room=replace(policy.room, bytes=max(1, policy.room.bytes - taken)))


def _looked_at(run: Trajectory) -> Trajectory:
    """Pictures too large to be looked at as they are, with smaller ones beside them."""
    x = torch.from_numpy(run.states)
    if max(x.shape[-2:]) <= PREVIEW:
        return run
    return replace(run, shown=np.stack([to_levels(reduced(rows)) for rows in x]))


def costs(model: PretrainedModel, prompt: str) -> Facts:
    """Numbers of a state, and multiplications of what is done with one sample."""
    assert model.space is not None
    z, x = torch.zeros(1, *model.space.shape), torch.zeros(1, *model.space.pictures)
    ask = model.denoiser(model.schedule, prompt)
    return {
        "pixels": {"numbers": math.prod(model.space.pictures)},
        "latents": {
            "numbers": math.prod(model.space.shape),
            "step": multiplications(lambda z: ask(z, 0).eps_hat, z),
            "encode": multiplications(model.space.encode, x),
            "decode": multiplications(model.space.decode, z),
        },
    }
