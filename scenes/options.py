"""What a scene can be asked for; no manim at import."""

from __future__ import annotations

from dataclasses import dataclass, fields

from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.pictures import DEFAULT_PICTURE
from diffusion_core.recipe import SAMPLERS, VP_SCHEDULES, check_name, check_range, check_seed
from scenes.brought import spelt

USUAL_GUIDANCE = 2.0
"""The guidance scale of a prompt for which none was chosen."""
CUTS = ("full", "short")


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
    prompt, guidance
        What is asked for ("" for what is usual in the scene), and the guidance
        scale g of it, 0 … 100: 1 is none; None for what is usual (see ``scale``).
    recipe
        Fields of the recipe that the scene shows and that are not as usual, as
        JSON text; "" for none (see ``scenes.brought``).
    theme
        "dark" or "light".
    cut
        "full", or "short" for the essential beats alone.
    """

    seed: int = 0
    image: str = DEFAULT_PICTURE
    schedule: str = "cosine"
    model: str = DEFAULT_MODEL
    sampler: str = "ddim"
    steps: int = 50
    prompt: str = ""
    guidance: float | None = None
    recipe: str = ""
    theme: str = "dark"
    cut: str = "full"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_name("schedule", self.schedule, VP_SCHEDULES)
        check_name("sampler", self.sampler, SAMPLERS)
        check_name("theme", self.theme, ("dark", "light"))
        check_name("cut", self.cut, CUTS)
        if self.guidance is not None:
            check_range("guidance", self.guidance, 0, 100)
        object.__setattr__(self, "recipe", spelt(self.recipe))

    def scale(self, prompt: str | None = None) -> float:
        """The guidance scale for ``prompt``, the chosen one by default: 1 where nothing is asked.

        A recipe refuses a scale that was chosen where there is no prompt.
        """
        asked = self.prompt if prompt is None else prompt
        if self.guidance is not None:
            return self.guidance
        return USUAL_GUIDANCE if asked else 1.0


OPTION_NAMES = tuple(field.name for field in fields(SceneOptions))
LOOK = frozenset({"theme", "cut"})
"""Options that every scene takes."""
OWN = frozenset({"recipe"})
"""What a scene is brought that can be."""
ASKING = frozenset({"prompt", "guidance"})
FORWARD_OPTIONS = LOOK | {"seed", "image", "schedule"}
RULES_OPTIONS = LOOK | {"seed", "model", "steps", "schedule"}
REVERSE_OPTIONS = RULES_OPTIONS | {"sampler"}
PROMPT_OPTIONS = REVERSE_OPTIONS | ASKING
ALL_OPTIONS = FORWARD_OPTIONS | PROMPT_OPTIONS
