"""Where pretrained models compute, what is fetched first, and what is asked first."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from diffusion_core.errors import UsageError
from diffusion_core.pretrained.names import is_pretrained

if TYPE_CHECKING:
    from diffusion_core.pretrained.estimate import Estimate
    from diffusion_core.recipe import Recipe

CHOICES = ("device", "dtype", "attention_slicing", "cpu_offload")
"""What is chosen of how a pretrained model computes."""
FLAGS = ("attention_slicing", "cpu_offload")
"""Those that are on or off."""


def compute_as(models: Iterable[str], chosen: dict[str, Any]) -> None:
    """Settle where pretrained ones among ``models`` compute, and fetch those that are not here.

    Raises
    ------
    UsageError
        When something was chosen for models that have no use for it.
    LectureError, MissingRequirement
        When a model or a device cannot be had.
    """
    named = list(models)
    pretrained = [name for name in named if is_pretrained(name)]
    context = click.get_current_context()
    if not pretrained:
        for name in CHOICES:
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{flag} is for pretrained models, and {named[0]!r} is none: it computes on "
                    f"the processor; leave {flag} out"
                )
        return
    from diffusion_core.pretrained.devices import settled
    from diffusion_core.pretrained.runtime import set_runtime
    from diffusion_core.pretrained.source import located
    from studio.display import fetched

    set_runtime(settled(**{name: chosen[name] for name in CHOICES}))
    dry, quiet = (bool(context.params.get(name)) for name in ("dry_run", "quiet"))
    for name in pretrained:
        with fetched(name, quiet=quiet) as told:
            located(name, download=not dry, report=told)


def left_to_run(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Those of ``recipes`` that ask a pretrained model and are not recorded."""
    from diffusion_core.store import Store

    store = Store()
    costly = [recipe for recipe in recipes if is_pretrained(getattr(recipe, "model", ""))]
    return [recipe for recipe in costly if not store.path(recipe).exists()]


def estimates(recipes: Iterable[Recipe], *, recorded: bool = True) -> list[Estimate]:
    """What it costs to run ``recipes`` of pretrained models, where that is worth counting."""
    by_model: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        by_model.setdefault(str(getattr(recipe, "model", "")), []).append(recipe)
    from diffusion_core.pretrained.evaluations import is_small
    from diffusion_core.pretrained.source import located

    costly = {name: own for name, own in by_model.items() if not is_small(located(name), own)}
    if not costly:
        return []
    from diffusion_core.pretrained.estimate import estimate

    return [estimate(located(name), own, recorded=recorded) for name, own in costly.items()]


def ask_first(recipes: Iterable[Recipe], *, yes: bool, recorded: bool = True) -> None:
    """Go on only where the memory is enough, and a long run is wanted.

    ``recorded``: whether what lies on the way is looked at and kept.

    Raises
    ------
    LectureError
        When there is too little memory.
    UsageError
        When the run is long, was not confirmed, and nobody is there to ask.
    click.Abort
        When it is not wanted.
    """
    found = estimates(recipes, recorded=recorded)
    if not found:
        return
    from diffusion_core.pretrained.estimate import LONG, check_memory

    for one in found:
        check_memory(one)
    if yes or sum(one.seconds for one in found) < LONG:
        return
    words = "; ".join(f"{one.model}: {one.words}" for one in found)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"this is a long run: {words}; confirm it with --yes, or ask for fewer --steps, a "
            "smaller model or a GPU (--device)"
        )
    click.echo(f"This is a long run: {words}.", err=True)
    click.confirm("Begin?", abort=True, err=True)
