"""The recipe of a run in latents becomes recordings here."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.errors import UsageError
from diffusion_core.experiments.paths import Runs
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.latent.cost import multiplications
from diffusion_core.latent.experiment import among_latents, one_cell_erased, there_and_back
from diffusion_core.latent.model import LatentModel, load_latent_model
from diffusion_core.latent.pretrained_runs import pretrained_runs
from diffusion_core.recipes.latent import LatentRecipe
from diffusion_core.recording import Policy, Report
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import make_schedule
from diffusion_core.timesteps import sampling_times


def latent_runs(recipe: LatentRecipe, policy: Policy, report: Report) -> tuple[Runs, Facts]:
    """What ``recipe`` asks for, by name, and what a state and a step of either process costs.

    Raises
    ------
    UsageError
        When the two models are of other pictures.
    LectureError
        When weights cannot be read, or a network's output is not finite.
    """
    if recipe.pretrained:
        return pretrained_runs(recipe, report)
    model, drawer = load_latent_model(recipe.model), load_model(recipe.picture_model)
    if drawer.shape != model.space.pictures:
        raise UsageError(
            f"picture_model {recipe.picture_model!r} draws pictures of {drawer.shape}, and "
            f"{recipe.model!r} encodes those of {model.space.pictures}; choose one that fits"
        )
    schedule = make_schedule(recipe.schedule, recipe.T, zero_terminal_snr=recipe.zero_terminal_snr)
    on_pixels = ReverseProcess(
        drawer.denoiser(schedule),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        schedule,
        sampling_times(schedule, recipe.steps, recipe.spacing),
        policy=policy,
        report=report,
        facts=_facts(drawer),
    )
    on_latents = replace(on_pixels, denoiser=model.denoiser(schedule), facts=_facts(model))
    noise, source = start_noise(recipe.seeds, drawer.shape)
    pixels = on_pixels.record(
        on_pixels.pure_noise(noise), source, facts={"experiment": "latents", "of": "pixels"}
    )
    x = torch.from_numpy(pixels.states[-1]).clamp(-1, 1)
    runs: Runs = {"pixels": pixels, **there_and_back(model.space, x)}
    z = torch.from_numpy(runs["latents"].states[0])
    runs |= one_cell_erased(model.space, z)
    runs |= among_latents(on_latents, model.space, recipe.seeds)
    return runs, costs(drawer, model)


def _facts(model: TrainedModel | LatentModel) -> Facts:
    return {"model": model.digest, "pictures": model.facts["data"]["pictures"]}


def costs(drawer: TrainedModel, model: LatentModel) -> Facts:
    """Numbers of a state, and multiplications of what is done with one sample."""
    inputs = torch.zeros(1, *drawer.shape), torch.zeros(1)
    return {
        "pixels": {
            "numbers": math.prod(drawer.shape),
            "step": multiplications(drawer.network, *inputs),
        },
        "latents": {"numbers": math.prod(model.space.shape), **model.costs()},
    }
