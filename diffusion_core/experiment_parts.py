"""What the recipes of experiments name, brought to hand: the process, the picture, the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from diffusion_core.any_model import (
    AnyModel,
    as_picture,
    course_of,
    encoded,
    facts_of_model,
    load_any_model,
    space_of,
)
from diffusion_core.bundle import Bundle
from diffusion_core.classifier import load_judge
from diffusion_core.datasets import load_dataset, to_unit
from diffusion_core.errors import UsageError
from diffusion_core.experiments import Patch, ReverseProcess, Runs
from diffusion_core.experiments.paths import saying
from diffusion_core.files import Facts
from diffusion_core.pictures import load_picture
from diffusion_core.pretrained.model import PretrainedModel
from diffusion_core.pretrained.preview import policy_for, previewed
from diffusion_core.recipe import ExperimentRecipe, NoisingRecipe, describe
from diffusion_core.recipes.checks import seeds_from
from diffusion_core.recipes.sampling import FromPicture, Sampling
from diffusion_core.recording import Policy, Report, silent
from diffusion_core.reverse import sample
from diffusion_core.samplers import make_sampler

HALF = Policy(half=("x0_hat", "eps_hat", "eps_cond", "eps_uncond", "noise"))
"""What is shown and not computed with is kept as float16; the states stay exact."""


def policy_of(model: AnyModel, runs: int = 1) -> Policy:
    """What is kept of each of the ``runs`` of an experiment."""
    return policy_for(model, runs=runs) if isinstance(model, PretrainedModel) else HALF


def process_of(
    recipe: Sampling, model: AnyModel, report: Report, *, runs: int = 1
) -> ReverseProcess:
    """The recipe's reverse process with ``model``, its steps from T − 1 down.

    ``runs`` says of how many the recording will be: of large pictures there is
    so much room for each.
    """
    schedule, times = course_of(recipe, model, recipe.steps)
    return ReverseProcess(
        model.denoiser(schedule, recipe.prompt, recipe.guidance),
        make_sampler(recipe.sampler, schedule, recipe.eta),
        schedule,
        times,
        policy=policy_of(model, runs),
        report=report,
        facts=facts_of_model(model),
    )


def picture_of(recipe: FromPicture, model: AnyModel, process: ReverseProcess) -> Tensor:
    """x_0 as the recipe names it, (1, C, H, W) as the model's states are: a latent is encoded."""
    channels, height, width = model.picture_shape
    if recipe.image:
        x_0 = torch.from_numpy(load_picture(recipe.image, max(height, width)))[None]
        top, left = (x_0.shape[2] - height) // 2, (x_0.shape[3] - width) // 2
        x_0 = x_0[:, :, top : top + height, left : left + width]
    elif recipe.dataset:
        images = load_dataset(recipe.dataset, "test").images
        x_0 = to_unit(images[recipe.index % len(images)])[None]
    else:
        scale = float(process.schedule.start(process.times[0]))
        drawn = sample(
            process.denoiser, process.sampler, process.times, [recipe.seed], model.shape, scale
        )
        return as_picture(model, drawn)
    if x_0.shape[-2:] != (height, width):
        x_0 = torch.nn.functional.interpolate(x_0, (height, width), mode="area")
    return encoded(model, in_channels(x_0, channels))


def in_channels(x_0: Tensor, channels: int) -> Tensor:
    """Pictures (B, C, H, W) in grey or in colour, as is wanted."""
    if x_0.shape[1] == channels:
        return x_0
    if channels == 1:
        # Rec. 601's luma, as Pillow makes grey of colours.
        weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        return (weights * x_0).sum(1, keepdim=True)
    return x_0.expand(len(x_0), channels, *x_0.shape[2:])


def black_of(model: AnyModel) -> Tensor | None:
    """A black picture as a latent (1, c, h, w); None where states are pictures themselves."""
    if space_of(model) is None:
        return None
    return encoded(model, torch.full((1, *model.picture_shape), -1.0))


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
    model = load_any_model(recipe.model)
    process = process_of(recipe, model, report)
    scale = float(process.schedule.start(process.times[0]))
    seeds = seeds_from(recipe.seed, recipe.samples)
    x_0 = sample(process.denoiser, process.sampler, process.times, seeds, model.shape, scale)
    return as_picture(model, x_0), {**facts_of_model(model), "picture_seeds": list(seeds)}


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


def learnt_by(model: AnyModel) -> Facts:
    """What the model's training pictures are known to be; nothing of a pretrained one's."""
    return {} if isinstance(model, PretrainedModel) else model.facts["data"]


def read_digits(runs: Runs, learnt: Facts) -> Runs:
    """The runs, each with "final_class" where the judge can read their finished pictures."""
    ends = {name: torch.from_numpy(run.states[-1]) for name, run in runs.items()}
    read = classes_in(ends, learnt)
    return {
        name: saying(run, final_class=read[name]) if read else run for name, run in runs.items()
    }


def bundle_of(
    recipe: ExperimentRecipe,
    runs: Runs,
    model: object = None,
    report: Report = silent,
    **facts: Any,
) -> Bundle:
    """The runs of a recipe as one recording, with ``facts``.

    Where a pretrained ``model`` made them they have pictures to look at beside the
    states; ``report`` is told of these.
    """
    if isinstance(model, PretrainedModel):
        runs = previewed(runs, model, report)
    return Bundle(runs, {"recipe": describe(recipe), **facts})
