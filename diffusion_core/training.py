"""Training the tiny network: one generator of progress, resumable at any step.

Every random choice of step n follows from (seed, n) alone, so a run that was
killed and resumed from its last checkpoint goes the way it would have gone.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from diffusion_core.checkpoints import (
    TrainedModel,
    channels_last,
    from_arrays,
    load_weights,
    save_weights,
    to_arrays,
)
from diffusion_core.datasets import DATASETS, ImageSet, to_unit
from diffusion_core.denoiser import NetworkDenoiser, v_target
from diffusion_core.errors import DamagedFile, LectureError, UsageError
from diffusion_core.files import (
    Facts,
    canonical_json,
    read_arrays,
    write_arrays,
    write_text,
)
from diffusion_core.grids import save_grid
from diffusion_core.recipe import VP_SCHEDULES, check_name, check_seed
from diffusion_core.schedule import Schedule, make_schedule
from diffusion_core.training_report import model_card, plot_losses, sample_grid
from diffusion_core.unet import UNet, UNetConfig

CHECKPOINT_KIND = "diffusion-lectures training checkpoint 1"
KEPT_CHECKPOINTS = 2


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What a training run is; two runs with equal settings give equal weights.

    Parameters
    ----------
    epochs
        Passes over the pictures.
    batch_size
        Pictures a step.
    learning_rate
        Peak of the schedule: linear warm-up, then half a cosine down to 1 %.
    timesteps, schedule
        T and the noise schedule whose levels are trained on.
    seed
        Of the weights, the order, the times and the noise.
    sample_every, checkpoint_every
        Steps between sample grids, and between checkpoints.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: int = 500
    weight_decay: float = 0.01
    ema: float = 0.999
    timesteps: int = 1000
    schedule: str = "cosine"
    seed: int = 0
    sample_every: int = 1000
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        check_seed(self.seed)
        for name in ("epochs", "batch_size", "sample_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} = {getattr(self, name)} must be at least 1")
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"learning_rate = {self.learning_rate} is outside (0, 1]")
        check_name("schedule", self.schedule, VP_SCHEDULES)
        make_schedule(self.schedule, self.timesteps)


@dataclass(frozen=True)
class TrainingProgress:
    """Where a run stands after a step."""

    step: int
    steps: int
    epoch: float
    loss: float
    learning_rate: float
    images_per_second: float
    seconds_left: float
    wrote: tuple[Path, ...] = ()


def batches_per_epoch(images: ImageSet, batch_size: int) -> int:
    """Whole batches in one pass; what is left over joins the next shuffle."""
    return max(1, len(images.images) // batch_size)


def _generator(seed: int, purpose: int, index: int) -> torch.Generator:
    mixed = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def _batch(images: Tensor, step: int, per_epoch: int, settings: TrainingSettings) -> Tensor:
    epoch, index = divmod(step, per_epoch)
    order = torch.randperm(len(images), generator=_generator(settings.seed, 0, epoch))
    size = settings.batch_size
    return to_unit(images[order[index * size : (index + 1) * size]])


def v_loss(network: nn.Module, x_0: Tensor, schedule: Schedule, rng: torch.Generator) -> Tensor:
    """Mean squared error of the predicted v at one random time a picture.

    The times are stratified, one from each B-th of the range, which spreads
    them evenly over the batch and makes the loss less noisy.
    """
    B = len(x_0)
    u = (torch.rand(1, generator=rng) + torch.arange(B) / B) % 1
    t = (u * schedule.T).long().clamp(max=schedule.T - 1)
    alpha = schedule.alpha(t).to(x_0.dtype)[:, None, None, None]
    sigma = schedule.sigma(t).to(x_0.dtype)[:, None, None, None]
    eps = torch.randn(x_0.shape, generator=rng)
    x_t = alpha * x_0 + sigma * eps
    output = network(x_t, schedule.noise_level(t).to(x_0.dtype))
    return F.mse_loss(output, v_target(x_0, eps, alpha, sigma))


def learning_rate_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """Linear warm-up to the peak, then half a cosine down to 1 % of it."""
    warmup = min(settings.warmup, max(1, steps // 10))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class TrainingRun:
    """One run in a folder: its settings, its state, what it writes.

    The folder receives ``checkpoints/``, ``samples/step-….png`` (the same
    seeds each time), ``loss.csv``, ``loss.png`` and, at the end,
    ``weights.safetensors`` (the averaged weights) with ``samples.png`` and
    ``card.md``.  Starting again with the same settings resumes.

    Parameters
    ----------
    images
        What is learnt.
    settings, network
        How, and by what.
    output
        The run's folder.

    Raises
    ------
    LectureError
        When the folder holds a run with other settings or data.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: TrainingSettings,
        network: UNetConfig,
        output: Path,
    ) -> None:
        self.images, self.settings, self.output = images, settings, output
        self.per_epoch = batches_per_epoch(images, settings.batch_size)
        self.steps = settings.epochs * self.per_epoch
        self.schedule = make_schedule(settings.schedule, settings.timesteps)
        self.identity: Facts = {
            "settings": asdict(settings),
            "network": network.as_dict(),
            "data": {
                "name": images.name,
                "pictures": len(images.images),
                "sha256": images.digest,
            },
        }
        torch.manual_seed(settings.seed)
        self.network = channels_last(UNet(network))
        self.average = AveragedModel(self.network, multi_avg_fn=self._average)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=settings.weight_decay,
        )
        self.step = 0
        self.seconds = 0.0
        self.losses: list[float] = []
        self._resume()

    def _average(
        self, averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int
    ) -> None:
        # The decay warms up, so that the average forgets the random start quickly.
        decay = min(self.settings.ema, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)

    # -- running -----------------------------------------------------------

    def run(self) -> Iterator[TrainingProgress]:
        """Train to the end, yielding after every step.

        Raises
        ------
        LectureError
            When the loss is not finite; the last good checkpoint is kept.
        """
        self.network.train()
        started, resumed_at, seconds_before = time.monotonic(), self.step, self.seconds
        while self.step < self.steps:
            loss = self._train_step()
            if not math.isfinite(loss):
                raise LectureError(
                    f"the loss is {loss} at step {self.step}; lower --learning-rate and train "
                    f"again (the checkpoints before it are in {self.output / 'checkpoints'})"
                )
            self.losses.append(loss)
            self.step += 1
            elapsed = time.monotonic() - started
            self.seconds = seconds_before + elapsed
            wrote = self._write_what_is_due()
            rate = (self.step - resumed_at) / elapsed
            yield TrainingProgress(
                step=self.step,
                steps=self.steps,
                epoch=self.step / self.per_epoch,
                loss=loss,
                learning_rate=self.optimizer.param_groups[0]["lr"],
                images_per_second=rate * self.settings.batch_size,
                seconds_left=(self.steps - self.step) / rate,
                wrote=wrote,
            )
        self.finish()

    def _train_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(self.step, self.steps, self.settings)
        x_0 = _batch(self.images.images, self.step, self.per_epoch, self.settings)
        rng = _generator(self.settings.seed, 1, self.step)
        loss = v_loss(self.network, x_0, self.schedule, rng)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        value = float(loss.detach())
        if math.isfinite(value):
            self.optimizer.step()
            self.average.update_parameters(self.network)
        return value

    def _write_what_is_due(self) -> tuple[Path, ...]:
        last = self.step == self.steps
        wrote: list[Path] = []
        if last or self.step % self.settings.sample_every == 0:
            wrote.append(self._write_samples())
        if last or self.step % self.settings.checkpoint_every == 0:
            # Before the checkpoint: after the last one a run that resumes has no step left.
            self._write_losses()
            wrote.append(self._write_checkpoint())
        return tuple(wrote)

    # -- what is written ---------------------------------------------------

    def _write_samples(self) -> Path:
        path = self.output / "samples" / f"step-{self.step:06d}.png"
        ema = self._averaged_network()
        denoiser = NetworkDenoiser(ema, self.schedule, "v")
        states = sample_grid(denoiser, self.schedule, ema.config)
        save_grid(path, states, scale=2)
        return path

    def _averaged_network(self) -> UNet:
        network = self.average.module
        assert isinstance(network, UNet)
        return network

    def _checkpoints(self) -> list[Path]:
        return sorted((self.output / "checkpoints").glob("step-*.safetensors"))

    def _write_checkpoint(self) -> Path:
        moments: dict[str, Tensor] = {}
        for i, state in self.optimizer.state_dict()["state"].items():
            moments |= {f"{i}.{name}": value for name, value in state.items()}
        arrays = (
            to_arrays(self.network.state_dict(), "network.")
            | to_arrays(self.average.state_dict(), "average.")
            | to_arrays(moments, "optimizer.")
            | {"losses": np.asarray(self.losses)}
        )
        facts = {"identity": self.identity, "step": self.step, "seconds": self.seconds}
        path = self.output / "checkpoints" / f"step-{self.step:06d}.safetensors"
        write_arrays(path, arrays, facts, kind=CHECKPOINT_KIND)
        for old in self._checkpoints()[:-KEPT_CHECKPOINTS]:
            old.unlink()
        return path

    def _resume(self) -> None:
        damaged: list[str] = []
        for path in reversed(self._checkpoints()):
            try:
                arrays, facts, _ = read_arrays(path, kind=CHECKPOINT_KIND)
            except DamagedFile as error:
                damaged.append(str(error))
                continue
            self._check_identity(path, facts["identity"])
            self._restore(from_arrays(arrays), facts)
            return
        if damaged:
            raise DamagedFile(
                f"{damaged[0]}, and no other checkpoint is whole; delete "
                f"{self.output / 'checkpoints'} to train from the start"
            )

    def _check_identity(self, path: Path, found: Facts) -> None:
        if canonical_json(found) == canonical_json(self.identity):
            return
        different = [
            f"{part}.{key} = {found[part].get(key)} there, {value} now"
            for part, values in self.identity.items()
            for key, value in values.items()
            if found[part].get(key) != value
        ]
        raise LectureError(
            f"{path.parent.parent} holds a run with other settings ({'; '.join(different)}); "
            "give the same settings to resume it, or another --output"
        )

    def _restore(self, tensors: dict[str, Tensor], facts: Facts) -> None:
        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.network.load_state_dict(part("network."))
        self.average.load_state_dict(part("average."))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimizer.").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.seconds = facts["step"], facts["seconds"]
        self.losses = tensors["losses"].tolist()

    def _write_losses(self) -> None:
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["step", "learning_rate", "loss"])
        for i, loss in enumerate(self.losses):
            rate = learning_rate_at(i, self.steps, self.settings)
            writer.writerow([i + 1, f"{rate:.6g}", f"{loss:.6g}"])
        write_text(self.output / "loss.csv", rows.getvalue())
        plot_losses(self.output / "loss.png", self.losses)

    def final_loss(self) -> float:
        """Mean of the last 500 losses, or of all where there are fewer."""
        return float(np.mean(self.losses[-500:]))

    @property
    def weights(self) -> Path:
        """Where the finished, averaged weights are."""
        return self.output / "weights.safetensors"

    def finish(self) -> TrainedModel:
        """Write the averaged weights, the grid of samples that shows them, and the card."""
        training = {
            **self.identity["settings"],
            "steps": self.steps,
            "minutes": round(self.seconds / 60, 1),
            "final_loss": round(self.final_loss(), 5),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        facts = {"training": training, "data": self.identity["data"]}
        save_weights(self.weights, self._averaged_network(), "v", facts)
        model = load_weights(self.weights)  # what ships is judged, not what was rounded to it
        states = sample_grid(model.denoiser(self.schedule), self.schedule, model.network.config)
        save_grid(self.output / "samples.png", states, scale=3)
        write_text(self.output / "card.md", model_card(model))
        return model


def start(
    dataset: str,
    settings: TrainingSettings,
    output: Path,
    *,
    data_dir: Path | None = None,
    limit: int | None = None,
) -> TrainingRun:
    """A run on a known dataset with the network that ships, new or resumed.

    Parameters
    ----------
    dataset
        Its name.
    settings
        How it is trained.
    output
        The run's folder.
    data_dir
        Where the dataset is looked for; the usual places by default.
    limit
        Use only the first pictures, so many of them.

    Raises
    ------
    MissingRequirement
        When the dataset is nowhere and cannot be downloaded.
    LectureError
        When the folder holds another run, or cannot be written.
    """
    check_name("dataset", dataset, tuple(DATASETS))
    images = DATASETS[dataset]("train", data_dir=data_dir)
    if limit is not None:
        images = ImageSet(f"{images.name}[:{limit}]", images.images[:limit].clone())
    _, C, H, _ = images.images.shape
    return TrainingRun(images, settings, UNetConfig(channels=C, size=H), output)
