"""What the recipes of experiments name, brought to hand: the process, the picture, the judge."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from diffusion_core.bundle import Bundle
from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.classifier import load_judge
from diffusion_core.datasets import load_dataset, to_unit
from diffusion_core.errors import UsageError
from diffusion_core.experiments import Patch, ReverseProcess, Runs
from diffusion_core.experiments.paths import saying
from diffusion_core.files import Facts
from diffusion_core.pictures import load_picture
from diffusion_core.recipe import ExperimentRecipe, NoisingRecipe, describe
from diffusion_core.recipes.checks import seeds_from
from diffusion_core.recipes.sampling import Asking, FromPicture, Sampling
from diffusion_core.recording import Policy, Report
from diffusion_core.reverse import sample
from diffusion_core.samplers import make_sampler
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.timesteps import sampling_times

HALF = Policy(half=("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise"))
"""What is shown and not computed with is kept as float16; the states stay exact."""


def schedule_of(recipe: Asking) -> Schedule:
    """The noise schedule that the recipe names."""
    return make_schedule(recipe.schedule, recipe.T, zero_terminal_snr=recipe.zero_terminal_snr)


def facts_of_model(model: TrainedModel) -> Facts:
    """What each recording says of the model that it was made with."""
    return {"model": model.digest, "pictures": model.facts["data"]["pictures"]}


def process_of(recipe: Sampling, model: TrainedModel, report: Report) -> ReverseProcess:
    """The recipe's reverse process with ``model``, its steps from T − 1 down."""
    schedule = schedule_of(recipe)
    return ReverseProcess(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        schedule,
        sampling_times(schedule, recipe.steps, recipe.spacing),
        policy=HALF,
        report=report,
        facts=facts_of_model(model),
    )


def picture_of(recipe: FromPicture, model: TrainedModel, process: ReverseProcess) -> Tensor:
    """x_0 as the recipe names it, (1, C, H, W) in the model's channels and size."""
    channels, size, _ = model.shape
    if recipe.image:
        x_0 = torch.from_numpy(load_picture(recipe.image, size))[None]
    elif recipe.dataset:
        images = load_dataset(recipe.dataset, "test").images
        x_0 = to_unit(images[recipe.index % len(images)])[None]
        if x_0.shape[-1] != size:
            x_0 = torch.nn.functional.interpolate(x_0, (size, size), mode="area")
    else:
        scale = float(process.schedule.norm(process.times[0]))
        x_0 = sample(
            process.denoiser, process.sampler, process.times, [recipe.seed], model.shape, scale
        ).clamp(-1, 1)
    if x_0.shape[1] == channels:
        return x_0
    if channels == 1:
        # Rec. 601's luma, as Pillow makes grey of colours.
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        return (weights * x_0).sum(1, keepdim=True)
    return x_0.expand(1, channels, size, size)


def pictures_of(recipe: NoisingRecipe, report: Report) -> tuple[Tensor, Facts]:
    """Every x_0 that the recipe names, (B, C, H, W), and what is to be said of them.

    Raises
    ------
    UsageError
        For an index beyond the pictures that the dataset has to test with.
    """
    if recipe.image:
        x_0 = torch.from_numpy(load_picture(recipe.image, recipe.size))[None]
        return x_0.repeat(recipe.samples, 1, 1, 1), {}
    if recipe.dataset:
        found = load_dataset(recipe.dataset, "test")
        for index in recipe.taken:
            if index >= len(found.images):
                raise UsageError(
                    f"index {index}: {recipe.dataset} has {len(found.images)} pictures to test "
                    "with, counted from 0"
                )
        return to_unit(found.images[list(recipe.taken)]), {}
    model = load_model(recipe.model)
    process = process_of(recipe, model, report)
    scale = float(process.schedule.norm(process.times[0]))
    seeds = seeds_from(recipe.seed, recipe.samples)
    x_0 = sample(process.denoiser, process.sampler, process.times, seeds, model.shape, scale)
    return x_0.clamp(-1, 1), {**facts_of_model(model), "picture_seeds": list(seeds)}


def patch_of(numbers: tuple[int, ...]) -> Patch:
    """The patch that a recipe names by its four numbers."""
    return Patch(*numbers)


def classes_in(pictures: Mapping[str, Tensor], learnt: Facts) -> dict[str, list[int]]:
    """What the judge reads in pictures of digits, by name; nothing of what else was learnt."""
    judge = load_judge()
    knows = judge.facts["training"]["data"].partition("/")[0]
    if learnt.get("name", "").partition("/")[0] != knows:
        return {}
    with torch.no_grad():
        return {name: judge.network(x).argmax(1).tolist() for name, x in pictures.items()}


def read_digits(runs: Runs, learnt: Facts) -> Runs:
    """The runs, each with "final_class" where the judge can read their finished pictures."""
    ends = {name: torch.from_numpy(run.states[-1]) for name, run in runs.items()}
    read = classes_in(ends, learnt)
    return {
        name: saying(run, final_class=read[name]) if read else run for name, run in runs.items()
    }


def bundle_of(recipe: ExperimentRecipe, runs: Runs) -> Bundle:
    """The runs of a recipe as one recording."""
    return Bundle(runs, {"recipe": describe(recipe)})
