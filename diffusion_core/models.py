"""The models that ship: names, files and digests; no torch at import."""

from __future__ import annotations

from pathlib import Path

from diffusion_core.errors import UsageError

WEIGHTS = Path(__file__).resolve().parent / "weights"
DEFAULT_MODEL = "mnist"


def shipped_models() -> list[str]:
    """Names of the models that ship."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def weights_path(name: str) -> Path:
    """The file that holds the weights of ``name``: one that ships, or a path.

    Raises
    ------
    UsageError
        For a name that is neither.
    """
    shipped = shipped_models()
    if name in shipped:
        return WEIGHTS / f"{name}.safetensors"
    if not name.endswith(".safetensors"):
        raise UsageError(
            f"model {name!r} is unknown; choose one of: {', '.join(shipped)}, "
            "or give the path of a .safetensors file"
        )
    return Path(name)
