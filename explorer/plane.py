"""Two dimensions: points drawn by hand, the exact score of them, and particles that follow it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from scenes.options import SceneOptions

REACH = 2.5
"""Half the side of the plane."""
GRAIN, DIGITS = 100, 36
"""A coordinate is written as hundredths above −REACH, in two digits of base 36."""
MOST = 100
"""Points that may be drawn: as many as an address can hold."""
SIDE, DENSITY_SIDE, PARTICLES = 17, 49, 300
WAYS = {"smoothly (ODE)": "ode", "jittering (SDE)": "sde"}

Points = tuple[tuple[float, float], ...]
Floats = NDArray[np.float32]


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
    values = [int(text[i : i + 2], DIGITS) / GRAIN - REACH for i in range(0, len(text), 2)]
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


def recipe_of(points: Points, std: float, seed: int, steps: int) -> ScoreFieldRecipe:
    """The recipe of the points: the field at each t that the particles visit."""
    from diffusion_core.schedule import CLEAN, make_schedule
    from diffusion_core.timesteps import sampling_times

    usual = ScoreFieldRecipe()
    times = sampling_times(make_schedule(usual.schedule, usual.T), steps)
    return ScoreFieldRecipe(
        drawn=points,
        std=std,
        seed=seed,
        steps=steps,
        samples=PARTICLES,
        training_steps=0,
        times=tuple(sorted(t for t in times if t != CLEAN)),
        side=SIDE,
        reach=REACH,
        density_side=DENSITY_SIDE,
    )


def score(field: Trajectory) -> Floats:
    """∇ log p_t = −ε̂ / √(1 − ᾱ_t) at the places of a field, (N, K, 2)."""
    assert field.eps_hat is not None
    eps = field.eps_hat[..., 0, 0]
    return np.asarray(-eps / field.noise_weight[: field.steps, None, None], np.float32)


def glow(density: Trajectory) -> NDArray[np.uint8]:
    """How likely each place is at each moment, (N, H, W): the likeliest of each has 255."""
    p = density.states[:, 0, 0].astype(np.float64)
    return np.rint(255 * p / p.max(axis=(1, 2), keepdims=True)).astype(np.uint8)


def flow(run: Bundle, way: str) -> Film:
    """The particles, the arrows and the density at every t, for the board."""
    particles, field = run[way], run["field"]
    return film(
        particles.timesteps,
        [],
        play=True,
        reach=REACH,
        drawn=written(run.facts["recipe"]["drawn"]),
        particles=coded(particles.states[..., 0, 0].astype(np.float32)),
        count=particles.states.shape[1],
        places=coded(field.states[0, ..., 0, 0].astype(np.float32)),
        side=SIDE,
        score=coded(score(field)),
        glow=coded(glow(run["density"])),
        glow_side=DENSITY_SIDE,
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
                yield flow(news.result.trajectory, name), said(len(points))

    def exampled(self, person: Person, name: str) -> str:
        """The points of a set that has a name."""
        return written(example(name)) if name else ""

    def begun(self, person: Person, text: str, name: str) -> str:
        """The points that the address has, or those of an example."""
        return text or self.exampled(person, name)


def empty() -> Film:
    """A plane without anything."""
    return film([], [], reach=REACH, drawn="")


def said(count: int) -> str:
    """What is seen, as HTML."""
    points = "1 point" if count == 1 else f"{count} points"
    return (
        f"<p>{PARTICLES} particles follow the exact score of your {points}. While t is large, all "
        "arrows point to the middle; as it falls, each place learns of the points near it.</p>"
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
                0.02, 0.5, 0.08, step=0.01, label="Spread of each point", elem_id="plane-std"
            )
            steps = gr.Slider(10, 100, 60, step=5, label="Steps", elem_id="plane-steps")
            seed = whole_number("Seed of the particles", "plane-seed", 0)
            points = answer_box("plane-points")
        with gr.Column(elem_classes="stage"):
            field = board("plane-board", "plane", empty())
            told = gr.HTML(elem_id="plane-status")
    for component, read in (
        (points, read_address),
        (way, one_of(WAYS)),
        (std, number(0.02, 0.5)),
        (steps, whole(10, 100)),
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
        [seed],
        lambda person, seed: SceneOptions(seed=seed if seed is not None else 0),
        "It shows a spiral of a hundred points, and a network that learns its score.",
    )


def read_address(text: str) -> str:
    """Points as an address has them; a ValueError for what none are."""
    try:
        return written(read_points(text))
    except LectureError as error:
        raise ValueError(f"points ({error})") from None
