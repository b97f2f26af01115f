"""What a scene can be asked for; no manim at import."""

from __future__ import annotations

from dataclasses import dataclass, fields

from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.pictures import DEFAULT_PICTURE
from diffusion_core.recipe import SAMPLERS, VP_SCHEDULES, check_name, check_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOptions:
    """Choices that change what is run or how it looks.

    Parameters
    ----------
    seed
        Of the noise, 0 … 2³² − 1.
    image
        A bundled picture's name or a path (scenes that begin with a picture).
    schedule
        The noise schedule.
    model, sampler, steps
        The network, the rule and the number of steps (scenes that sample).
    theme
        "dark" or "light".
    """

    seed: int = 0
    image: str = DEFAULT_PICTURE
    schedule: str = "cosine"
    model: str = DEFAULT_MODEL
    sampler: str = "ddim"
    steps: int = 50
    theme: str = "dark"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        check_name("sampler", self.sampler, SAMPLERS)
        check_name("theme", self.theme, ("dark", "light"))


OPTION_NAMES = tuple(field.name for field in fields(SceneOptions))
LOOK = frozenset({"theme"})
"""Options that every scene takes."""
