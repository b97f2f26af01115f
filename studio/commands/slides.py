"""``slides``: a scene or a lecture for a live talk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from scenes.catalog import LECTURES, scene_entry
from studio.commands.options import DRY_RUN, JSON, LOOK, QUIET, RUN, STRICT
from studio.commands.orders import place_order
from studio.commands.reporting import display, report

FORMATS = ("html", "pptx", "pdf")


@cloup.command("slides")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@cloup.option(
    "--to",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="html opens in a browser without network; pdf has the last picture of each slide.",
)
@cloup.option(
    "--by",
    type=click.Choice(["beat", "chapter"]),
    help="What makes a slide: chapters of a lecture, beats otherwise.",
)
@RUN
@LOOK
@cloup.option("--output", type=click.Path(path_type=Path), help="The file, or a folder for it.")
@STRICT
@JSON
@DRY_RUN
@QUIET
def slides_command(
    name: str,
    to: str,
    by: str | None,
    as_json: bool,
    dry_run: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make slides that play and wait, with the narration as their notes."""
    from studio.slides import SlidesOrder, make_slides, plan_slides

    if name not in LECTURES:
        scene_entry(name)
    order = place_order(name, chosen)
    wanted = SlidesOrder(order, to, by)
    if dry_run:
        report(plan_slides(wanted), as_json, f"would make {wanted.path}, a slide a {wanted.unit}")
        return
    scenes = list(order.scenes)
    parts = {"recording": list(order.recipes()), "speaking": scenes, "rendering": scenes}
    with display(parts, quiet=quiet) as shown:
        deck = make_slides(wanted, shown)
    report(deck.as_facts(), as_json, f"{deck.path} ({deck.slides} slides)")
