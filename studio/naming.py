"""What files are called: names that say how they differ from the usual one."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from diffusion_core.files import digest_of
from diffusion_core.pretrained.names import hub_name
from scenes.options import SceneOptions


def stem_of(name: str, options: SceneOptions, quality: str, voice: str, language: str) -> str:
    """What was ordered, its seed, and what is not as usual."""
    usual = SceneOptions()
    parts = [name, f"seed{options.seed}"]
    for field in fields(SceneOptions):
        value = getattr(options, field.name)
        if field.name == "seed" or value == getattr(usual, field.name):
            continue
        if field.name in ("image", "model"):
            # cat.png, cat.jpg and pets/cat.png must not share a video's name.
            path = Path(value)
            known = value == path.stem
            meant = value if hub_name(value) else str(path.resolve())
            value = path.stem if known else f"{path.stem}-{digest_of(meant)[:6]}"
        elif field.name == "prompt":
            slug = "-".join(re.findall(r"[a-z0-9]+", value.lower()))[:40]
            known = value == slug.replace("-", " ")
            value = slug if known else f"{slug}-{digest_of(value)[:6]}".lstrip("-")
        elif field.name == "recipe":
            value = digest_of(value)[:8]
        parts.append(f"{field.name}-{value}")
    parts += [quality] if quality != "medium" else []
    parts += [voice_name(voice)] if voice != "espeak" else []
    spoken = Path(language.removesuffix(".po")).name.rpartition(".")[2]
    parts += [spoken] if language != "en" else []
    return "-".join(parts)


def voice_name(voice: str) -> str:
    """A voice as part of a file's name; voices that differ have different ones."""
    kind, _, which = voice.partition(":")
    slug = "-".join(re.findall(r"\w+", Path(which).stem))[:40]
    if f"{kind}:{slug}" == voice or not which:
        return f"{kind}-{slug}".rstrip("-")
    return f"{kind}-{slug}-{digest_of(voice)[:6]}"
