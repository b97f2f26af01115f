"""What recording costs: time over the bare sampling loop, and memory over the steps.

    python benchmarks/recording.py [--batch 24] [--steps 50] [--repeats 9] [--json]

Time: the shipped model under DDIM, in one thread.  The bare loop asks the
network and takes the step, and keeps nothing; recording is ``record()``, which
keeps every state.  Both take turns in one run, seconds are those of the
processor (a busy machine does not count), and a ratio is the median of the
ratios of neighbours.

Memory: what a process takes at its peak beyond what it took before the run
(VmHWM of Linux, one fresh process a run), for 24 pictures of 64×64 and a
denoiser that costs nothing: what a recording holds does not depend on the
network.  Large arrays are mapped one by one (MALLOC_MMAP_THRESHOLD_ of glibc),
so that what is let go does not stay with the allocator.  Kept: 20 states of 100
and of 1,000 steps; and, to show that growth would be seen, every state of 100
and of 200 steps.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor

from diffusion_core.checkpoints import load_model
from diffusion_core.denoiser import Posterior
from diffusion_core.models import DEFAULT_MODEL
from diffusion_core.recording import Policy, record
from diffusion_core.samplers import DDIM
from diffusion_core.schedule import make_schedule
from diffusion_core.seeds import SampleNoise
from diffusion_core.timesteps import sampling_times
from diffusion_core.trajectory import Trajectory

# (steps, states kept) of the runs whose memory is measured.
THIN, LONG, WHOLE, TWICE = (100, 20), (1000, 20), (100, None), (200, None)


def times_taken(
    batch: int, steps: int, repeats: int, model: str
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Median processor seconds of each way to sample, and all of them."""
    trained, schedule = load_model(model), make_schedule("cosine")
    denoiser, sampler = trained.denoiser(schedule), DDIM(schedule)
    x_T = SampleNoise(range(batch), trained.shape).draw()
    times = sampling_times(schedule, steps)

    def bare() -> Tensor:
        x = x_T
        for t, s in itertools.pairwise(times):
            x = sampler.step(x, t, s, denoiser(x, t))
        return x

    def recording() -> Trajectory:
        return record(denoiser, sampler, x_T, times, schedule)

    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:

        def saving() -> str:
            return recording().save(Path(folder) / "recording.safetensors")

        ways: dict[str, Callable[[], object]] = {
            "bare": bare,
            "recorded": recording,
            "recorded and saved": saving,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        if not torch.equal(bare(), torch.from_numpy(recording().states[-1].copy())):
            raise click.ClickException("the bare loop and the recording differ")
        for turn in range(repeats):
            # Each goes first as often as the others.
            order = list(ways)[turn % 3 :] + list(ways)[: turn % 3]
            for name in order:
                begun = time.process_time()
                ways[name]()
                seconds[name].append(time.process_time() - begun)
    return {name: statistics.median(taken) for name, taken in seconds.items()}, seconds


class Nothing:
    """A denoiser that costs nothing."""

    evaluations = 1

    def __call__(self, x_t: Tensor, t: int) -> Posterior:
        """Half of x_t is picture, half is noise."""
        return Posterior(0.5 * x_t, 0.5 * x_t)


def peak() -> float:
    """The most memory that this process has held so far, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise click.ClickException("this system does not say how much memory a process took (VmHWM)")


def memory_taken(steps: int, keep: int | None) -> float:
    """MiB that a run of ``steps`` steps takes at its peak; to be called in a fresh process."""
    torch.set_num_threads(1)
    schedule = make_schedule("cosine")
    x_T = SampleNoise(range(24), (1, 64, 64)).draw()

    def go(steps: int, keep: int | None) -> None:
        times = sampling_times(schedule, steps)
        record(Nothing(), DDIM(schedule), x_T, times, schedule, policy=Policy(keep))

    go(3, None)  # what is loaded and allocated once
    before = peak()
    go(steps, keep)
    return peak() - before


def in_a_fresh_process(steps: int, keep: int | None) -> float:
    """``memory_taken``, where nothing else has taken memory before."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**16)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(memory_taken, (steps, keep))


@click.command()
@click.option("--batch", default=24, show_default=True)
@click.option("--steps", default=50, show_default=True)
@click.option("--repeats", default=9, show_default=True)
@click.option("--model", default=DEFAULT_MODEL, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(batch: int, steps: int, repeats: int, model: str, as_json: bool) -> None:
    """Print what recording costs over the bare loop."""
    torch.set_num_threads(1)
    medians, seconds = times_taken(batch, steps, repeats, model)

    def ratio(way: str) -> float:
        pairs = zip(seconds[way], seconds["bare"], strict=True)
        return round(statistics.median(taken / bare for taken, bare in pairs), 3)

    thin, long, whole, twice = (in_a_fresh_process(*each) for each in (THIN, LONG, WHOLE, TWICE))
    figures = {
        "batch": batch,
        "steps": steps,
        "repeats": repeats,
        "bare_cpu_s": round(medians["bare"], 2),
        "recorded_cpu_s": round(medians["recorded"], 2),
        "recording_ratio": ratio("recorded"),
        "recording_and_saving_ratio": ratio("recorded and saved"),
        "memory_100_steps_20_kept_mib": round(thin, 1),
        "memory_1000_steps_20_kept_mib": round(long, 1),
        "memory_ratio": round(long / thin, 2),
        "memory_100_steps_all_kept_mib": round(whole, 1),
        "memory_200_steps_all_kept_mib": round(twice, 1),
        "memory_ratio_all_kept": round(twice / whole, 2),
    }
    if as_json:
        print(json.dumps(figures))
        return
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:>8}")


if __name__ == "__main__":
    main()
