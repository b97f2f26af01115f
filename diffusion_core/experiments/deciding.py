"""When along t it is decided what a picture will show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from diffusion_core.errors import LectureError
from diffusion_core.experiments.paths import Runs, saying
from diffusion_core.experiments.process import ReverseProcess, start_noise
from diffusion_core.files import Facts
from diffusion_core.trajectory import Trajectory

Classifier = Callable[[Tensor], Tensor]
"""(B, C, H, W) → (B, K) logits of K ≥ 2 classes."""

DIGITS = 6
"""Decimal places to which probabilities are recorded."""


def probabilities(classifier: Classifier, x: Tensor) -> Tensor:
    """softmax(classifier(x)) in float64, (B, C, H, W) → (B, K).

    Raises
    ------
    ValueError
        When the logits are not (B, K) with K ≥ 2.
    LectureError
        When they are not finite.
    """
    with torch.no_grad():
        logits = classifier(x)
    if logits.ndim != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        raise ValueError(
            f"the classifier returned {tuple(logits.shape)} for {tuple(x.shape)}; it must return "
            "logits (B, K), K ≥ 2"
        )
    if not bool(torch.isfinite(logits).all()):
        raise LectureError("the classifier's logits are not finite; train it again")
    return logits.to(torch.float64).softmax(1)


def judged(run: Trajectory, classifier: Classifier) -> Trajectory:
    """``run`` with a classifier's opinion of x0_hat at every step and of the last state.

    Parameters
    ----------
    run
        A reverse run that ends in the picture.
    classifier
        Called with float32 (B, C, H, W); it should know pictures as blurred
        as x0_hat is at large t, or its opinion of those is worth little.

    Returns
    -------
    Trajectory
        The same, with the facts "probabilities", (N + 1, B, K), rounded to six
        places, the last of the finished picture; "final_class", of that picture; and
        "decided_at", for each sample the time from which on the most likely
        class stays that one: −1 where only the finished picture shows it.

    Raises
    ------
    ValueError
        For a run without x0_hat, or a classifier that returns no (B, K) logits.
    """
    if run.x0_hat is None:
        raise ValueError("the run has no x0_hat; judge a reverse run")
    pictures = [*run.x0_hat, run.states[-1]]
    p = torch.stack(
        [probabilities(classifier, torch.from_numpy(x.astype(np.float32))) for x in pictures]
    )
    classes = p.argmax(2)  # (N + 1, B)
    # A 1 wherever this and all later opinions are the last one.
    settled = (classes == classes[-1]).long().flip(0).cumprod(0).flip(0)
    return saying(
        run,
        probabilities=p.numpy().round(DIGITS).tolist(),
        final_class=classes[-1].tolist(),
        decided_at=run.timesteps[settled.argmax(0).numpy()].tolist(),
    )


def decision(
    process: ReverseProcess,
    seeds: Sequence[int],
    shape: Sequence[int],
    classifier: Classifier,
) -> Runs:
    """A classifier looks at x0_hat on the way to a picture.

    When is it decided what the picture shows?

    x0_hat at time t is the mean of all pictures that x_t may come from, so a
    classifier's opinion of it says how many kinds are left (Raya and
    Ambrogioni 2023, arXiv:2305.19693: the choice falls in a narrow window of t).

    Parameters
    ----------
    process
        Any; with a random sampler later noise has a say as well.
    seeds
        One a sample, of the start and of the steps.
    shape
        Of one sample, (C, H, W).
    classifier
        (B, C, H, W) → (B, K) logits.

    Returns
    -------
    Runs
        "decision", with the facts that ``judged`` adds.

    Raises
    ------
    ValueError, UsageError, LectureError
        Before any work, for arguments out of shape or range, or a classifier
        that cannot judge the starting noise.
    """
    eps, noise = start_noise(seeds, shape)
    probabilities(classifier, eps)
    facts: Facts = {"experiment": "decision", "seeds": [int(seed) for seed in seeds]}
    run = process.record(process.pure_noise(eps), noise, facts=facts)
    return {"decision": judged(run, classifier)}
