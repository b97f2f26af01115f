"""How long a run with a pretrained model takes here, and how much memory, before it begins.

Time: the floating-point operations of one evaluation of the network are
counted without computing them (see ``meta``), those of one decoding as well,
and divided by what this processor does a second in the layers that such
networks are made of, measured for half a second.  Memory: the weights, by the
heads of their files, and what lives at once while the network is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Facts
from diffusion_core.pretrained.devices import free_memory
from diffusion_core.pretrained.evaluations import evaluations, finished_pictures, shown_pictures
from diffusion_core.pretrained.layout import NETWORKS
from diffusion_core.pretrained.meta import Cost, cost_of
from diffusion_core.pretrained.runtime import BYTES, runtime
from diffusion_core.pretrained.shapes import denoising_network, state_shape
from diffusion_core.pretrained.source import Source
from diffusion_core.pretrained.whole import numbers
from diffusion_core.recipe import Recipe

LONG = 120.0
"""Seconds from which on a run is asked about first."""
SHARE = 0.6
"""Of the measured speed: what whole networks reach of it, which also add, norm and move."""
PROGRAM = 1_000_000_000
"""Bytes that Python, torch and the libraries take."""
_WORDS = 77
"""Tokens of a prompt."""


@dataclass(frozen=True)
class Estimate:
    """What a run costs.

    Parameters
    ----------
    model
        Its name.
    device
        Where it computes.
    evaluations, decodings
        How often the network is asked for a sample, and a picture is decoded.
    flops
        Of one of either.
    speed
        Floating-point operations a second; 0 where that was not measured.
    weights, activations
        Bytes.
    free
        Bytes that can be had on the device; None where that is not known.
    """

    model: str
    device: str
    evaluations: int
    decodings: int
    flops: tuple[int, int]
    speed: float
    weights: int
    activations: int
    free: int | None

    @property
    def seconds(self) -> float:
        """That it will take; 0 where the speed was not measured."""
        work = self.evaluations * self.flops[0] + self.decodings * self.flops[1]
        return work / self.speed if self.speed else 0.0

    @property
    def memory(self) -> int:
        """Bytes that it will take on the device."""
        program = PROGRAM if self.device == "cpu" else 0
        return self.weights + self.activations + program

    @property
    def words(self) -> str:
        """All of it in one line."""
        asked = f"{self.evaluations:,} evaluations of {self.flops[0] / 1e9:,.3g} GFLOP"
        if self.decodings:
            asked += f" and {self.decodings:,} decodings of {self.flops[1] / 1e9:,.3g}"
        lasts = f"about {_lasting(self.seconds)} on this processor ({asked}, at "
        return (
            f"{lasts}{self.speed / 1e9:,.3g} GFLOP a second) and {self.memory / 1e9:.1f} GB of "
            f"memory ({self.weights / 1e9:.1f} of them weights)"
        )

    def as_facts(self) -> Facts:
        """JSON-ready."""
        return {
            "model": self.model,
            "device": self.device,
            "evaluations": self.evaluations,
            "decodings": self.decodings,
            "seconds": round(self.seconds),
            "memory": self.memory,
            "free": self.free,
        }


def _lasting(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 100 else f"{seconds / 3600:.1f} hours"


def estimate(source: Source, recipes: Iterable[Recipe], *, recorded: bool = True) -> Estimate:
    """What it costs to run ``recipes`` with the model of ``source``, as ``runtime`` says.

    Where nothing is ``recorded``, only finished pictures are decoded.

    Raises
    ------
    DamagedFile
        When the settings do not make a network.
    """
    wanted, chosen = list(recipes), runtime()
    asked = evaluation_cost(source)
    decoded = decoding_cost(source)
    shown = shown_pictures if recorded else finished_pictures
    drawn = sum(map(shown, wanted)) if decoded.flops else 0
    per_number = BYTES[chosen.dtype] / BYTES["float32"]
    return Estimate(
        model=source.name,
        device=chosen.device,
        evaluations=sum(map(evaluations, wanted)),
        decodings=drawn,
        flops=(asked.flops, decoded.flops),
        speed=SHARE * measured_speed(chosen.dtype) if chosen.device == "cpu" else 0.0,
        weights=weights_bytes(source),
        activations=max(round(asked.activations * per_number), decoded.activations),
        free=free_memory(chosen.device),
    )


def check_memory(found: Estimate) -> None:
    """Raise a LectureError where a run needs more memory than there is."""
    if found.free is None or found.memory <= found.free:
        return
    ways = ["choose a smaller model", "end other programs"]
    if found.device == "cpu":
        ways.insert(0, "take half of it for the weights with --dtype bfloat16")
    else:
        ways.insert(0, "--cpu-offload, --attention-slicing or --device cpu")
    raise LectureError(
        f"model {found.model!r} needs about {found.memory / 1e9:.1f} GB of memory on "
        f"{found.device} ({found.weights / 1e9:.1f} of them weights), and "
        f"{found.free / 1e9:.1f} GB are free; {', or '.join(ways)}"
    )


def weights_bytes(source: Source) -> int:
    """What the weights take on the device: all, or the largest network's with CPU offload."""
    chosen = runtime()
    each = [
        sum(map(numbers, source.weights(component)))
        # The autoencoder stays in float32: it overflows in fewer bits.
        * BYTES["float32" if component == "vae" else chosen.dtype]
        for component in source.components
        if component in NETWORKS
    ]
    return max(each) if chosen.cpu_offload else sum(each)


@lru_cache(maxsize=8)
def measured_speed(dtype: str) -> float:
    """Floating-point operations a second of a U-Net's layer on this processor, all threads."""
    channels, side = 128, 128
    kind = getattr(torch, dtype)
    layer = nn.Sequential(
        nn.GroupNorm(32, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1)
    ).to(kind)
    x = torch.zeros(1, channels, side, side, dtype=kind)
    best = float("inf")
    with torch.no_grad():
        for _ in range(3):
            began = time.perf_counter()
            layer(x)
            best = min(best, time.perf_counter() - began)
    return 2 * 9 * channels**2 * side**2 / best


def evaluation_cost(source: Source) -> Cost:
    """Of the network that judges x_t, for one sample."""
    component = denoising_network(source)
    kind = source.components[component][1]
    kind = "DiTTransformer2DModel" if kind == "Transformer2DModel" else kind
    config = source.config(component)
    shape = state_shape(source)
    return _cost(source, component, kind, lambda network: _ask(network, kind, config, shape))


def decoding_cost(source: Source) -> Cost:
    """Of a picture from its latent; nothing where the states are pictures."""
    if "vae" not in source.components:
        return Cost(0, 0)
    shape = state_shape(source)

    def ask(network: Any) -> object:
        return network.decode(torch.zeros(1, *shape))

    return _cost(source, "vae", source.components["vae"][1], ask)


def _cost(source: Source, component: str, kind: str, ask: Callable[[nn.Module], object]) -> Cost:
    from diffusion_core.vision import import_torchvision

    import_torchvision()  # before diffusers, which imports it as it comes
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    config = source.config(component)
    try:
        return cost_of(lambda: getattr(diffusers, kind).from_config(config), ask)
    except Exception as error:  # others' settings make others' code raise all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DamagedFile(
            f"model {source.name!r}: the settings of its {component} make no {kind} ({reason}); "
            f"put the right config.json into {source.place(component)}"
        ) from error


def _ask(network: nn.Module, kind: str, config: Facts, shape: tuple[int, int, int]) -> object:
    """One evaluation, with what the kind of network is given besides x_t."""
    x, t = torch.zeros(1, *shape), torch.zeros(1, dtype=torch.long)
    if kind == "UNet2DModel":
        return network(x, t)
    if kind == "DiTTransformer2DModel":
        return network(x, timestep=t, class_labels=t)
    if kind == "SD3Transformer2DModel":
        return network(
            x,
            # CLIP's words, and as many of T5 as the pipeline takes.
            encoder_hidden_states=torch.zeros(1, _WORDS + 256, config["joint_attention_dim"]),
            pooled_projections=torch.zeros(1, config["pooled_projection_dim"]),
            timestep=t,
        )
    words = torch.zeros(1, _WORDS, config["cross_attention_dim"])
    added = None
    if config.get("addition_embed_type") == "text_time":
        ids = 6
        pooled = config["projection_class_embeddings_input_dim"]
        pooled -= ids * config["addition_time_embed_dim"]
        added = {"text_embeds": torch.zeros(1, pooled), "time_ids": torch.zeros(1, ids)}
    return network(x, t, encoder_hidden_states=words, added_cond_kwargs=added)
