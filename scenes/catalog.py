"""The table of contents: scenes and lectures, what they teach and need; no manim at import."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from diffusion_core.errors import UsageError
from diffusion_core.recipe import (
    SEED_LIMIT,
    ForksRecipe,
    ForwardRecipe,
    InterpolationRecipe,
    Recipe,
    ReverseRecipe,
    RoutesRecipe,
    SimilarNoiseRecipe,
    UTurnRecipe,
)
from scenes.options import LOOK, SceneOptions

Recipes = Mapping[str, Recipe]
Entry = TypeVar("Entry")
GALLERY = 24
"""Samples that are drawn at once where a scene shows many."""
USUAL_PROMPT = "a seven"
"""What is asked for where a scene needs a prompt and none was chosen."""
GUIDED = 16
"""Samples at each guidance scale of a row of scales."""
RERUNS = 5
"""Runs of each rule from one starting noise."""


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


def _schedules(options: SceneOptions) -> Recipes:
    return {
        name: ForwardRecipe(image=options.image, seed=options.seed, schedule=name, size=44)
        for name in ("linear", "sigmoid", "cosine")
    }


def _routes(options: SceneOptions) -> Recipes:
    return {
        "routes": RoutesRecipe(
            image=options.image,
            seed=options.seed,
            schedule=options.schedule,
            size=12,
            samples=800,
            keep=20,
        )
    }


def _ddpm_and_ddim(options: SceneOptions) -> Recipes:
    return {
        "ddim": ReverseRecipe(
            model=options.model,
            seeds=(options.seed,) * RERUNS,
            sampler="ddim",
            steps=options.steps,
            schedule=options.schedule,
        ),
        "ddpm": ForksRecipe(
            model=options.model,
            seed=options.seed,
            reseeds=tuple((options.seed + 1 + i) % SEED_LIMIT for i in range(RERUNS)),
            sampler="ddpm",
            steps=options.steps,
            schedule=options.schedule,
        ),
    }


def _guidance(options: SceneOptions) -> Recipes:
    prompt = options.prompt or USUAL_PROMPT
    scale = options.scale(prompt)
    if not 1 < scale <= 25:
        raise UsageError(
            f"guidance = {scale:g}: this scene shows g = 1, the chosen one, and two and four times "
            "as much; choose it above 1 and up to 25"
        )
    seeds = tuple((options.seed + i) % SEED_LIMIT for i in range(GUIDED))
    return {
        f"g{g:g}": ReverseRecipe(
            model=options.model,
            seeds=seeds,
            prompt=prompt,
            guidance=g,
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
        )
        for g in (1.0, scale, 2 * scale, 4 * scale)
    }


def _u_turn(options: SceneOptions) -> Recipes:
    turned = UTurnRecipe(
        model=options.model,
        seed=options.seed,
        samples=3,
        turns=(200, 500, 700, 800, 900),
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
    )
    return {"u_turn": turned, "repair": replace(turned, samples=1, erase=(9, 4, 8, 20))}


def _similar_noise(options: SceneOptions) -> Recipes:
    original = SimilarNoiseRecipe(
        model=options.model,
        seed=options.seed,
        samples=6,
        patch=(11, 11, 6, 6),
        entry=2,
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
    )
    between = InterpolationRecipe(
        model=options.model,
        seed=options.seed,
        other=(options.seed + 1) % SEED_LIMIT,
        points=8,
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
    )
    return {"similar_noise": original, "between": between}


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
            name="noise_schedules",
            title="Noise schedules",
            teaches="what sets the pace at which a picture becomes noise",
            place="scenes.noise_schedules:NoiseSchedules",
            accepts=LOOK | {"seed", "image"},
            recipes=_schedules,
            loop=(4, 5),
        ),
        SceneEntry(
            name="one_jump",
            title="One jump",
            teaches="why a picture can be made as noisy as any t in a single step",
            place="scenes.one_jump:OneJump",
            accepts=FORWARD_OPTIONS,
            recipes=_routes,
            loop=(6, 8),
        ),
        SceneEntry(
            name="predicted_noise",
            title="Predicted noise",
            teaches="what the network answers, and how its guess of the picture sharpens",
            place="scenes.predicted_noise:PredictedNoise",
            accepts=REVERSE_OPTIONS,
            recipes=_reverse,
            loop=(11, 13),
        ),
        SceneEntry(
            name="ddpm_and_ddim",
            title="DDPM and DDIM",
            teaches="what the starting noise decides, and what the noise on the way does",
            place="scenes.ddpm_and_ddim:DdpmAndDdim",
            accepts=LOOK | {"seed", "model", "steps", "schedule"},
            recipes=_ddpm_and_ddim,
            loop=(7, 10),
        ),
        SceneEntry(
            name="guidance",
            title="Guidance",
            teaches="how a prompt steers the noise, and what too much of it does",
            place="scenes.guidance:Guidance",
            accepts=REVERSE_OPTIONS | {"prompt", "guidance"},
            recipes=_guidance,
            loop=(9, 10),
        ),
        SceneEntry(
            name="u_turn",
            title="The U-turn",
            teaches="how much of a picture survives noise, and when another one comes back",
            place="scenes.u_turn:UTurn",
            accepts=REVERSE_OPTIONS,
            recipes=_u_turn,
            loop=(2, 3),
        ),
        SceneEntry(
            name="similar_noise",
            title="Similar noise",
            teaches="that a deterministic sampler turns similar noise into similar pictures",
            place="scenes.similar_noise:SimilarNoise",
            accepts=REVERSE_OPTIONS,
            recipes=_similar_noise,
            loop=(4, 5),
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
