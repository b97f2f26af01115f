"""``gif``: loops for a README."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import click
import cloup

from scenes.catalog import scene_entry
from studio.commands.options import JSON, QUALITY_NAMES, QUIET, RUN, USUAL, option
from studio.commands.orders import place_order
from studio.commands.reporting import display, report

FORMAT_NAMES = ("gif", "webp", "avif", "webm")
UNITS = {"kb": 1e3, "mb": 1e6, "": 1e6}
SIZES = (20e3, 10e6)
"""Fewest and most bytes that may be asked for: a README that takes longer to load helps nobody."""


def beat_range(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """FIRST:LAST, or one number for both."""
    if value is None:
        return None
    first, _, last = value.partition(":")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise click.BadParameter(f"{value!r} is not FIRST:LAST, for example 4:6")
    return int(first), int(last or first)


def time_range(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """START:END in seconds."""
    if value is None:
        return None
    try:
        start, end = (float(part) for part in value.split(":"))
    except ValueError:
        start, end = math.nan, math.nan
    if not 0 <= start < end < math.inf or end - start < 0.2:
        raise click.BadParameter(
            f"{value!r} is not START:END in seconds, for example 12.5:20, with END 0.2 s after "
            "START or later"
        )
    return start, end


def file_size(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Bytes of 5, 5MB or 800kB."""
    found = re.fullmatch(r"(\d+|\d*\.\d+) ?(kb|mb|)", value.strip().lower())
    size = round(float(found[1]) * UNITS[found[2]]) if found else 0
    least, most = SIZES
    if found is None or not least <= size <= most:
        raise click.BadParameter(
            f"{value!r} is not a size from {least / 1e3:g}kB to {most / 1e6:g}MB, "
            "for example 5MB or 800kB"
        )
    return size


@cloup.command("gif")
@cloup.argument("name", help="A scene (see `list`).")
@RUN
@cloup.option_group(
    "What of it, and how it looks",
    cloup.option("--beats", callback=beat_range, help="FIRST:LAST, counted from 1."),
    cloup.option("--range", "seconds", callback=time_range, help="START:END in seconds, instead."),
    option("--theme", type=click.Choice(["dark", "light"]), default=USUAL.theme),
    option(
        "--quality",
        type=click.Choice(QUALITY_NAMES),
        default="medium",
        help="What it is drawn at before it is made small.",
    ),
    cloup.option(
        "--format",
        "kind",
        type=click.Choice(FORMAT_NAMES),
        help="As --output ends, or gif.",
    ),
    cloup.option(
        "--max-size",
        callback=file_size,
        default="5MB",
        show_default=True,
        help="5MB, 800kB: colours, then frames, then pixels are given up for it.",
    ),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The file, or a folder for it.")
@JSON
@QUIET
def gif_command(
    name: str,
    beats: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
    kind: str | None,
    max_size: int,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make a loop for a README: a stretch of a scene, without sound, within a size.

    Beside it go its last frame as a PNG, for where nothing may move, and a
    manifest; what it prints is ready to paste into a README.
    """
    if beats and seconds:
        raise click.UsageError("--beats and --range both say which stretch; give one of them")
    from studio.loops import LoopOrder, kind_of, produce_loop

    scene_entry(name)
    order = place_order(name, {**chosen, "cut": USUAL.cut, "voice": "silent"})
    asked = LoopOrder(order, kind_of(kind, order.output), max_size, beats, seconds)
    parts = {
        "recording": list(order.recipes()),
        "speaking": [name],
        "rendering": [name],
        "muxing": [name],
    }
    with display(parts, quiet=quiet) as shown:
        made = produce_loop(asked, shown)
    facts = made.as_facts()
    *refused, taken = (
        f"{tried['bytes'] / 1e6:.2f} MB with {tried['width']} px, "
        f"{tried['frame_rate']:g} frames a second, {facts['measure']} {tried['quality']}"
        for tried in facts["tried"]
    )
    report(
        facts,
        as_json,
        f"{made.path}: {taken}",
        *(f"  too large: {setting}" for setting in refused),
        f"{made.still}: its last frame, for where nothing may move",
        f"{made.manifest}: what it was made of",
        "",
        made.markdown,
    )
