"""``storyboard``: a scene or a lecture on one page, before it is rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from scenes.catalog import LECTURES, scene_entry
from studio.commands.options import JSON, LOOK, QUIET, RUN
from studio.commands.orders import place_order
from studio.commands.reporting import display, report


@cloup.command("storyboard")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@RUN
@LOOK
@cloup.option(
    "--output", type=click.Path(path_type=Path), help="The page (….html), or a folder for it."
)
@JSON
@QUIET
def storyboard_command(name: str, as_json: bool, quiet: bool, **chosen: Any) -> None:
    """Show key frames, words, timing, recordings and findings as one HTML page."""
    from studio.storyboard import make_storyboard

    if name not in LECTURES:
        scene_entry(name)
    order = place_order(name, chosen)
    with display(
        {"recording": list(order.recipes()), "speaking": list(order.scenes)}, quiet=quiet
    ) as shown:
        made = make_storyboard(order, shown)
    count = len(made.findings)
    told = f"{made.beats} beats, {made.seconds:.0f} s, {count or 'no'} finding{'s' * (count != 1)}"
    report(made.as_facts(), as_json, f"{made.path} ({told})")
