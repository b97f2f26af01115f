"""Recipes of experiments: every field counts, and what no run could use is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from diffusion_core.datasets import DATASETS
from diffusion_core.errors import UsageError
from diffusion_core.experiments import brush
from diffusion_core.files import canonical_json
from diffusion_core.points import POINT_SETS
from diffusion_core.recipe import (
    BrushRecipe,
    CanvasRecipe,
    ExperimentRecipe,
    ForksRecipe,
    InpaintingRecipe,
    InsideRecipe,
    InterpolationRecipe,
    LatentRecipe,
    MistakesRecipe,
    NoisingRecipe,
    RaceRecipe,
    RoutesRecipe,
    ScoreFieldRecipe,
    SensitivityRecipe,
    SimilarNoiseRecipe,
    TrainingRecipe,
    UTurnRecipe,
    describe,
    fingerprint,
)
from diffusion_core.recipes import pictures, plane, sampling
from tests.diffusion_core.conftest import one_line, save_tiny
from tests.diffusion_core.fakes import small_history
from tests.diffusion_core.latents import save_tiny_latent

ASKING = {
    "prompt": "eight",
    "guidance": 2.0,
    "spacing": "linspace",
    "schedule": "linear",
    "T": 990,
    "zero_terminal_snr": True,
}
SAMPLING = {**ASKING, "sampler": "euler", "steps": 49}
PICTURE = {**SAMPLING, "eta": 0.5, "dataset": "mnist", "index": 1, "seed": 1, "samples": 2}
ENTRIES: list[tuple[Any, dict[str, Any]]] = [
    (
        RoutesRecipe(),
        {"image": "temple", "size": 8, "seed": 1, "samples": 2, "schedule": "linear", "T": 990}
        | {"keep": 9},
    ),
    (
        NoisingRecipe(prompt="seven", times=(3, 5)),
        {**SAMPLING, "eta": 0.5, "size": 8, "dataset": "mnist", "indices": (3,), "seed": 1}
        | {"samples": 2, "times": (3, 6)},
    ),
    (
        UTurnRecipe(prompt="seven"),
        {**PICTURE, "turns": (3, 5), "erase": (1, 2, 3, 4), "shared": False},
    ),
    (
        BrushRecipe(prompt="seven"),
        {**PICTURE, "path": ((0.1, 0.2),), "radius": 0.3, "t": 5, "outside": "free"},
    ),
    (
        CanvasRecipe(prompt="seven"),
        {**PICTURE, "dabs": ((0.1, 0.2),), "radius": 0.3, "strength": 0.1, "t": 5}
        | {"outside": "free"},
    ),
    (InpaintingRecipe(prompt="seven"), {**PICTURE, "hole": (1, 2, 3, 4), "resample": 2}),
    (MistakesRecipe(prompt="seven"), {**PICTURE, "mistake": "no_time_embedding", "t": 6}),
    (
        InsideRecipe(prompt="seven"),
        {**SAMPLING, "eta": 0.5, "seed": 1, "samples": 2, "alpha_bars": (0.5,), "other": "one"}
        | {"channels": 2},
    ),
    (
        SimilarNoiseRecipe(prompt="seven", patch=(0, 0, 1, 1), samples=2),
        {**SAMPLING, "seed": 1, "samples": 3, "patch": (0, 0, 1, 2), "entry": 1}
        | {"further": ((1, 1, 2, 2),), "new_seed": 5},
    ),
    (SensitivityRecipe(prompt="seven"), {**SAMPLING, "seed": 1, "rows": 4, "columns": 4}),
    (InterpolationRecipe(prompt="seven"), {**SAMPLING, "seed": 5, "other": 7, "points": 3}),
    (
        RaceRecipe(prompt="seven"),
        {**ASKING, "samplers": ("heun",), "nfe": 9, "reference_steps": 99, "seed": 1}
        | {"samples": 2, "also": (3, 5), "reference_sampler": "heun"},
    ),
    (
        ForksRecipe(prompt="seven", prompts=("", "one")),
        {**SAMPLING, "eta": 0.5, "prompts": ("one", ""), "reseeds": (3,), "after": 4}
        | {"seed": 1, "samples": 2, "words": True},
    ),
    (
        LatentRecipe(),
        {key: value for key, value in SAMPLING.items() if key not in ("prompt", "guidance")}
        | {"seed": 1, "samples": 2},
    ),
    (
        ScoreFieldRecipe(),
        {"points": "spiral", "count": 9, "std": 0.2, "training_steps": 0, "seed": 1, "T": 990}
        | {"samples": 2, "steps": 9, "schedule": "linear", "times": (1, 2), "side": 3}
        | {"reach": 3.0, "density_side": 5, "drawn": ((0.0, 1.0),)},
    ),
    (TrainingRecipe(), {"points": 100}),
]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("named")
    small_history().save(folder / "history.safetensors")
    Image.fromarray(np.full((16, 16), 40, np.uint8)).save(folder / "picture.png")
    return {
        "image": str(folder / "picture.png"),
        "model": str(save_tiny(folder / "one.safetensors", seed=0)),
        "other": str(save_tiny(folder / "two.safetensors", seed=1)),
        "latent": str(save_tiny_latent(folder / "three.safetensors", seed=0)),
        "other latent": str(save_tiny_latent(folder / "four.safetensors", seed=1)),
    }


def test_every_experiment_is_tried_here() -> None:
    assert {type(recipe) for recipe, _ in ENTRIES} == set(get_args(ExperimentRecipe))


@pytest.mark.parametrize(("recipe", "changes"), ENTRIES, ids=lambda value: type(value).__name__)
def test_each_field_counts(recipe: Any, changes: dict[str, Any], named: dict[str, str]) -> None:
    fields = {field.name for field in dataclasses.fields(recipe)}
    if "picture_model" in fields:
        fields -= {"prompt", "guidance", "image"}  # of pretrained pipelines, and tried with these
        models = {"model": named["latent"], "picture_model": named["model"]}
        recipe = dataclasses.replace(recipe, **models)
        changes = {**changes, "model": named["other latent"], "picture_model": named["other"]}
    elif "model" in fields:
        recipe = dataclasses.replace(recipe, model=named["model"])
        changes = {**changes, "model": named["other"]}
    if "sampler" in fields and "eta" not in changes:
        fields -= {"eta"}  # these take no sampler that adds noise
    if "dataset" in fields:
        changes = {**changes, "image": named["image"]}
    assert changes.keys() == fields
    changed = [dataclasses.replace(recipe, **{name: value}) for name, value in changes.items()]
    prints = {fingerprint(other) for other in (recipe, *changed)}
    assert len(prints) == 1 + len(changes)
    assert fingerprint(dataclasses.replace(recipe)) in prints
    assert hash(recipe) == hash(dataclasses.replace(recipe))


@pytest.mark.parametrize(("recipe", "_"), ENTRIES, ids=lambda value: type(value).__name__)
def test_a_recipe_is_described_in_json(recipe: Any, _: Any) -> None:
    described = json.loads(canonical_json(describe(recipe)))
    assert described["kind"] == type(recipe).__name__
    # What was made of files is remembered by the values, which are compared as a set.
    assert len({*dataclasses.asdict(recipe).values()}) > 1


REFUSED: list[tuple[type, dict[str, Any], str]] = [
    (RoutesRecipe, {"samples": 0}, "samples = 0 is outside 1 … 10000"),
    (RoutesRecipe, {"keep": 1001}, "keep = 1001 is outside 1 … 1000"),
    (RoutesRecipe, {"schedule": "karras"}, "schedule 'karras' is unknown"),
    (UTurnRecipe, {"turns": ()}, "turns = () must rise and hold at least one time"),
    (UTurnRecipe, {"turns": (5, 5)}, "turns = (5, 5) must rise"),
    (UTurnRecipe, {"turns": (5, 1000)}, "a time of turns = 1000 is outside 0 … 999"),
    (UTurnRecipe, {"erase": (1, 2, 3)}, "erase = (1, 2, 3) must be (top, left, height, width)"),
    (UTurnRecipe, {"erase": (1, 2, 0, 4)}, "erase height = 0 is outside 1 … 4096"),
    (UTurnRecipe, {"image": "flower", "dataset": "mnist"}, "are two pictures; give one"),
    (UTurnRecipe, {"dataset": "svhn"}, "dataset 'svhn' is unknown; choose one of: mnist"),
    (UTurnRecipe, {"sampler": "ddpm", "eta": 0.5}, "eta = 0.5 is for the sampler 'ddim'"),
    (BrushRecipe, {"path": ()}, "path is empty"),
    (BrushRecipe, {"path": ((0.1, 0.2, 0.3),)}, "it must be (row, column)"),
    (BrushRecipe, {"path": ((0.1, 1.2),)}, "a coordinate of path = 1.2 is outside 0 … 1"),
    (BrushRecipe, {"radius": 0}, "radius = 0 is outside"),
    (BrushRecipe, {"outside": "gone"}, "outside 'gone' is unknown; choose one of: kept, free"),
    (CanvasRecipe, {"dabs": ()}, "the number of dabs = 0 is outside 1 … 20000"),
    (CanvasRecipe, {"dabs": ((0.1,),)}, "it must be (row, column)"),
    (CanvasRecipe, {"dabs": ((0.1, -0.2),)}, "a coordinate of a dab = -0.2 is outside 0 … 1"),
    (CanvasRecipe, {"strength": 0}, "strength = 0 is outside"),
    (CanvasRecipe, {"schedule": "karras"}, "schedule 'karras' is unknown"),
    (CanvasRecipe, {"outside": "gone"}, "outside 'gone' is unknown; choose one of: kept, free"),
    (InpaintingRecipe, {"hole": ()}, "hole is empty"),
    (InpaintingRecipe, {"resample": 0}, "resample = 0 is outside 1 … 100"),
    (InsideRecipe, {"alpha_bars": ()}, "alpha_bars = () must fall and hold at least one"),
    (InsideRecipe, {"alpha_bars": (0.1, 0.2)}, "alpha_bars = (0.1, 0.2) must fall"),
    (InsideRecipe, {"alpha_bars": (1.0,)}, "one of alpha_bars = 1.0 is outside"),
    (InsideRecipe, {"channels": 0}, "channels = 0 is outside 1 … 64"),
    (InsideRecipe, {"samples": 0}, "samples = 0 is outside 1 … 1000"),
    (InsideRecipe, {"schedule": "karras"}, "schedule 'karras' is unknown"),
    (LatentRecipe, {"samples": 0}, "samples = 0 is outside 1 … 1000"),
    (LatentRecipe, {"sampler": "ddpm", "eta": 0.5}, "eta = 0.5 is for the sampler 'ddim'"),
    (LatentRecipe, {"steps": 1001}, "steps = 1001 is outside 1 … 1000"),
    (MistakesRecipe, {"mistake": "none"}, "mistake 'none' is unknown"),
    (MistakesRecipe, {"mistake": "no_rescaling"}, "T = 1000 is outside 10 … 500"),
    (MistakesRecipe, {"mistake": "no_time_embedding", "t": 1000}, "t = 1000 is outside 0 … 999"),
    (SimilarNoiseRecipe, {}, "nothing is replaced; give a patch, an entry or both"),
    (SimilarNoiseRecipe, {"entry": 0, "further": ((1, 1, 2, 2),)}, "must be patches, none twice"),
    (SimilarNoiseRecipe, {"patch": (1, 1, 2, 2), "further": ((1, 1, 2, 2),)}, "none twice"),
    (SimilarNoiseRecipe, {"patch": (1, 1, 2, 2), "further": ((),)}, "must be patches"),
    (SimilarNoiseRecipe, {"entry": 1}, "entry = 1 is outside 0 … 0"),
    (SimilarNoiseRecipe, {"entry": 0, "sampler": "ddpm"}, "adds noise of its own"),
    (SensitivityRecipe, {"eta": 0.1}, "sampler 'ddim' with eta = 0.1 adds noise of its own"),
    (SensitivityRecipe, {"rows": 0}, "rows = 0 is outside 1 … 512"),
    (InterpolationRecipe, {"other": 0}, "seed and other are both 0; give two that differ"),
    (InterpolationRecipe, {"points": 1}, "points = 1 is outside 2 … 1000"),
    (RaceRecipe, {"samplers": ()}, "samplers = () must be at least one, none twice"),
    (RaceRecipe, {"samplers": ("ddim", "ddim")}, "none twice"),
    (RaceRecipe, {"samplers": ("rk4",)}, "sampler 'rk4' is unknown"),
    (RaceRecipe, {"also": (10,)}, "nfe = 10 and also = (10,) name one number twice"),
    (RaceRecipe, {"also": (0,)}, "a number of also = 0 is outside 1 … 100000"),
    (RaceRecipe, {"reference_sampler": "ddpm"}, "reference sampler 'ddpm' is unknown"),
    (RaceRecipe, {"nfe": 0}, "nfe = 0 is outside 1 … 100000"),
    (ForksRecipe, {}, "the path has no branches"),
    (ForksRecipe, {"prompts": ("", "")}, "name one branch twice"),
    (ForksRecipe, {"prompts": ("",), "guidance": 2}, "guidance = 2 needs a prompt"),
    (ForksRecipe, {"prompts": ("a",), "after": 50}, "after = 50 is outside 0 … 49"),
    (ForksRecipe, {"reseeds": (-1,)}, "seed = -1 is outside"),
    (ForksRecipe, {"prompts": ("",), "words": True}, "words = True, and there are none"),
    (ScoreFieldRecipe, {"points": "cloud"}, "points 'cloud' is unknown; choose one of: spiral"),
    (ScoreFieldRecipe, {"times": (3, 2)}, "times = (3, 2) must rise"),
    (ScoreFieldRecipe, {"side": 1}, "side = 1 is outside 2 … 200"),
    (ScoreFieldRecipe, {"density_side": 1}, "density_side = 1 is outside 2 … 1000"),
    (ScoreFieldRecipe, {"drawn": ((0.0,),)}, "a drawn point is (0.0,); it must be (x, y)"),
    (ScoreFieldRecipe, {"drawn": ((0.0, 10.5),)}, "a drawn point = 10.5 is outside -10 … 10"),
    (ScoreFieldRecipe, {"drawn": ((0.0, 0.0),) * 2001}, "2001 points are drawn; at most 2000"),
    (TrainingRecipe, {"points": 9}, "points = 9 is outside 10 … 10000"),
    (ScoreFieldRecipe, {"std": 0}, "std = 0 is outside 0.001 … 0.9"),
]


@pytest.mark.parametrize(("kind", "fields", "says"), REFUSED)
def test_what_no_run_could_use_is_refused(kind: type, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as error:
        kind(**fields)
    one_line(error)


def test_guidance_of_a_fork_may_be_for_its_branches() -> None:
    assert ForksRecipe(prompts=("", "seven"), guidance=3).guidance == 3


def test_the_noise_is_never_that_which_the_picture_came_from() -> None:
    for recipe in (UTurnRecipe(seed=5, samples=3), UTurnRecipe(seed=2**32 - 1, samples=2)):
        assert recipe.seed not in recipe.seeds
    mine = SimilarNoiseRecipe(seed=5, samples=3, entry=0)
    assert not {*mine.seeds} & {*mine.new_seeds}


def test_what_was_recorded_before_a_field_came_is_still_found() -> None:
    """A field that came later says nothing where it is left as usual."""
    assert "drawn" not in describe(ScoreFieldRecipe())
    assert describe(ScoreFieldRecipe(drawn=((0.0, 1.0),)))["drawn"] == ((0.0, 1.0),)
    # As it was before points could be drawn.
    before = "5bb90fa71338ba27c7a398784e004dee1bd603f81137929f71cde9a062da918f"
    assert fingerprint(ScoreFieldRecipe()) == before
    assert not {"further", "new_seed"} & describe(SimilarNoiseRecipe(patch=(1, 1, 2, 2))).keys()


def test_names_that_are_written_twice_agree() -> None:
    """Recipes must not import torch, so they name by themselves what torch's modules know."""
    assert sampling.PUBLISHED == DATASETS
    assert tuple(POINT_SETS) == plane.POINTS
    assert tuple(brush.OUTSIDES) == pictures.OUTSIDES


def test_the_content_of_the_picture_counts(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    model = str(save_tiny(tmp_path / "weights.safetensors"))
    prints = set()
    for level in (3, 4):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)
        prints.add(fingerprint(UTurnRecipe(image=str(path), model=model)))
    assert len(prints) == 2


def test_the_format_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(RoutesRecipe())
    monkeypatch.setattr("diffusion_core.recipe.BUNDLE_FORMAT", "diffusion-lectures bundle 99")
    assert fingerprint(RoutesRecipe()) != before
