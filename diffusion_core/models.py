"""The models that ship: names, files, digests, and whether they read; no torch at import."""

from __future__ import annotations

from pathlib import Path

from diffusion_core.errors import UsageError
from diffusion_core.files import read_facts

WEIGHTS = Path(__file__).resolve().parent / "weights"
DEFAULT_MODEL = "mnist"


def shipped_models() -> list[str]:
    """Names of the models that ship."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def weights_path(name: str) -> Path:
    """The file that holds the weights of ``name``: one that ships, a path, or a run's folder.

    In the folder of a training run it is the finished weights, or the newest
    checkpoint where the run has not ended.

    Raises
    ------
    UsageError
        For a name that is none of these.
    """
    shipped = shipped_models()
    if name in shipped:
        return WEIGHTS / f"{name}.safetensors"
    folder = Path(name)
    if name and folder.is_dir():  # an empty path would be the folder that one is in
        finished = folder / "weights.safetensors"
        found = sorted((folder / "checkpoints").glob("step-*.safetensors"))
        if finished.exists() or found:
            return finished if finished.exists() else found[-1]
        raise UsageError(f"model {name!r} is a folder that holds neither weights nor checkpoints")
    if not name.endswith(".safetensors"):
        raise UsageError(
            f"model {name!r} is unknown; choose one of: {', '.join(shipped)}, "
            "or give the path of a .safetensors file or of a training run's folder"
        )
    return Path(name)


def reads_words(name: str) -> bool:
    """Whether the model ``name`` was taught to read prompts.

    Raises
    ------
    UsageError
        For a name that is none, as ``weights_path`` does.
    DamagedFile, LectureError
        When the head of its file cannot be read.
    """
    facts = read_facts(weights_path(name))
    # In a training's checkpoint the network is a part of what identifies the run.
    network = facts.get("network") or facts.get("identity", {}).get("network", {})
    return bool(network.get("text"))
