"""One run of training: a generator of progress, resumable at any step.

Every random choice of step n follows from (seed, n) alone, so a run that was
killed and resumed from its last checkpoint goes the way it would have gone.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from diffusion_core.checkpoints import (
    TrainedModel,
    channels_last,
    from_arrays,
    load_weights,
    save_weights,
    to_arrays,
    vocabulary_arrays,
)
from diffusion_core.datasets import ImageSet
from diffusion_core.errors import LectureError
from diffusion_core.files import Facts, write_text
from diffusion_core.grids import save_grid
from diffusion_core.schedule import make_schedule
from diffusion_core.text import Vocabulary
from diffusion_core.training.batches import NOISE, Batches, generator, loss_of
from diffusion_core.training.checkpoint import Checkpoints, flat_moments, restore_moments
from diffusion_core.training.history import Stages, is_stage
from diffusion_core.training.optimizers import optimizers_for
from diffusion_core.training.processes import Processes
from diffusion_core.training.report import SampleSheet, model_card, plot_losses
from diffusion_core.training.settings import TrainingSettings, best_precision, learning_rate_at
from diffusion_core.unet import UNet, UNetConfig

TIMED = range(10, 40)
"""The steps whose speed says how many there will be, where minutes are given."""

UNPLANNED = 1_000_000
"""So many steps are ahead until then."""


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


class TrainingRun:
    """One run in a folder: its settings, its state, what it writes.

    The folder receives ``checkpoints/``, ``samples/step-….png`` (the same
    seeds and prompts each time), ``loss.csv``, ``loss.png``,
    ``history.safetensors`` (what was learnt at each stage) and, at the end,
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
    vocabulary
        The embeddings of the pictures' captions, where the network reads them.
    processes
        The device, and the other processes that train with this one.
    clock
        Seconds, of which ``minutes`` are made: those on the wall, or the
        processor's (``time.process_time``) where runs are to be compared.
    batches, sheet
        What each step learns from, and the samples that show what was learnt,
        where these are not the pictures themselves: latents of them, say.

    Raises
    ------
    LectureError
        When the folder holds a run with other settings or data.
    UsageError
        When a batch cannot be dealt out evenly to the processes.
    """

    def __init__(
        self,
        images: ImageSet,
        settings: TrainingSettings,
        network: UNetConfig,
        output: Path,
        *,
        vocabulary: Vocabulary | None = None,
        processes: Processes | None = None,
        clock: Callable[[], float] = time.monotonic,
        batches: Batches | None = None,
        sheet: SampleSheet | None = None,
    ) -> None:
        self.processes, self.clock = processes or Processes(), clock
        device = self.processes.device
        if settings.precision == "auto":
            settings = replace(settings, precision=best_precision(device))
        self.images, self.settings, self.output = images, settings, output
        self.vocabulary = vocabulary
        self.batches = Batches(images, settings, vocabulary) if batches is None else batches
        self.share = self.processes.part_of(self.batches.size)
        self.steps = settings.epochs * self.batches.per_epoch
        self.planned = settings.minutes is None
        self.timed: list[float] = []
        if not self.planned:
            self.steps = UNPLANNED
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
        self.network = channels_last(UNet(network)).to(device)
        if self.network.words is not None and vocabulary is not None:
            self.network.words.spread(torch.from_numpy(vocabulary.embeddings.astype(np.float32)))
        self.average = AveragedModel(self.network, multi_avg_fn=self._average)
        self.optimizers = optimizers_for(self.network, settings, device)
        self.sheet = sheet or SampleSheet(self.schedule, network, vocabulary, images.captions)
        self.stages = Stages(self.sheet.stage_shape)
        self.step = 0
        self.seconds = 0.0
        self.losses: list[float] = []
        self.checkpoints = Checkpoints(output, self.identity, self._shorter())
        self._resume()
        self.trained = self.processes.share(self.network)

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
            When the loss or its gradient is not finite; the last good checkpoint
            is kept, and no weights after it.
        """
        self.network.train()
        started, resumed_at, seconds_before = self.clock(), self.step, self.seconds
        self.timed = []
        if self.step == 0:
            self._keep_stage()
        while self.step < self.steps:
            before = self.clock()
            loss = self._train_step()
            self.losses.append(loss)
            self.step += 1
            elapsed = self.clock() - started
            self.seconds = seconds_before + elapsed
            self._plan(self.clock() - before)
            wrote = self._write_what_is_due()
            rate = (self.step - resumed_at) / elapsed
            yield TrainingProgress(
                step=self.step,
                steps=self.steps,
                epoch=self.step / self.batches.per_epoch,
                loss=loss,
                learning_rate=self._learning_rate(self.step - 1),
                images_per_second=rate * self.batches.size,
                seconds_left=self._seconds_left(rate),
                wrote=wrote,
            )
        self.finish()

    def _train_step(self) -> float:
        rate = self._learning_rate(self.step)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        batch = self.batches[self.step]
        rng = generator(self.settings.seed, NOISE, self.step)
        reduced = self.settings.precision == "bfloat16"
        with torch.autocast(self.processes.device.type, torch.bfloat16, enabled=reduced):
            loss = loss_of(
                self.trained, batch, self.schedule, rng, self.settings.prediction, self.share
            )
        self.network.zero_grad()
        self.processes.backward(loss)
        slope = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        value = self.processes.mean(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(slope))):
            raise LectureError(
                f"the loss is {value} and its slope {float(slope)} at step {self.step}; lower "
                "--learning-rate and train again with another --output (the checkpoints before "
                f"it are in {self.checkpoints.folder})"
            )
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.network)
        return value

    def _learning_rate(self, step: int) -> float:
        """That of ``step``; the first steps where minutes are given do not know of an end."""
        blind = self.settings.minutes is not None and step < TIMED.stop
        return learning_rate_at(step, UNPLANNED if blind else self.steps, self.settings)

    def _plan(self, seconds: float) -> None:
        """Fix the number of steps, where minutes are given, once the speed is known."""
        if self.planned:
            return
        if self.step - 1 in TIMED:
            self.timed.append(seconds)
        if self.step >= TIMED.stop and self.timed:
            left = 60 * float(self.settings.minutes or 0) - self.seconds
            more = self.processes.same(left / float(np.median(self.timed)))
            self.steps = self.step + max(0, round(more))
            self.planned = True

    def _seconds_left(self, rate: float) -> float:
        if self.settings.minutes is not None and not self.planned:
            return max(0.0, 60 * self.settings.minutes - self.seconds)
        return (self.steps - self.step) / rate

    def _write_what_is_due(self) -> tuple[Path, ...]:
        last = self.step == self.steps
        wrote: list[Path] = []
        if is_stage(self.step) or last:
            self._keep_stage()
        if not self.processes.main:
            return ()
        if last or self.step % self.settings.sample_every == 0:
            wrote.append(self._write_samples())
        if last or self.step % self.settings.checkpoint_every == 0:
            # Before the checkpoint: after the last one a run that resumes has no step left.
            self._write_losses()
            wrote.append(self._write_checkpoint())
        return tuple(wrote)

    # -- what is written ---------------------------------------------------

    def _averaged_network(self) -> UNet:
        network = self.average.module
        assert isinstance(network, UNet)
        return network

    def _keep_stage(self) -> None:
        states = self.sheet.stage(self._averaged_network(), self.settings.prediction)
        self.stages.add(self.step, self.seconds, states)

    def _write_samples(self) -> Path:
        path = self.output / "samples" / f"step-{self.step:06d}.png"
        states = self.sheet.grid(self._averaged_network(), self.settings.prediction)
        save_grid(path, states, scale=2)
        return path

    def _write_checkpoint(self) -> Path:
        arrays = (
            to_arrays(self.network.state_dict(), "network.")
            | to_arrays(self.average.state_dict(), "average.")
            | to_arrays(flat_moments(self.optimizers), "optimizers.")
            | {f"stages.{name}": array for name, array in self.stages.to_arrays().items()}
            | {"losses": np.asarray(self.losses)}
        )
        words, facts = vocabulary_arrays(self.vocabulary)
        arrays |= words
        facts |= {"seconds": self.seconds, "steps": self.steps if self.planned else None}
        return self.checkpoints.write(self.step, arrays, facts)

    def _shorter(self) -> Facts | None:
        """The run that ended where this one restarts: it may be gone on with."""
        if self.settings.restart is None:
            return None
        return {**self.identity, "settings": asdict(self.settings.until_restart())}

    def _resume(self) -> None:
        found = self.checkpoints.newest()
        if found is None:
            return
        arrays, facts = found

        def part(prefix: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

        self.network.load_state_dict(from_arrays(part("network.")))
        self.average.load_state_dict(from_arrays(part("average.")))
        restore_moments(self.optimizers, from_arrays(part("optimizers.")))
        self.stages.restore(part("stages."))
        self.losses = arrays["losses"].tolist()
        self.step, self.seconds = facts["step"], facts["seconds"]
        if not self.planned and facts["steps"] is not None:
            self.steps, self.planned = facts["steps"], True

    def _write_losses(self) -> None:
        rows = io.StringIO()
        writer = csv.writer(rows, lineterminator="\n")
        writer.writerow(["step", "learning_rate", "loss"])
        for i, loss in enumerate(self.losses):
            writer.writerow([i + 1, f"{self._learning_rate(i):.6g}", f"{loss:.6g}"])
        write_text(self.output / "loss.csv", rows.getvalue())
        plot_losses(self.output / "loss.png", self.losses, self.settings.prediction)
        facts = {"samples": self.sheet.stage_facts(), **self._facts()}
        history = self.stages.history(self.losses, self.batches.size, facts)
        history.save(self.output / "history.safetensors")

    def final_loss(self) -> float:
        """Mean of the last 500 losses, or of all where there are fewer."""
        return float(np.mean(self.losses[-500:]))

    @property
    def weights(self) -> Path:
        """Where the finished, averaged weights are."""
        return self.output / "weights.safetensors"

    def _facts(self) -> Facts:
        training = {
            **self.identity["settings"],
            "steps": self.steps,
            "trained_minutes": round(self.seconds / 60, 1),
            "final_loss": round(self.final_loss(), 5),
            "device": self.processes.device.type,
            "processes": self.processes.count,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        return {"training": training, "data": self.identity["data"]}

    def finish(self) -> None:
        """Write the averaged weights, the grid of samples that shows them, and the card."""
        if not self.processes.main:
            return
        network = self._averaged_network()
        save_weights(
            self.weights, network, self.settings.prediction, self._facts(), self.vocabulary
        )
        model: TrainedModel = load_weights(self.weights)  # judged as it ships, rounded
        states = self.sheet.grid(model.network, model.prediction)
        save_grid(self.output / "samples.png", states, scale=3)
        write_text(self.output / "card.md", model_card(model, self.sheet))
