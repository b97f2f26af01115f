"""``gif``: loops for a README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from scenes.catalog import scene_entry
from studio.commands.options import JSON, QUIET, RUN, USUAL, option
from studio.commands.orders import place_order
from studio.commands.reporting import display, report


def beat_range(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """FIRST:LAST, or one number for both."""
    if value is None:
        return None
    first, _, last = value.partition(":")
    if not first.isdigit() or not (last or first).isdigit():
        raise click.BadParameter(f"{value!r} is not FIRST:LAST, for example 4:6")
    return int(first), int(last or first)


@cloup.command("gif")
@cloup.argument("name", help="A scene (see `list`).")
@RUN
@cloup.option_group(
    "How it looks",
    option("--theme", type=click.Choice(["dark", "light"]), default=USUAL.theme),
    cloup.option("--beats", callback=beat_range, help="FIRST:LAST, counted from 1."),
    cloup.option(
        "--max-size",
        type=click.FloatRange(0.1, 10),
        default=5,
        show_default=True,
        help="Megabytes.",
    ),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The GIF.")
@JSON
@QUIET
def gif_command(
    name: str,
    beats: tuple[int, int] | None,
    max_size: float,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make a loop for a README: some beats of a scene, without sound, within a size."""
    from studio.production import loop

    scene_entry(name)
    rest = {"cut": USUAL.cut, "quality": "medium", "voice": "silent"}
    order = place_order(name, {**chosen, **rest})
    parts = {"recording": list(order.recipes()), "speaking": [name], "rendering": [name]}
    with display(parts, quiet=quiet) as shown:
        made = loop(order, beats, int(max_size * 1e6), shown)
    facts = {
        "gif": str(made.path),
        "bytes": made.size,
        "width": made.setting.width,
        "frame_rate": made.setting.frame_rate,
        "colours": made.setting.colours,
        "speed": round(made.speed, 3),
    }
    report(facts, as_json, f"{made.path} ({made.size / 1e6:.1f} MB)")
