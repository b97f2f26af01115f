"""A pretrained pipeline as a model of ours: whoever drives it, drives it with our loop."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from diffusion_core.denoiser import Prediction
from diffusion_core.errors import UsageError
from diffusion_core.files import Facts
from diffusion_core.guidance import GuidedDenoiser
from diffusion_core.pretrained.denoiser import Limited, PretrainedDenoiser
from diffusion_core.pretrained.latents import PretrainedSpace
from diffusion_core.pretrained.loading import load_pipeline
from diffusion_core.pretrained.networks import NETWORK_OF, PipelineNetwork
from diffusion_core.pretrained.prompts import Asked
from diffusion_core.pretrained.runtime import Runtime, runtime
from diffusion_core.pretrained.schedule import OwnSchedule, own_schedule, prediction_of
from diffusion_core.pretrained.shapes import Shape, picture_shape, state_shape
from diffusion_core.pretrained.source import Source, located
from diffusion_core.schedule import Schedule
from diffusion_core.trajectory import PREVIEW

SMALL = 64
"""Pixels a side up to which a picture's states are looked at as they are."""


@dataclass(frozen=True)
class PretrainedModel:
    """A pipeline that others have trained, ready to use.

    Parameters
    ----------
    source
        Its files.
    network, prediction
        What judges x_t, and what it predicts.
    schedule
        The only one that it knows.
    space
        Of a model of latents.
    """

    source: Source
    network: PipelineNetwork
    prediction: Prediction
    schedule: OwnSchedule
    space: PretrainedSpace | None
    vocabulary: None = None
    _asked: dict[str, Asked] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of x_t."""
        return state_shape(self.source)

    @property
    def picture_shape(self) -> Shape:
        """(C, H, W) of a finished picture."""
        return picture_shape(self.source)

    @property
    def digest(self) -> str:
        """Of all of its files."""
        return self.source.digest

    @property
    def facts(self) -> Facts:
        """What is known of it; how many pictures it was trained on is not."""
        return {
            "data": {"name": self.source.name, "pictures": None},
            "pretrained": {
                "name": self.source.name,
                "pipeline": self.source.pipeline,
                "revision": self.source.revision,
                "prediction": "flow" if self.schedule.flow else self.prediction,
                "diffusers": version("diffusers"),
                **runtime().facts,
            },
        }

    def asked(self, prompt: str) -> Asked:
        """What the network is given for ``prompt``; read once."""
        if prompt not in self._asked:
            self._asked[prompt] = self.network.asked(prompt)
        return self._asked[prompt]

    def denoiser(self, schedule: Schedule, prompt: str = "", guidance: float = 1.0) -> Limited:
        """The network as a denoiser, asked for ``prompt``.

        ``guidance`` is g: 1 for none (see ``guidance.GuidedDenoiser``).

        Raises
        ------
        UsageError
            For a prompt that the model cannot be asked, or guidance without one.
        ValueError
            For a schedule that is not the model's own.
        """
        if not isinstance(schedule, OwnSchedule) or schedule.T != self.schedule.T:
            raise ValueError(f"{self.source.name!r} knows its own schedule, not {schedule.name!r}")
        if prompt and not self.source.reads:
            raise UsageError(
                f"prompt {prompt!r}: this model was trained without words; leave the prompt out, "
                "or choose a model that reads"
            )
        if not prompt and guidance != 1:
            raise UsageError(f"guidance = {guidance} needs a prompt to guide towards")

        def asked(what: str) -> PretrainedDenoiser:
            return PretrainedDenoiser(self.network, schedule, self.prediction, self.asked(what))

        facts = self.asked(prompt).facts
        if guidance == 1:
            return Limited(asked(prompt), schedule, facts)
        if guidance == 0:
            said = "guidance 0 leaves the prompt out; no guidance, the prompt alone, is guidance 1"
            facts = {**facts, "warnings": [*facts.get("warnings", ()), said]}
        guided = GuidedDenoiser(asked(prompt), asked(""), schedule, guidance)
        return Limited(guided, schedule, facts)

    def pictures(self, states: Tensor) -> Tensor:
        """States or guesses (B, C, H, W) as pictures to look at, about −1 … 1.

        Latents are decoded; what is larger than ``PREVIEW`` is reduced to it.
        """
        x = states.float() if self.space is None else self.space.decode(states.float())
        return reduced(x)

    @property
    def previews(self) -> bool:
        """Whether recordings hold pictures to look at beside the states."""
        return self.space is not None or max(self.shape[1:]) > SMALL


def reduced(x: Tensor) -> Tensor:
    """Pictures with no side longer than ``PREVIEW``."""
    height, width = x.shape[-2:]
    longest = max(height, width)
    if longest <= PREVIEW:
        return x
    size = [max(1, round(side * PREVIEW / longest)) for side in (height, width)]
    return F.interpolate(x, size, mode="bilinear", antialias=True)


_loaded: dict[tuple[str, str, Runtime], PretrainedModel] = {}
_loading = threading.Lock()


def load_pretrained(name: str) -> PretrainedModel:
    """The pretrained model ``name``, ready to use.

    The last one is kept: several recipes of a scene ask for the same, and it may
    be gigabytes.

    Raises
    ------
    UsageError
        When ``name`` means no such model.
    LectureError
        When its files are not what they should be, or it is of a kind that cannot
        be run here.
    """
    source = located(name)
    key = (source.name, source.digest, runtime())
    with _loading:
        if key not in _loaded:
            _loaded.clear()  # before the next one is read: two need not fit into memory
            _loaded[key] = _load(source)
        return _loaded[key]


def _load(source: Source) -> PretrainedModel:
    pipeline = load_pipeline(source)
    network = NETWORK_OF[source.pipeline](pipeline, source)
    schedule = own_schedule(pipeline.scheduler, source.name, _shift_by_size(pipeline, source))
    prediction: Prediction = (
        "v" if schedule.flow else prediction_of(pipeline.scheduler, source.name)
    )
    space = PretrainedSpace(pipeline, source) if "vae" in source.components else None
    return PretrainedModel(source, network, prediction, schedule, space)


def _shift_by_size(pipeline: Any, source: Source) -> float | None:
    """``mu`` of a scheduler that moves its levels by the size of the picture."""
    config = pipeline.scheduler.config
    if not config.get("use_dynamic_shifting"):
        return None
    from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

    patch = pipeline.transformer.config.patch_size
    _, height, width = state_shape(source)
    return float(
        calculate_shift(
            (height // patch) * (width // patch),
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.16),
        )
    )
