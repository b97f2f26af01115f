"""Settings in JSON files that others wrote."""

from __future__ import annotations

import json
from pathlib import Path

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import Facts


def read_object(path: Path, called: str = "") -> Facts:
    """The settings in a JSON file, which is ``called`` as its path where nothing else is said.

    Raises
    ------
    LectureError
        When it cannot be read, or is no JSON object.
    """
    called = called or str(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LectureError(f"{called} cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{called} is no JSON ({error}); put a whole one there") from error
    if not isinstance(found, dict):
        raise DamagedFile(f"{called} must hold a JSON object; put the right file there")
    return found
