"""What a text-to-image model is told of a prompt, and what of the prompt it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from diffusion_core.files import Facts

T5_TOKENS = 256
"""Tokens that SD 3's largest encoder is given, as in its pipeline."""


@dataclass(frozen=True)
class Asked:
    """What a network is given beside x_t and t.

    Parameters
    ----------
    given
        Tensors of one sample by the names that the network has for them.
    facts
        What the recording should say of it.
    """

    given: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)


def unread(pipeline: Any, prompt: str) -> list[Facts]:
    """What each encoder of the pipeline leaves out of a prompt that is too long for it.

    A fact an encoder that leaves something out: "encoder", "tokens", the most that it
    reads, with its marks of beginning and end, and "unread", the text behind.
    """
    found = []
    for number in ("", "_2", "_3"):
        tokenizer = getattr(pipeline, f"tokenizer{number}", None)
        if tokenizer is None:
            continue
        most = T5_TOKENS if number == "_3" else tokenizer.model_max_length
        ids = tokenizer(prompt, verbose=False).input_ids
        if len(ids) <= most:
            continue
        # The last that is read is the mark of the end.
        left_out = tokenizer.decode(ids[most - 1 : -1], skip_special_tokens=True).strip()
        found.append({"encoder": f"text_encoder{number}", "tokens": most, "unread": left_out})
    return found


def facts_of_prompt(pipeline: Any, prompt: str) -> Facts:
    """What a recording says of ``prompt``: nothing, where it was read to its end."""
    left_out = unread(pipeline, prompt)
    if not left_out:
        return {}
    # Where several encoders read, a part counts as unread that the longest reader leaves out.
    most = max(left_out, key=lambda told: int(told["tokens"]))
    some = len(left_out) < sum(hasattr(pipeline, f"text_encoder{n}") for n in ("", "_2", "_3"))
    who = f"{'some of ' if some else ''}the model's text encoders"
    said = (
        f"the prompt is too long: {who} read {most['tokens']} tokens, and leave out "
        f"{most['unread']!r}"
    )
    return {"unread": left_out, "warnings": [said]}


@torch.no_grad()
def read(pipeline: Any, prompt: str) -> tuple[Tensor, Tensor | None]:
    """The embeddings of ``prompt``, and the pooled one where the pipeline has it.

    "" is what the pipeline takes for nothing asked: its unconditional embedding.
    """
    kind = type(pipeline).__name__
    device = pipeline._execution_device
    settings: dict[str, Any] = {
        "prompt": prompt,
        "device": device,
        "num_images_per_prompt": 1,
        "do_classifier_free_guidance": not prompt,
    }
    if kind == "StableDiffusionPipeline":
        asked, nothing = pipeline.encode_prompt(**settings)
        return (asked if prompt else nothing), None
    if kind == "StableDiffusion3Pipeline":
        settings |= {"prompt_2": None, "prompt_3": None, "max_sequence_length": T5_TOKENS}
    asked, nothing, pooled, nothing_pooled = pipeline.encode_prompt(**settings)
    return (asked, pooled) if prompt else (nothing, nothing_pooled)
