"""Similar noise: patches of the starting noise are drawn again, and the picture follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.errors import LectureError
from diffusion_core.onlookers import Look
from diffusion_core.recipe import SEED_LIMIT, SimilarNoiseRecipe
from explorer.addresses import one_of, whole, words
from explorer.boards import Film, answer_box, board, film, panel
from explorer.brush import shape_of
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Finished, Running, Waiting, Work
from explorer.showing import status, whole_number
from scenes.options import SceneOptions
from scenes.recipes import NEIGHBOURS

SEED = 1
PATCHES = 7
"""Patches a side."""
FIRST = "16 17 23 24"
"""Chosen when the page opens: four in the middle."""
NONE_CHOSEN = "No patch is chosen: click on the noise."
SAMPLERS = ("ddim", "euler", "heun", "dpmpp")
"""Those that add no noise: what is compared is the noise of the start."""

Levels = NDArray[np.floating[Any]]


def chosen_patches(text: str) -> tuple[int, ...]:
    """The patches that a board names, "16 17": numbers in reading order, each once, rising.

    Raises
    ------
    LectureError
        For anything that is no patch.
    """
    found = set()
    for word in text.split():
        if not (word.isascii() and word.isdecimal() and int(word) < PATCHES**2):
            raise LectureError(
                f"patch {word[:20]!r} is none: there are {PATCHES**2}, counted from 0; clear them"
            )
        found.add(int(word))
    return tuple(sorted(found))


def corners(patches: tuple[int, ...], side: int) -> tuple[tuple[int, int, int, int], ...]:
    """(top, left, height, width) of each of the patches, in a picture of ``side`` pixels."""
    cuts = [round(side * i / PATCHES) for i in range(PATCHES + 1)]
    rows = (divmod(patch, PATCHES) for patch in patches)
    return tuple((cuts[r], cuts[c], cuts[r + 1] - cuts[r], cuts[c + 1] - cuts[c]) for r, c in rows)


def change(one: Levels, other: Levels) -> NDArray[np.float32]:
    """|one − other| as a picture: black where nothing changed, as the scene shows it."""
    return np.abs(one.astype(np.float32) - other.astype(np.float32)) - 1


def compared(run: Bundle) -> Film:
    """Both ways, and the difference at every t."""
    one, other = run["original"].states[:, 0], run["patch"].states[:, 0]
    facts = run["patch"].facts
    inside, outside = facts["rms_inside"][0], facts["rms_outside"][0]
    return film(
        run["original"].timesteps,
        _panels(one, other, f"changed by {inside:.2f} inside the patches, {outside:.2f} outside"),
        play=True,
    )


def going(look: Look, before: Levels | None) -> Film:
    """One moment of a run: the redrawn one beside the ``before`` at the same t."""
    now = look.x_t[None, 0]
    return film(
        [look.t],
        _panels(now if before is None else before[None], now, "…"),
        live=True,
        done=look.done,
        total=look.total,
    )


def _panels(one: Levels, other: Levels, note: str) -> list[Film]:
    return [
        panel(
            "similar-original",
            one,
            "the first noise",
            "The picture that comes of the first noise",
            colour="signal",
            cell=8,
            narrow=6,
        ),
        panel(
            "similar-changed",
            other,
            "with new patches",
            "The picture that comes of the changed noise",
            colour="noise",
            cell=8,
            narrow=6,
        ),
        panel(
            "similar-difference",
            change(one, other),
            "what differs",
            f"The difference of both: {note}",
            cell=8,
            narrow=6,
            note=note,
        ),
    ]


def noises(recipe: SimilarNoiseRecipe) -> tuple[Levels, Levels]:
    """The starting noise and the new one, (C, H, W) each."""
    from diffusion_core.seeds import SampleNoise

    shape = shape_of(recipe.model)
    first, fresh = (
        SampleNoise(seeds, shape).draw()[0].numpy() for seeds in (recipe.seeds, recipe.new_seeds)
    )
    return first, fresh


def noise_message(recipe: SimilarNoiseRecipe, patches: tuple[int, ...]) -> Film:
    """The grid of noise for the board: both noises, and which patches are chosen."""
    first, fresh = noises(recipe)
    cuts = [round(first.shape[-1] * i / PATCHES) for i in range(PATCHES + 1)]
    return {
        **panel("similar-noise", np.stack([first, fresh]) / 2, "", ""),
        "cuts": cuts,
        "chosen": list(patches),
    }


@dataclass(frozen=True)
class Similar:
    """What the tab answers: methods for ``page.quick`` and ``page.live``."""

    work: Work

    def recipe(self, person: Person, *values: Any) -> SimilarNoiseRecipe:
        """What the controls say; without patches the first one."""
        text, seed, sampler, steps = values
        first = SEED if seed is None else seed
        usual = SimilarNoiseRecipe(entry=0)
        patches = corners(chosen_patches(str(text or "")) or (0,), shape_of(usual.model)[-1])
        return replace(
            usual,
            entry=None,
            patch=patches[0],
            further=patches[1:],
            seed=first,
            # The scene begins with this noise, and has others beside it.
            new_seed=(first + NEIGHBOURS) % SEED_LIMIT,
            sampler=sampler,
            steps=steps,
        )

    def scene(self, person: Person, *values: Any) -> SceneOptions:
        """The same as a scene is asked for it."""
        if not chosen_patches(str(values[0] or "")):
            raise LectureError(NONE_CHOSEN)
        recipe = self.recipe(person, *values)
        return SceneOptions(
            seed=recipe.seed,
            sampler=recipe.sampler,
            steps=recipe.steps,
            recipe=json.dumps({"patch": recipe.patch, "further": recipe.further}),
        )

    def noise(self, person: Person, *values: Any) -> Film:
        """The grid of noise."""
        return noise_message(self.recipe(person, *values), chosen_patches(str(values[0] or "")))

    def redrawn(self, person: Person, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Both runs, and the difference."""
        import gradio as gr

        if not chosen_patches(str(values[0] or "")):
            yield gr.skip(), status(NONE_CHOSEN)
            return
        before: dict[int, Levels] = {}
        for news in self.work.run(person, self.recipe(person, *values)):
            if isinstance(news, Waiting):
                yield gr.skip(), status(str(news))
            elif isinstance(news, Running) and news.look is not None:
                look = news.look
                first = before.get(look.t) if before.get(-1) is not None else None
                before.setdefault(look.t, look.x_t[0])
                if look.s < 0:
                    before[-1] = look.x_s[0]
                yield (
                    going(look, first),
                    status(f"{'Second' if first is not None else 'First'} run…"),
                )
            elif isinstance(news, Finished):
                yield compared(news.result.trajectory), ""


def build(page: Page) -> None:
    """Build the tab."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Click patches of the starting <b>noise</b> to draw them again, and '
        "watch both noises become pictures. A sampler that adds no noise of its own is a smooth "
        "map: the picture changes most where its noise is new.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            seed = whole_number("Seed of the first noise", "similar-seed", SEED)
            sampler = gr.Dropdown(
                list(SAMPLERS), value="ddim", label="Sampler", elem_id="similar-sampler"
            )
            steps = gr.Slider(10, 100, 50, step=5, label="Steps", elem_id="similar-steps")
            patches = answer_box("similar-patches", FIRST)
        with gr.Column(elem_classes="stage"), gr.Row(elem_classes="pair"):
            with gr.Column(scale=0, min_width=300):
                grid = board("similar-grid", "similar")
            with gr.Column(scale=1, min_width=300):
                shown = board("similar-film", "boards", film([], []))
                said = gr.HTML(elem_id="similar-status")
    for component, read in (
        (patches, words(200)),
        (seed, whole(0, SEED_LIMIT - 1)),
        (sampler, one_of(SAMPLERS)),
        (steps, whole(10, 100)),
    ):
        page.remember(component, read)
    settings = [patches, seed, sampler, steps]
    similar = Similar(page.work)
    page.quick([grid.ready, seed.change], similar.noise, settings, [grid])
    redrawn = similar.redrawn, settings, [shown, said]
    page.live([grid.ready, patches.change, seed.change, sampler.change], *redrawn)
    page.live([steps.change], *redrawn, trigger_mode="always_last")
    page.scene(
        "similar",
        "similar_noise",
        settings,
        similar.scene,
        "Besides this noise it shows five others with the same patches, and what lies between two.",
    )
