"""From what the command line was given to what the studio is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from diffusion_core.errors import UsageError
from diffusion_core.pretrained.names import is_pretrained
from scenes.options import OPTION_NAMES, SceneOptions
from studio.commands.computing import ask_first, compute_as, left_to_run

if TYPE_CHECKING:
    from studio.production import Order


def place_order(name: str, chosen: dict[str, Any], *, ask: bool = True) -> Order:
    """An order from what the command line was given.

    A pretrained model that is not here is fetched, and a long run with it is asked
    about unless ``ask`` says not to, or nothing will be run.

    Raises a UsageError for an option that was given on the command line
    though ``name`` has no use for it.
    """
    from studio.production import Order
    from studio.quality import QUALITIES

    options = {key: chosen[key] for key in OPTION_NAMES}
    order = Order(
        name=name,
        options=SceneOptions(**options),
        quality=QUALITIES[chosen["quality"]],
        voice=chosen["voice"],
        output=chosen["output"],
        strict=chosen.get("strict", False),
        language=chosen.get("language", "en"),
    )
    context = click.get_current_context()
    usual = SceneOptions()
    for key in OPTION_NAMES:
        if key in order.accepts:
            continue
        if context.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE:
            accepted = ", ".join(f"--{accepted}" for accepted in sorted(order.accepts))
            raise UsageError(f"{name!r} has no use for --{key}; it takes {accepted}")
        options[key] = getattr(usual, key)
    order = replace(order, options=SceneOptions(**options))
    compute_as([order.options.model], chosen)
    if ask and is_pretrained(order.options.model) and not context.params.get("dry_run"):
        ask_first(left_to_run(order.recipes().values()), yes=bool(chosen.get("yes")))
    return order
