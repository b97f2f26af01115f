"""Models by their names: files, digests, and whether they read; no torch at import."""

from __future__ import annotations

from pathlib import Path

from diffusion_core.errors import UsageError
from diffusion_core.files import Facts, read_digest, read_facts
from diffusion_core.pretrained.names import FORM, is_pretrained

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
        raise UsageError(
            f"model {name!r} is a folder that holds neither weights nor checkpoints nor a "
            "model_index.json; name one that does"
        )
    if not name.endswith(".safetensors"):
        raise UsageError(
            f"model {name!r} is unknown; choose one of: {', '.join(shipped)}, "
            "or give the path of a .safetensors file, of a training run's folder or of a folder "
            f"with a diffusers pipeline, or a pipeline of the hub as {FORM}"
        )
    return Path(name)


def model_digest(name: str) -> str:
    """The digest of the model ``name``: one of ours as its file claims it, or a pretrained one's.

    Raises
    ------
    UsageError
        For a name that is none.
    DamagedFile, LectureError
        When its files cannot be read, or cannot be had.
    """
    if is_pretrained(name):
        from diffusion_core.pretrained.source import located

        return located(name).digest
    return read_digest(weights_path(name))


def model_inputs(name: str) -> Facts:
    """What a recipe's fingerprint is taken of, of the model that it names.

    Beside the digest it is what changes a pretrained network's numbers: another
    device, or another type of number.

    Raises
    ------
    UsageError, DamagedFile, LectureError
        As ``model_digest``.
    """
    facts: Facts = {"weights": model_digest(name)}
    if is_pretrained(name):
        from diffusion_core.pretrained.runtime import runtime

        # Where it is as usual nothing is said.
        facts |= {"runtime": runtime().facts} if runtime().facts else {}
    return facts


def reads_words(name: str) -> bool:
    """Whether the model ``name`` was taught to read prompts.

    Raises
    ------
    UsageError
        For a name that is none, as ``weights_path`` does.
    DamagedFile, LectureError
        When the head of its file cannot be read.
    """
    if is_pretrained(name):
        from diffusion_core.pretrained.source import located

        return located(name).reads == "words"
    facts = read_facts(weights_path(name))
    # In a training's checkpoint the network is a part of what identifies the run.
    network = facts.get("network") or facts.get("identity", {}).get("network", {})
    return bool(network.get("text"))
