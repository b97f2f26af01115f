"""What the same minutes of training bring: our network and settings beside the plain ones.

    python benchmarks/training.py [--minutes 10] [--samples 10000] [--folder FOLDER] [--json]

Both train on MNIST for the same minutes with all threads, one after the other,
ours with its captions, as it ships; then each draws samples in 20 network
evaluations (DPM-Solver++, times even in t), and their FID on the features of
the classifier that ships is printed, with the ratios: ours is asked for what
the test pictures show, in half the steps with a little guidance, which are as
many evaluations, and drawn from without a prompt as well.  Then 64
samples are drawn as one would use either: ours in 20 evaluations, the plain
network in 1,000 DDPM steps (timed over 20 of them, and multiplied).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import torch
from ablation import NFE, VARIANTS, measure, train

COUNT, PLAIN_STEPS, TIMED_STEPS = 64, 1000, 20


def seconds_to_sample(weights: str, sampler: str, steps: int, count: int) -> float:
    """Seconds for ``count`` samples in ``steps`` steps, the loading not counted."""
    from diffusion_core.checkpoints import load_weights
    from diffusion_core.reverse import sample
    from diffusion_core.samplers import make_sampler
    from diffusion_core.schedule import make_schedule
    from diffusion_core.timesteps import sampling_times

    model = load_weights(Path(weights))
    schedule = make_schedule(model.facts["training"]["schedule"], 1000)
    denoiser = model.denoiser(schedule)
    draw = make_sampler(sampler, schedule, 0.0)
    sample(denoiser, draw, sampling_times(schedule, 2), range(count), model.shape)  # warm
    started = time.monotonic()
    sample(denoiser, draw, sampling_times(schedule, steps), range(count), model.shape)
    return time.monotonic() - started


@click.command()
@click.option("--minutes", type=float, default=10, show_default=True)
@click.option("--samples", type=int, default=10_000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("media/ablation"))
@click.option("--json", "as_json", is_flag=True)
def main(minutes: float, samples: int, folder: Path, as_json: bool) -> None:
    """Train both, measure both, print one table."""
    from diffusion_core.models import DEFAULT_MODEL, weights_path

    threads = torch.get_num_threads()
    rows = {
        name: train(name, minutes, str(folder), threads, words=name == "ours")
        for name in ("plain", "ours")
    }
    for row in rows.values():
        row |= measure(row, samples)
    shipped = str(weights_path(DEFAULT_MODEL))
    ours = seconds_to_sample(shipped, "dpmpp", NFE, COUNT)
    plain = seconds_to_sample(rows["plain"]["weights"], "ddpm", TIMED_STEPS, COUNT)
    plain *= PLAIN_STEPS / TIMED_STEPS
    facts = {
        "minutes": minutes,
        "threads": threads,
        "nfe": NFE,
        "samples": samples,
        "variants": rows,
        "fid_ratio": rows["plain"]["fid"] / rows["ours"]["fid_prompted"],
        "fid_ratio_unprompted": rows["plain"]["fid"] / rows["ours"]["fid"],
        "seconds_for_64": {"ours": ours, "plain": plain},
        "speed_ratio": plain / ours,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    print(
        f"{minutes:g} minutes of training, {threads} threads; FID at {NFE} NFE, {samples:,} samples"
    )
    for name, row in rows.items():
        asked = f", prompted {row['fid_prompted']:.2f}" if "fid_prompted" in row else ""
        print(
            f"  {name:<6} {row['pictures']:>9,} pictures   FID {row['fid']:8.2f}{asked}   "
            f"{VARIANTS[name][0]}"
        )
    print(
        f"  the plain one's is {facts['fid_ratio']:.1f} times ours prompted, "
        f"{facts['fid_ratio_unprompted']:.1f} times ours unprompted"
    )
    print(f"  floor {rows['ours']['floor']:.2f}, ceiling {rows['ours']['ceiling']:.0f}")
    print(
        f"{COUNT} samples: shipped model, {NFE} NFE {ours:.2f} s; "
        f"plain, {PLAIN_STEPS} DDPM steps {plain:.0f} s: {facts['speed_ratio']:.0f} times faster"
    )


if __name__ == "__main__":
    main()
