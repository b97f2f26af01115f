"""Looking into the network while it answers, and cutting what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffusion_core.denoiser import NetworkDenoiser
from diffusion_core.errors import UsageError
from diffusion_core.experiments.checks import check_rising, per_sample
from diffusion_core.experiments.paths import Runs
from diffusion_core.files import Facts
from diffusion_core.forward import jump
from diffusion_core.inside import (
    NOISE_LEVEL,
    WORDS,
    places,
    skip_facts,
    watching,
    without_depths,
    without_skips,
)
from diffusion_core.recipes.inside import (
    OTHER_WORDS,
    WHOLE,
    WITHOUT_DEPTHS,
    WITHOUT_SKIPS,
    at_place,
)
from diffusion_core.recording import Report, environment, silent, stack, stored
from diffusion_core.schedule import CLEAN
from diffusion_core.seeds import SampleNoise
from diffusion_core.trajectory import Trajectory
from diffusion_core.unet import UNet, UNetConfig

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Look:
    """What the network said at every time, (K, B, …), and what stood where."""

    x0_hat: Tensor
    eps_hat: Tensor
    seen: dict[str, Tensor]


def _look(
    denoiser: NetworkDenoiser,
    noisy: Sequence[Tensor],
    times: Sequence[int],
    cut: AbstractContextManager[None],
) -> _Look:
    network = denoiser.network
    assert isinstance(network, UNet)
    size = denoiser.together or max(1, denoiser.TOGETHER // noisy[0][0].numel())
    guesses, named = [], []
    seen: dict[str, list[Tensor]] = {}
    with cut, watching(network) as now:
        for x_t, t in zip(noisy, times, strict=True):
            # Batches that are evaluated in one go: what is seen is then theirs alone.
            for part in x_t.split(size):
                posterior = denoiser(part, t)
                guesses.append(posterior.x0_hat)
                named.append(posterior.eps_hat)
                for name, values in now.items():
                    seen.setdefault(name, []).append(values[: len(part)].cpu())

    def together(parts: list[Tensor]) -> Tensor:
        whole = torch.cat(parts)
        return whole.reshape(len(times), -1, *whole.shape[1:])

    found = {name: together(parts) for name, parts in seen.items()}
    return _Look(together(guesses), together(named), found)


def _size(values: Tensor) -> Floats:
    """Root mean square at each time, (K,), of (K, …)."""
    mean: Floats = (values.double() ** 2).flatten(1).mean(1).sqrt().numpy()
    return mean


def _most_varied(values: Tensor, count: int) -> list[int]:
    """The ``count`` channels of (K, channels, H, W) with the largest variance over positions."""
    variance = values.double().var(dim=(2, 3), correction=0).mean(0)
    return [int(i) for i in variance.argsort(descending=True, stable=True)[:count]]


@dataclass(frozen=True)
class _Book:
    """What is common to all recordings, and how a look becomes some of them."""

    config: UNetConfig
    times: NDArray[np.int64]
    alpha_bar: Floats
    states: NDArray[np.float32]
    eps: NDArray[np.float32]
    facts: Facts

    def written(self, variant: str, look: _Look, whole: _Look, channels: int) -> Runs:
        """The answers of a variant, what stood at each place, and what the blocks were told."""
        runs = {variant: self.answers(variant, look)}
        for place in places(self.config):
            values, usual = look.seen[place.name], whole.seen[place.name]
            kept = _most_varied(usual[:, 0], channels)
            change = _size(values - usual) / np.maximum(_size(usual), np.finfo(float).tiny)
            said = {**place.as_dict(), "variant": variant, "channels_kept": kept}
            said["change"] = change.tolist()
            runs[at_place(place.name, variant)] = self.standing(values[:, :1, kept], said)
        for told in (NOISE_LEVEL, WORDS):
            if told in look.seen and variant in (WHOLE, OTHER_WORDS):
                row = look.seen[told][:, :1, :, None, None]
                runs[at_place(told, variant)] = self.standing(row, {"variant": variant})
        return runs

    def answers(self, variant: str, look: _Look) -> Trajectory:
        """x_t and x_0, the known ε, and what the network said."""
        error = _size(look.eps_hat - torch.from_numpy(self.eps[:-1]))
        said: Facts = {"variant": variant, "nfe": len(error), "eps_error": error.tolist()}
        if variant == WHOLE:
            said |= {"network": self.config.as_dict(), "skips": skip_facts(self.config)}
        arrays = {"x0_hat": look.x0_hat.numpy(), "eps_hat": look.eps_hat.numpy()}
        arrays, precision = stored(arrays, arrays)
        return Trajectory(
            **arrays,
            states=self.states,
            timesteps=self.times,
            alpha_bar=self.alpha_bar,
            eps=self.eps,
            facts={**self.facts, **said, "stored": precision},
        )

    def standing(self, values: Tensor, said: Facts) -> Trajectory:
        """What stood somewhere at each time, (K, 1, …)."""
        arrays, precision = stored({"states": values.numpy()}, ("states",))
        return Trajectory(
            **arrays,
            timesteps=self.times[:-1],
            alpha_bar=self.alpha_bar[:-1],
            facts={**self.facts, **said, "stored": precision},
        )


def inside_unet(
    denoiser: NetworkDenoiser,
    x_0: Tensor,
    times: Sequence[int],
    seeds: Sequence[int],
    *,
    other: NetworkDenoiser | None = None,
    channels: int = 3,
    report: Report = silent,
    facts: Facts | None = None,
) -> Runs:
    """A look into the U-Net: what stands where while it answers.

    What does each part of it do for the answer?

    A picture jumps to x_t, so that the ε in it is known, and the network is
    asked.  Then it is asked again with a part of it cut: all skip connections,
    or all that lies below the finest level; and with other words.  A part that
    is cut gives zeros; the network was trained with it, so this measures how
    much of the answer comes through it, not how well a network could do that
    never had it.

    Parameters
    ----------
    denoiser
        A U-Net of two levels or more; without clipping, the answer is its own.
    x_0
        (B, C, H, W), one a seed, or (1, C, H, W): the same for all.
    times
        Rising times in 0 … T − 1.
    seeds
        One a sample, of the ε, which is the same at all times.
    other
        The same network, asked for something else.
    channels
        Channels that are kept of each place: those with the largest variance
        over positions, averaged over the times, in the first sample of the
        whole network.
    report
        Told after each variant.
    facts
        What every recording should say besides.

    Returns
    -------
    Runs
        "whole", "without skips", "without depths" and "other words": x_t from
        the most noise to the least and then x_0, the known ε, what the network
        said of each x_t, and as facts "eps_error", the RMS error of ε̂ over all
        samples, one number a time.  For each of them and each place
        (``at_place``): what stood there in the first sample, (K, 1, channels,
        H, W) in float16, and as facts "change", by how much all channels of
        all samples differ from the whole network's: RMS, as a share of theirs,
        one number a time.  And "noise level" and "words": the embeddings that
        the blocks were told.

    Raises
    ------
    ValueError, UsageError
        Before any work, for arguments out of shape or range, and for a network
        of a single level.
    """
    network = denoiser.network
    if not isinstance(network, UNet):
        raise ValueError(f"{type(network).__name__} is no U-Net, whose parts are known here")
    if len(network.config.widths) < 2:
        raise UsageError(
            f"this network has one level of width {network.config.widths[0]}, and no way down; "
            "choose a model of two levels or more"
        )
    x_0 = per_sample(x_0, seeds)
    schedule = denoiser.schedule
    check_rising("times", times, schedule)
    eps = SampleNoise(seeds, x_0.shape[1:]).draw()
    falling = list(reversed(times))
    noisy = [jump(x_0, t, schedule, eps) for t in falling]
    variants: dict[str, tuple[NetworkDenoiser, AbstractContextManager[None]]] = {
        WHOLE: (denoiser, nullcontext()),
        WITHOUT_SKIPS: (denoiser, without_skips(network)),
        WITHOUT_DEPTHS: (denoiser, without_depths(network)),
    }
    if other is not None:
        variants[OTHER_WORDS] = (other, nullcontext())
    at = torch.tensor([*falling, CLEAN])
    common: Facts = {
        "experiment": "inside_unet",
        "schedule": schedule.name,
        "seeds": [int(seed) for seed in seeds],
        **environment(),
        **(facts or {}),
    }
    book = _Book(
        network.config,
        at.numpy(),
        schedule.alpha_bar(at).numpy(),
        states=stack([*noisy, x_0]),
        eps=stack([*[eps] * len(noisy), torch.zeros_like(x_0)]),
        facts=common,
    )
    runs: Runs = {}
    whole: _Look | None = None
    for done, (name, (asked, cut)) in enumerate(variants.items(), 1):
        look = _look(asked, noisy, falling, cut)
        whole = whole or look
        runs |= book.written(name, look, whole, channels)
        report(done, len(variants))
    return runs
