"""``python -m diffusion_core.latent.train``: the latent model that ships, trained again.

First the autoencoder, then the denoiser of its latents; both in one folder,
which receives ``autoencoder.safetensors``, what every training leaves there
(see ``training.TrainingRun``), and in the end ``weights.safetensors``, which
``--model`` of the scene takes, with ``samples.png`` and ``card.md``.  The same
command again goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from diffusion_core.datasets import DATASETS, load_dataset
from diffusion_core.errors import LectureError
from diffusion_core.latent.learning import (
    AutoencoderRun,
    LearntSpace,
    autoencoder_settings,
    learnt_before,
    load_space,
    save_space,
)
from diffusion_core.latent.run import LatentRun, denoiser_settings
from diffusion_core.training.start import check_space, some

log = logging.getLogger(__name__)

Tell = Callable[[str, int, int, float], None]
"""Told of every step: what is trained, steps done, steps in all, the loss."""


def train(
    dataset: str,
    output: Path,
    *,
    autoencoder_epochs: int = 1,
    epochs: int = 3,
    seed: int = 0,
    limit: int | None = None,
    data_dir: Path | None = None,
    tell: Tell = lambda what, step, steps, loss: None,
) -> Path:
    """Train both, or what is left of it; return where the finished weights are.

    Parameters
    ----------
    dataset
        The name of a published set.
    output
        The run's folder.
    autoencoder_epochs, epochs
        Passes over the pictures, and over their latents.
    seed
        Of both trainings.
    limit
        Use only so many of the pictures.
    data_dir
        Where the dataset is looked for; the usual places by default.

    Raises
    ------
    MissingRequirement
        When the dataset is nowhere and cannot be downloaded.
    LectureError
        When the folder holds another run, cannot be written, or the disk is full.
    """
    check_space(output)
    images = load_dataset(dataset, "train", data_dir=data_dir)
    test = load_dataset(dataset, "test", data_dir=data_dir)
    if limit is not None:
        images, test = some(images, limit), some(test, limit)
    place = output / "autoencoder.safetensors"
    settings = autoencoder_settings(autoencoder_epochs, seed)
    learnt: LearntSpace | None = learnt_before(place, images, settings)
    if learnt is None:
        first = AutoencoderRun(images, settings)
        for step, loss in first.run():
            tell("autoencoder", step, first.steps, loss)
        save_space(place, first.finished(test))
        learnt = load_space(place)
    run = LatentRun(images, learnt, denoiser_settings(epochs, seed), output)
    for progress in run.run():
        tell("denoiser", progress.step, progress.steps, progress.loss)
    return run.weights


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 where it went well, the error's exit code otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m diffusion_core.latent.train",
        description="Train an autoencoder and a denoiser of its latents; run again to resume.",
    )
    parser.add_argument("--dataset", default="mnist", choices=DATASETS)
    parser.add_argument("--autoencoder-epochs", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3, help="of the denoiser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="use only so many of the pictures")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--output", type=Path, default=Path("runs/latent-mnist"))
    chosen = vars(parser.parse_args(arguments))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    def tell(what: str, step: int, steps: int, loss: float) -> None:
        if step % 50 == 0 or step == steps:
            log.info("%s: step %d of %d, loss %.5f", what, step, steps, loss)

    try:
        log.info("%s", train(**chosen, tell=tell))
    except LectureError as error:
        log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
