"""From what a scene was asked for to what is run for it; no manim at import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from diffusion_core.errors import UsageError
from diffusion_core.latent.models import both_models
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipe import (
    SEED_LIMIT,
    ForksRecipe,
    ForwardRecipe,
    InsideRecipe,
    InterpolationRecipe,
    LatentRecipe,
    MistakesRecipe,
    RaceRecipe,
    Recipe,
    ReverseRecipe,
    RoutesRecipe,
    SimilarNoiseRecipe,
    TrainingRecipe,
    UTurnRecipe,
    check_whole,
)
from scenes.asking import other_prompts, reading, scale_of, usual_prompt, wanted
from scenes.brought import fields_of
from scenes.model_kinds import kind_of_model
from scenes.noise_brush.recipe import brush_of
from scenes.options import USUAL_GUIDANCE, SceneOptions
from scenes.score_field.recipe import field_of

Recipes = Mapping[str, Recipe]
"""Runs by the names that a scene knows them by."""
GALLERY = 24
"""Samples that are drawn at once where a scene shows many."""
LOOKED_INTO = 12
"""Pictures over which it is averaged what each part of the network does."""
GUIDED = 16
"""Samples at each guidance scale of a row of scales."""
RERUNS = 5
"""Runs of each rule from one starting noise."""
KEPT_PIXELS = 12_000_000
"""In all states of a picture that dissolves: a third of a gigabyte in colour, with the noise."""
NEIGHBOURS, RETURNS = 6, 3
"""Noises of which the same patch is new; ways that one picture goes out and back."""
TURNS = (200, 500, 700, 800, 900)
"""Times at which is turned back."""
CHANGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.7)
"""Shares of the steps after which a prompt is changed for another."""
FEW_CHANGES = (0.0, 0.2, 0.4, 0.7)
"""The same where every picture costs much."""
DRAWN = 28
"""Pixels a side of the pictures in which patches and holes were chosen."""


def forward(options: SceneOptions) -> Recipes:
    """A picture that becomes noise; of a large one fewer states are kept."""
    own = fields_of(options.recipe)
    usual = ForwardRecipe(image=options.image, seed=options.seed, schedule=options.schedule)
    recipe = replace(usual, **own)
    return {"forward": replace(recipe, keep=min(usual.keep, KEPT_PIXELS // recipe.size**2))}


def reverse(options: SceneOptions) -> Recipes:
    """Many samples of one model, led back at once."""
    count = kind_of_model(options.model).fewer(GALLERY, 4)
    # The first sample has the asked seed; the others follow it, round the end of the range.
    seeds = tuple((options.seed + i) % SEED_LIMIT for i in range(count))
    return {
        "reverse": ReverseRecipe(
            model=options.model,
            seeds=seeds,
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
        )
    }


def asked(options: SceneOptions, prompt: str) -> ReverseRecipe:
    """The same, asked for ``prompt``; "" asks for nothing."""
    recipe = reverse(options)["reverse"]
    assert isinstance(recipe, ReverseRecipe)
    scale = scale_of(options, kind_of_model(options.model), prompt)
    return replace(recipe, prompt=prompt, guidance=scale)


def reverse_asked(options: SceneOptions) -> Recipes:
    """The same for what was asked for, if anything was."""
    return {"reverse": asked(options, options.prompt)}


def reverse_wanted(options: SceneOptions) -> Recipes:
    """The same where nothing need be asked for: of a pretrained model that reads, what is usual."""
    return {"reverse": asked(options, wanted(options, kind_of_model(options.model))["prompt"])}


def inside(options: SceneOptions) -> Recipes:
    """The network looked into, from a little noise to much."""
    prompt = options.prompt or usual_prompt(kind_of_model(options.model))
    return {
        "inside": InsideRecipe(
            model=options.model,
            seed=options.seed,
            samples=LOOKED_INTO,
            prompt=prompt,
            other=[*other_prompts(prompt), ""][0] if prompt else "",
            # Of the pictures that are looked at: they should show what was asked for.
            guidance=USUAL_GUIDANCE if prompt else 1.0,
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
            alpha_bars=(0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
        )
    }


def schedules(options: SceneOptions) -> Recipes:
    """The same picture and noise under three schedules."""
    return {
        name: ForwardRecipe(image=options.image, seed=options.seed, schedule=name, size=44)
        for name in ("linear", "sigmoid", "cosine")
    }


def routes(options: SceneOptions) -> Recipes:
    """Every step, and one jump, many times each."""
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


def ddpm_and_ddim(options: SceneOptions) -> Recipes:
    """Several runs of each rule from one starting noise."""
    kind = kind_of_model(options.model)
    runs, prompt = kind.fewer(RERUNS, 3), wanted(options, kind)
    return {
        "ddim": ReverseRecipe(
            model=options.model,
            seeds=(options.seed,) * runs,
            sampler="ddim",
            steps=options.steps,
            schedule=options.schedule,
            **prompt,
        ),
        "ddpm": ForksRecipe(
            model=options.model,
            seed=options.seed,
            reseeds=tuple((options.seed + 1 + i) % SEED_LIMIT for i in range(runs)),
            sampler="ddpm",
            steps=options.steps,
            schedule=options.schedule,
            **prompt,
        ),
    }


def guidance(options: SceneOptions) -> Recipes:
    """The same noises at four guidance scales."""
    kind = reading(options)
    prompt = options.prompt or usual_prompt(kind)
    scale = scale_of(options, kind, prompt)
    if not 1 < scale <= 25:
        raise UsageError(
            f"guidance = {scale:g}: this scene shows g = 1, the chosen one, and two and four times "
            "as much; choose it above 1 and up to 25"
        )
    seeds = tuple((options.seed + i) % SEED_LIMIT for i in range(kind.fewer(GUIDED, 3)))
    scales = (1.0, scale, 4 * scale) if kind.pretrained else (1.0, scale, 2 * scale, 4 * scale)
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
        for g in scales
    }


def u_turn(options: SceneOptions) -> Recipes:
    """Into the noise and back, whole and with a hole in the picture.

    One time that is brought takes the place of the nearest of the usual ones;
    three to five stand for themselves.
    """
    kind, own = kind_of_model(options.model), fields_of(options.recipe)
    turned = UTurnRecipe(
        model=options.model,
        image=str(own.get("image", "")),
        seed=options.seed,
        samples=kind.fewer(RETURNS, 2),
        turns=_turns(tuple(own.get("turns", ())), tuple(kind.time(t) for t in TURNS)),
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
        **wanted(options, kind),
    )
    hole = kind.patch((9, 4, 8, 20), DRAWN)
    return {"u_turn": turned, "repair": replace(turned, samples=1, erase=hole)}


def _turns(own: tuple[int, ...], usual: tuple[int, ...]) -> tuple[int, ...]:
    if len(own) == 1:
        t = check_whole("a time of turns", own[0], 0, 999)
        nearest = min(usual, key=lambda one: abs(one - t))
        return tuple(sorted(t if one == nearest else one for one in usual))
    if own and not 3 <= len(own) <= len(TURNS):
        raise UsageError(
            f"turns = {own}: the scene shows one of them among its own, or 3 to {len(TURNS)} alone"
        )
    return own or usual


def similar_noise(options: SceneOptions) -> Recipes:
    """A patch, or those that are brought, and a sample that change; the ways between two noises."""
    kind, own = kind_of_model(options.model), fields_of(options.recipe)
    samples, prompt = kind.fewer(NEIGHBOURS, 3), wanted(options, kind)
    if own and not own.get("patch"):
        raise UsageError(f"recipe {options.recipe!r} names no patch; give it, and further ones")
    original = SimilarNoiseRecipe(
        model=options.model,
        seed=options.seed,
        samples=samples,
        patch=own.get("patch") or kind.patch((11, 11, 6, 6), DRAWN),
        further=own.get("further", ()),
        entry=(samples - 1) // 2,
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
        **prompt,
    )
    between = InterpolationRecipe(
        model=options.model,
        seed=options.seed,
        other=(options.seed + 1) % SEED_LIMIT,
        points=kind.fewer(8, 5),
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
        **prompt,
    )
    return {"similar_noise": original, "between": between}


def text_to_image(options: SceneOptions) -> Recipes:
    """One noise under several prompts, and one path whose prompt changes at several t."""
    kind = reading(options)
    prompt = options.prompt or usual_prompt(kind)
    scale = scale_of(options, kind, prompt)
    if not 1 <= scale <= 25:
        raise UsageError(
            f"guidance = {scale:g}: this scene shows what words decide; choose it from 1, which is "
            "none, to 25"
        )
    if options.steps < 10:
        raise UsageError(
            f"steps = {options.steps}: this scene changes the words at tenths of the way; choose "
            "at least 10"
        )
    others = other_prompts(prompt, kind)[: 2 if kind.large else None]
    words = ForksRecipe(
        model=options.model,
        seed=options.seed,
        prompt=prompt,
        words=not kind.pretrained,
        prompts=("", prompt, *others),
        guidance=scale,
        sampler=options.sampler,
        steps=options.steps,
        schedule=options.schedule,
    )
    after = [round(share * options.steps) for share in (FEW_CHANGES if kind.large else CHANGES)]
    # What a pretrained model drew is read by no judge; the first sample is compared with others.
    samples = 1 if kind.pretrained else 4
    changed = replace(words, words=False, prompts=others[:1], samples=samples)
    return {"words": words} | {f"changed after {n}": replace(changed, after=n) for n in after}


def deliberate_mistakes(options: SceneOptions) -> Recipes:
    """Each mistake beside a run without it."""
    usual = MistakesRecipe(
        model=options.model, seed=options.seed, samples=6, sampler=options.sampler
    )
    T = min(max(options.steps, 10), 100)
    return {
        "no_rescaling": replace(usual, mistake="no_rescaling", schedule="linear", T=T, steps=T),
        "no_noise_weight": replace(usual, mistake="no_noise_weight", t=200, steps=options.steps),
        "told_much": replace(usual, mistake="no_time_embedding", t=800, steps=options.steps),
        "told_little": replace(usual, mistake="no_time_embedding", t=200, steps=options.steps),
        "noise_at_the_end": replace(usual, steps=min(options.steps, 8)),
    }


def sampler_race(options: SceneOptions) -> Recipes:
    """Every rule from the same noises, with few evaluations and with many."""
    scale = options.scale()
    # Guidance asks the network twice where one answer is wanted.
    questions = 1 if scale == 1 else 2
    fewest, usual, more, most = (questions * n for n in (5, 10, 20, 40))
    race = RaceRecipe(
        model=options.model,
        prompt=options.prompt,
        guidance=scale,
        nfe=usual,
        also=(fewest, more, most),
        reference_sampler="dpmpp",
        reference_steps=150,
        seed=options.seed,
        samples=2,
        schedule=options.schedule,
    )
    return {"race": race}


def score_field(options: SceneOptions) -> Recipes:
    """A spiral in the plane, or points drawn by hand; the score, and particles that follow it."""
    return {"score_field": field_of(options)}


def noise_brush(options: SceneOptions) -> Recipes:
    """A picture that noise is painted onto, nine times, and each time removed."""
    return {"brush": brush_of(options)}


def latent(options: SceneOptions) -> Recipes:
    """Pictures encoded and decoded, and the process on pixels and among latents."""
    if is_pretrained(options.model):
        return _latent_of_pretrained(options)
    model, picture_model = both_models(options.model)
    return {
        "latent": LatentRecipe(
            model=model,
            picture_model=picture_model,
            seed=options.seed,
            samples=8,
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
        )
    }


def _latent_of_pretrained(options: SceneOptions) -> Recipes:
    """The same of a pipeline of latents, beside which stands no model of pixels."""
    kind = kind_of_model(options.model)
    return {
        "latent": LatentRecipe(
            model=options.model,
            picture_model="",
            seed=options.seed,
            samples=kind.fewer(8, 4),
            sampler=options.sampler,
            steps=options.steps,
            **wanted(options, kind),
        )
    }


def training(options: SceneOptions) -> Recipes:
    """What was kept of a training."""
    return {"training": TrainingRecipe(model=options.model)}


def both(options: SceneOptions) -> Recipes:
    """Forward and reverse."""
    return {**forward(options), **reverse_asked(options)}


def prompted(options: SceneOptions) -> Recipes:
    """The same noises with a prompt as it is, and with guidance."""
    plain, guided, *_ = guidance(options).values()
    return {"plain": plain, "guided": guided}


def course(options: SceneOptions) -> Recipes:
    """Into the noise, and out of it with words."""
    return {**forward(options), "guided": prompted(options)["guided"]}
