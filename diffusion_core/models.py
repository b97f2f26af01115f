"""The models that ship: names, files and digests; no torch at import."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent / "weights"
DEFAULT_MODEL = "mnist"


def shipped_models() -> list[str]:
    """Names of the models that ship."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def shipped_weights(name: str) -> Path | None:
    """The file of the model that ships as ``name``; None for any other name."""
    path = WEIGHTS / f"{name}.safetensors"
    return path if name in shipped_models() else None


def weights_path(name: str) -> Path:
    """The file that holds the weights of ``name``: one that ships, or a path."""
    return shipped_weights(name) or Path(name)
