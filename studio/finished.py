"""What was made before and is still there, unchanged: found by a look, not made again.

The key is of everything that a video is made of, taken without opening a
recording: what was ordered, the files that it names, the code, the versions.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from diffusion_core.files import canonical_json, digest_of, write_text
from diffusion_core.models import model_inputs
from diffusion_core.places import ROOT, cache_dir
from diffusion_core.pretrained.names import is_pretrained
from diffusion_core.recipe import Recipe

PACKAGES = (
    *("manim", "manimpango", "pycairo", "typst", "av", "pillow"),
    *("numpy", "scipy", "scikit-learn", "torch", "ffmpeg-python", "srt"),
)
"""Packages whose version may change a recording, a frame or a sound."""
CODE = ("diffusion_core", "scenes", "studio")


@cache
def _project() -> str:
    """A digest of the code, the fonts and the weights that ship."""
    digest = hashlib.sha256()
    for path in sorted(path for name in CODE for path in (ROOT / name).rglob("*")):
        if path.suffix in (".py", ".otf"):
            content = path.read_bytes()
        elif path.suffix == ".safetensors":
            facts = path.stat()
            content = f"{facts.st_size} {facts.st_mtime_ns}".encode()
        else:
            continue
        digest.update(f"\0{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of the file at ``path``."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _named(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Digests of what the recipes name: pictures, weights, pretrained models."""
    values = {v for recipe in recipes.values() for v in asdict(recipe).values()}
    named = [value for value in values if isinstance(value, str) and value]
    files = {str(Path(one)): file_digest(Path(one)) for one in named if Path(one).is_file()}
    models = {recipe.model for recipe in recipes.values() if hasattr(recipe, "model")}
    return files | {one: digest_of(model_inputs(one)) for one in models if is_pretrained(one)}


def made_of(order: Mapping[str, Any], recipes: Mapping[str, Recipe]) -> str:
    """The key of a product, 64 hexadecimal digits.

    Parameters
    ----------
    order
        What was ordered and where it goes: JSON-ready.
    recipes
        The runs that it shows.
    """
    return digest_of(
        {
            "order": order,
            "recipes": {name: asdict(recipe) for name, recipe in recipes.items()},
            "files": _named(recipes),
            "data": os.environ.get("DIFFUSION_LECTURES_DATA", ""),
            "project": _project(),
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        }
    )


def _place(key: str) -> Path:
    return cache_dir() / "finished" / f"{key[:32]}.json"


def remember(key: str, files: Iterable[Path], facts: Mapping[str, Any]) -> None:
    """Note that ``files`` were made under ``key``, and what is to be said of them."""
    digests = {str(path.absolute()): file_digest(path) for path in files}
    write_text(_place(key), canonical_json({"files": digests, "facts": facts}))


def recall(key: str) -> dict[str, Any] | None:
    """What was noted under ``key``, if every file of it is still there as it was made."""
    try:
        noted = json.loads(_place(key).read_text(encoding="utf-8"))
        files: dict[str, str] = noted["files"]
        if any(file_digest(Path(path)) != digest for path, digest in files.items()):
            return None
        facts: dict[str, Any] = noted["facts"]
        return facts
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # never made, moved away, or changed: it is made again
