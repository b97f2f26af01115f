"""Two dimensions: points drawn by hand, the exact score of them, and particles that follow it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.bundle import Bundle
from diffusion_core.errors import LectureError
from diffusion_core.recipe import SEED_LIMIT, ScoreFieldRecipe
from diffusion_core.recipes.plane import POINTS
from diffusion_core.trajectory import Trajectory
from explorer.addresses import number, one_of, whole
from explorer.boards import Film, answer_box, board, coded, film
from explorer.page import Page
from explorer.people import Person
from explorer.serving import Finished, Running, Waiting, Work
from explorer.showing import status, whole_number
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from scenes.score_field.reading import paths, places, score
from scenes.score_field.recipe import MOST, REACH, STDS, STEPS, USUAL_STD, USUAL_STEPS

GRAIN, DIGITS = 100, 36
"""A coordinate is written as hundredths above −REACH, in two digits of base 36."""
EVERY = 2
"""Of the places at which the density is known, this one is sent a row and a column."""
WAYS = {"smoothly (ODE)": "ode", "jittering (SDE)": "sde"}

Points = tuple[tuple[float, float], ...]


def written(points: Points) -> str:
    """The points as text, four characters each; those outside of the plane at its edge."""
    return "".join(
        np.base_repr(round((min(max(value, -REACH), REACH) + REACH) * GRAIN), DIGITS)
        .lower()
        .zfill(2)
        for point in points
        for value in point
    )


def read_points(text: str) -> Points:
    """What ``written`` wrote.

    Raises
    ------
    LectureError
        For any other text, a point outside of the plane, or too many of them.
    """
    if len(text) % 4 or not (text.isascii() and (text.isalnum() or not text)):
        raise LectureError(f"the points {text[:20]!r}… are not four letters or digits each: clear")
    if len(text) > 4 * MOST:
        raise LectureError(f"{len(text) // 4} points are drawn; at most {MOST} are taken")
    # Whole hundredths first, so that −0.4 is what is written −0.4.
    values = [
        (int(text[i : i + 2], DIGITS) - round(REACH * GRAIN)) / GRAIN
        for i in range(0, len(text), 2)
    ]
    if any(value > REACH for value in values):
        raise LectureError(f"a point of {text[:20]!r}… lies outside ±{REACH:g}: clear, draw again")
    return tuple((x, y) for x, y in zip(values[::2], values[1::2], strict=True))


def example(name: str) -> Points:
    """Points of a set that has a name, as if they had been drawn.

    Raises
    ------
    LectureError
        For a name that none has.
    """
    from diffusion_core.points import point_set

    return read_points(written(tuple(map(tuple, point_set(name, 80).tolist()))))


def scene_options(points: Points, std: float, seed: int, steps: int) -> SceneOptions:
    """What the scene is asked for where it shows these points.

    Raises
    ------
    LectureError
        Where nothing is drawn.
    """
    if not points:
        raise LectureError("draw a few points on the plane first: a scene is made of them")
    brought = {"drawn": points, "std": float(std), "steps": int(steps)}
    return SceneOptions(seed=seed, recipe=json.dumps(brought))


def recipe_of(points: Points, std: float, seed: int, steps: int) -> ScoreFieldRecipe:
    """What the scene runs for these points, without the network that learns the score there."""
    asked = scene_entry("score_field").runs(scene_options(points, std, seed, steps))
    recipe = asked["score_field"]
    assert isinstance(recipe, ScoreFieldRecipe)
    return replace(recipe, training_steps=0)


def glow(density: Trajectory) -> NDArray[np.uint8]:
    """How likely places are at each moment, (N, H, W): the likeliest of each has 255."""
    p = density.states[:, 0, 0, ::EVERY, ::EVERY].astype(np.float64)
    return np.rint(255 * p / p.max(axis=(1, 2), keepdims=True)).astype(np.uint8)


def flow(run: Bundle, way: str) -> Film:
    """The particles, the arrows and the density at every t, for the board."""
    particles, field, light = run[way], run["field"], glow(run["density"])
    return film(
        particles.timesteps,
        [],
        play=True,
        reach=REACH,
        drawn=written(run.facts["recipe"]["drawn"]),
        particles=coded(paths(particles).astype(np.float32)),
        count=particles.states.shape[1],
        places=coded(places(field).astype(np.float32)),
        side=int(field.facts["side"]),
        score=coded(score(field).astype(np.float32)),
        glow=coded(light),
        glow_side=light.shape[-1],
    )


@dataclass(frozen=True)
class Plane:
    """What the tab answers: methods for ``page.quick`` and ``page.live``."""

    work: Work

    def flowing(self, person: Person, *values: Any) -> Iterator[tuple[Any, ...]]:
        """The particles' way, once it has been gone."""
        import gradio as gr

        text, std, seed, steps, way = values
        points = read_points(str(text or ""))
        if not points:
            yield empty(), status("Draw a few points.")
            return
        asked = recipe_of(points, std, seed if seed is not None else 0, steps)
        name = WAYS.get(way)
        if name is None:
            raise LectureError(f"the way {way!r} is unknown; choose one of: {', '.join(WAYS)}")
        for news in self.work.run(person, asked):
            if isinstance(news, Waiting):
                yield gr.skip(), status(str(news))
            elif isinstance(news, Running):
                yield gr.skip(), status("The particles go their way…")
            elif isinstance(news, Finished):
                yield flow(news.result.trajectory, name), said(len(points), asked.samples)

    def asked(self, person: Person, *values: Any) -> SceneOptions:
        """The scene of what is on the page."""
        text, std, seed, steps = values
        points = read_points(str(text or ""))
        return scene_options(points, std, seed if seed is not None else 0, steps)

    def exampled(self, person: Person, name: str) -> str:
        """The points of a set that has a name."""
        return written(example(name)) if name else ""

    def begun(self, person: Person, text: str, name: str) -> str:
        """The points that the address has, or those of an example."""
        return text or self.exampled(person, name)


def empty() -> Film:
    """A plane without anything."""
    return film([], [], reach=REACH, drawn="")


def said(count: int, particles: int) -> str:
    """What is seen, as HTML."""
    points = "1 point" if count == 1 else f"{count} points"
    return (
        f"<p>{particles} particles follow the exact score of your {points}. At first, in nothing "
        "but noise, all arrows point to the middle; as t falls, the points that are near count "
        "more and more.</p>"
    )


def build(page: Page) -> None:
    """Build the tab."""
    import gradio as gr

    gr.HTML(
        '<p class="explain">Click or draw points on the plane: they are the data. The arrows are '
        "their score, the way to where noisy data is likelier, and particles of pure <b>noise</b> "
        "follow it until they are data.</p>"
    )
    with gr.Row(elem_classes="bench"):
        with gr.Column(elem_classes="controls", min_width=240, scale=0):
            start = gr.Radio(
                [(name.replace("_", " "), name) for name in POINTS],
                value=POINTS[0],
                label="Start from an example",
                elem_id="plane-example",
            )
            way = gr.Radio(
                list(WAYS), value=next(iter(WAYS)), label="Particles move", elem_id="plane-way"
            )
            std = gr.Slider(
                *STDS, USUAL_STD, step=0.01, label="Spread of each point", elem_id="plane-std"
            )
            steps = gr.Slider(*STEPS, USUAL_STEPS, step=5, label="Steps", elem_id="plane-steps")
            seed = whole_number("Seed of the particles", "plane-seed", 0)
            points = answer_box("plane-points")
        with gr.Column(elem_classes="stage"):
            field = board("plane-board", "plane", empty())
            told = gr.HTML(elem_id="plane-status")
    for component, read in (
        (points, read_address),
        (way, one_of(WAYS)),
        (std, number(*STDS)),
        (steps, whole(*STEPS)),
        (seed, whole(0, SEED_LIMIT - 1)),
    ):
        page.remember(component, read)
    settings = [points, std, seed, steps, way]
    plane = Plane(page.work)
    flowing = plane.flowing, settings, [field, told]
    page.live([field.ready, points.change, seed.change, way.change], *flowing)
    page.live([std.change, steps.change], *flowing, trigger_mode="always_last")
    page.quick([start.input], plane.exampled, [start], [points])
    page.quick([field.ready], plane.begun, [points, start], [points])
    page.scene(
        "plane",
        "score_field",
        [points, std, seed, steps],
        plane.asked,
        "It shows both ways, and a network that learns the score of your points.",
    )


def read_address(text: str) -> str:
    """Points as an address has them; a ValueError for what none are."""
    try:
        return written(read_points(text))
    except LectureError as error:
        raise ValueError(f"points ({error})") from None
