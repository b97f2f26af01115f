"""The same noises at rising guidance scales: a row a scale, a column a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from diffusion_core.errors import UsageError
from diffusion_core.recipe import Recipe, ReverseRecipe
from diffusion_core.store import Recording
from scenes.recipes import guidance
from studio.figures import words
from studio.figures.choices import Choices, run_of, several
from studio.figures.page import MARGIN, Page, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

IMAGES, MOST, MOST_SCALES = 8, 12, 10
GAP, LABELS, HEAD, APART = 0.9, 8.5, 3.6, 1.2


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: the rows of the scene, or those of other scales."""
    rows = dict(guidance(choices.options))
    choices.count(IMAGES, MOST)
    if choices.scales:
        if choices.options.guidance is not None:
            raise UsageError("--guidance and --scales both say at which scales; give one")
        first = rows["g1"]
        assert isinstance(first, ReverseRecipe)
        scales = several("scales", choices.scales, (), MOST_SCALES)
        rows = {f"g{scale:g}": replace(first, guidance=scale) for scale in scales}
    return rows


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = words.same(recipes(choices))
    assert isinstance(recipe, ReverseRecipe)
    shown = recipe.seeds[: choices.count(IMAGES, MOST)]
    plain = words.sampling(replace(recipe, prompt="", guidance=1.0))
    return (
        f"“{recipe.prompt}” asked of the same noises at rising guidance scales g; g = 1 is none. "
        f"A column a noise, {words.seeds(shown)}. {words.sentence(plain)}. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """The noise above, and below it what it becomes at each scale."""
    rows = recipes(choices)
    count = choices.count(IMAGES, MOST)
    start = run_of(next(iter(recordings.values())))
    tile = tile_size(count, room=HALF_PAGE - 2 * MARGIN - LABELS, gap=GAP, most=11)
    height = (len(rows) + 1) * (tile + GAP) + APART + 0.4
    page = Page(style, height=height, tile=tile, pixels=start.states.shape[-1], caption=caption)
    theme = page.theme
    left = (HALF_PAGE - (LABELS + count * (tile + GAP) - GAP)) / 2 + LABELS
    y = MARGIN + 0.4
    page.text(left - 1.2, y + tile / 2, "$x_T$", size=8, colour=theme.noise, across="right")
    for column in range(count):
        x = left + column * (tile + GAP)
        page.picture(x, y, start.states[0, column], f"x_T {column}", frame=theme.noise)
    for row, (name, recipe) in enumerate(rows.items(), 1):
        assert isinstance(recipe, ReverseRecipe)
        y = MARGIN + 0.4 + APART + row * (tile + GAP)
        label = f"g = {recipe.guidance:g}"
        page.text(
            left - 1.2, y + tile / 2, label, size=SMALL, colour=theme.guidance, across="right"
        )
        run = run_of(recordings[name])
        for column in range(count):
            x = left + column * (tile + GAP)
            page.picture(x, y, run.states[-1, column], f"{name} {column}")
    return page
