"""What captions say of a run, each in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from diffusion_core.pictures import BUNDLED
from diffusion_core.recipe import Recipe
from diffusion_core.recipes.sampling import Asking, Sampling
from diffusion_core.store import Recording
from studio.figures.page import listed

SHORT = 8
"""Digits of a fingerprint that a caption shows; the manifest has all."""


def sampling(recipe: Asking) -> str:
    """How the network was asked."""
    parts = [f"model {Path(recipe.model).stem}"]
    if isinstance(recipe, Sampling):
        eta = f" with η = {recipe.eta:g}" if recipe.eta else ""
        parts.append(f"{recipe.sampler}{eta}, {recipe.steps} steps")
    if recipe.prompt:
        parts.append(
            f"“{recipe.prompt}”, g\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{recipe.guidance:g}"
        )
    return ", ".join([*parts, schedule(recipe)])


def sentence(text: str) -> str:
    """``text`` with a capital letter; the others stay (T is not t)."""
    return text[:1].upper() + text[1:]


def schedule(recipe: Asking) -> str:
    """Its noise schedule."""
    return f"{recipe.schedule} schedule, T\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{recipe.T}"


def seeds(values: tuple[int, ...]) -> str:
    """Seeds, as one or several."""
    return f"seed{'' if len(values) == 1 else 's'} {listed(values)}"


def source(image: str) -> str:
    """What a picture is called: of a file only its name."""
    return image if image in BUNDLED else Path(image).name


def recorded(recordings: Mapping[str, Recording]) -> str:
    """The recordings that everything was read from."""
    prints = list(dict.fromkeys(found.fingerprint[:SHORT] for found in recordings.values()))
    return f"Recording{'' if len(prints) == 1 else 's'} {listed(prints)}."


def same(recipes: Mapping[str, Recipe]) -> Recipe:
    """The first recipe, of those that differ in one field."""
    return next(iter(recipes.values()))
