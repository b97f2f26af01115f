"""What a pretrained model settles in a recipe: its own schedule, and what it can be asked."""

from __future__ import annotations

from collections.abc import Iterable

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.models import shipped_models
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipes.checks import OWN


def own_fields(model: str) -> Facts:
    """The fields of a recipe that a pretrained model brings with it.

    Its network knows one table of noise levels, the one that it was trained with;
    whatever schedule a recipe would have had, this is it.

    Raises
    ------
    UsageError, LectureError
        When there is no such model, or its files are not what they should be.
    """
    from diffusion_core.pretrained.shapes import levels_of
    from diffusion_core.pretrained.source import located

    return {"schedule": OWN, "T": levels_of(located(model)), "zero_terminal_snr": False}


def check_asked(model: str, prompts: Iterable[str]) -> None:
    """Raise a UsageError unless the pretrained ``model`` can be asked for each of ``prompts``."""
    from diffusion_core.pretrained.classes import class_number
    from diffusion_core.pretrained.source import located

    wanted = [prompt for prompt in prompts if prompt]
    if not wanted:
        return
    source = located(model)
    for prompt in wanted:
        if not source.reads:
            raise UsageError(
                f"prompt {prompt!r}: model {model!r} was trained without words; leave the prompt "
                "out, or choose a model that reads"
            )
        if source.reads == "classes":
            class_number(source, prompt)
        try:
            prompt.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"prompt {prompt!r} holds half of a character, which is no text; type it again"
            ) from None


def check_ours(what: str, model: str) -> None:
    """Raise a UsageError for a pretrained model, where ``what`` is done to a network of ours."""
    if is_pretrained(model):
        raise UsageError(
            f"model {model!r} is a pretrained pipeline, and {what} a network that was trained "
            f"here; choose one of: {', '.join(shipped_models())}, or the .safetensors file or the "
            "folder of a training"
        )
