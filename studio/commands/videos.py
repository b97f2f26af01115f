"""``scene``, ``lecture`` and ``record``: narrated videos, and the runs that they show."""

from __future__ import annotations

from typing import Any

import cloup

from scenes.catalog import LECTURES, lecture_entry, scene_entry
from studio.commands.computing import estimates, left_to_run
from studio.commands.options import JSON, QUIET, RUN, USUAL, shared
from studio.commands.orders import place_order
from studio.commands.reporting import display, report


def make(name: str, as_json: bool, dry_run: bool, quiet: bool, **chosen: Any) -> None:
    """Plan or produce one video, and report it."""
    from studio.production import plan, produce

    order = place_order(name, chosen)
    if dry_run:
        facts = plan(order)
        recipes = [
            f"  {'kept' if recipe['recorded'] else 'to run':<7} {key} "
            f"({recipe['fingerprint'][:12]})"
            for key, recipe in facts["recipes"].items()
        ]
        costs = estimates(left_to_run(order.recipes().values()))
        facts |= {"estimates": [cost.as_facts() for cost in costs]} if costs else {}
        told = [f"{cost.model}: {cost.words}" for cost in costs]
        report(facts, as_json, f"would make {order.video}", "recordings:", *recipes, *told)
        return
    recipes = list(order.recipes())
    scenes = list(order.scenes)
    parts = {"recording": recipes, "speaking": scenes, "rendering": scenes}
    with display(parts, quiet=quiet) as shown:
        product = produce(order, shown)
    made = product.as_facts()
    report(made, as_json, f"{product.video} ({product.seconds:.0f} s)")


@cloup.command("scene")
@cloup.argument("name", help="A scene (see `list`).")
@shared
def scene_command(name: str, **chosen: Any) -> None:
    """Render one scene to a narrated MP4."""
    scene_entry(name)
    make(name, **chosen)


@cloup.command("lecture")
@cloup.argument("name", help="A lecture (see `list`).")
@shared
def lecture_command(name: str, **chosen: Any) -> None:
    """Render a lecture to one narrated MP4 with chapters."""
    lecture_entry(name)
    make(name, **chosen)


@cloup.command("record")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@RUN
@JSON
@QUIET
def record_command(name: str, as_json: bool, quiet: bool, **chosen: Any) -> None:
    """Run what a scene or a lecture shows, and keep the recordings; render nothing."""
    from studio.production import record

    if name not in LECTURES:
        scene_entry(name)
    look = {"theme": USUAL.theme, "cut": USUAL.cut}
    rest = {**look, "quality": "medium", "voice": "silent", "output": None}
    order = place_order(name, {**chosen, **rest})
    with display({"recording": list(order.recipes())}, quiet=quiet) as shown:
        recordings = record(order.recipes(), shown)
    facts = {
        key: {"path": str(kept.path), "fingerprint": kept.fingerprint, "fresh": kept.fresh}
        for key, kept in recordings.items()
    }
    report(facts, as_json, *(f"{key}: {kept.path}" for key, kept in recordings.items()))
