"""The loss of a training, and what the same noise becomes while the network learns."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from diffusion_core.bundle import Bundle
from diffusion_core.recipe import Recipe, TrainingRecipe
from diffusion_core.store import Recording
from diffusion_core.trajectory import Trajectory
from studio.figures import words
from studio.figures.choices import Choices
from studio.figures.page import MARGIN, Page, tile_size
from studio.figures.style import HALF_PAGE, SMALL, Style

IMAGES, MOST = 5, 12
COLUMNS, MOST_COLUMNS = 9, 11
GAP, LEFT, HEAD, PLOT, TICKS = 0.8, 7.5, 3.6, 17.0, 7.5


def recipes(choices: Choices) -> dict[str, Recipe]:
    """What was kept of the training; nothing is trained."""
    choices.count(IMAGES, MOST)
    choices.moments(COLUMNS, MOST_COLUMNS)
    return {"training": TrainingRecipe(model=choices.options.model)}


def _bundle(recordings: Mapping[str, Recording]) -> Bundle:
    bundle = recordings["training"].trajectory
    assert isinstance(bundle, Bundle)
    return bundle


def stages(bundle: Bundle, columns: int) -> list[Trajectory]:
    """As many stages as there is room for: the first, the last, and those that differ most.

    Of all stages the one is left out, again and again, whose pictures are most like those
    of the stage before.
    """
    runs = list(bundle.values())
    while len(runs) > max(columns, 2):
        change = [
            float(np.mean((after.states[-1] - before.states[-1]) ** 2))
            for before, after in pairwise(runs[:-1])
        ]
        del runs[1 + int(np.argmin(change))]
    return runs[-columns:]


def samples(bundle: Bundle, count: int) -> list[int]:
    """Which samples are shown: those of prompts first, then those that nothing was asked of."""
    prompts = bundle.common["samples"]["prompts"]
    return sorted(range(len(prompts)), key=lambda i: (not prompts[i], i))[:count]


def brief(step: int) -> str:
    """A number of steps in little room: 500, 2k, 14k."""
    return f"{step / 1000:.3g}k" if step >= 1000 else str(step)


def caption(choices: Choices, recordings: Mapping[str, Recording]) -> str:
    """What is to be seen, and where it comes from."""
    facts = _bundle(recordings).common
    asked, shown = facts["samples"], samples(_bundle(recordings), choices.count(IMAGES, MOST))
    told = [asked["prompts"][i] for i in shown]
    rows = ", ".join(f"“{prompt}”" for prompt in told if prompt)
    rest = sum(not prompt for prompt in told)
    rows += f"{' and ' if rows and rest else ''}{f'{rest} without a prompt' if rest else ''}"
    return (
        f"Above: the loss of model {Path(choices.options.model).stem} on "
        f"{facts['data']['name']}, each point the mean of the steps since the one before. "
        f"Below: what the weights' average then made of the same noises "
        f"({words.seeds(tuple(asked['seeds'][i] for i in shown))}; {asked['sampler']}, "
        f"{asked['steps']} steps, g = {asked['guidance']:g}). Rows: {rows}. "
        + words.recorded(recordings)
    )


def draw(choices: Choices, recordings: Mapping[str, Recording], style: Style, caption: str) -> Page:
    """The curve above; below it a column a stage, a row a sample."""
    bundle = _bundle(recordings)
    runs = stages(bundle, choices.moments(COLUMNS, MOST_COLUMNS))
    shown = samples(bundle, choices.count(IMAGES, MOST))
    room = HALF_PAGE - 2 * MARGIN - LEFT
    tile = tile_size(len(runs), room=room, gap=GAP, most=11)
    height = PLOT + TICKS + HEAD + len(shown) * (tile + GAP)
    pixels = runs[0].states.shape[-1]
    page = Page(style, height=height, tile=tile, pixels=pixels, caption=caption)
    theme, left = page.theme, MARGIN + LEFT

    loss = bundle.common["loss"]
    axes = page.plot(left, MARGIN + 1, room - 1, PLOT - 1, "loss")
    axes.plot(loss["steps"], loss["means"], color=theme.prediction, gid="loss")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, loss["steps"][-1])
    tens = [10**n for n in range(int(np.log10(loss["steps"][-1])) + 1)]
    axes.set_xticks(tens, [brief(ten) for ten in tens])
    low, high = min(loss["means"]), max(loss["means"])
    axes.set_ylim(low * 0.8, high * 1.2)
    marks = [mark for mark in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if low <= mark <= high]
    axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes.minorticks_off()
    axes.set_xlabel("training steps", labelpad=1.5 * style.scale)
    axes.set_ylabel("loss", labelpad=1.5 * style.scale)
    # The stages that are shown below, on the curve.
    on = [run.facts["step"] for run in runs if run.facts["step"] >= 1]
    axes.plot(
        on,
        np.interp(on, loss["steps"], loss["means"]),
        "o",
        color=theme.prediction,
        markersize=2.5 * style.scale,
        clip_on=False,
        gid="stages",
    )

    head = MARGIN + PLOT + TICKS + HEAD / 2 - 0.4
    page.text(left - 1.2, head, "step", size=SMALL, colour=theme.quiet, across="right")
    for column, run in enumerate(runs):
        x = left + column * (tile + GAP)
        page.text(x + tile / 2, head, brief(run.facts["step"]), size=SMALL)
        for row, sample in enumerate(shown):
            y = MARGIN + PLOT + TICKS + HEAD + row * (tile + GAP)
            name = f"step {run.facts['step']} sample {sample}"
            page.picture(x, y, run.states[-1, sample], name)
    return page
