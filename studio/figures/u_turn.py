"""The U-turn as a table: a row a time at which is turned back, a column a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_core.errors import UsageError
from diffusion_core.recipe import Recipe, UTurnRecipe
from diffusion_core.store import Recording
from studio.figures import words
from studio.figures.choices import Choices, run_of, several
from studio.figures.page import MARGIN, Page, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

TURNS = (100, 200, 300, 400, 500, 600, 700, 800, 900)
IMAGES, MOST, MOST_TURNS = 6, 8, 12
GAP, APART, LABELS, HEAD, FAR = 0.9, 3.0, 10.0, 4.2, 8.0


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: into the noise to each t, and back."""
    options = choices.options
    if len(choices.indices) > 1:
        raise UsageError("index names several pictures; the U-turn is one picture's: give one")
    turns = several("timesteps", choices.timesteps, TURNS, MOST_TURNS)
    return {
        "u_turn": UTurnRecipe(
            model=options.model,
            image=options.image,
            dataset=choices.dataset,
            index=choices.indices[0] if choices.indices else 0,
            seed=options.seed,
            samples=choices.count(IMAGES, MOST),
            turns=tuple(int(t) for t in turns),
            prompt=options.prompt,
            guidance=options.scale(),
            sampler=options.sampler,
            steps=options.steps,
            schedule=options.schedule,
        )
    }


def _recipe(choices: Choices) -> UTurnRecipe:
    recipe = recipes(choices)["u_turn"]
    assert isinstance(recipe, UTurnRecipe)
    return recipe


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = _recipe(choices)
    if recipe.image:
        start = f"the picture {words.source(recipe.image)}"
    elif recipe.dataset:
        start = f"test picture {recipe.index} of {recipe.dataset}"
    else:
        start = f"the model's own picture of seed {recipe.seed}"
    judged = "class" in run_of(recordings["u_turn"], "forward").facts
    framed = "Framed: a classifier reads another digit. " if judged else ""
    return (
        f"x₀, {start}, is noised to t and led back, each column with noise of its own "
        f"({words.seeds(recipe.seeds)}). {framed}Right: the root mean square distance from x₀, "
        f"averaged over the row. {words.sentence(words.sampling(recipe))}. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """x_0 above, x_t of the first noise to the left, what came back in the table."""
    recording, recipe = recordings["u_turn"], _recipe(choices)
    forward = run_of(recording, "forward")
    columns = recipe.samples + 1
    room = HALF_PAGE - 2 * MARGIN - LABELS - APART - FAR
    tile = tile_size(columns, room=room, gap=GAP, most=11)
    rows = len(recipe.turns)
    height = 2 * HEAD + (rows + 1) * (tile + GAP)
    page = Page(style, height=height, tile=tile, pixels=forward.states.shape[-1], caption=caption)
    theme = page.theme
    left = (HALF_PAGE - (LABELS + columns * (tile + GAP) + APART + FAR)) / 2 + LABELS

    y = MARGIN + HEAD
    page.text(left + tile / 2, MARGIN + HEAD / 2 - 0.6, "$x_0$", size=8, colour=theme.signal)
    page.picture(left, y, forward.states[0, 0], "x_0", frame=theme.signal)
    head = y + tile + GAP + HEAD / 2 - 0.6
    page.text(left + tile / 2, head, "$x_t$", size=8)
    table = left + tile + GAP + APART
    for column, seed in enumerate(recipe.seeds):
        x = table + column * (tile + GAP) + tile / 2
        page.text(x, head, f"seed {seed}" if column == 0 else str(seed), size=SMALL)
    beyond = table + recipe.samples * (tile + GAP) + FAR / 2 - GAP
    page.text(beyond, head, "RMS", size=SMALL, colour=theme.quiet)
    for row, t in enumerate(recipe.turns):
        back = run_of(recording, f"from {t}")
        y = MARGIN + 2 * HEAD + (row + 1) * (tile + GAP)
        page.text(left - 1.2, y + tile / 2, f"t = {t}", size=SMALL, across="right")
        page.picture(left, y, forward.states[row + 1, 0], f"x_t t={t}")
        # An arrow between them: into the table leads the way back.
        page.text(left + tile + (GAP + APART) / 2, y + tile / 2, "→", colour=theme.quiet)
        for column in range(recipe.samples):
            x, name = table + column * (tile + GAP), f"returned {column} t={t}"
            turned = _turned(forward.facts, back.facts, column)
            frame = theme.prediction if turned else None
            page.picture(x, y, back.states[-1, column], name, frame=frame)
        far = float(np.mean(back.facts["rms_to_x0"]))
        page.text(beyond, y + tile / 2, f"{far:.2f}", size=SMALL, colour=theme.quiet)
    return page


def _turned(forward: Mapping[str, object], back: Mapping[str, object], column: int) -> bool:
    """Whether the judge reads another digit in what came back."""
    read = back.get("final_class")
    return isinstance(read, list) and "class" in forward and read[column] != forward["class"]
