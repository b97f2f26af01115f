"""``train``: the tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cloup

from studio.commands.options import DATA_DIR, JSON, QUIET, SCHEDULE, SEED
from studio.commands.reporting import report


@cloup.command("train")
@cloup.option_group(
    "What is learnt",
    cloup.option(
        "--dataset",
        default="mnist",
        show_default=True,
        help="mnist, fashion-mnist, cifar10, or a folder of pictures.",
    ),
    DATA_DIR,
    cloup.option("--limit", type=click.IntRange(2), help="Use only so many of the pictures."),
    cloup.option("--size", type=int, help="Pixels a side for the pictures of a folder (32)."),
    cloup.option(
        "--words/--no-words",
        default=True,
        show_default=True,
        help="Teach what the pictures show, where that is known.",
    ),
)
@cloup.option_group(
    "How long",
    cloup.option("--minutes", type=float, help="Train so long."),
    cloup.option("--epochs", type=int, help="Or pass over the pictures so often (20)."),
    constraint=cloup.constraints.mutually_exclusive,
)
@cloup.option_group(
    "How",
    cloup.option("--batch-size", type=int, default=64, show_default=True),
    cloup.option("--learning-rate", type=float, default=2e-3, show_default=True),
    cloup.option(
        "--restart",
        type=int,
        help="Begin the learning rate's schedule anew after so many epochs, with half the peak: "
        "so a finished run is made longer.",
    ),
    cloup.option(
        "--optimizer",
        type=click.Choice(["muon", "adamw"]),
        default="muon",
        show_default=True,
        help="muon moves every direction of a hidden matrix alike; the rest goes by adamw.",
    ),
    cloup.option("--timesteps", type=int, default=1000, show_default=True),
    SCHEDULE,
    cloup.option(
        "--precision",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        default="auto",
        show_default=True,
        help="auto takes the faster one.",
    ),
    SEED,
    cloup.option("--sample-every", type=int, default=1000, show_default=True, help="Steps."),
    cloup.option("--checkpoint-every", type=int, default=500, show_default=True, help="Steps."),
)
@cloup.option("--output", type=click.Path(path_type=Path), help="The folder of the run.")
@JSON
@QUIET
def train_command(
    dataset: str,
    data_dir: Path | None,
    limit: int | None,
    size: int | None,
    words: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train the tiny model; the same command again resumes where it was.

    A folder may hold pictures, pictures in a folder for each class, or pictures
    and captions.csv (file, caption).  The folder of the run receives
    checkpoints, sample grids at fixed seeds and prompts, the loss as CSV and
    PNG, and in the end weights.safetensors with a model card.
    """
    from diffusion_core.training import TrainingSettings, start
    from studio.display import show_training
    from studio.production import MEDIA

    chosen = TrainingSettings(**{k: v for k, v in settings.items() if v is not None})
    folder = output or MEDIA / "training" / f"{Path(dataset).resolve().name}-seed{chosen.seed}"
    run = start(dataset, chosen, folder, data_dir=data_dir, limit=limit, size=size, words=words)
    show_training(run.run(), quiet=quiet or not run.processes.main)
    if not run.processes.main:
        return
    facts = {"weights": str(run.weights), "loss": run.final_loss(), "seconds": run.seconds}
    report(facts, as_json, f"{run.weights} (loss {facts['loss']:.4f})")
