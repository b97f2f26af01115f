"""How often a recipe asks its network, for one sample each: counted, nothing is run; no torch."""

from __future__ import annotations

from collections.abc import Iterable

from diffusion_core.pretrained.layout import NETWORKS
from diffusion_core.pretrained.shapes import picture_shape
from diffusion_core.pretrained.source import Source
from diffusion_core.pretrained.whole import numbers
from diffusion_core.recipe import (
    BrushRecipe,
    ForksRecipe,
    InpaintingRecipe,
    InterpolationRecipe,
    LatentRecipe,
    NoisingRecipe,
    RaceRecipe,
    Recipe,
    ReverseRecipe,
    SensitivityRecipe,
    UTurnRecipe,
)
from diffusion_core.recipes.sampling import Asking, FromPicture

Drawing = Asking | LatentRecipe
"""Recipes that ask a network."""
SMALL = 30e9
"""Multiplications that any processor has done in a minute."""
LIGHT = 25_000_000
"""Weights that fit into any memory: 100 MB."""


def is_small(source: Source, recipes: Iterable[Recipe]) -> bool:
    """Whether running ``recipes`` is neither long nor takes much memory on any machine.

    A weight is used at most once for each pixel; that bounds the work from above,
    and spares a tiny model the counting.
    """
    weights = sum(
        numbers(path)
        for component in source.components
        if component in NETWORKS
        for path in source.weights(component)
    )
    _, height, width = picture_shape(source)
    asked = sum(evaluations(recipe) + shown_pictures(recipe) for recipe in recipes)
    return weights < LIGHT and asked * weights * height * width < SMALL


def evaluations(recipe: Recipe) -> int:
    """Evaluations of the network for one sample each, all samples and runs of ``recipe`` together.

    With guidance a step asks twice, with Heun's rule as well.  What turns back
    on the way is counted by its share of the levels, so a few steps may be
    amiss.
    """
    if isinstance(recipe, RaceRecipe):
        reference = _asks(recipe, recipe.reference_sampler) * recipe.reference_steps
        races = len(recipe.samplers) * (recipe.nfe + sum(recipe.also))
        return recipe.samples * (reference + races)
    if not isinstance(recipe, Drawing):
        return 0
    sampler = getattr(recipe, "sampler", "ddim")
    return round(_asks(recipe, sampler) * _sampled(recipe))


def shown_pictures(recipe: Recipe) -> int:
    """States and guesses that are decoded to be looked at: of each step one, and the last state."""
    if isinstance(recipe, RaceRecipe):
        rules = 1 + len(recipe.samplers) * (1 + len(recipe.also))
        return 2 * evaluations(recipe) // _asks(recipe, "ddim") + recipe.samples * rules
    if not isinstance(recipe, Drawing):
        return 0
    if isinstance(recipe, ReverseRecipe):
        return (2 * min(recipe.keep or recipe.steps, recipe.steps) + 1) * _samples(recipe)
    return round(2 * _sampled(recipe)) + _samples(recipe)


def finished_pictures(recipe: Recipe) -> int:
    """Pictures at the end of a run, one a sample."""
    return _samples(recipe) if isinstance(recipe, Drawing) else 0


def _samples(recipe: Drawing) -> int:
    """Those of one seed are run once."""
    return len(set(getattr(recipe, "seeds", ()))) or int(getattr(recipe, "samples", 1))


def _asks(recipe: Drawing, sampler: str) -> int:
    """Evaluations of a step."""
    return (1 if recipe.guidance == 1 else 2) * (2 if sampler == "heun" else 1)


def _sampled(recipe: Drawing) -> float:
    """Steps of all samples together."""
    steps: int = getattr(recipe, "steps", 0)
    samples = _samples(recipe)
    match recipe:
        case ForksRecipe():
            branches = len(recipe.prompts) + len(recipe.reseeds)
            return samples * (recipe.after + branches * (steps - recipe.after))
        case SensitivityRecipe():
            return steps * (1 + recipe.rows * recipe.columns)
        case InterpolationRecipe():
            return 2 * steps * recipe.points
        case NoisingRecipe():
            return steps * samples * recipe.drawn
        case FromPicture():
            return _drawn(recipe) + samples * _changed(recipe)
    patched, replaced = getattr(recipe, "patch", ()), getattr(recipe, "entry", None)
    return steps * samples * (1 + bool(patched) + (replaced is not None))


def _drawn(recipe: FromPicture) -> int:
    """Steps to the picture that an experiment begins with, where the model draws it."""
    return 0 if recipe.image or recipe.dataset else recipe.steps


def _changed(recipe: FromPicture) -> float:
    """Steps of each sample of an experiment that begins with a picture."""
    match recipe:
        case UTurnRecipe():
            return recipe.steps * sum((t + 1) / recipe.T for t in recipe.turns)
        case InpaintingRecipe():
            return recipe.steps * recipe.resample
        case BrushRecipe():
            return recipe.steps * (recipe.t + 1) / recipe.T
    return float(recipe.steps)
