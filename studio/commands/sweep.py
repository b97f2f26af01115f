"""``sweep``: one scene for many seeds, and for several values of its other options."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup

from diffusion_core.errors import PartFailed, UsageError
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipe import SEED_LIMIT
from scenes.catalog import LECTURES, scene_entry
from scenes.options import OPTION_NAMES
from studio.commands.computing import ask_first, compute_as, left_to_run
from studio.commands.options import (
    COMPUTING,
    DRY_RUN,
    GUIDANCE,
    JSON,
    LOOK,
    MODEL,
    PROMPT,
    QUIET,
    RECIPE,
    SAMPLER,
    SCHEDULE,
    STEPS,
    USUAL,
    option,
)
from studio.commands.orders import place_order
from studio.commands.reporting import report

if TYPE_CHECKING:
    from studio.sweep.plan import Sweep

LONGEST = 10_000
"""Seeds that a range may have."""
SHOWN = 3
"""Failed jobs that the last line tells of; all of them are in the index."""


def seed_list(context: click.Context, parameter: click.Parameter, value: str) -> Any:
    """FIRST:END, END not included, and single seeds, several with commas between."""
    seeds: list[int] = []
    for part in value.split(","):
        found = re.fullmatch(r"\s*(\d+)(?::(\d+))?\s*", part)
        first = int(found[1]) if found else -1
        end = int(found[2]) if found and found[2] else first + 1
        if not 0 <= first < end <= SEED_LIMIT:
            raise click.BadParameter(
                f"{part.strip()!r} is not FIRST:END or a seed, from 0 to {SEED_LIMIT - 1}, for "
                "example 0:16 for 0 to 15, or 3,7"
            )
        if end - first > LONGEST:
            raise click.BadParameter(f"{part.strip()!r} are more than {LONGEST} seeds")
        seeds += range(first, end)
    return tuple(dict.fromkeys(seeds))


def axes(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Any:
    """NAME=VALUE,VALUE…; a value that has a comma stands in double quotes."""
    options = {one.name: one for one in context.command.params if one.name in OPTION_NAMES}
    found: dict[str, list[Any]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        name = name.strip().removeprefix("--")
        if name == "seed":
            raise click.BadParameter("seeds have an option of their own: --seeds")
        if not equals or name not in options:
            raise click.BadParameter(
                f"{text!r} is not NAME=VALUE,VALUE with one of the names "
                f"{', '.join(sorted(map(str, options)))}; for example guidance=1,3,7"
            )
        try:
            row = next(csv.reader([values], skipinitialspace=True, strict=True), [])
        except csv.Error as error:
            raise click.BadParameter(f"{text!r}: {error}") from error
        if not row:
            raise click.BadParameter(f"{text!r} gives {name} no value")
        kind = options[name].type
        read = [kind.convert(value.strip(), options[name], context) for value in row]
        found.setdefault(name, []).extend(read)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def plan(name: str, seeds: tuple[int, ...], swept: dict[str, Any], chosen: dict[str, Any]) -> Sweep:
    """The sweep that was asked for; a UsageError where it makes no sense."""
    from studio.sweep.plan import Sweep

    context = click.get_current_context()
    for swept_name in swept:
        if context.get_parameter_source(swept_name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--{swept_name} and --set {swept_name}=… are given; leave one out")
    output = chosen["output"]
    if output is not None and (output.is_file() or output.suffix.lower() == ".mp4"):
        raise UsageError(f"--output {output} must be a folder: a sweep makes many files")
    first = {key: values[0] for key, values in swept.items()}
    models = [str(model) for model in swept.get("model", ())]
    if models:
        compute_as(models, chosen)
    base = place_order(name, {**chosen, **first, "seed": seeds[0]}, ask=False)
    return Sweep(base, seeds, swept)


def hands_for(cluster: str | None, workers: int | None) -> Callable[[int], Any]:
    """What gives workers for so many jobs."""

    def hands(jobs: int) -> Any:
        from studio.workers import usual_workers

        count = min(workers or usual_workers(), jobs)
        if cluster is None:
            from studio.sweep.pool import LocalPool

            return LocalPool(count)
        from studio.sweep.cluster import DaskCluster

        return DaskCluster(cluster, count)

    return hands


@cloup.command("sweep")
@cloup.argument("name", help="A scene or a lecture (see `list`).")
@cloup.option_group(
    "What is swept",
    cloup.option(
        "--seeds",
        callback=seed_list,
        default="0:16",
        show_default=True,
        help="FIRST:END (END is not among them), or seeds with commas between.",
    ),
    cloup.option(
        "--set",
        "swept",
        multiple=True,
        callback=axes,
        help="NAME=VALUE,VALUE…: each seed with each of these; may be given again for another.",
    ),
)
@cloup.option_group(
    "What is run",
    option("--image", default=USUAL.image, help="flower, temple, or the path of a picture."),
    SCHEDULE,
    MODEL,
    SAMPLER,
    STEPS,
    PROMPT,
    GUIDANCE,
    RECIPE,
)
@COMPUTING
@LOOK
@cloup.option_group(
    "How it is done",
    cloup.option(
        "--workers", type=click.IntRange(1, 1024), help="Videos that are made at once; one a core."
    ),
    cloup.option(
        "--cluster",
        help="Use Dask: the address of a scheduler, a batch system (slurm, pbs, lsf, sge, oar, "
        "htcondor), or local.",
    ),
    cloup.option(
        "--mosaic",
        type=click.Choice(["picture", "video", "none"]),
        default="picture",
        show_default=True,
        help="All videos side by side: how they end, or as they play.",
    ),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The folder for everything.")
@JSON
@DRY_RUN
@QUIET
def sweep_command(
    name: str,
    seeds: tuple[int, ...],
    swept: dict[str, Any],
    workers: int | None,
    cluster: str | None,
    mosaic: Any,
    as_json: bool,
    dry_run: bool,
    quiet: bool,
    **chosen: Any,
) -> None:
    """Make a scene for many seeds, and for several values of its other options.

    The recordings of all seeds run through the network at once, the videos are
    made by several workers.  The same command again goes on where it was: what
    is whole is kept, what failed is tried again.  Exit code 4: some failed, the
    others are there.
    """
    if name not in LECTURES:
        scene_entry(name)
    asked = plan(name, seeds, swept, chosen)
    if cluster is not None:
        from studio.sweep.cluster import check_cluster

        check_cluster(cluster, workers)
    from studio.sweep.plan import recipes_of
    from studio.sweep.sweeping import plan_sweep, run_sweep
    from studio.sweep.watching import Watcher

    if dry_run:
        facts = plan_sweep(asked)
        words = (
            f"would make {facts['to_render']} of {len(facts['jobs'])} videos "
            f"and {facts['to_record']} recordings in {facts['folder']}"
        )
        report(facts, as_json, words, *(f"  {job['video']}" for job in facts["jobs"]))
        return
    if any(is_pretrained(job.order.options.model) for job in asked.jobs):
        asked.check()
        ask_first(left_to_run(recipes_of(asked.jobs)), yes=bool(chosen["yes"]))
    with Watcher(quiet=quiet) as watcher:
        done = run_sweep(asked, hands_for(cluster, workers), mosaic, watcher)
    made = sum(outcome.status == "made" for outcome in done.outcomes)
    shown = [str(done.page), *([str(done.mosaic)] if done.mosaic else [])]
    kept = sum(outcome.status == "kept" for outcome in done.outcomes)
    report(done.as_facts(), as_json, *shown, f"{made} made, {kept} kept, {len(done.failed)} failed")
    if done.failed:
        told = "; ".join(f"{o.job.label} ({o.error})" for o in done.failed[:SHOWN])
        more = f"; and {len(done.failed) - SHOWN} more" if len(done.failed) > SHOWN else ""
        raise PartFailed(
            f"{len(done.failed)} of {len(done.outcomes)} failed: {told}{more}; "
            "the same command again tries them anew"
        )
