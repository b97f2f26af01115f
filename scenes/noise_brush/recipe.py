"""What the brush does: a stroke of the scene's own, or the dabs that it was brought; no manim."""

from __future__ import annotations

from typing import Any

from diffusion_core.errors import UsageError
from diffusion_core.recipe import BrushRecipe, CanvasRecipe
from scenes.brought import fields_of
from scenes.options import SceneOptions

SAMPLES = 9
"""How often the picture is painted on: first alone, then beside one another."""


def brush_of(options: SceneOptions) -> BrushRecipe | CanvasRecipe:
    """Noise that is painted onto a picture and removed.

    What is brought is a canvas as the explorer has it; its noise is the first
    sample's, and the others follow.

    Raises
    ------
    UsageError
        For a canvas without a dab, for an image that is no text, and for what
        its recipe refuses.
    """
    own = fields_of(options.recipe)
    usual: dict[str, Any] = {
        "model": options.model,
        "prompt": options.prompt,
        "guidance": options.scale(),
        "seed": options.seed,
        "samples": SAMPLES,
        "sampler": options.sampler,
        "steps": options.steps,
        "schedule": options.schedule,
    }
    if not own:
        # A zigzag over the upper half: what is left below says what may come back above.
        path = ((0.24, 0.24), (0.28, 0.78), (0.44, 0.26), (0.50, 0.76))
        # 699 is a time of 10, 20, 50 and 100 steps.
        return BrushRecipe(path=path, radius=0.12, t=699, **usual)
    if not own.get("dabs"):
        raise UsageError(
            f"recipe {options.recipe[:80]!r} has no dabs; give them as points (row, column) in "
            'shares of the picture\'s side, like {"dabs": [[0.4, 0.5]]}'
        )
    if not isinstance(own.get("image", ""), str):
        raise UsageError(f"image = {own['image']!r} must be a picture's name, or its path")
    return CanvasRecipe(**usual, **own)
