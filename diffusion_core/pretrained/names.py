"""What a pretrained model may be called; no torch, no network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

INDEX = "model_index.json"
"""The file in a pipeline's folder that says what it is made of."""
WEIGHTS = (".safetensors", ".ckpt", ".bin", ".pt", ".pth")
"""What names end in that mean a file on this disk."""
FORM = "owner/name or owner/name@revision"
"""How a model of the hub is called."""

_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_HUB = re.compile(
    rf"(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[A-Za-z0-9][\w./-]{{0,199}}))?"
)


@dataclass(frozen=True, slots=True)
class HubName:
    """A model of the hub.

    Parameters
    ----------
    repository
        ``owner/name``.
    revision
        A branch, a tag, a commit or ``refs/pr/N``; "" where none was asked for.
    """

    repository: str
    revision: str = ""


def hub_name(name: str) -> HubName | None:
    """The model of the hub that ``name`` means; None where it means none.

    What lies on this disk under that name goes first.
    """
    found = _HUB.fullmatch(name)
    if found is None or name.endswith(WEIGHTS) or Path(name).exists():
        return None
    return HubName(found["repository"], found["revision"] or "")


def is_pretrained(name: str) -> bool:
    """Whether ``name`` is a folder with a pipeline in it, or may be a model of the hub."""
    return bool(name) and ((Path(name) / INDEX).is_file() or hub_name(name) is not None)
