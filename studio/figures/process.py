"""x_t, ε̂ and x̂_0 along a run of the reverse process."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from diffusion_core.errors import UsageError
from diffusion_core.recipe import Recipe, ReverseRecipe
from diffusion_core.store import Recording
from diffusion_core.trajectory import Trajectory
from scenes.recipes import reverse_asked
from studio.figures import words
from studio.figures.choices import Choices, run_of
from studio.figures.page import MARGIN, Page, heads_of, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

IMAGES, MOST = 1, 6
COLUMNS = 8
GAP, BETWEEN, LABELS, HEAD = 0.7, 2.0, 5.0, 4.2


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: the samples that the scene of the reverse process shows."""
    choices.count(IMAGES, MOST)
    columns = choices.moments(COLUMNS)
    if columns > choices.options.steps:
        raise UsageError(
            f"columns = {columns}: a run of {choices.options.steps} steps has no more moments; "
            "choose fewer columns or more --steps"
        )
    return {"reverse": reverse_asked(choices.options)["reverse"]}


def moments(run: Trajectory, columns: int) -> list[int]:
    """States at which the network was asked, evenly far apart, the first and the last of them."""
    return [round(i) for i in np.linspace(0, run.steps - 1, columns).tolist()]


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = recipes(choices)["reverse"]
    assert isinstance(recipe, ReverseRecipe)
    shown = recipe.seeds[: choices.count(IMAGES, MOST)]
    return (
        "From noise to a picture: xₜ, the noise ε̂ that the network sees in it, and the picture "
        f"x̂₀ that this leaves. Drawn by {words.sampling(recipe)}, {words.seeds(shown)}. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """Three rows a sample; the finished picture stands at the end of the first."""
    run = run_of(recordings["reverse"])
    assert run.eps_hat is not None
    assert run.x0_hat is not None
    count, at = choices.count(IMAGES, MOST), moments(run, choices.moments(COLUMNS))
    columns = len(at) + 1
    room = HALF_PAGE - 2 * MARGIN - LABELS - GAP
    tile = tile_size(columns, room=room, gap=GAP)
    block = 3 * (tile + GAP) + BETWEEN
    height = HEAD + count * block - BETWEEN
    page = Page(style, height=height, tile=tile, pixels=run.states.shape[-1], caption=caption)
    theme = page.theme
    left = (HALF_PAGE - (LABELS + columns * (tile + GAP))) / 2 + LABELS
    rows = (
        ("x_t", "$x_t$", theme.text, run.states),
        ("eps_hat", r"$\hat{\varepsilon}$", theme.noise, run.eps_hat),
        ("x0_hat", r"$\hat{x}_0$", theme.prediction, run.x0_hat),
    )
    heads = heads_of(page, [int(run.timesteps[i]) for i in at], tile + GAP - 1.5)
    head = MARGIN + HEAD / 2 - 0.6
    for column, told in enumerate(heads):
        page.text(left + column * (tile + GAP) + tile / 2, head, told, size=SMALL)
    end = left + len(at) * (tile + GAP) + GAP
    page.text(end + tile / 2, head, "$x_0$", size=8, colour=theme.prediction)
    for sample in range(count):
        for row, (name, label, colour, states) in enumerate(rows):
            y = MARGIN + HEAD + sample * block + row * (tile + GAP)
            page.text(left - 1.2, y + tile / 2, label, size=8, colour=colour, across="right")
            for column, i in enumerate(at):
                t = run.timesteps[i]
                x = left + column * (tile + GAP)
                page.picture(x, y, states[i, sample], f"{name} {sample} t={t}")
        y = MARGIN + HEAD + sample * block
        name = f"x_0 {sample}"
        page.picture(end, y, run.states[-1, sample], name, frame=theme.prediction)
    return page
