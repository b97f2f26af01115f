"""Where data is looked for and where caches live; no torch at import.

Settings come from flags, then the environment (``DIFFUSION_LECTURES_DATA``,
``DIFFUSION_LECTURES_CACHE``), then defaults.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

APP = "diffusion-lectures"
ROOT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """Where recordings, speech and rendered scenes are kept between runs."""
    given = os.environ.get("DIFFUSION_LECTURES_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir(APP, appauthor=False))


def data_dirs(given: Path | None = None) -> list[Path]:
    """Folders that may hold datasets, in the order in which they are tried."""
    if given is not None:
        return [given]
    from_environment = os.environ.get("DIFFUSION_LECTURES_DATA")
    if from_environment:
        return [Path(from_environment)]
    return [ROOT.parent / "shared" / "datasets", cache_dir() / "datasets"]
