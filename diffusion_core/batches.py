"""Which recipes go through the network together; no torch at import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from diffusion_core.recipe import Recipe, ReverseRecipe

MOST = 256
"""Samples that are run at once: what is run is kept before the next are begun."""


def batches(recipes: Iterable[Recipe], most: int = MOST) -> list[list[Recipe]]:
    """``recipes`` in groups that can be run at once, in the order in which they came.

    Reverse runs that differ in nothing but their seeds are a group, as long as
    they have no more than ``most`` different seeds between them; every other
    recipe is one of its own.
    """
    found: list[list[Recipe]] = []
    open_groups: dict[ReverseRecipe, tuple[list[Recipe], set[int]]] = {}
    for recipe in recipes:
        if not isinstance(recipe, ReverseRecipe):
            found.append([recipe])
            continue
        alike = replace(recipe, seeds=(0,))
        group, seeds = open_groups.get(alike, ([], set()))
        if not group or len(seeds | set(recipe.seeds)) > most:
            group, seeds = [], set()
            found.append(group)
        group.append(recipe)
        open_groups[alike] = group, seeds | set(recipe.seeds)
    return found
