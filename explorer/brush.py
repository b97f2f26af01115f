"""The noise brush: noise is laid on a digit by hand, and the network takes it away again."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.errors import LectureError
from diffusion_core.onlookers import Look
from diffusion_core.recipe import ENOUGH_NOISE, SEED_LIMIT, TOO_MUCH_NOISE, CanvasRecipe
from explorer.addresses import number, one_of, whole
from explorer.boards import Film, answer_box, board, coded, film, pairs, panel
from explorer.following import followed
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Finished, Waiting, Work
from explorer.showing import status, whole_number
from explorer.uploads import chosen, picker
from scenes.options import SceneOptions

Floats = NDArray[np.float32]

DRAWN = "drawn by the model"
SEED = 19
"""A digit with strokes wide enough to paint on."""
KEEP, LET_GO = "it is put back at every step", "it goes along as it is"
OUTSIDE = {KEEP: "kept", LET_GO: "free"}


@dataclass(frozen=True)
class Measure:
    """The noise on the canvas beside the noise that t stands for.

    Parameters
    ----------
    painted
        Root mean square of the noise where there is any; 0 for none.
    expected
        σ_t.
    t, fitting
        The chosen time, and the one whose σ is nearest to what was painted.
    """

    painted: float
    expected: float
    t: int
    fitting: int

    @property
    def hint(self) -> str:
        """What the person should know of it, in a sentence."""
        if not self.painted:
            return "There is no noise yet: move the brush over the picture."
        if self.painted < ENOUGH_NOISE * self.expected:
            return (
                f"Too little noise for t = {self.t}: the network will take a part of the picture "
                f"for noise. Paint over it again, or choose t = {self.fitting}."
            )
        if self.painted > TOO_MUCH_NOISE * self.expected:
            return (
                f"More noise than t = {self.t} stands for: some of it will stay. "
                f"Choose t = {self.fitting}."
            )
        return f"The noise fits t = {self.t}."


@functools.cache
def shape_of(model: str) -> tuple[int, int, int]:
    """(C, H, W) of the pictures that the model draws."""
    from diffusion_core.checkpoints import load_model

    C, H, W = load_model(model).shape
    return C, H, W


def measure(recipe: CanvasRecipe, *, painted: bool = True) -> Measure:
    """How much noise the recipe lays, and how much its t stands for; ``painted``: any at all."""
    from diffusion_core.experiments.canvas import dabbed, fitting_time, measured_std
    from diffusion_core.schedule import make_schedule
    from diffusion_core.seeds import SampleNoise

    schedule = make_schedule(recipe.schedule, recipe.T)
    laid = 0.0
    if painted:
        shape = shape_of(recipe.model)
        std = dabbed(recipe.dabs, recipe.radius, recipe.strength, *shape[1:])
        laid = measured_std(std, SampleNoise(recipe.seeds[:1], shape).draw()[0])
    return Measure(laid, float(schedule.sigma(recipe.t)), recipe.t, fitting_time(schedule, laid))


def canvas(recipe: CanvasRecipe) -> tuple[Floats, Floats]:
    """x_0 and the noise ε of the first sample, (C, H, W) each: what the brush mixes."""
    from diffusion_core.checkpoints import load_model
    from diffusion_core.experiment_parts import picture_of, process_of
    from diffusion_core.recording import silent
    from diffusion_core.seeds import SampleNoise

    model = load_model(recipe.model)
    x_0 = picture_of(recipe, model, process_of(recipe, model, silent))
    return x_0[0].numpy(), SampleNoise(recipe.seeds[:1], model.shape).draw()[0].numpy()


def canvas_message(recipe: CanvasRecipe) -> Film:
    """The same for the board."""
    x_0, eps = canvas(recipe)
    last = [values.transpose(1, 2, 0) for values in (x_0, eps)]
    return {
        "picture": coded(last[0]),
        "noise": coded(last[1]),
        "size": [1, *last[0].shape],
        "key": f"{recipe.seed} {recipe.image} {recipe.steps}",
        **brush_message(recipe),
    }


def brush_message(recipe: CanvasRecipe) -> Film:
    """The brush for the board."""
    return {"radius": recipe.radius, "strength": recipe.strength}


def going(look: Look) -> Film:
    """One moment of the way back, while it is gone."""
    return film(
        [look.t],
        _panels(look.x_t[None, 0], look.x0_hat[None, 0], look.t),
        live=True,
        done=look.done,
        total=look.total,
    )


def gone(run: Bundle) -> Film:
    """The whole way back."""
    removed = run["removed"]
    assert removed.x0_hat is not None
    end = removed.states[-1:, 0]
    guesses = np.concatenate([removed.x0_hat[:, 0].astype(np.float32), end])
    return film(
        removed.timesteps, _panels(removed.states[:, 0], guesses, int(removed.facts["turn"]))
    )


def _panels(states: NDArray[Any], guesses: NDArray[Any], t: int) -> list[Film]:
    return [
        panel(
            "brush-x",
            states,
            "<i>x<sub>t</sub></i>: the noise goes",
            f"The canvas on its way back from t = {t}",
            cell=9,
            narrow=6,
        ),
        panel(
            "brush-guess",
            guesses,
            "<i>x̂</i><sub>0</sub>: its guess",
            "What the network takes the picture for",
            colour="prediction",
            cell=9,
            narrow=6,
        ),
    ]


def read_as(run: Bundle) -> str:
    """What the second network reads before and after, as HTML."""
    before, after = run["painted"].facts.get("class"), run["removed"].facts.get("final_class")
    if run.facts["recipe"]["image"]:
        before = None  # nobody says that a picture which was brought is a digit
    (moved,) = run["removed"].facts["rms_to_x0"][:1]
    said = f"The picture differs from what it was by {moved:.2f} (RMS, of a range of 2)."
    if before is None or not after:
        return f"<p>{said}</p>"
    same = "still reads" if before == after[0] else "now reads"
    return f"<p>A second network read a {before}, and {same} a <b>{after[0]}</b>. {said}</p>"


def meter(found: Measure) -> str:
    """The measure as HTML: a bar, a mark, and the hint."""
    place, width = 100 * found.expected, 100 * min(1, found.painted)
    side = " low" if place < 25 else " high" if place > 75 else ""
    fits = ENOUGH_NOISE * found.expected <= found.painted <= TOO_MUCH_NOISE * found.expected
    hint = "fits" if fits or not found.painted else "hint"
    return (
        '<div class="measured">'
        f'<div class="bar"><div class="laid" style="width:{width:.1f}%"></div>'
        f'<div class="expected{side}" style="left:{place:.1f}%" '
        f'data-says="t = {found.t} stands for {found.expected:.2f}"></div></div>'
        f"<p>Noise where you painted: <strong>{found.painted:.2f}</strong> (standard deviation)</p>"
        f'<p class="{hint}" role="status">{escape(found.hint)}</p></div>'
    )


@dataclass(frozen=True)
class Brush:
    """What the tab answers: methods for ``page.quick`` and ``page.live``."""

    work: Work

    def recipe(self, person: Person, *values: Any) -> CanvasRecipe:
        """What the controls say; without dabs there is one in the middle."""
        text, t, radius, strength, outside, seed, steps, choice, own = values
        image = "" if choice == DRAWN else chosen(self.work, person, choice, own)
        return CanvasRecipe(
            dabs=pairs(str(text or ""), "the strokes", 0, 1) or CanvasRecipe().dabs,
            t=t,
            radius=radius,
            strength=strength,
            outside=OUTSIDE.get(outside, str(outside)),
            seed=SEED if seed is None else seed,
            steps=steps,
            image=image,
        )

    def scene(self, person: Person, *values: Any) -> SceneOptions:
        """The same as a scene is asked for it."""
        asked = self.recipe(person, *values)
        if not values[0]:
            raise LectureError(measure(asked, painted=False).hint)
        names = ("dabs", "radius", "strength", "t", "outside", *(["image"] if asked.image else []))
        own = {name: getattr(asked, name) for name in names}
        return SceneOptions(seed=asked.seed, steps=asked.steps, recipe=json.dumps(own))

    def measured(self, person: Person, *values: Any) -> Measure:
        """The noise on the canvas beside what t stands for."""
        return measure(self.recipe(person, *values), painted=bool(values[0]))

    def weighed(self, person: Person, *values: Any) -> str:
        """The same as HTML."""
        return meter(self.measured(person, *values))

    def fitted(self, person: Person, *values: Any) -> int:
        """The t that fits what was painted."""
        found = self.measured(person, *values)
        if not found.painted:
            raise LectureError(found.hint)
        return found.fitting

    def tool(self, person: Person, *values: Any) -> Film:
        """The brush."""
        return brush_message(self.recipe(person, *values))

    def primed(self, person: Person, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The picture and the noise for the canvas; a line while it is waited for."""
        import gradio as gr

        asked = self.recipe(person, "", *values[1:])
        for news in self.work.do(person, lambda tell: canvas_message(asked)):
            if isinstance(news, Waiting):
                yield gr.skip(), status(str(news))
            elif isinstance(news, Finished):
                yield news.result, ""

    def denoised(self, person: Person, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The way back as it is gone, and what came of it."""
        import gradio as gr

        asked = self.recipe(person, *values)
        if not values[0]:
            raise LectureError(measure(asked, painted=False).hint)
        yield gr.skip(), status("The network looks at the canvas…")
        yield from followed(
            self.work,
            person,
            asked,
            lambda look: (going(look), ""),
            lambda run: (gone(run), read_as(run)),
        )


def build(page: Page) -> None:
    """Build the tab."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Move the mouse over the digit to lay <b>noise</b> on it, choose how '
        "noisy the network is told it is, and let it take the noise away. What comes back under "
        "the noise is new; around it the picture tells the network what would fit.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            radius = gr.Slider(
                0.04, 0.3, 0.12, step=0.01, label="Size of the brush", elem_id="brush-radius"
            )
            strength = gr.Slider(
                0.05, 1, 0.25, step=0.05, label="Noise of one dab", elem_id="brush-strength"
            )
            outside = gr.Radio(
                list(OUTSIDE),
                value=KEEP,
                label="Where no noise is painted",
                elem_id="brush-outside",
            )
            pictures = picker(page, "brush", others=(DRAWN,), value=DRAWN)
            seed = whole_number("Seed", "brush-seed", SEED)
            steps = gr.Slider(10, 100, 50, step=5, label="Steps", elem_id="brush-steps")
            dabs = answer_box("brush-dabs")
        with gr.Column(elem_classes="stage"), gr.Row(elem_classes="pair"):
            with gr.Column(scale=0, min_width=300):
                easel = board("brush-easel", "brush")
            with gr.Column(scale=1, min_width=300):
                t = gr.Slider(
                    0,
                    999,
                    600,
                    step=1,
                    label="t, how noisy the network is told it is",
                    elem_id="brush-t",
                )
                told = gr.HTML(elem_id="brush-measure")
                with gr.Row(elem_classes="line"):
                    start = gr.Button("Denoise", variant="primary", elem_id="brush-start")
                    fit = gr.Button("Choose the t that fits", elem_id="brush-fit")
                shown = board("brush-film", "boards", film([], []))
                read = gr.HTML(elem_id="brush-read")
    for component, read_setting in (
        (t, whole(0, 999)),
        (radius, number(0.04, 0.3)),
        (strength, number(0.05, 1)),
        (outside, one_of(OUTSIDE)),
        (seed, whole(0, SEED_LIMIT - 1)),
        (steps, whole(10, 100)),
    ):
        page.remember(component, read_setting)
    settings = [dabs, t, radius, strength, outside, seed, steps, *pictures.inputs]

    brush = Brush(page.work)
    primed = brush.primed, settings, [easel, read]
    page.live([easel.ready, seed.change, *pictures.events], *primed)
    page.live([steps.change], *primed, trigger_mode="always_last")
    page.quick([radius.change, strength.change], brush.tool, settings, [easel])
    page.quick(
        [dabs.change, t.change, radius.change, strength.change, seed.change, easel.ready],
        brush.weighed,
        settings,
        [told],
    )
    page.quick([fit.click], brush.fitted, settings, [t])
    page.live([start.click], brush.denoised, settings, [shown, read])
    page.scene(
        "brush",
        "noise_brush",
        settings,
        brush.scene,
        "After this noise it paints the same dabs eight times more, with other noise.",
    )
