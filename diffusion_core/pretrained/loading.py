"""A pretrained pipeline's parts, read from their files and put together as diffusers does.

Only safetensors are opened, nothing is fetched, and no code of the model's own is
run.  The pipeline is built for what it knows of its parts (how prompts become
embeddings, what its scheduler's settings stand for); it is never run.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from diffusion_core.errors import DamagedFile
from diffusion_core.pretrained.layout import NETWORKS
from diffusion_core.pretrained.runtime import runtime
from diffusion_core.pretrained.source import Source, read_object
from diffusion_core.vision import import_torchvision

EXTRAS: dict[str, dict[str, Any]] = {
    "StableDiffusionPipeline": {
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    },
    "StableDiffusionXLPipeline": {"add_watermarker": False},
    "StableDiffusion3Pipeline": {"text_encoder_3": None, "tokenizer_3": None},
}
"""What a pipeline is built with besides its parts; the last where a model lacks them."""


def load_pipeline(source: Source) -> Any:
    """The diffusers pipeline of ``source``, where ``runtime`` says, ready to be asked.

    Raises
    ------
    DamagedFile
        When a part cannot be read, or lacks some of its weights.
    """
    import_torchvision()  # before diffusers, which imports it as it comes
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    modules = {"diffusers": diffusers, "transformers": transformers}
    with warnings.catch_warnings():
        # What diffusers says of settings of old it also mends; that much is as in its pipelines.
        warnings.simplefilter("ignore")
        parts = {
            component: _part(source, component, modules[library], kind)
            for component, (library, kind) in source.components.items()
        }
        pipeline = _built(source, diffusers, parts)
    chosen = runtime()
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    if chosen.attention_slicing:
        pipeline.enable_attention_slicing()
    if chosen.cpu_offload:
        pipeline.enable_model_cpu_offload(device=chosen.device)
    else:
        pipeline.to(chosen.device)
    return pipeline


def _built(source: Source, diffusers: Any, parts: dict[str, Any]) -> Any:
    extras = dict(EXTRAS.get(source.pipeline, {}))
    index = read_object(source.folder / "model_index.json")
    if "force_zeros_for_empty_prompt" in index:
        extras["force_zeros_for_empty_prompt"] = bool(index["force_zeros_for_empty_prompt"])
    try:
        return getattr(diffusers, source.pipeline)(**(extras | parts))
    except (TypeError, ValueError, AttributeError) as error:
        raise DamagedFile(
            f"model {source.name!r}: its parts make no {source.pipeline} ({_first(error)}); choose "
            "a whole model"
        ) from error


def _part(source: Source, component: str, library: Any, kind: str) -> Any:
    # What DiT's network was called when it was published.
    kind = "DiTTransformer2DModel" if kind == "Transformer2DModel" else kind
    place = source.place(component)
    try:
        made = getattr(library, kind)
        if component == "scheduler":
            return made.from_config(source.config(component))
        if component not in NETWORKS:
            return made.from_pretrained(place, local_files_only=True)
        # An autoencoder overflows in 16 bits, and is small beside the rest.
        whole = component == "vae"
        dtype = torch.float32 if whole else getattr(torch, runtime().dtype)
        called = "dtype" if library.__name__ == "transformers" else "torch_dtype"
        network, told = made.from_pretrained(
            place,
            use_safetensors=True,
            local_files_only=True,
            variant=source.variant(component),
            output_loading_info=True,
            **{called: dtype},
        )
    except Exception as error:  # libraries of others raise all kinds
        if isinstance(error, (KeyboardInterrupt, MemoryError)):
            raise
        raise DamagedFile(
            f"model {source.name!r}: its {component} cannot be read as a {kind} "
            f"({_first(error)}); put a whole one into {place}"
        ) from error
    missing = sorted(told["missing_keys"])
    if missing or told.get("mismatched_keys"):
        lacking = f"lacks {len(missing)} of its weights, {missing[0]} first" if missing else ""
        raise DamagedFile(
            f"model {source.name!r}: its {component} {lacking or 'has weights of other shapes'}; "
            f"put a whole one into {place}"
        )
    return network


def _first(error: Exception) -> str:
    """The first line of what went wrong."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
