"""What a sweep saves: seeds recorded together and alone, videos by two workers and by one.

    python benchmarks/sweep.py [--seeds 16] [--videos 8] [--commands] [--json]

Recording: ``reverse_process`` with its 24 samples for each of the seeds, one
recording after the other and all of them at once, both in this one process in
which the network has been loaded and has run before; so nothing but the runs
and their files is compared.  --commands also times as many commands of their
own (``render.py record``), each of which loads everything anew; no claim rests
on that comparison.  The largest difference is over every number of every
recording.

Rendering: as many videos of ``reverse_process`` at draft quality, without
voice and with everything recorded before, each time from nothing: by one
worker that has one processor, by one worker that has all of them, and by two
workers that have two.  A worker encodes and probes beside drawing, so one alone
already uses more than one processor; the bound is on two workers with two
processors against one with one, and the other ratio is told as well.  Seconds
are of the clock: where the processors have other work they say little, so the
load is told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from diffusion_core.recipe import Recipe
from diffusion_core.store import Store
from diffusion_core.trajectory import Trajectory
from scenes.options import SceneOptions
from studio.production import Order
from studio.quality import QUALITIES
from studio.sweep.plan import Sweep, recipes_of
from studio.sweep.pool import LocalPool
from studio.sweep.sweeping import run_sweep
from studio.sweep.watching import Watcher

SCENE = "reverse_process"
MOST_OF_ALONE = 1 / 3
"""Share of the time of single recordings that recording together may take."""
LEAST_OF_TWO = 1.7
"""Times as fast as one worker that two have to be, a free processor each."""


def sweep_of(count: int, folder: Path) -> Sweep:
    """The scene for so many seeds."""
    base = Order(SCENE, SceneOptions(), QUALITIES["draft"], "silent", folder)
    return Sweep(base, tuple(range(count)), {})


def timed_commands(count: int, cache: Path) -> float:
    """Seconds that as many commands take, one after the other."""
    begun = time.perf_counter()
    for seed in range(count):
        subprocess.run(
            [sys.executable, "render.py", "record", SCENE, "--seed", str(seed), "--quiet"],
            env={**os.environ, "DIFFUSION_LECTURES_CACHE": str(cache)},
            cwd=Path(__file__).resolve().parent.parent,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return time.perf_counter() - begun


def difference(recipes: list[Recipe], one: Store, other: Store) -> float:
    """The largest difference between what two stores hold."""
    largest = 0.0
    for recipe in recipes:
        first, second = one.get(recipe).trajectory, other.get(recipe).trajectory
        assert isinstance(first, Trajectory)
        assert isinstance(second, Trajectory)
        arrays = second.arrays()
        for name, values in first.arrays().items():
            largest = max(largest, float(np.abs(values - arrays[name]).max()))
    return largest


def recording(count: int, folder: Path) -> dict[str, float]:
    """Seconds of both ways to record, and how far the recordings differ."""
    recipes = recipes_of(sweep_of(count, folder).jobs)
    Store(folder / "warm").get(recipes[0])
    alone, together = Store(folder / "alone"), Store(folder / "together")
    begun = time.perf_counter()
    for recipe in recipes:
        alone.get(recipe)
    between = time.perf_counter()
    together.fill(recipes)
    ended = time.perf_counter()
    return {
        "alone_s": round(between - begun, 2),
        "together_s": round(ended - between, 2),
        "together_over_alone": round((ended - between) / (between - begun), 3),
        "together_over_alone_at_most": round(MOST_OF_ALONE, 3),
        "largest_difference": difference(recipes, alone, together),
    }


def rendering(count: int, folder: Path) -> dict[str, float]:
    """Seconds of one worker and of two."""
    every = sorted(os.sched_getaffinity(0))
    ways = {
        "one_worker_one_processor": (1, every[:1]),
        "one_worker_every_processor": (1, every),
        "two_workers_two_processors": (2, every[:2]),
    }
    seconds = {}
    for name, (workers, processors) in ways.items():
        os.environ["DIFFUSION_LECTURES_CACHE"] = str(folder / name / "cache")
        sweep = sweep_of(count, folder / name / "made")
        Store().fill(recipes_of(sweep.jobs))
        os.sched_setaffinity(0, processors)  # workers inherit it
        begun = time.perf_counter()
        run_sweep(sweep, lambda jobs, n=workers: LocalPool(n), "none", Watcher(quiet=True))
        seconds[name] = time.perf_counter() - begun
        os.sched_setaffinity(0, every)
    one, wide, two = seconds.values()
    return {
        **{f"{name}_s": round(taken, 1) for name, taken in seconds.items()},
        "two_workers_faster": round(one / two, 2),
        "two_workers_faster_at_least": LEAST_OF_TWO,
        "two_workers_faster_than_one_with_all": round(wide / two, 2),
    }


@click.command()
@click.option("--seeds", default=16, show_default=True, help="Recordings.")
@click.option("--videos", default=8, show_default=True, help="Videos; 0 leaves rendering out.")
@click.option("--commands", is_flag=True, help="Time as many commands of their own as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(seeds: int, videos: int, commands: bool, as_json: bool) -> None:
    """Print what it saves to record together and to render by two."""
    figures: dict[str, float] = {
        "seeds": seeds,
        "videos": videos,
        "processors": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        figures |= recording(seeds, folder)
        if commands:
            figures["as_commands_s"] = round(timed_commands(seeds, folder / "commands"), 1)
        if videos:
            figures |= rendering(videos, folder)
    if as_json:
        print(json.dumps(figures))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>8}")


if __name__ == "__main__":
    main()
