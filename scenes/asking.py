"""What a model is asked for where nothing was chosen, and what is asked for beside it."""

from __future__ import annotations

import re
from typing import TypedDict

from diffusion_core.errors import UsageError
from scenes.model_kinds import ModelKind, kind_of_model
from scenes.options import USUAL_GUIDANCE, SceneOptions

USUAL_PROMPT = "a seven"
"""What is asked for where a scene needs a prompt and none was chosen."""
USUAL_WORDS = "a photo of a frog"
"""The same of a pretrained model that reads words."""
SCALES = {"words": 7.5, "classes": 4.0}
"""The guidance scale of a pretrained model, by what it reads: that of its paper's pictures."""
OTHER_DIGITS = {
    "a two": {"two", "2"},
    "a zero": {"zero", "0"},
    "a four": {"four", "4"},
    "an eight": {"eight", "8"},
    "a three": {"three", "3"},
    "a nine": {"nine", "9"},
}
"""What may be asked for beside a prompt, and the words of it that the prompt must not have."""
OTHER_THINGS = {
    "a photo of a cat": {"cat", "cats", "kitten"},
    "a photo of a red car": {"car", "cars"},
    "a photo of a ship": {"ship", "ships", "boat"},
    "a photo of a horse": {"horse", "horses"},
    "a photo of a forest": {"forest", "wood", "woods", "trees"},
}
"""The same for a pretrained model that reads words."""
BESIDE = 4
"""Prompts beside the chosen one."""


class Wanted(TypedDict):
    """Fields of a recipe that say what is asked for."""

    prompt: str
    guidance: float


def usual_prompt(kind: ModelKind) -> str:
    """What is asked for where nothing was chosen; "" of a model that reads nothing."""
    if not kind.reads:
        return ""
    if not kind.named:
        return USUAL_WORDS if kind.pretrained else USUAL_PROMPT
    frogs = (name for name in kind.named if "frog" in name.casefold())
    return USUAL_PROMPT if USUAL_PROMPT in kind.named else next(frogs, kind.named[0])


def other_prompts(prompt: str, kind: ModelKind | None = None) -> tuple[str, ...]:
    """Other things than those that ``prompt`` names, the first few; digits by default."""
    things = OTHER_DIGITS
    if kind is not None and usual_prompt(kind) != USUAL_PROMPT:
        if kind.named:
            return _apart(prompt, kind.named)
        things = OTHER_THINGS
    said = set(re.findall(r"\w+", prompt.casefold()))
    others = [other for other, words in things.items() if not words & said]
    return tuple(others[:BESIDE])


def _apart(prompt: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that are not ``prompt``, from all over the list."""
    others = [name for name in names if name.casefold() != prompt.casefold()]
    count = min(BESIDE, len(others))
    return tuple(others[len(others) * i // count] for i in range(count))


def scale_of(options: SceneOptions, kind: ModelKind, prompt: str) -> float:
    """The guidance scale for ``prompt``: the chosen one, or what is usual with such a model."""
    if options.guidance is None and prompt and kind.pretrained:
        return SCALES.get(kind.reads, USUAL_GUIDANCE)
    return options.scale(prompt)


def wanted(options: SceneOptions, kind: ModelKind) -> Wanted:
    """What a pretrained model that reads is asked for in a scene that is not about words.

    Without words it draws poorly; a model of ours draws what it was trained on.
    """
    if not (kind.pretrained and kind.reads):
        return {"prompt": "", "guidance": options.scale("")}
    prompt = options.prompt or usual_prompt(kind)
    return {"prompt": prompt, "guidance": scale_of(options, kind, prompt)}


def reading(options: SceneOptions) -> ModelKind:
    """The model, which must read what it is asked for."""
    kind = kind_of_model(options.model)
    if kind.pretrained and not kind.reads:
        raise UsageError(
            f"model {options.model!r} reads neither words nor classes, and this scene is about "
            "what is asked for; choose a text-to-image or a class-conditional model"
        )
    return kind
