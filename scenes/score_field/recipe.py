"""What is run in the plane: the spiral, or points drawn by hand.

The explorer's page runs the same for its points, without the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusion_core.errors import UsageError
from diffusion_core.recipe import ScoreFieldRecipe, check_range
from scenes.brought import fields_of
from scenes.options import SceneOptions

REACH = 2.5
"""Half the side of the plane that is drawn on."""
MOST = 100
"""Points that may be drawn: as many as an address of the explorer can hold."""
STDS, USUAL_STD = (0.02, 0.5), 0.08
"""Spreads of the data about each point: narrower ones are not seen, wider ones hide the drawing."""
STEPS, USUAL_STEPS = (10, 100), 60
"""Of the particles."""
NEED = 'give them, like {"drawn": [[0.1, -0.4], [1.2, 0.8]], "std": 0.15, "steps": 50}'
SHOWN: dict[str, Any] = {
    "samples": 400,
    "times": (),  # those of the particles' steps
    "side": 17,
    "density_side": 113,  # every seventh place is one of the field's
}
"""What is the same whatever the data."""


def field_of(options: SceneOptions) -> ScoreFieldRecipe:
    """The spiral, or what is brought; a network learns its score too.

    Raises
    ------
    UsageError
        For what is brought and cannot be shown (see ``drawn_field``).
    """
    if options.recipe:
        brought = fields_of(options.recipe)
        return drawn_field(brought, seed=options.seed, schedule=options.schedule)
    return ScoreFieldRecipe(
        points="spiral",
        count=100,
        std=0.1,
        seed=options.seed,
        steps=100,
        schedule=options.schedule,
        reach=2.8,
        **SHOWN,
    )


def drawn_field(brought: Mapping[str, Any], *, seed: int, schedule: str) -> ScoreFieldRecipe:
    """The same of points drawn by hand.

    Parameters
    ----------
    brought
        "drawn", 1 … 100 points (x, y) within ±2.5; "std" of the data about each,
        0.02 … 0.5, by default 0.08; "steps" of the particles, 10 … 100, by default 60.
    seed, schedule
        Of the particles, and of the network's training.

    Raises
    ------
    UsageError
        For anything else, and where nothing is drawn: the spiral has a spread and
        steps of its own.
    """
    points = brought.get("drawn", ())
    if not points:
        raise UsageError(
            f"recipe {dict(brought)} has no drawn points, and the rest is theirs; {NEED}"
        )
    if len(points) > MOST:
        raise UsageError(f"{len(points)} points are drawn; at most {MOST} are shown")
    check_range("std", brought.get("std", USUAL_STD), *STDS)
    check_range("steps", brought.get("steps", USUAL_STEPS), *STEPS)
    recipe = ScoreFieldRecipe(
        drawn=points,
        std=brought.get("std", USUAL_STD),
        seed=seed,
        steps=brought.get("steps", USUAL_STEPS),
        schedule=schedule,
        reach=REACH,
        **SHOWN,
    )
    for x, y in recipe.drawn:
        if max(abs(x), abs(y)) > REACH:
            raise UsageError(
                f"the drawn point ({x:g}, {y:g}) lies outside of the plane that is shown, "
                f"±{REACH:g}; draw it within"
            )
    return recipe
