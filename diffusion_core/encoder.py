"""The frozen sentence encoder all-MiniLM-L6-v2; no torch at import.

A sentence becomes a point on the sphere in 384 dimensions, and sentences that
mean nearly the same become neighbours (Reimers and Gurevych 2019,
arXiv:1908.10084; the network is a MiniLM, Wang et al. 2020, arXiv:2002.10957).
It is never trained here: a network that was taught with its embeddings
understands what the same encoder makes of another prompt, and nothing else.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion_core.encoder_files import (
    INSTALLATION,
    Source,
    check_encoder,
    fetch_encoder,
    find_encoder,
    library_installed,
)
from diffusion_core.errors import MissingRequirement, UsageError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

EMBEDDING = 384
"""Numbers in the embedding of a sentence."""

TOKENS = 256
"""Tokens of a sentence that are read, with the one at its beginning and the one at its end."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no warnings from transformers meanwhile."""
    from transformers.utils import logging as chatter

    def without_bar(bar: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        return bar(*args, **{**options, "disable": True})

    level = chatter.get_verbosity()
    hook = chatter.set_tqdm_hook(without_bar)
    chatter.set_verbosity_error()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        chatter.set_tqdm_hook(hook)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: the last bits depend on how many share a product."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load(folder: Path | None) -> SentenceTransformer:
    if not library_installed():
        raise MissingRequirement(
            f"the sentence encoder needs sentence-transformers: {INSTALLATION}, "
            "or make setup in a clone"
        )
    return _loaded(find_encoder(folder) or fetch_encoder())


@cache
def _loaded(source: Source) -> SentenceTransformer:
    """The encoder, built from ``FILES`` alone: what else lies in the folder is not looked at."""
    check_encoder(source)
    try:
        import torch

        from diffusion_core.vision import import_torchvision

        import_torchvision()  # transformers imports it, and needs what is done there first
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import (
            Normalize,
            Pooling,
            Transformer,
        )
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().rpartition("\n")[2] or type(error).__name__
        raise MissingRequirement(
            f"sentence-transformers does not load ({reason}): {INSTALLATION}, "
            "or make setup in a clone"
        ) from error

    local = {"local_files_only": True, "trust_remote_code": False}
    with _quiet():
        words = Transformer(
            str(source.folder),
            max_seq_length=TOKENS,
            model_kwargs={**local, "use_safetensors": True, "dtype": torch.float32},
            processor_kwargs=local,
            config_kwargs=local,
        )
        pooling = Pooling(EMBEDDING, pooling_mode="mean")
        return SentenceTransformer(
            modules=[words, pooling, Normalize()], device="cpu", local_files_only=True
        )


def check_text(text: str) -> None:
    """Refuse what is no text.

    Raises
    ------
    UsageError
        Where ``text`` holds a NUL or half of a surrogate pair.
    """
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError(
            f"prompt {shown(text)} holds a character that belongs to no text "
            "(a NUL, or half of a pair); leave it out"
        )


def shown(text: str) -> str:
    """``text`` in quotation marks for a message in one line, cut where it is long."""
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _check_length(model: SentenceTransformer, text: str) -> None:
    with _quiet():
        tokens = len(model.tokenizer(text)["input_ids"])
    if tokens <= 2:  # one begins and one ends every sentence
        raise UsageError(
            f"prompt {shown(text)} says nothing that the encoder reads; "
            "write it in words, or leave it out"
        )
    if tokens > TOKENS:
        logger.warning(
            "prompt %s has %d tokens: the encoder reads the first %d and leaves the rest",
            shown(text),
            tokens,
            TOKENS,
        )


def encode(texts: Sequence[str], folder: Path | None = None) -> np.ndarray[Any, Any]:
    """The embeddings of ``texts``, as sentence-transformers computes them.

    Each text is encoded alone, on the CPU, in one thread: an embedding is the
    same bit for bit whatever the company and however many cores.  In batches
    it is off by some 2e-7, which rounding to float16 turns into another number
    in one of 200.

    Parameters
    ----------
    texts
        N texts in any script; upper and lower case are read alike.  Beyond
        ``TOKENS`` tokens a text is not read, and the log says so.
    folder
        Where the encoder lies; by default where ``find_encoder`` finds it, or
        on the hub, from where it is fetched once.

    Returns
    -------
    numpy.ndarray
        (N, 384) float32, each row of length 1.

    Raises
    ------
    MissingRequirement
        When sentence-transformers is not installed, or the encoder is nowhere
        on this machine and cannot be fetched.
    DamagedFile
        When a file of the encoder is not what it should be.
    UsageError
        For a text that is none, or of which nothing can be read; and for a
        folder without the encoder.
    """
    for text in texts:
        check_text(text)
    if not texts:
        return np.zeros((0, EMBEDDING), np.float32)
    model = _load(folder)
    for text in texts:
        _check_length(model, text)
    with _one_thread():
        rows = model.encode(list(texts), batch_size=1, show_progress_bar=False)
    return np.asarray(rows, np.float32)
