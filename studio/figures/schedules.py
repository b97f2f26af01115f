"""ᾱ, σ and log SNR of each schedule, and what each makes of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from diffusion_core.errors import UsageError
from diffusion_core.pictures import DEFAULT_PICTURE
from diffusion_core.recipe import VP_SCHEDULES, ForwardRecipe, Recipe
from diffusion_core.store import Recording
from diffusion_core.trajectory import Trajectory
from scenes.recipes import schedules
from studio.figures import words
from studio.figures.choices import Choices, run_of, several
from studio.figures.page import MARGIN, Page, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

Stroke = Literal["-"] | tuple[float, Sequence[float]]

TIMES = (99, 199, 299, 399, 499, 599, 699, 799, 899, 999)
MOST = 11
GAP, LABELS, HEAD, PLOT, TICKS, BETWEEN = 0.8, 15.0, 3.6, 19.0, 8.5, 9.0
LINES: dict[str, Stroke] = {
    "linear": "-",
    "scaled_linear": (0, (5, 1.2)),
    "cosine": (0, (1, 1)),
    "sigmoid": (0, (4, 1, 1, 1)),
}
"""Told apart by their strokes: colours have other meanings."""


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What is run: the forward process of one picture under each schedule."""
    options = choices.options
    options = replace(options, image=options.image or DEFAULT_PICTURE)
    usual = schedules(options)["linear"]
    assert isinstance(usual, ForwardRecipe)
    kept = {round(usual.T * (i + 1) / usual.keep) - 1 for i in range(usual.keep)}
    for t in several("timesteps", choices.timesteps, TIMES, MOST):
        if t not in kept:
            near = min(kept, key=lambda other: abs(other - t))
            raise UsageError(
                f"timestep {t:g} is not among those that are kept of the {usual.T} steps "
                f"({usual.keep}, evenly spaced, {min(kept)} … {max(kept)}); the nearest is {near}"
            )
    return {name: replace(usual, schedule=name) for name in VP_SCHEDULES}


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    recipe = words.same(recipes(choices))
    assert isinstance(recipe, ForwardRecipe)
    return (
        "The share of the variance that is picture, ᾱₜ; the weight of the noise, "
        "σₜ = √(1 − ᾱₜ); and ln SNRₜ = ln ᾱₜ/(1 − ᾱₜ), where the grey line is as much picture "
        f"as noise. Below: {words.source(recipe.image)} after t of T = {recipe.T} steps with the "
        f"same noise, {words.seeds((recipe.seed,))}. " + words.recorded(recordings)
    )


def curves(run: Trajectory) -> dict[str, NDArray[np.float64]]:
    """ᾱ, σ and ln SNR at the recorded times of noise."""
    return {
        "alpha_bar": run.alpha_bar[1:],
        "sigma": run.noise_weight[1:],
        "log_snr": np.log(run.snr[1:]),
    }


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """Three graphs above; below them a row a schedule, a column a time."""
    runs = {name: run_of(recordings[name]) for name in VP_SCHEDULES}
    times = several("timesteps", choices.timesteps, TIMES, MOST)
    tile = tile_size(len(times), room=HALF_PAGE - 2 * MARGIN - LABELS, gap=GAP, most=9)
    top = HEAD + PLOT + TICKS
    height = top + HEAD + len(runs) * (tile + GAP)
    any_run = runs["linear"]
    pixels = any_run.states.shape[-1]
    page = Page(style, height=height, tile=tile, pixels=pixels, caption=caption)
    theme = page.theme

    graphs = (
        ("alpha_bar", r"$\bar{\alpha}_t$", theme.signal, (0, 0.5, 1), (0, 1.02)),
        ("sigma", r"$\sigma_t$", theme.noise, (0, 0.5, 1), (0, 1.02)),
        ("log_snr", r"$\ln\,\mathrm{SNR}_t$", theme.text, (-20, -10, 0, 10), (-20, 10)),
    )
    wide = (HALF_PAGE - 2 * MARGIN - 5 - 2 * BETWEEN - 3) / 3
    last = int(any_run.timesteps[-1])
    for i, (name, label, colour, ticks, limits) in enumerate(graphs):
        x = MARGIN + 5 + i * (wide + BETWEEN)
        page.text(x, MARGIN + HEAD / 2 - 0.4, label, size=8, colour=colour)
        axes = page.plot(x, MARGIN + HEAD + 1, wide, PLOT - 1, name)
        for schedule, run in runs.items():
            values = curves(run)[name]
            axes.plot(
                run.timesteps[1:], values, color=colour, linestyle=LINES[schedule], gid=schedule
            )
        axes.set_xlim(0, last + 1)
        axes.set_xticks([0, (last + 1) // 2, last + 1])
        axes.set_yticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
        axes.set_ylim(*limits)
        if name == "log_snr":
            axes.axhline(0, color=theme.line, linewidth=0.5 * style.scale, zorder=0)
        axes.set_xlabel("t", labelpad=0.5 * style.scale)

    left = (HALF_PAGE - (LABELS + len(times) * (tile + GAP) - GAP)) / 2 + LABELS
    head = MARGIN + top + HEAD / 2 - 0.4
    page.text(left - 1.2, head, "t", size=SMALL, colour=theme.quiet, across="right")
    for column, t in enumerate(times):
        page.text(left + column * (tile + GAP) + tile / 2, head, f"{t:g}", size=SMALL)
    for row, (schedule, run) in enumerate(runs.items()):
        y = MARGIN + top + HEAD + row * (tile + GAP)
        _label(page, left - 1.2, y + tile / 2, schedule)
        for column, t in enumerate(times):
            state = run.states[int(np.flatnonzero(run.timesteps == t)[0]), 0]
            page.picture(left + column * (tile + GAP), y, state, f"{schedule} t={t:g}")
    return page


def _label(page: Page, x: float, y: float, schedule: str) -> None:
    """The schedule's name, and below it the stroke of its curves."""
    from matplotlib.lines import Line2D

    page.text(x, y - 0.9, schedule.replace("_", " "), size=SMALL, across="right")
    page.figure.add_artist(
        Line2D(
            [(x - 9) / page.width, x / page.width],
            [1 - (y + 1.6) / page.height] * 2,
            color=page.theme.text,
            linestyle=LINES[schedule],
            linewidth=1.0 * page.style.scale,
            transform=page.figure.transFigure,
        )
    )
