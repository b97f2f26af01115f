"""Numbers as pictures on the page: exact pixels, enlarged by whole factors."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from diffusion_core.errors import UsageError
from diffusion_core.grids import to_pixels
from diffusion_core.recipe import SEED_LIMIT, check_seed

Pixels = NDArray[np.uint8]
States = NDArray[np.floating]


QUICK = 60_000
"""Values from which on a picture is not made small before it is sent."""


def pixels_of(state: States) -> Pixels:
    """One state (C, H, W) in −1 … 1 as (H, W) or (H, W, 3) levels."""
    levels = to_pixels(state)
    return levels[0] if levels.shape[0] == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0))


def png(pixels: Pixels) -> bytes:
    """The pixels as they are; quick rather than small."""
    into = io.BytesIO()
    Image.fromarray(pixels).save(into, "PNG", compress_level=1)
    return into.getvalue()


def bmp(pixels: Pixels) -> bytes:
    """The same in a hundredth of the time: noise does not become smaller anyway."""
    into = io.BytesIO()
    Image.fromarray(pixels).save(into, "BMP")
    return into.getvalue()


def kind_of(picture: bytes) -> str:
    """What a picture's file is: "png" or "bmp"."""
    return "png" if picture.startswith(b"\x89PNG") else "bmp"


def address_of(picture: bytes) -> str:
    """A picture as an address that carries it."""
    return f"data:image/{kind_of(picture)};base64,{base64.b64encode(picture).decode()}"


def figure(
    pixels: Pixels,
    label: str,
    *,
    name: str,
    says: str,
    colour: str = "text",
    cell: int = 8,
    narrow: int = 0,
    carry: Callable[[bytes], str] = address_of,
) -> str:
    """A picture with its label, as HTML.

    Parameters
    ----------
    pixels
        (H, W) or (H, W, 3).
    label
        What stands above it, as HTML: "x<sub>t</sub>".
    name
        The elem_id of the image.
    says
        What it shows, for those who do not see it.
    colour
        The meaning of its frame and label: a colour of the theme.
    cell
        Screen pixels a pixel where there is room.
    narrow
        The same on a narrow screen; half as many by default.
    carry
        Gives the file of the picture an address; ``Room.show`` of a large one, whose
        bytes the page is then spared until it draws them.
    """
    height, width = pixels.shape[:2]
    source = carry(png(pixels) if pixels.size < QUICK else bmp(pixels))
    crisp = " crisp" if cell > 1 else ""
    narrow = narrow or max(1, cell // 2)
    return (
        f'<figure class="shown{crisp}" style="--w:{width};--h:{height};--cell:{cell};'
        f'--narrow:{narrow};--colour:var(--{colour})"><figcaption>{label}</figcaption>'
        f'<img id="{name}" src="{source}" width="{width}" height="{height}" alt="{escape(says)}">'
        "</figure>"
    )


def mosaic(states: States, columns: int, gap: int = 2, background: int = 127) -> Pixels:
    """Samples (B, C, H, W) in −1 … 1 side by side, (H, W) or (H, W, 3)."""
    return mosaic_of(to_pixels(states), columns, gap, background)


def mosaic_of(samples: Pixels, columns: int, gap: int = 2, background: int = 127) -> Pixels:
    """The same of levels (B, C, H, W)."""
    B, C, H, W = samples.shape
    columns = min(columns, B)
    rows = -(-B // columns)
    sheet = np.full(
        (rows * (H + gap) - gap, columns * (W + gap) - gap, C), background, dtype=np.uint8
    )
    for i, levels in enumerate(samples):
        top, left = i // columns * (H + gap), i % columns * (W + gap)
        sheet[top : top + H, left : left + W] = levels.transpose(1, 2, 0)
    return sheet[..., 0] if C == 1 else sheet


def row(*figures: str) -> str:
    """Figures side by side; below one another where there is no room."""
    return f'<div class="row">{"".join(figures)}</div>'


def facts(values: Mapping[str, str], *, name: str = "") -> str:
    """Readouts: their names as HTML, their values as text."""
    shown = "".join(
        f"<div><dt>{label}</dt><dd>{escape(value)}</dd></div>" for label, value in values.items()
    )
    return f'<dl class="facts" id="{name}">{shown}</dl>'


def status(text: str) -> str:
    """A line that says what is going on, read out by assistive technology."""
    return f'<p class="status" role="status">{escape(text)}</p>'


def file_address(text: str) -> str:
    """A text file as an address that carries it."""
    return f"data:application/json;base64,{base64.b64encode(text.encode()).decode()}"


def taken(address: str, what: str, name: str = "") -> str:
    """A link to a file that was made, called ``name``; by default as its address ends."""
    name = name or address.rpartition("/")[2]
    return (
        f'<p class="status" role="status"><a class="take" href="{address}" download="{name}">'
        f"Download {name}</a> {escape(what)}</p>"
    )


def whole_number(label: str, name: str, value: int) -> Any:
    """A control for a whole number; the recipe says which it takes."""
    import gradio as gr

    return gr.Number(value, label=label, elem_id=name, precision=0, min_width=120)


def seed_of(value: int | None) -> int:
    """What such a control says, as a seed.

    Raises
    ------
    UsageError
        When it is empty or out of range.
    """
    if value is None:
        raise UsageError(f"seed is empty; give a whole number, 0 … {SEED_LIMIT - 1}")
    return check_seed(value)
