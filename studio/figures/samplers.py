"""What each sampler makes of one noise, with few network evaluations and with many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from diffusion_core.errors import UsageError
from diffusion_core.recipe import RaceRecipe, Recipe
from diffusion_core.store import Recording
from scenes.recipes import sampler_race
from studio.figures import words
from studio.figures.choices import Choices, run_of, several
from studio.figures.page import MARGIN, Page, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

MOST = 5
GAP, APART, LABELS, HEAD, BELOW = 1.0, 4.0, 18.0, 4.4, 2.8


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: the race of the scene, or one with other numbers of evaluations."""
    race = sampler_race(choices.options)["race"]
    assert isinstance(race, RaceRecipe)
    if choices.nfe:
        first, *also = (int(n) for n in several("nfe", choices.nfe, (), MOST))
        questions = 1 if race.guidance == 1 else 2
        # Heun asks twice a step, and guidance twice a question.
        if first < 2 * questions:
            raise UsageError(
                f"nfe = {first}: Heun's shortest step takes {2 * questions} evaluations here; "
                "choose at least that"
            )
        race = replace(race, nfe=first, also=tuple(also))
    return {"race": race}


def _recipe(choices: Choices) -> RaceRecipe:
    race = recipes(choices)["race"]
    assert isinstance(race, RaceRecipe)
    return race


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = _recipe(choices)
    return (
        f"One noise, {words.seeds((recipe.seed,))}, and at most as many evaluations of the network "
        f"(NFE) as stand above. Below each picture: its root mean square distance from the "
        f"converged answer ({recipe.reference_sampler}, {recipe.reference_steps} steps); DDPM adds "
        f"noise, so that its distance does not go to 0. {words.sentence(words.sampling(recipe))}. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """A row a sampler, a column a number of evaluations; noise and answer to the right."""
    from scenes.sampler_race.results import NAMES  # imports manim

    recording, recipe = recordings["race"], _recipe(choices)
    budgets = sorted((recipe.nfe, *recipe.also))
    names = [name for name in NAMES if name in recipe.samplers]
    reference = run_of(recording, "reference")
    columns = len(budgets) + 1
    tile = tile_size(columns, room=HALF_PAGE - 2 * MARGIN - LABELS - APART, gap=GAP, most=10)
    height = HEAD + len(names) * (tile + BELOW + GAP)
    page = Page(style, height=height, tile=tile, pixels=reference.states.shape[-1], caption=caption)
    theme = page.theme
    left = (HALF_PAGE - (LABELS + columns * (tile + GAP) + APART)) / 2 + LABELS

    head = MARGIN + HEAD / 2 - 0.6
    page.text(left - 1.4, head, "NFE", size=SMALL, colour=theme.quiet, across="right")
    for column, nfe in enumerate(budgets):
        page.text(left + column * (tile + GAP) + tile / 2, head, str(nfe), size=SMALL)
    for row, name in enumerate(names):
        y = MARGIN + HEAD + row * (tile + BELOW + GAP)
        page.text(left - 1.4, y + tile / 2, NAMES[name], across="right")
        for column, nfe in enumerate(budgets):
            run = run_of(recording, name if nfe == recipe.nfe else f"{name} {nfe}")
            x = left + column * (tile + GAP)
            page.picture(x, y, run.states[-1, 0], f"{name} nfe={nfe}", frame=None)
            far = f"{run.facts['distance_to_reference'][-1][0]:.3f}"
            page.text(x + tile / 2, y + tile + BELOW / 2, far, size=SMALL, colour=theme.quiet)
    aside = left + len(budgets) * (tile + GAP) + APART
    page.text(aside + tile / 2, head, "$x_T$", size=8, colour=theme.noise)
    page.picture(aside, MARGIN + HEAD, reference.states[0, 0], "x_T", frame=theme.noise)
    y = MARGIN + HEAD + (len(names) - 1) * (tile + BELOW + GAP)
    if len(names) > 1:
        page.text(aside + tile / 2, y - HEAD / 2 + 0.05, "converged", size=SMALL)
    page.picture(aside, y, reference.states[-1, 0], "reference", frame=theme.prediction)
    return page
