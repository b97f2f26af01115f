"""What the same minutes of training bring: our network and settings beside the plain ones.

    python benchmarks/training.py [--minutes 10] [--samples 10000] [--folder FOLDER] [--json]

Both train on MNIST for the same minutes with all threads, one after the other,
ours with its captions, as it ships; then each draws samples in 20 network
evaluations, and their FID on the features of the classifier that ships is
printed, with the ratios.  Both are measured by DDIM, the sampler that one has
for a plain DDPM, and by DPM-Solver++; ours is asked for what the test pictures
show as well, in half the steps with guidance, which are as many evaluations.

Then 64 samples are drawn as one would use either: ours by the model that ships,
prompted, in the fewest steps in which it keeps what its card promises; the
plain network in 1,000 DDPM steps (timed over 20 of them, and multiplied).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import torch
from ablation import NFE, VARIANTS, measure, train

COUNT, PLAIN_STEPS, TIMED_STEPS = 64, 1000, 20
YOUNG_GUIDANCE = 1.5
"""Of a network that has trained for minutes: it strays, and guidance holds it to the words."""
STEPS, GUIDANCE = 8, 1.15
"""Of the model that ships; its card has the figures."""


def seconds_to_sample(
    weights: str, sampler: str, steps: int, spacing: str, prompt: str = "", g: float = 1.0
) -> float:
    """Seconds for ``COUNT`` samples in ``steps`` steps, the loading not counted."""
    from diffusion_core.checkpoints import load_weights
    from diffusion_core.reverse import sample
    from diffusion_core.samplers import make_sampler
    from diffusion_core.schedule import make_schedule
    from diffusion_core.timesteps import sampling_times

    model = load_weights(Path(weights))
    schedule = make_schedule(model.facts["training"]["schedule"], 1000)
    denoiser = model.denoiser(schedule, prompt, g)
    draw = make_sampler(sampler, schedule, 0.0)
    sample(denoiser, draw, sampling_times(schedule, 2), range(COUNT), model.shape)  # warm
    started = time.monotonic()
    times = sampling_times(schedule, steps, spacing)
    sample(denoiser, draw, times, range(COUNT), model.shape)
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
    # What is timed comes first: the drawing of thousands may share the machine.
    shipped = str(weights_path(DEFAULT_MODEL))
    ours = seconds_to_sample(shipped, "dpmpp", STEPS, "linspace", "a seven", GUIDANCE)
    plain = seconds_to_sample(rows["plain"]["weights"], "ddpm", TIMED_STEPS, "trailing")
    plain *= PLAIN_STEPS / TIMED_STEPS
    click.echo("trained and timed; now the samples", err=True)
    rows["plain"] |= measure(rows["plain"], samples, "ddim", "dpmpp")
    rows["ours"] |= measure(rows["ours"], samples, "ddim", "dpmpp", g=YOUNG_GUIDANCE)
    best = rows["ours"]["fid_prompted"]
    facts = {
        "minutes": minutes,
        "threads": threads,
        "nfe": NFE,
        "samples": samples,
        "guidance": YOUNG_GUIDANCE,
        "variants": rows,
        "fid_ratio": {name: fid / best for name, fid in rows["plain"]["fid"].items()},
        "seconds_for_64": {"ours": ours, "plain": plain, "nfe": [2 * STEPS, PLAIN_STEPS]},
        "speed_ratio": plain / ours,
    }
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    print(
        f"{minutes:g} minutes of training, {threads} threads; FID at {NFE} NFE, {samples:,} samples"
    )
    print(f"  {'':<6} {'pictures':>9} {'DDIM':>8} {'DPM-Solver++':>13} {'prompted':>9}")
    for name, row in rows.items():
        asked = f"{row['fid_prompted']:9.2f}" if "fid_prompted" in row else f"{'-':>9}"
        print(
            f"  {name:<6} {row['pictures']:>9,} {row['fid']['ddim']:8.2f} "
            f"{row['fid']['dpmpp']:13.2f} {asked}   {VARIANTS[name][0]}"
        )
    print(
        f"  prompted with g = {YOUNG_GUIDANCE:g}, ours is {facts['fid_ratio']['ddim']:.1f} times "
        f"nearer than the plain one by DDIM, {facts['fid_ratio']['dpmpp']:.1f} times nearer than "
        "by DPM-Solver++"
    )
    print(f"  floor {rows['ours']['floor']:.2f}, ceiling {rows['ours']['ceiling']:.0f}")
    print(
        f"{COUNT} samples: shipped model, {2 * STEPS} NFE {ours:.2f} s; "
        f"plain, {PLAIN_STEPS} DDPM steps {plain:.0f} s: {facts['speed_ratio']:.0f} times faster"
    )


if __name__ == "__main__":
    main()
