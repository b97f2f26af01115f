"""The latent models that ship: names and files; no torch at import."""

from __future__ import annotations

from pathlib import Path

from diffusion_core.errors import UsageError
from diffusion_core.files import kind_of
from diffusion_core.models import DEFAULT_MODEL, WEIGHTS, shipped_models, weights_path
from diffusion_core.pretrained.names import is_pretrained

LATENT_KIND = "diffusion-lectures latent model 1"
LATENT_WEIGHTS = WEIGHTS / "latent"
DEFAULT_LATENT_MODEL = "mnist"


def shipped_latent_models() -> list[str]:
    """Names of the latent models that ship."""
    return sorted(path.stem for path in LATENT_WEIGHTS.glob("*.safetensors"))


def latent_weights_path(name: str) -> Path:
    """The file of the latent model ``name``: one that ships, a path, or a finished run's folder.

    Raises
    ------
    UsageError
        For a name that is none of these, a run that has not ended, and weights
        of another kind: a model of pixels has no latents.
    DamagedFile, LectureError
        When the file cannot be read.
    """
    shipped = shipped_latent_models()
    if name in shipped:
        return LATENT_WEIGHTS / f"{name}.safetensors"
    path = Path(name)
    if name and path.is_dir():  # an empty path would be the folder that one is in
        path = path / "weights.safetensors"
        if not path.exists():
            raise UsageError(
                f"model {name!r} is a folder without weights.safetensors; let the run end "
                "(the same command resumes it), or name another"
            )
    elif not name.endswith(".safetensors"):
        raise UsageError(
            f"latent model {name!r} is unknown; choose one of: {', '.join(shipped)}, the file or "
            "folder that python -m diffusion_core.latent.train has made, or a pretrained pipeline "
            "of latents"
        )
    if (kind := kind_of(path)) != LATENT_KIND:
        raise UsageError(
            f"model {name!r} holds {kind!r}, which has no autoencoder; for latents choose one of: "
            f"{', '.join(shipped)}, or train one with python -m diffusion_core.latent.train"
        )
    return path


def both_models(name: str) -> tuple[str, str]:
    """The latent model, and the model of pixels beside it, that ``name`` stands for.

    A name that both have stands for both.  A latent model stands beside the
    model of pixels that ships; a model of pixels, beside the latent model that
    ships.  A pretrained pipeline of latents stands alone, beside "".

    Raises
    ------
    UsageError
        For a name that is neither; it says what works.
    DamagedFile, LectureError
        When the file cannot be read.
    """
    if is_pretrained(name):
        return name, ""
    if name in shipped_latent_models():
        return name, name if name in shipped_models() else DEFAULT_MODEL
    if name not in shipped_models():
        own = Path(name).is_dir() or name.endswith(".safetensors")
        if not own or kind_of(weights_path(name)) == LATENT_KIND:
            latent_weights_path(name)  # which says what works, where this does not
            return name, DEFAULT_MODEL
    return DEFAULT_LATENT_MODEL, name
