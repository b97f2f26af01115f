"""Pictures at chosen times of the forward process, the noise beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from diffusion_core.recipe import NoisingRecipe, Recipe
from diffusion_core.store import Recording
from studio.figures import words
from studio.figures.choices import MOST_COLUMNS, Choices, run_of, several
from studio.figures.page import MARGIN, Page, heads_of, listed, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

TIMES = (0, 50, 100, 200, 400, 600, 800, 999)
IMAGES = 6
GAP, APART = 0.7, 1.2
HEAD, BAR = 4.2, 1.3
SIZE = 64
"""Pixels a side that an image is brought to."""


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: one jump from each picture to each time."""
    options = choices.options
    times = several("timesteps", choices.timesteps, TIMES, MOST_COLUMNS)
    usual = 1 if options.image else len(choices.indices) or IMAGES
    recipe = NoisingRecipe(
        image=options.image,
        size=SIZE,
        dataset=choices.dataset,
        indices=choices.indices,
        samples=choices.count(usual),
        seed=options.seed,
        schedule=options.schedule,
        times=tuple(int(t) for t in times),
    )
    if recipe.drawn:
        recipe = replace(
            recipe,
            model=options.model,
            prompt=options.prompt,
            guidance=options.scale(),
            sampler=options.sampler,
            steps=options.steps,
        )
    return {"timesteps": recipe}


def _recipe(choices: Choices) -> NoisingRecipe:
    recipe = recipes(choices)["timesteps"]
    assert isinstance(recipe, NoisingRecipe)
    return recipe


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = _recipe(choices)
    if recipe.image:
        pictures = f"{words.source(recipe.image)}, {words.schedule(recipe)}"
    elif recipe.dataset:
        which = f"test picture{'s' if recipe.samples > 1 else ''} {listed(recipe.taken)}"
        pictures = f"{recipe.dataset}, {which}, {words.schedule(recipe)}"
    else:
        drawn = tuple(run_of(recordings["timesteps"]).facts["picture_seeds"])
        pictures = f"drawn by {words.sampling(recipe)}, {words.seeds(drawn)}"
    return (
        f"xₜ = √ᾱₜ x₀ + √(1 − ᾱₜ) ε. Pictures: {pictures}. Noise: {words.seeds(recipe.seeds)}, "
        "the same ε along a row. Below: the share of the variance that is picture, ᾱₜ, and noise. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """A row a picture: x_0, x_t at each time, ε."""
    run = run_of(recordings["timesteps"])
    assert run.eps is not None
    count, times = run.states.shape[1], len(run.timesteps) - 1
    room = HALF_PAGE - 2 * MARGIN - 2 * APART
    tile = tile_size(times + 2, room=room, gap=GAP)
    height = HEAD + count * (tile + GAP) + 1.0 + BAR + 3.4
    page = Page(style, height=height, tile=tile, pixels=run.states.shape[-1], caption=caption)
    theme = page.theme
    wide = (times + 2) * (tile + GAP) - GAP + 2 * APART
    left = (HALF_PAGE - wide) / 2

    def at(column: int) -> float:
        return left + column * (tile + GAP) + APART * ((column > 0) + (column > times))

    heads = heads_of(page, run.timesteps[1:].tolist(), tile + GAP - 1.5)
    head = MARGIN + HEAD / 2 - 0.6
    page.text(at(0) + tile / 2, head, "$x_0$", colour=theme.signal, size=8)
    for column, words_above in enumerate(heads, 1):
        page.text(at(column) + tile / 2, head, words_above, size=SMALL)
    page.text(at(times + 1) + tile / 2, head, r"$\varepsilon$", colour=theme.noise, size=8)

    for row in range(count):
        y = MARGIN + HEAD + row * (tile + GAP)
        page.picture(at(0), y, run.states[0, row], f"x_0 {row}", frame=theme.signal)
        for column in range(1, times + 1):
            name = f"x_t {row} t={run.timesteps[column]}"
            page.picture(at(column), y, run.states[column, row], name)
        page.picture(at(times + 1), y, run.eps[-1, row], f"eps {row}", frame=theme.noise)

    y = MARGIN + HEAD + count * (tile + GAP) + 0.5
    for column, share in enumerate(run.alpha_bar, 0):
        page.box(at(column), y, tile, BAR, theme.noise)
        page.box(at(column), y, tile * float(share), BAR, theme.signal)
        below = "1" if column == 0 else f"{share:.2f}"
        page.text(at(column) + tile / 2, y + BAR + 1.9, below, size=SMALL, colour=theme.quiet)
    label = r"$\bar\alpha_t$"
    page.text(at(times + 1) + tile / 2, y + BAR + 1.9, label, size=7, colour=theme.quiet)
    page.box(at(times + 1), y, tile, BAR, theme.noise)
    return page
