"""What each choice of the tiny model is worth: the same minutes with and without it.

    python benchmarks/ablation.py [--minutes 5] [--only NAME …] [--samples 5000] [--json]

Every variant differs from ``ours`` in what its name says, and trains for the
same minutes of processor time in one thread, two at a time.  Then come samples in 20 network
evaluations (DPM-Solver++) and their FID on the features of the classifier that ships,
against MNIST's test pictures, beside the floor (as many training pictures) and
the ceiling (noise).  The runs are kept in --folder: a variant that is there is
not trained again.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click

NFE = 20

VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # name: what it is, settings, network
    "plain": (
        "the plain DDPM U-Net: 28/14/7, base 64, ε, linear, Adam 2e-4, no EMA, float32",
        {
            "precision": "float32",
            "prediction": "epsilon",
            "schedule": "linear",
            "ema": 0.0,
            "learning_rate": 2e-4,
            "batch_size": 128,
            "optimizer": "adamw",
            "warmup": 1,
            "decay": False,
            "weight_decay": 0.0,
        },
        {"patch": 1, "widths": (64, 64, 80)},
    ),
    "ours": (
        "64/128 channels at 14/7, v, cosine, Muon 2e-3, 64 pictures a step, EMA, bfloat16",
        {},
        {},
    ),
    "float32": ("multiplied in float32", {"precision": "float32"}, {}),
    "wide": ("96/128 channels", {}, {"widths": (96, 128)}),
    "narrow": ("64/96 channels", {}, {"widths": (64, 96)}),
    "narrower": ("48/64 channels", {}, {"widths": (48, 64)}),
    "deep": ("two blocks a level", {}, {"blocks": 2}),
    "full-resolution": ("28/14/7 with 32/64/96 channels", {}, {"patch": 1, "widths": (32, 64, 96)}),
    "no-attention": ("without attention at 7×7", {}, {"attention": False}),
    "epsilon": ("predicts ε", {"prediction": "epsilon"}, {}),
    "linear": ("linear schedule", {"schedule": "linear"}, {}),
    "fast": ("learning rate 4e-3", {"learning_rate": 4e-3}, {}),
    "slow": ("learning rate 1e-3", {"learning_rate": 1e-3}, {}),
    "level": ("no decay of the learning rate", {"decay": False}, {}),
    "no-average": ("no EMA", {"ema": 0.0}, {}),
    "adamw": ("AdamW for all weights", {"optimizer": "adamw"}, {}),
    "batch-32": ("32 pictures a step", {"batch_size": 32}, {}),
    "batch-128": ("128 pictures a step", {"batch_size": 128}, {}),
}


def train(
    name: str, minutes: float, folder: str, threads: int, words: bool = False
) -> dict[str, Any]:
    """Train one variant, also on captions if ``words``; its facts."""
    import torch

    torch.set_num_threads(threads)
    from diffusion_core.checkpoints import load_weights
    from diffusion_core.datasets import load_dataset, with_captions
    from diffusion_core.text import EMBEDDING
    from diffusion_core.training import TrainingRun, TrainingSettings
    from diffusion_core.training.start import words_for
    from diffusion_core.unet import UNetConfig

    _, settings, network = VARIANTS[name]
    never = {"sample_every": 10**9, "checkpoint_every": 10**9}
    chosen = TrainingSettings(**{"minutes": minutes, **never, **settings})
    output = Path(folder) / f"{name}-{minutes:g}min-{threads}threads{'-words' if words else ''}"
    pictures, vocabulary = load_dataset("mnist"), None
    if words:
        pictures = with_captions(pictures)
        assert pictures.captions is not None
        vocabulary = words_for(pictures.captions.texts)
        network = {**network, "text": EMBEDDING}
    # With several threads the processor's seconds are not those on the wall.
    clock = time.process_time if threads == 1 else time.monotonic
    config = UNetConfig(**network)
    run = TrainingRun(pictures, chosen, config, output, vocabulary=vocabulary, clock=clock)
    for _ in run.run():
        pass
    model = load_weights(run.weights)
    return {
        "weights": str(run.weights),
        "steps": run.steps,
        "pictures": run.steps * chosen.batch_size,
        "minutes": run.seconds / 60,
        "parameters": sum(p.numel() for p in model.network.parameters()),
        "loss": run.final_loss(),
        "schedule": chosen.schedule,
    }


def measure(row: dict[str, Any], samples: int, *samplers: str, g: float = 1.0) -> dict[str, Any]:
    """FID of a variant at 20 NFE under its own schedule, by each sampler, with its limits.

    Where ``g`` is above 1 the network is asked for what the test set shows as
    well, with half the steps, for guidance asks twice a step.
    """
    from diffusion_core.drawing import Way
    from diffusion_core.evaluation import evaluate

    settings: dict[str, Any] = {"n": samples, "schedule": row["schedule"], "guidance": []}
    # The last step of DDIM is no longer than the others; a fast solver's jump should be short.
    ways = [Way(name, NFE, "trailing" if name == "ddim" else "linspace") for name in samplers]
    found = evaluate(row["weights"], ways=ways, **settings)
    by = {name: one.fid for name, one in zip(samplers, found.rows, strict=True)}
    facts = {"fid": by, "floor": found.floor, "ceiling": found.ceiling}
    if g > 1:
        half = [Way("dpmpp", NFE // 2, "linspace")]
        _, asked = evaluate(row["weights"], ways=half, **{**settings, "guidance": [g]}).rows
        assert asked.nfe == NFE
        facts["fid_prompted"] = asked.fid
    return facts


@click.command()
@click.option("--minutes", type=float, default=5, show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(VARIANTS)))
@click.option("--samples", type=int, default=5000, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path("media/ablation"))
@click.option("--json", "as_json", is_flag=True)
def main(minutes: float, only: tuple[str, ...], samples: int, folder: Path, as_json: bool) -> None:
    """Train all variants, measure all, print one table."""
    names = list(only) or list(VARIANTS)
    spawn = multiprocessing.get_context("spawn")
    rows: dict[str, dict[str, Any]] = {}
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        jobs = {name: pool.submit(train, name, minutes, str(folder), 1) for name in names}
        for name, job in jobs.items():
            rows[name] = job.result()
            print(f"{name}: {rows[name]['pictures']:,} pictures", file=sys.stderr)
    for row in rows.values():
        row |= measure(row, samples, "dpmpp")
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print(f"| variant | what | parameters | pictures | loss | FID at {NFE} NFE |")
    print("|---|---|---:|---:|---:|---:|")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["fid"]["dpmpp"]):
        print(
            f"| {name} | {VARIANTS[name][0]} | {row['parameters'] / 1e6:.2f} M | "
            f"{row['pictures']:,} | {row['loss']:.4f} | {row['fid']['dpmpp']:.1f} |"
        )
    print(
        f"\nfloor {row['floor']:.2f} (as many training pictures), "
        f"ceiling {row['ceiling']:.0f} (noise); {samples:,} samples"
    )


if __name__ == "__main__":
    main()
