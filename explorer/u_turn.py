"""The U-turn: a picture goes into the noise as far as t, and back, for several seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.onlookers import Look
from diffusion_core.recipe import SEED_LIMIT, UTurnRecipe
from explorer.addresses import one_of, whole
from explorer.boards import Film, board, film, panel
from explorer.following import followed
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Work
from explorer.showing import status, whole_number
from explorer.uploads import chosen, picker
from scenes.options import SceneOptions
from scenes.recipes import RETURNS

DRAWN = "drawn by the model"
SEED = 23
SHOWN = 16
"""Moments of the way out that are shown; each is one jump from the picture."""
SAMPLERS = ("ddim", "ddpm", "euler", "heun", "dpmpp")

Levels = NDArray[np.floating[Any]]


def times_out(t: int) -> tuple[int, ...]:
    """Moments of the way out that are shown: the picture, and then up to t."""
    steps = min(SHOWN, t + 1)
    return (-1, *(round((t + 1) * (i + 1) / steps) - 1 for i in range(steps)))


def way_out(run: Bundle, times: Sequence[int]) -> Levels:
    """x at each of ``times``, (N, B, C, H, W): √ᾱ_t x_0 + √(1 − ᾱ_t) ε with the recorded ε."""
    from diffusion_core.schedule import make_schedule

    forward, asked = run["forward"], run.facts["recipe"]
    assert forward.eps is not None
    schedule = make_schedule(asked["schedule"], asked["T"])
    shares = np.array([float(schedule.alpha_bar(t)) for t in times])[:, None, None, None, None]
    x = np.sqrt(shares) * forward.states[0] + np.sqrt(1 - shares) * forward.eps[1]
    return np.asarray(x, np.float32)


def trip(run: Bundle) -> Film:
    """There and back, every sample beside the picture."""
    (t,) = run.facts["recipe"]["turns"]
    back, out = run[f"from {t}"], times_out(t)
    # The last of the way out is the first of the way back.
    states = np.concatenate([way_out(run, out)[:-1], back.states])
    before, after = run["forward"].facts.get("class"), back.facts.get("final_class")
    away = back.facts["rms_to_x0"]
    notes = [
        (f"reads as a <b>{after[i]}</b>, " if after else "") + f"{away[i]:.2f} from the picture"
        for i in range(len(away))
    ]
    times = [*out[:-1], *back.timesteps.tolist()]
    return film(
        times,
        _panels(states, notes, "" if before is None else f"reads as a <b>{before}</b>"),
        play=True,
        ways=["out"] * (len(out) - 1) + ["turning"] + ["back"] * back.steps,
        turn=len(out) - 1,
    )


def going(look: Look) -> Film:
    """One moment of the way back, while it is gone."""
    panels = _panels(look.x_t[None], ["…"] * len(look.x_t), "…")
    return film([look.t], panels[1:], live=True, ways=["back"], done=look.done, total=look.total)


def _panels(states: Levels, notes: Sequence[str], before: str) -> list[Film]:
    first = np.broadcast_to(states[0, 0], states[:, 0].shape)
    shown = [
        panel(
            "u_turn-x0",
            first,
            "<i>x</i><sub>0</sub>: the picture",
            "The picture before it was noised",
            colour="signal",
            cell=6,
            narrow=6,
            note=before,
        )
    ]
    return shown + [
        panel(
            f"u_turn-{i}",
            states[:, i],
            f"with noise {i + 1}",
            f"The picture with noise {i + 1}, there and back",
            colour="prediction",
            cell=6,
            narrow=6,
            note=note,
        )
        for i, note in enumerate(notes)
    ]


def verdict(run: Bundle) -> str:
    """How many came back as what they were, as HTML."""
    (t,) = run.facts["recipe"]["turns"]
    before, after = run["forward"].facts.get("class"), run[f"from {t}"].facts.get("final_class")
    (share,) = run["forward"].alpha_bar[1:]
    said = f"At t = {t}, the picture was {share:.0%} of the variance (ᾱ = {share:.3f})."
    if before is None or not after:
        return f"<p>{said}</p>"
    same = after.count(before)
    which = "All" if same == len(after) else "None" if not same else f"{same} of {len(after)}"
    verb = "is" if same == 1 else "are"
    return f"<p>{said} {which} {verb} still read as a <b>{before}</b>.</p>"


@dataclass(frozen=True)
class UTurn:
    """What the tab answers: methods for ``page.live``."""

    work: Work

    def recipe(self, person: Person, *values: Any) -> UTurnRecipe:
        """What the controls say."""
        t, seed, sampler, steps, choice, own = values
        return UTurnRecipe(
            image="" if choice == DRAWN else chosen(self.work, person, choice, own),
            seed=SEED if seed is None else seed,
            samples=RETURNS,
            turns=(t,),
            sampler=sampler,
            steps=steps,
        )

    def scene(self, person: Person, *values: Any) -> SceneOptions:
        """The same as a scene is asked for it."""
        recipe = self.recipe(person, *values)
        own = {"turns": recipe.turns} | ({"image": recipe.image} if recipe.image else {})
        return SceneOptions(
            seed=recipe.seed, sampler=recipe.sampler, steps=recipe.steps, recipe=json.dumps(own)
        )

    def turned(self, person: Person, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The way back as it is gone, then all of it."""
        import gradio as gr

        yield gr.skip(), status("Into the noise…")
        yield from followed(
            self.work,
            person,
            self.recipe(person, *values),
            lambda look: (going(look), status("On the way back…")),
            lambda run: (trip(run), verdict(run)),
        )


def build(page: Page) -> None:
    """Build the tab."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Send a picture into the <b>noise</b> as far as t, turn round, and let '
        "the network lead it back, three times with other noise. A little noise takes only "
        "details; with more, another picture comes back.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            pictures = picker(page, "u_turn", others=(DRAWN,), value=DRAWN)
            seed = whole_number("Seed", "u_turn-seed", SEED)
            sampler = gr.Dropdown(
                list(SAMPLERS), value="ddim", label="Sampler", elem_id="u_turn-sampler"
            )
            steps = gr.Slider(10, 100, 50, step=5, label="Steps", elem_id="u_turn-steps")
        with gr.Column(elem_classes="stage"):
            with gr.Row(elem_classes="line"):
                t = gr.Slider(
                    0, 999, 900, step=1, label="t, how far into the noise", elem_id="u_turn-t"
                )
                start = gr.Button("Out and back", variant="primary", elem_id="u_turn-start")
            shown = board("u_turn-film", "u_turn", film([], []))
            said = gr.HTML(elem_id="u_turn-verdict")
    for component, read in (
        (t, whole(0, 999)),
        (seed, whole(0, SEED_LIMIT - 1)),
        (sampler, one_of(SAMPLERS)),
        (steps, whole(10, 100)),
    ):
        page.remember(component, read)
    settings = [t, seed, sampler, steps, *pictures.inputs]
    turn = UTurn(page.work)
    page.live(
        [
            shown.ready,
            start.click,
            t.release,
            seed.change,
            sampler.change,
            steps.release,
            *pictures.events,
        ],
        turn.turned,
        settings,
        [shown, said],
    )
    page.scene(
        "u_turn",
        "u_turn",
        settings,
        turn.scene,
        "It turns round at this t and at four others.",
    )
