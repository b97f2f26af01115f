"""Whether pictures show what was asked for: the digit, its thickness, its lean.

What is asked for is read off real pictures, so that prompts come as often as
what they say occurs, and every score has its like: that of the real pictures.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_core import metrics
from diffusion_core.captions import SLANTS, THICKNESSES, digit_captions, digit_prompts, facts_of
from diffusion_core.classifier import TrainedClassifier, classes_of, features_of
from diffusion_core.datasets import ImageSet
from diffusion_core.strokes import lean, thickness

Array = np.ndarray[Any, Any]

ENOUGH = 20
"""Pictures of one prompt from which its diversity is told: of fewer it is mostly chance."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """What is asked for, and the real pictures that it was read off.

    Parameters
    ----------
    texts
        N captions that name all three facts.
    digits, thickness, slant
        (N,): 0 … 9, and the levels 0 … 2 from thin to bold and from left to right.
    pictures
        (N, 1, 28, 28), uint8.
    """

    texts: tuple[str, ...]
    digits: Array
    thickness: Array
    slant: Array
    pictures: Tensor

    @property
    def groups(self) -> Array:
        """(N,): 0 … 89, as ``captions.digit_captions`` numbers them."""
        return 9 * self.digits + 3 * self.thickness + self.slant


@dataclass(frozen=True)
class PromptScore:
    """How the samples of one combination of facts did.

    ``diversity`` is a ratio to real pictures of the same facts; None of a few.
    """

    prompt: str
    pictures: int
    accuracy: float
    diversity: float | None


@dataclass(frozen=True)
class Adherence:
    """How well pictures show what was asked for.

    Parameters
    ----------
    accuracy
        Share of pictures in which the judge sees the digit.
    thickness, slant
        Spearman's ρ between the prompts' levels and what is measured.
    diversity
        Within prompts, as a ratio to real pictures of the same facts.
    by_prompt
        The same for each combination of facts that was asked for.
    """

    accuracy: float
    thickness: float
    slant: float
    diversity: float
    by_prompt: tuple[PromptScore, ...]


def prompts_of(test: ImageSet, n: int, seed: int) -> Prompts:
    """The facts of ``n`` pictures of ``test``, drawn at random, each in words of its own."""
    if test.labels is None:
        raise ValueError(f"{test.name} has no labels, so nothing can be asked for")
    rng = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(test.images), generator=rng)[:n]
    captions = digit_captions(test.images[chosen], test.labels[chosen])
    facts = [facts_of(text) for text in captions.texts]
    complete = [
        [i for i in dict.fromkeys(row) if None not in asdict(facts[i]).values()]
        for row in captions.wordings.tolist()
    ]
    words = torch.rand(len(chosen), generator=rng).tolist()
    said = [
        complete[group][int(word * len(complete[group]))]
        for group, word in zip(captions.groups.tolist(), words, strict=True)
    ]
    asked = [facts[i] for i in said]
    return Prompts(
        tuple(captions.texts[i] for i in said),
        np.array([fact.digit for fact in asked]),
        np.array([THICKNESSES.index(str(fact.thickness)) for fact in asked]),
        np.array([SLANTS.index(str(fact.slant)) for fact in asked]),
        test.images[chosen],
    )


def adherence(images: Tensor, prompts: Prompts, judge: TrainedClassifier) -> Adherence:
    """How well ``images`` (N, 1, 28, 28), uint8, show what ``prompts`` asked for, one by one."""
    seen, real = features_of(images, judge), features_of(prompts.pictures, judge)
    right, groups = classes_of(seen, judge) == prompts.digits, prompts.groups
    scores = []
    for group in np.unique(groups):
        of = groups == group
        enough = int(of.sum()) >= ENOUGH
        ratio = metrics.diversity(seen[of]) / metrics.diversity(real[of]) if enough else None
        text = digit_prompts()[group][0]
        scores.append(PromptScore(text, int(of.sum()), float(right[of].mean()), ratio))
    leaning = lean(images, torch.from_numpy(prompts.digits)).numpy()
    return Adherence(
        accuracy=float(right.mean()),
        thickness=metrics.rank_correlation(prompts.thickness, thickness(images).numpy()),
        slant=metrics.rank_correlation(prompts.slant, leaning),
        diversity=metrics.diversity(seen, groups) / metrics.diversity(real, groups),
        by_prompt=tuple(scores),
    )
