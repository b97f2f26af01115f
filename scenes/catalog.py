"""The table of contents: scenes and lectures, what they teach and need; no manim at import."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from diffusion_core.errors import UsageError
from diffusion_core.recipe import SEED_LIMIT, ForwardRecipe, Recipe, ReverseRecipe
from scenes.options import LOOK, SceneOptions

Recipes = Mapping[str, Recipe]
Entry = TypeVar("Entry")
GALLERY = 24
"""Samples that are drawn at once where a scene shows many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneEntry:
    """One scene.

    Parameters
    ----------
    name
        What it is asked for by.
    title, teaches
        Its heading, and what it teaches in a phrase.
    place
        Module and class: "scenes.forward_process:ForwardProcess".
    accepts
        Names of the options that change it.
    recipes
        From options to the runs that it shows, by the names it knows them by.
    loop
        First and last beat, counted from 1, of the stretch that shows it best.
    card
        Whether it is only a part of a lecture.
    """

    name: str
    title: str
    teaches: str
    place: str
    accepts: frozenset[str]
    recipes: Callable[[SceneOptions], Recipes]
    loop: tuple[int, int] = (1, 1)
    card: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LectureEntry:
    """Scenes in the order in which a lecture shows them."""

    name: str
    title: str
    teaches: str
    scenes: tuple[str, ...]

    @property
    def accepts(self) -> frozenset[str]:
        """Options that change at least one of its scenes."""
        return frozenset().union(*(scene_entry(name).accepts for name in self.scenes))


def _forward(options: SceneOptions) -> Recipes:
    return {
        "forward": ForwardRecipe(image=options.image, seed=options.seed, schedule=options.schedule)
    }


def _reverse(options: SceneOptions) -> Recipes:
    # The first sample has the asked seed; the others follow it, round the end of the range.
    seeds = tuple((options.seed + i) % SEED_LIMIT for i in range(GALLERY))
    return {
        "reverse": ReverseRecipe(
            model=options.model,
            seeds=seeds,
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
        )
    }


def _both(options: SceneOptions) -> Recipes:
    return {**_forward(options), **_reverse(options)}


FORWARD_OPTIONS = LOOK | {"seed", "image", "schedule"}
REVERSE_OPTIONS = LOOK | {"seed", "model", "sampler", "steps", "schedule"}

SCENES = {
    entry.name: entry
    for entry in (
        SceneEntry(
            name="forward_process",
            title="Forward process",
            teaches="how a picture becomes noise, and when signal and noise weigh the same",
            place="scenes.forward_process:ForwardProcess",
            accepts=FORWARD_OPTIONS,
            recipes=_forward,
            loop=(4, 6),
        ),
        SceneEntry(
            name="reverse_process",
            title="Reverse process",
            teaches="how a network turns noise into a picture, one small step at a time",
            place="scenes.reverse_process:ReverseProcess",
            accepts=REVERSE_OPTIONS,
            recipes=_reverse,
            loop=(5, 5),
        ),
        SceneEntry(
            name="introduction_opening",
            title="From picture to noise, and back",
            teaches="the question of the introduction",
            place="scenes.introduction:Opening",
            accepts=FORWARD_OPTIONS | REVERSE_OPTIONS,
            recipes=_both,
            card=True,
        ),
        SceneEntry(
            name="introduction_closing",
            title="What to remember",
            teaches="the introduction in one picture",
            place="scenes.introduction:Closing",
            accepts=FORWARD_OPTIONS | REVERSE_OPTIONS,
            recipes=_both,
            card=True,
        ),
    )
}

LECTURES = {
    entry.name: entry
    for entry in (
        LectureEntry(
            name="introduction",
            title="Diffusion: from picture to noise, and back",
            teaches="what a diffusion model does, in under two minutes",
            scenes=(
                "introduction_opening",
                "forward_process",
                "reverse_process",
                "introduction_closing",
            ),
        ),
    )
}


def _find(what: str, name: str, entries: Mapping[str, Entry]) -> Entry:
    if name in entries:
        return entries[name]
    shown = [key for key, entry in entries.items() if not getattr(entry, "card", False)]
    near = difflib.get_close_matches(name, shown, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(shown)}"
    raise UsageError(f"{what} {name!r} is unknown; {hint}")


def scene_entry(name: str) -> SceneEntry:
    """The scene called ``name``; a UsageError with the nearest name otherwise."""
    return _find("scene", name, SCENES)


def lecture_entry(name: str) -> LectureEntry:
    """The lecture called ``name``; a UsageError with the nearest name otherwise."""
    return _find("lecture", name, LECTURES)
