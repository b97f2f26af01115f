"""The tab "Forward": a picture becomes noise under one's hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from PIL import Image

from diffusion_core.errors import UsageError
from diffusion_core.files import written_whole
from diffusion_core.recipe import SEED_LIMIT, VP_SCHEDULES, ForwardRecipe
from explorer.addresses import one_of, whole, words
from explorer.curves import Curve, curves
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Finished, Tell, Waiting
from explorer.showing import (
    Pixels,
    address_of,
    facts,
    figure,
    pixels_of,
    row,
    seed_of,
    status,
    taken,
    whole_number,
)
from explorer.uploads import LARGEST_SIDE, chosen, picker
from scenes.options import SceneOptions

T = 1000
SIZES = {64: 6, 128: 3, 192: 2, 384: 1, LARGEST_SIDE: 1}
"""Pixels a side, and screen pixels that each of them takes."""
USUAL_SIZE, USUAL_T = 384, 300
PANEL = 128
"""Pixels a side of the panels of a sequence: reduced noise would look weaker than it is."""
USUAL_STEPS = "0, 100, 200, 300, 400, 500, 700, 999"
MOST_PANELS = 12
GIF_SECONDS = 0.12
GIF_FRAMES = 51


def moment(
    recipe: ForwardRecipe, t: int, carry: Callable[[bytes], str] = address_of
) -> tuple[str, str]:
    """What is shown of t, as HTML: the pictures, then the numbers and the curves.

    ``carry`` gives a picture's file an address.
    """
    from diffusion_core.dissolving import dissolved, weights

    at = dissolved(recipe, t)
    cell = SIZES[recipe.size]
    alpha_bar, sigma = weights(recipe.schedule, recipe.T)
    weight = float(1 - at.alpha_bar) ** 0.5
    pictures = row(
        figure(
            pixels_of(at.x_t),
            "x<sub>t</sub>, what is left of the picture",
            name="forward-x_t",
            carry=carry,
            says=f"The picture at t = {t}, under noise",
            cell=cell,
        ),
        figure(
            pixels_of(at.noise),
            "√(1 − ᾱ<sub>t</sub>) ε, the noise in it",
            name="forward-noise",
            carry=carry,
            says=f"The noise in it at t = {t}",
            colour="noise",
            cell=cell,
        ),
    )
    numbers = facts(
        {
            "t": str(t),
            "ᾱ<sub>t</sub>": f"{at.alpha_bar:.4f}",
            "√ᾱ<sub>t</sub>": f"{at.alpha_bar**0.5:.4f}",
            "σ<sub>t</sub> = √(1 − ᾱ<sub>t</sub>)": f"{weight:.4f}",
            "SNR": f"{at.snr:.3g}",
        },
        name="forward-facts",
    )
    drawn = curves(
        [
            Curve("ᾱ<sub>t</sub>", "signal", alpha_bar),
            Curve("σ<sub>t</sub>", "noise", sigma),
        ],
        t,
        name="forward-curves",
        says=f"ᾱ falls and σ rises with t; at t = {t} they are {at.alpha_bar:.3f} and {weight:.3f}",
    )
    return pictures, numbers + drawn


def steps_from(text: str) -> list[int]:
    """The chosen t of a sequence.

    Raises
    ------
    UsageError
        When one of them is no whole number from 0 to T − 1, or there are too many.
    """
    parts = [part for part in text.replace(",", " ").split() if part]
    for part in parts:
        if not part.isdecimal() or not 0 <= int(part) < T:
            raise UsageError(
                f"{part[:20]!r} is no step; write whole numbers, 0 … {T - 1}, with commas between"
            )
    if not 1 <= len(parts) <= MOST_PANELS:
        raise UsageError(f"{len(parts)} steps were chosen; choose 1 … {MOST_PANELS}")
    return [int(part) for part in parts]


def panels(recipe: ForwardRecipe, steps: list[int]) -> list[Pixels]:
    """The picture at each of ``steps``."""
    from diffusion_core.dissolving import dissolved

    return [pixels_of(dissolved(recipe, t).x_t) for t in steps]


def as_strip(shown: list[Pixels], gap: int = 4) -> Image.Image:
    """Panels side by side."""
    height, width = shown[0].shape[:2]
    strip = Image.new("RGB", (len(shown) * (width + gap) - gap, height), "white")
    for place, pixels in enumerate(shown):
        strip.paste(Image.fromarray(pixels), (place * (width + gap), 0))
    return strip


def as_gif(shown: list[Pixels]) -> bytes:
    """Panels one after the other, for ever; the last stays longer."""
    first, *rest = (Image.fromarray(pixels) for pixels in shown)
    into = io.BytesIO()
    times = [round(1000 * GIF_SECONDS)] * len(shown)
    times[-1] = 1200
    first.save(into, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
    return into.getvalue()


def build(page: Page) -> None:
    """Lay the tab out and tie its controls."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Move t: a <b class="picture">picture</b> becomes '
        "<b>noise</b>. The picture fades by √ᾱ<sub>t</sub> while one and the same noise grows "
        "by σ<sub>t</sub>; which weighs more, and when, is up to the schedule.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            picture = picker(page, "forward")
            schedule = gr.Dropdown(
                list(VP_SCHEDULES), value="cosine", label="Schedule", elem_id="forward-schedule"
            )
            size = gr.Dropdown(
                [(f"{side} × {side}", side) for side in SIZES],
                value=USUAL_SIZE,
                label="Pixels",
                elem_id="forward-size",
            )
            seed = whole_number("Seed of the noise", "forward-seed", 0)
        with gr.Column(elem_classes="stage"):
            t = gr.Slider(
                0,
                T - 1,
                value=USUAL_T,
                step=1,
                label="t, how far into the noise",
                elem_id="forward-t",
            )
            pictures = gr.HTML(elem_id="forward-pictures")
            numbers = gr.HTML(elem_id="forward-numbers")
    page.remember(schedule, one_of(VP_SCHEDULES))
    page.remember(size, lambda text: int(one_of(map(str, SIZES))(text)))
    page.remember(seed, whole(0, SEED_LIMIT - 1))
    page.remember(t, whole(0, T - 1))
    settings = [*picture.inputs, schedule, size, seed]

    def recipe_of(person: Person, choice: str, own: str, *rest: Any) -> ForwardRecipe:
        name, side, number = rest
        image = chosen(page.work, person, choice, own)
        return ForwardRecipe(
            image=image, size=side, seed=seed_of(number), schedule=name, T=T, noise="one"
        )

    def shown(person: Person, at: int, *values: Any) -> tuple[str, str]:
        return moment(recipe_of(person, *values), at, page.work.room(person).show)

    changes = [*picture.events, schedule.change, size.change, seed.change, t.change]
    page.quick(changes, shown, [t, *settings], [pictures, numbers])
    page.at_start(shown, [t, *settings], [pictures, numbers])
    build_sequence(page, settings, recipe_of)

    def options(person: Person, choice: str, own: str, *rest: Any) -> SceneOptions:
        recipe = recipe_of(person, choice, own, *rest)
        return SceneOptions(
            image=recipe.image,
            seed=recipe.seed,
            schedule=recipe.schedule,
            recipe=json.dumps({"size": recipe.size, "noise": recipe.noise}),
        )

    page.scene(
        "forward",
        "forward_process",
        settings,
        options,
    )


def build_sequence(page: Page, settings: list[Any], recipe_of: Any) -> None:
    """Several t side by side, and files of them to take away."""
    import gradio as gr

    gr.HTML('<h2 class="part">Several steps side by side</h2>')
    with gr.Row(elem_classes="line"):
        steps = gr.Textbox(
            USUAL_STEPS, label="Steps t, with commas between", elem_id="forward-steps", scale=3
        )
        make_png = gr.Button("Make a PNG of them", elem_id="forward-png", size="sm")
        make_gif = gr.Button("Make a GIF, 0 … 999", elem_id="forward-gif", size="sm")
    sequence = gr.HTML(elem_id="forward-sequence")
    files = gr.HTML(elem_id="forward-files")
    page.remember(steps, words(120))

    def small(person: Person, *values: Any) -> ForwardRecipe:
        recipe = recipe_of(person, *values)
        return replace(recipe, size=PANEL)

    def shown(person: Person, text: str, *values: Any) -> str:
        chosen_steps = steps_from(text)
        return row(
            *(
                figure(
                    pixels,
                    f"t = {at}",
                    name=f"forward-panel-{place}",
                    says=f"The picture at t = {at}",
                    cell=1,
                )
                for place, (at, pixels) in enumerate(
                    zip(chosen_steps, panels(small(person, *values), chosen_steps), strict=True)
                )
            )
        )

    def png_of(person: Person, text: str, *values: Any) -> str:
        recipe, room = recipe_of(person, *values), page.work.room(person)
        path = room.place("noising.png")
        with written_whole(path) as partial:
            as_strip(panels(recipe, steps_from(text))).save(partial)
        return taken(room.offer(path), f"the picture at {text}, {recipe.size} pixels a side")

    def gif_of(person: Person, text: str, *values: Any) -> Iterator[str]:
        recipe, room = small(person, *values), page.work.room(person)
        path = room.place("noising.gif")

        def job(tell: Tell) -> str:
            frames = []
            for place in range(GIF_FRAMES):
                frames += panels(recipe, [round(place * (T - 1) / (GIF_FRAMES - 1))])
                tell(None)
            with written_whole(path) as partial:
                partial.write_bytes(as_gif(frames))
            return room.offer(path)

        for news in page.work.do(person, job):
            if isinstance(news, Waiting):
                yield status(str(news))
            if isinstance(news, Finished):
                yield taken(news.result, f"t from 0 to {T - 1} in {GIF_FRAMES} pictures")

    changes = [steps.submit, steps.blur, *(one.change for one in settings)]
    page.quick(changes, shown, [steps, *settings], [sequence])
    page.at_start(shown, [steps, *settings], [sequence])
    page.quick([make_png.click], png_of, [steps, *settings], [files])
    page.live([make_gif.click], gif_of, [steps, *settings], [files])
