"""Boards: parts of the page that are drawn in the browser, and what is sent to them.

A board is an HTML component whose value comes from here, and whose script
(``static/boards.js`` and one of its own) draws it.  What somebody does on it
comes back as text in a box that is not seen.  The numbers and the pixels are
the core's; the script chooses which of them are shown.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.errors import LectureError
from diffusion_core.grids import to_pixels

Film = dict[str, Any]
"""What a board is sent: JSON-ready."""

LONGEST_TEXT = 400_000
"""Characters that a board may send: no hand draws more."""


def coded(values: NDArray[Any]) -> str:
    """The bytes of an array in reading order, lowest byte first, as base64."""
    lowest_first = values.astype(values.dtype.newbyteorder("<"))
    return base64.b64encode(lowest_first.tobytes()).decode()


def panel(
    name: str,
    states: NDArray[np.floating[Any]],
    label: str,
    says: str,
    *,
    colour: str = "text",
    cell: int = 8,
    narrow: int = 4,
    note: str = "",
) -> Film:
    """Moving pictures as a board shows them.

    Parameters
    ----------
    name
        The id of its canvas.
    states
        (N, C, H, W) in −1 … 1.
    label, note
        What stands above and below, as HTML.
    says
        What it shows, for those who do not see it.
    colour
        The meaning of its frame and label: a colour of the theme.
    cell, narrow
        Screen pixels a pixel, where there is room and on a phone.
    """
    levels = to_pixels(np.asarray(states, np.float32)).transpose(0, 2, 3, 1)
    count, height, width, channels = levels.shape
    return {
        "name": name,
        "label": label,
        "note": note,
        "says": says,
        "colour": colour,
        "cell": cell,
        "narrow": narrow,
        "size": [count, height, width, channels],
        "frames": coded(levels),
    }


def film(
    times: Sequence[int] | NDArray[np.integer[Any]],
    panels: Sequence[Mapping[str, Any]],
    *,
    live: bool = False,
    play: bool = False,
    **more: Any,
) -> Film:
    """Panels that share one time axis.

    Parameters
    ----------
    times
        t at each frame; −1 is the picture.
    panels
        As ``panel`` makes them, each with as many frames.
    live
        Whether the run goes on: nothing can be scrubbed yet.
    play
        Whether it begins at its first frame and moves; otherwise the last is shown.
    """
    return {
        "times": [int(t) for t in times],
        "panels": list(panels),
        "live": live,
        "play": play,
        **more,
    }


def pairs(text: str, what: str, low: float, high: float) -> tuple[tuple[float, float], ...]:
    """Points as a board writes them, "0.5,0.25;0.1,0.9"; none in an empty text.

    Raises
    ------
    LectureError
        For anything else, or a number outside ``low`` … ``high``.
    """
    if len(text) > LONGEST_TEXT:
        raise LectureError(f"{what} have {len(text)} characters; clear the board and draw less")
    found = []
    for word in filter(None, text.split(";")):
        try:
            first, second = (float(number) for number in word.split(","))
        except ValueError:
            raise LectureError(
                f"{what}: {word[:40]!r} is not two numbers; clear and draw again"
            ) from None
        if not (low <= first <= high and low <= second <= high):
            raise LectureError(
                f"{what}: {word[:40]!r} lies outside {low:g} … {high:g}; clear and draw again"
            )
        found.append((first, second))
    return tuple(found)


def board(name: str, script: str, value: Any = None) -> Any:
    """The board of the element ``name``, drawn by ``static/<script>.js``.

    It tells that it is there by the event "ready", so that nothing is
    computed for a tab that nobody opens.
    """
    import gradio as gr

    scripts = "".join(
        f'<script src="own/{file}.js"></script>' for file in dict.fromkeys(["boards", script])
    )
    return gr.HTML(
        value,
        html_template='<div class="board"></div>',
        js_on_load=f"boards.{script}(element, props, watch, '{name}'); boards.passOver();"
        "trigger('ready');",
        head=f'<link rel="stylesheet" href="own/boards.css">{scripts}',
        apply_default_css=False,
        elem_id=name,
        padding=False,
    )


def answer_box(name: str, value: str = "") -> Any:
    """Where the board's script puts what somebody did: a text box that is not seen."""
    import gradio as gr

    return gr.Textbox(
        value, elem_id=name, elem_classes="unseen", label=name, max_lines=1, show_label=False
    )
