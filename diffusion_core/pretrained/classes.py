"""What a class-conditional model is asked for: a class, by its number or one of its names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from diffusion_core.errors import UsageError
from diffusion_core.pretrained.names import INDEX
from diffusion_core.pretrained.shapes import denoising_network
from diffusion_core.pretrained.source import Source, read_object

CLASSES = 1000
"""Of ImageNet, where a network's settings do not say how many it knows."""


def class_count(source: Source) -> int:
    """How many classes the model knows; the number behind the last stands for none of them."""
    return int(source.config(denoising_network(source)).get("num_embeds_ada_norm") or CLASSES)


def class_names(source: Source) -> dict[str, int]:
    """The number of each class by each of its names; empty where the model names none."""
    labels = read_object(source.folder / INDEX).get("id2label")
    if not isinstance(labels, Mapping):
        return {}
    return {
        name.strip(): int(number)
        for number, names in labels.items()
        if str(number).isdecimal()
        for name in str(names).split(",")
    }


def class_number(source: Source, prompt: str) -> int:
    """The class that ``prompt`` asks for; "" is none of them.

    Raises
    ------
    UsageError
        For a number or a name that is no class of the model; it says what is near.
    """
    count = class_count(source)
    wanted = prompt.strip()
    if not wanted:
        return count
    if wanted.isascii() and wanted.isdecimal():
        if int(wanted) >= count:
            raise UsageError(f"class {wanted} is outside 0 … {count - 1}")
        return int(wanted)
    names = {name.casefold(): number for name, number in class_names(source).items()}
    if wanted.casefold() in names:
        return names[wanted.casefold()]
    if not names:
        raise UsageError(
            f"prompt {prompt!r}: this model knows its classes by number only; give one of "
            f"0 … {count - 1}"
        )
    near = difflib.get_close_matches(wanted.casefold(), names, n=3)
    some = ", ".join(repr(name) for name in near or list(names)[:3])
    raise UsageError(
        f"prompt {prompt!r} is no class of this model; give a number, 0 … {count - 1}, or a name "
        f"such as {some}"
    )
