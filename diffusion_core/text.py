"""Prompts become embeddings: by looking them up, or by the sentence encoder; no torch at import.

A network that reads was taught a vocabulary of captions.  Their embeddings
ship with its weights, so that every caption of the vocabulary is a prompt
without any encoder; the encoder is for all other prompts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from diffusion_core.encoder import EMBEDDING, check_text, encode, shown
from diffusion_core.encoder_files import ENCODER
from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.files import Facts

__all__ = ["EMBEDDING", "Vocabulary", "embed", "encode", "vocabulary_of", "words_as_numbers"]

NEAREST = 3
"""Taught captions that are named where a prompt cannot be read."""


# By identity: numpy has no single answer to whether two arrays are equal.
@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Captions with their embeddings; it ships inside a file of weights.

    Parameters
    ----------
    texts
        N captions, each once, as ``captions.normalised`` spells them.
    embeddings
        (N, 384) float16; of length 1 before they were rounded.
    encoder
        SHA-256 of the model file of the encoder, which they are from.

    Raises
    ------
    ValueError
        When a caption comes twice, or there is not one embedding each.
    """

    texts: tuple[str, ...]
    embeddings: np.ndarray[Any, Any]  # (N, 384)
    encoder: str = ENCODER

    def __post_init__(self) -> None:
        if len(set(self.texts)) < len(self.texts):
            raise ValueError("a caption comes twice in the vocabulary")
        if self.embeddings.shape != (len(self.texts), EMBEDDING):
            raise ValueError(
                f"embeddings of shape {self.embeddings.shape} for {len(self.texts)} captions; "
                f"each has one of {EMBEDDING} numbers"
            )
        if self.embeddings.dtype != np.float16:
            raise ValueError(f"embeddings are kept as float16, not {self.embeddings.dtype}")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {text: row for row, text in enumerate(self.texts)}

    def lookup(self, prompt: str) -> np.ndarray[Any, Any] | None:
        """The embedding of a prompt that was taught, (384,) float16; None of another.

        Case, blanks and a full stop at the end make no difference.
        """
        row = self._rows.get(_key(prompt))
        return None if row is None else self.embeddings[row]

    def cosines(self, embedding: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The cosine of the angle between ``embedding`` and that of each caption, (N,) float64."""
        taught, given = self.embeddings.astype(np.float64), embedding.astype(np.float64)
        lengths = np.linalg.norm(taught, axis=1) * np.linalg.norm(given)
        return np.asarray(taught @ given / lengths)

    def nearest(self, prompt: str) -> list[str]:
        """The captions that are spelt most like ``prompt``, the best first."""
        return difflib.get_close_matches(_key(prompt), self.texts, NEAREST)


def _key(prompt: str) -> str:
    from diffusion_core.captions import normalised  # it brings torch

    return normalised(prompt)


def vocabulary_of(texts: Iterable[str]) -> Vocabulary:
    """Captions and what the encoder makes of them; spellings of one caption are one.

    Raises
    ------
    MissingRequirement, DamagedFile, UsageError
        As ``encode`` does.
    """
    spelt = tuple(dict.fromkeys(map(_key, texts)))
    return Vocabulary(spelt, encode(spelt).astype(np.float16), ENCODER)


def embed(prompt: str, vocabulary: Vocabulary) -> np.ndarray[Any, Any]:
    """The embedding of ``prompt``: from the vocabulary, else by the encoder.

    Parameters
    ----------
    prompt
        Not empty: without a prompt there is nothing to embed, and a network
        is given zeros.
    vocabulary
        What the network was taught.

    Returns
    -------
    numpy.ndarray
        (384,) float16.

    Raises
    ------
    UsageError
        For a prompt that is no text, or says nothing.
    MissingRequirement
        When the prompt was not taught and there is no encoder to read it.
    LectureError
        When it was not taught, and the captions are from another encoder.
    DamagedFile
        When the encoder is damaged.
    """
    check_text(prompt)
    taught = vocabulary.lookup(prompt)
    if taught is not None:
        return taught
    key = _key(prompt)
    if not key:
        raise UsageError(
            f"prompt {shown(prompt)} says nothing: write what to draw, or leave it out"
        )
    if vocabulary.encoder != ENCODER:
        raise LectureError(
            f"{_unknown(prompt, vocabulary)}; reading it takes the encoder of the captions "
            f"(SHA-256 {vocabulary.encoder[:12]}…), which is not all-MiniLM-L6-v2"
        )
    try:
        return encode([key])[0].astype(np.float16)
    except MissingRequirement as error:
        raise MissingRequirement(f"{_unknown(prompt, vocabulary)}; {error}") from error


def words_as_numbers(prompts: Iterable[str], vocabulary: Vocabulary) -> Facts:
    """What prompts are to a network, and what the captions that it was taught are to the first.

    Parameters
    ----------
    prompts
        At least one that is not empty; those that are empty are passed over.
    vocabulary
        What the network was taught, with at least one caption besides the first prompt.

    Returns
    -------
    dict
        "taught", how many captions; "nearest" and "farthest", the captions whose
        embeddings have the largest and the smallest cosine with that of the first
        prompt, itself left out; "embeddings", from each prompt and from these two
        to 384 numbers, JSON-ready, the same when they are made float16 again.

    Raises
    ------
    UsageError, MissingRequirement, LectureError, DamagedFile
        As ``embed`` does.
    """
    given = {prompt: embed(prompt, vocabulary) for prompt in prompts if prompt}
    first = next(iter(given))
    cosines = vocabulary.cosines(given[first])
    others = [row for row, text in enumerate(vocabulary.texts) if text != _key(first)]
    by_cosine = sorted(others, key=lambda row: cosines[row])
    found = {"nearest": vocabulary.texts[by_cosine[-1]], "farthest": vocabulary.texts[by_cosine[0]]}
    given |= {text: embed(text, vocabulary) for text in found.values()}
    # The shortest decimals that are read back as the same float16.
    embeddings = {text: [float(str(x)) for x in values] for text, values in given.items()}
    return {"taught": len(vocabulary.texts), **found, "embeddings": embeddings}


def _unknown(prompt: str, vocabulary: Vocabulary) -> str:
    nearest = vocabulary.nearest(prompt)
    known = f"the nearest: {', '.join(map(repr, nearest))}" if nearest else "none is near"
    return (
        f"prompt {shown(prompt)} is none of the {len(vocabulary.texts):,} captions "
        f"that the model was taught ({known})"
    )
