"""A run as a tab follows it: the line of those who wait, every moment, and the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from diffusion_core.bundle import Bundle
from diffusion_core.onlookers import Look
from diffusion_core.recipe import Recipe
from explorer.people import Person
from explorer.serving import Finished, Running, Waiting, Work
from explorer.showing import status

Shown = tuple[Any, Any]
"""What the board is given, and the line below it."""


def followed(
    work: Work,
    person: Person,
    recipe: Recipe,
    moment: Callable[[Look], Shown],
    whole: Callable[[Bundle], Shown],
) -> Iterator[Shown]:
    """What is shown while ``recipe`` runs.

    Parameters
    ----------
    work, person, recipe
        Who has what run, and where.
    moment
        Of a state as it is reached.
    whole
        Of the recording, once it is there.
    """
    import gradio as gr

    for news in work.run(person, recipe):
        if isinstance(news, Waiting):
            yield gr.skip(), status(str(news))
        elif isinstance(news, Running) and news.look is not None:
            yield moment(news.look)
        elif isinstance(news, Finished):
            yield whole(news.result.trajectory)
