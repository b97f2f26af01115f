"""Recipes: what to run, as frozen values; no torch at import.

Two recipes that are equal give the same recording.  The fingerprint of a
recipe is what its recording is filed under: it covers every field, the digests
of what the recipe names (weights, a picture) and the recording's format.
"""

from __future__ import annotations

from dataclasses import asdict, fields

from diffusion_core.bundle import BUNDLE_FORMAT
from diffusion_core.files import Facts, digest_of
from diffusion_core.recipes.checks import (
    SAMPLERS,
    SCHEDULES,
    SEED_LIMIT,
    SPACINGS,
    VP_SCHEDULES,
    check_name,
    check_range,
    check_schedule,
    check_seed,
    check_whole,
)
from diffusion_core.recipes.forward import RoutesRecipe
from diffusion_core.recipes.inside import InsideRecipe
from diffusion_core.recipes.latent import LatentRecipe
from diffusion_core.recipes.noises import (
    ForksRecipe,
    InterpolationRecipe,
    RaceRecipe,
    SensitivityRecipe,
    SimilarNoiseRecipe,
)
from diffusion_core.recipes.noising import NoisingRecipe
from diffusion_core.recipes.pictures import (
    ENOUGH_NOISE,
    TOO_MUCH_NOISE,
    BrushRecipe,
    CanvasRecipe,
    InpaintingRecipe,
    MistakesRecipe,
    UTurnRecipe,
)
from diffusion_core.recipes.plane import ScoreFieldRecipe
from diffusion_core.recipes.single import ForwardRecipe, ReverseRecipe
from diffusion_core.recipes.training import TrainingRecipe
from diffusion_core.trajectory import FORMAT

__all__ = [
    "ENOUGH_NOISE",
    "SAMPLERS",
    "SCHEDULES",
    "SEED_LIMIT",
    "SPACINGS",
    "TOO_MUCH_NOISE",
    "VP_SCHEDULES",
    "BrushRecipe",
    "CanvasRecipe",
    "ExperimentRecipe",
    "ForksRecipe",
    "ForwardRecipe",
    "InpaintingRecipe",
    "InsideRecipe",
    "InterpolationRecipe",
    "LatentRecipe",
    "MistakesRecipe",
    "NoisingRecipe",
    "RaceRecipe",
    "Recipe",
    "ReverseRecipe",
    "RoutesRecipe",
    "ScoreFieldRecipe",
    "SensitivityRecipe",
    "SimilarNoiseRecipe",
    "SingleRecipe",
    "TrainingRecipe",
    "UTurnRecipe",
    "check_name",
    "check_range",
    "check_schedule",
    "check_seed",
    "check_whole",
    "describe",
    "fingerprint",
]

SingleRecipe = ForwardRecipe | ReverseRecipe
"""Recipes of one run; the recording is a ``Trajectory``."""

ExperimentRecipe = (
    RoutesRecipe
    | NoisingRecipe
    | UTurnRecipe
    | SimilarNoiseRecipe
    | SensitivityRecipe
    | InterpolationRecipe
    | InpaintingRecipe
    | RaceRecipe
    | ForksRecipe
    | BrushRecipe
    | CanvasRecipe
    | MistakesRecipe
    | InsideRecipe
    | ScoreFieldRecipe
    | TrainingRecipe
    | LatentRecipe
)
"""Recipes of several runs that belong together; the recording is a ``Bundle``."""

Recipe = SingleRecipe | ExperimentRecipe


def describe(recipe: Recipe) -> Facts:
    """The recipe as JSON-ready facts: its kind, its fields, its inputs' digests.

    What came later and is left as usual is left out, so that what was recorded
    before is still found.
    """
    said = asdict(recipe)
    for field in fields(recipe):
        if field.metadata.get("later") and said[field.name] == field.default:
            del said[field.name]
    return {"kind": type(recipe).__name__, **said, "inputs": recipe.inputs()}


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 (64 hexadecimal digits) that the recipe's recording is filed under.

    Raises
    ------
    LectureError
        When a picture or weights that the recipe names cannot be read.
    """
    kind = FORMAT if isinstance(recipe, SingleRecipe) else BUNDLE_FORMAT
    return digest_of({"recipe": describe(recipe), "format": kind})
