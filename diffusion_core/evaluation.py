"""How good a model of digits is: everything behind ``render.py evaluate``.

Samples are compared with MNIST's test set by what the judge (the classifier
that ships) sees in them.  A distance says little alone, so its floor and its
ceiling are always beside it: the FID of as many training pictures, and of
noise.  A model that reads is also asked for what the test set shows, picture
by picture, in varied words that name the digit, its thickness and its lean;
so its samples should be like the test set as a whole, like their prompts one
by one, and within one prompt as unlike one another as real pictures are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_core import metrics
from diffusion_core.adherence import Adherence, Prompts, adherence, prompts_of
from diffusion_core.checkpoints import TrainedModel, load_model
from diffusion_core.classifier import TrainedClassifier, features_of, load_judge
from diffusion_core.datasets import mnist
from diffusion_core.drawing import SCHEDULE, Drawer, T, Way, as_pictures
from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.recipe import SEED_LIMIT, check_range, check_whole
from diffusion_core.recording import Report, silent
from diffusion_core.text import embed
from diffusion_core.training.settings import best_device

Array = np.ndarray[Any, Any]

SAMPLES = 10_000
FEWEST = 100
"""More than there are combinations of facts, so that some pictures share theirs."""

GUIDANCE = (1.0, 2.0)

WAYS = (
    Way("ddim", 20),
    Way("dpmpp", 10),
    Way("dpmpp", 20),
    Way("dpmpp", 20, "linspace"),
    Way("heun", 10),
)


@dataclass(frozen=True)
class Row:
    """One way of sampling.

    Parameters
    ----------
    sampler, steps, spacing, guidance
        The way; guidance is None where there were no prompts.
    nfe
        Evaluations of the network a sample: "heun" asks twice a step but in the
        last, and guidance doubles all.
    fid, diversity
        Against the test set; diversity is a ratio.
    adherence
        To the prompts, where there were any.
    """

    sampler: str
    steps: int
    spacing: str
    guidance: float | None
    nfe: int
    fid: float
    diversity: float
    adherence: Adherence | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and with what.

    Parameters
    ----------
    model, weights
        The model's name and the digest of its weights.
    judge, judge_accuracy
        The digest of the classifier, and how many real test pictures it names right.
    data, schedule, device
        What was compared with, and how was sampled.
    n, seed
        Samples a row, and the seed of the first; each has the next.
    floor, ceiling
        FID of n training pictures, and of n pictures of noise.
    real
        The adherence of the real pictures that the prompts were read off: what
        can be reached; None for a model that does not read.
    rows
        One for every way.
    """

    model: str
    weights: str
    judge: str
    judge_accuracy: float
    data: str
    schedule: str
    device: str
    n: int
    seed: int
    floor: float
    ceiling: float
    real: Adherence | None
    rows: tuple[Row, ...]

    def as_facts(self) -> Facts:
        """Everything, JSON-ready."""
        return asdict(self)

    def table(self) -> str:
        """What a reader wants to know, as text."""
        lines = [
            f"{self.model} (weights {self.weights[:12]}…): {self.n:,} samples against {self.data}",
            f"judge {self.judge[:12]}…, which names {self.judge_accuracy:.2%} of these right",
            f"FID: floor {self.floor:.2f} (training pictures), ceiling {self.ceiling:,.0f} (noise)",
        ]
        free = [row for row in self.rows if row.adherence is None]
        asked = [row for row in self.rows if row.adherence is not None]
        lines += ["", "unprompted", f"{_HEAD}{'FID':>9}{'diversity':>11}", *map(_line, free)]
        if asked and self.real is not None:
            real = f"{'real pictures':<38}{'':>9}{_adherence(self.real)}"
            names = ("accuracy", "diversity", "thickness", "slant")
            head = f"{_HEAD}{'FID':>9}{''.join(f'{name:>11}' for name in names)}"
            lines += ["", "prompted; diversity within prompts", head, *map(_line, asked), real]
        return "\n".join(lines)


_HEAD = f"{'sampler':<9}{'steps':>6} {'spacing':<9}{'guidance':>9}{'NFE':>4}"


def _line(row: Row) -> str:
    guidance = "" if row.guidance is None else f"{row.guidance:g}"
    way = f"{row.sampler:<9}{row.steps:>6} {row.spacing:<9}{guidance:>9}{row.nfe:>4}"
    return f"{way}{row.fid:>9.2f}" + (
        _adherence(row.adherence) if row.adherence else f"{row.diversity:>11.1%}"
    )


def _adherence(found: Adherence) -> str:
    shares = f"{found.accuracy:>11.2%}{found.diversity:>11.1%}"
    return f"{shares}{found.thickness:>11.3f}{found.slant:>11.3f}"


def floor(train: Tensor, reference: Array, judge: TrainedClassifier, n: int, seed: int) -> float:
    """FID of ``n`` training pictures, drawn at random from ``train`` (N, C, H, W), uint8.

    No model that has learnt the training set can be expected below it.
    """
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(train), generator=rng)[:n]
    return metrics.fid(features_of(train[chosen], judge), reference)


def ceiling(
    shape: Sequence[int], reference: Array, judge: TrainedClassifier, n: int, seed: int
) -> float:
    """FID of ``n`` pictures (C, H, W) of the noise that sampling begins with."""
    noise = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))
    return metrics.fid(features_of(as_pictures(noise), judge), reference)


def evaluate(
    model: str,
    *,
    ways: Sequence[Way] = WAYS,
    guidance: Sequence[float] | None = None,
    n: int = SAMPLES,
    seed: int = 0,
    schedule: str = SCHEDULE,
    data_dir: Path | None = None,
    device: torch.device | None = None,
    report: Report = silent,
) -> Evaluation:
    """Measure a model of MNIST's digits.

    Parameters
    ----------
    model
        A model that ships, or the path of weights.
    ways
        Samplers and steps; each is measured without prompts, and where the model
        reads with prompts too, once for every guidance.
    guidance
        g, each 0 … 100; 1 and 2 where the model reads and none are given.
    n
        Samples of each row, 100 up to the size of the test set.
    seed
        Sample i has the seed ``seed`` + i; also of what is drawn from the data.
    schedule
        The noise schedule that is sampled under.
    data_dir
        Look for MNIST here only.
    device
        Where the network computes; found by itself where it is None.
    report
        Told of the steps done, and of all.

    Raises
    ------
    UsageError
        Before any work: for a model of other pictures, for guidance of a model
        that does not read, and for numbers out of range.
    MissingRequirement
        When MNIST is nowhere, or the model was not taught a prompt.
    LectureError
        When a file is damaged or the network's output is not finite.
    """
    device = device or best_device()
    loaded, judge = load_model(model), load_judge()
    _check_digits(model, loaded, judge)
    guidance = _checked_guidance(model, loaded, guidance)
    drawer = Drawer(loaded, device, schedule)
    if not ways:
        raise UsageError("ways is empty; name at least one sampler with its steps")
    check_whole("n", n, FEWEST, SAMPLES)
    check_whole("seed", seed, 0, SEED_LIMIT - n)
    total = sum(drawer.steps(way, n) for way in ways) * (1 + len(guidance))
    train, test = mnist("train", data_dir=data_dir), mnist("test", data_dir=data_dir)
    check_whole("n", n, FEWEST, min(len(train.images), len(test.images)))
    seeds = range(seed, seed + n)
    reference = features_of(test.images, judge)
    prompts = prompts_of(test, n, seed) if guidance else None
    text = _embedded(loaded, prompts) if prompts else None
    done = itertools.count(1)

    def row(way: Way, g: float | None) -> Row:
        images, nfe = drawer.draw(
            way,
            seeds,
            text=None if g is None else text,
            guidance=1.0 if g is None else g,
            tell=lambda: report(next(done), total),
        )
        features = features_of(images, judge)
        return Row(
            way.sampler,
            way.steps,
            way.spacing,
            g,
            nfe,
            metrics.fid(features, reference),
            metrics.diversity(features) / metrics.diversity(reference),
            adherence(images, prompts, judge) if prompts and g is not None else None,
        )

    return Evaluation(
        model=model,
        weights=loaded.digest,
        judge=judge.digest,
        judge_accuracy=judge.facts["test"]["accuracy"],
        data=f"{test.name}, {len(test.images):,} pictures",
        schedule=f"{schedule}, T = {T}",
        device=device.type,
        n=n,
        seed=seed,
        floor=floor(train.images, reference, judge, n, seed),
        ceiling=ceiling(loaded.shape, reference, judge, n, seed),
        real=adherence(prompts.pictures, prompts, judge) if prompts else None,
        rows=tuple(row(way, g) for g in (None, *guidance) for way in ways),
    )


def _check_digits(name: str, model: TrainedModel, judge: TrainedClassifier) -> None:
    known = (judge.network.channels, judge.network.size, judge.network.size)
    data = str(model.facts["data"]["name"])
    if model.shape != known or data.partition("/")[0] != "mnist":
        C, H, W = model.shape
        raise UsageError(
            f"model {name!r} draws {data} ({C}×{H}×{W}), and the judge knows MNIST's digits only; "
            "evaluate a model that was trained on mnist"
        )


def _checked_guidance(
    name: str, model: TrainedModel, guidance: Sequence[float] | None
) -> tuple[float, ...]:
    if model.vocabulary is None:
        if guidance:
            raise UsageError(
                f"guidance is given, and model {name!r} was trained without words; leave it out"
            )
        return ()
    chosen = GUIDANCE if guidance is None else tuple(guidance)
    for g in chosen:
        check_range("guidance", g, 0, 100)
    return chosen


def _embedded(model: TrainedModel, prompts: Prompts) -> Tensor:
    """(N, text): each wording is embedded once."""
    assert model.vocabulary is not None
    known = {text: embed(text, model.vocabulary) for text in sorted(set(prompts.texts))}
    return torch.from_numpy(np.stack([known[text] for text in prompts.texts]).astype(np.float32))
