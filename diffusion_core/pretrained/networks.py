"""The networks of the pipelines, each asked in its own way: what it is given for what is wanted."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from diffusion_core.errors import LectureError
from diffusion_core.pretrained.classes import class_number
from diffusion_core.pretrained.prompts import Asked, facts_of_prompt, read
from diffusion_core.pretrained.source import Source


class PipelineNetwork(Protocol):
    """A pipeline's network; ``pipeline`` is of diffusers."""

    pipeline: Any

    def asked(self, prompt: str) -> Asked:
        """What it is given for ``prompt``; "" for nothing."""
        ...

    def __call__(self, x: Tensor, told: Tensor, asked: Asked) -> Tensor:
        """Its output for one sample ``x`` (1, C, H, W), told where on the way it is."""
        ...


class PixelNetwork:
    """The U-Net of ``DDPMPipeline`` and ``DDIMPipeline``: nothing can be asked of it."""

    def __init__(self, pipeline: Any, source: Source) -> None:
        self.pipeline, self.network = pipeline, pipeline.unet
        if self.network.config.class_embed_type or self.network.config.num_class_embeds:
            raise LectureError(
                f"model {source.name!r}: its network wants a class, and {source.pipeline} has "
                "none to give; choose a DiTPipeline for classes"
            )

    def asked(self, prompt: str) -> Asked:
        """Nothing."""
        return Asked()

    def __call__(self, x: Tensor, told: Tensor, asked: Asked) -> Tensor:
        """See ``PipelineNetwork``."""
        return self.network(x, told).sample


class WordNetwork:
    """The U-Net of Stable Diffusion and of its XL, told words by cross-attention."""

    def __init__(self, pipeline: Any, source: Source) -> None:
        self.pipeline, self.network = pipeline, pipeline.unet
        if self.network.config.time_cond_proj_dim is not None:
            raise LectureError(
                f"model {source.name!r}: its network is told the guidance scale (it was distilled "
                "to be), which is not done here; choose the model that it was distilled from"
            )
        self.large = source.pipeline == "StableDiffusionXLPipeline"
        side = pipeline.vae_scale_factor
        size = self.network.config.sample_size
        self.size = tuple(
            side * n for n in (size if isinstance(size, (list, tuple)) else [size] * 2)
        )

    def asked(self, prompt: str) -> Asked:
        """Embeddings of its tokens; of XL the pooled one too, and the size, uncropped."""
        words, pooled = read(self.pipeline, prompt)
        facts = facts_of_prompt(self.pipeline, prompt)
        if not self.large or pooled is None:
            return Asked({"encoder_hidden_states": words}, facts)
        sizes = torch.tensor([[*self.size, 0, 0, *self.size]]).to(words)
        given = {"encoder_hidden_states": words, "text_embeds": pooled, "time_ids": sizes}
        return Asked(given, facts)

    def __call__(self, x: Tensor, told: Tensor, asked: Asked) -> Tensor:
        """See ``PipelineNetwork``."""
        given = dict(asked.given)
        words = given.pop("encoder_hidden_states")
        return self.network(
            x, told, encoder_hidden_states=words, added_cond_kwargs=given or None
        ).sample


class ClassNetwork:
    """The transformer of ``DiTPipeline``, told a class."""

    def __init__(self, pipeline: Any, source: Source) -> None:
        self.pipeline, self.source = pipeline, source

    def asked(self, prompt: str) -> Asked:
        """The number of the class; for "" the one that stands for none."""
        number = class_number(self.source, prompt)
        facts = {"class_asked": number} if prompt else {}
        return Asked({"class_labels": torch.tensor([number])}, facts)

    def __call__(self, x: Tensor, told: Tensor, asked: Asked) -> Tensor:
        """See ``PipelineNetwork``."""
        number = asked.given["class_labels"].to(x.device)
        return self.pipeline.transformer(x, timestep=told[None], class_labels=number).sample


class FlowNetwork:
    """The transformer of Stable Diffusion 3, told words; it learnt a flow."""

    def __init__(self, pipeline: Any, source: Source) -> None:
        self.pipeline = pipeline

    def asked(self, prompt: str) -> Asked:
        """Embeddings of all tokens, and the pooled ones."""
        words, pooled = read(self.pipeline, prompt)
        assert pooled is not None
        given = {"encoder_hidden_states": words, "pooled_projections": pooled}
        return Asked(given, facts_of_prompt(self.pipeline, prompt))

    def __call__(self, x: Tensor, told: Tensor, asked: Asked) -> Tensor:
        """See ``PipelineNetwork``."""
        return self.pipeline.transformer(hidden_states=x, timestep=told[None], **asked.given).sample


NETWORK_OF: dict[str, type[PixelNetwork | WordNetwork | ClassNetwork | FlowNetwork]] = {
    "DDPMPipeline": PixelNetwork,
    "DDIMPipeline": PixelNetwork,
    "StableDiffusionPipeline": WordNetwork,
    "StableDiffusionXLPipeline": WordNetwork,
    "DiTPipeline": ClassNetwork,
    "StableDiffusion3Pipeline": FlowNetwork,
}
"""The network of each class of pipelines."""
