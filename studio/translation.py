"""Narration in another language: each sentence by its translation.

What is translated is a sentence without its values: a number and what stands
between “ and ” become {0}, {1}, … in their order.  So one translation serves
every seed, schedule and prompt, and the values that are said remain those of
the recording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diffusion_core.errors import LectureError
from diffusion_core.files import digest_of
from scenes.cues import Sentence

SOURCE = "en"
"""The language that scenes are written in."""
SPOKEN = "spoken"
"""The context (msgctxt) of what is said otherwise than it is written."""

_VALUE = re.compile(r"“[^”]*”|(?<![\w.,])\d+(?:[.,]\d+)*(?!\w)")
PLACE = re.compile(r"\{(\d+)\}")
# Of what Babel takes for one language, codes that ISO 639-2 has not: of one
# language in a group that has a code, and those that were withdrawn.
_NOT_639_2 = frozenset(
    ["arb", "ekk", "pes", "lvs", "zsm", "als", "swh", "cmn", "scr", "scc", "mol"]
)


def template_of(text: str) -> tuple[str, tuple[str, ...]]:
    """``text`` with {0}, {1}, … for its values, and these."""
    values: list[str] = []

    def place(found: re.Match[str]) -> str:
        values.append(found.group())
        return f"{{{len(values) - 1}}}"

    return _VALUE.sub(place, text), tuple(values)


def mp4_language(language: str) -> str:
    """The code of a language in an MP4: ISO 639-2/T, three letters; "und" where it has none."""
    from babel.core import get_global

    bare = language.replace("_", "-").partition("-")[0].lower()
    codes = [code for code, meant in get_global("language_aliases").items() if meant == bare]
    known = [code for code in codes if len(code) == 3 and code not in _NOT_639_2]
    return known[0] if known else "und"


@dataclass(frozen=True)
class Translation:
    """A translation of sentences; picklable.

    Parameters
    ----------
    language
        "de", "pt-br".
    path
        The catalogue.
    captions, spoken
        From templates to their translations: as written, and as spoken where
        that differs.
    point, comma
        What the language writes for the two in 1,234.5.
    """

    language: str
    path: Path
    captions: Mapping[str, str]
    spoken: Mapping[str, str]
    point: str
    comma: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides what is said."""
        said = [dict(self.captions), dict(self.spoken), self.point, self.comma]
        return digest_of([self.language, *said])

    def told(self, sentence: Sentence) -> Sentence:
        """``sentence`` in this language.

        Raises
        ------
        LectureError
            When it is not in the catalogue.
        """
        if self.lacks(sentence):
            raise LectureError(f"{self.path} does not translate “{sentence.caption}”")
        caption = self._filled(self.captions, sentence.caption)
        if sentence.spoken == sentence.caption:
            return Sentence(caption, caption)
        return Sentence(caption, self._filled(self.spoken, sentence.spoken))

    def lacks(self, sentence: Sentence) -> bool:
        """Whether ``sentence`` is not translated, or not as it is spoken."""
        written = template_of(sentence.caption)[0] in self.captions
        same = sentence.spoken == sentence.caption
        return not (written and (same or template_of(sentence.spoken)[0] in self.spoken))

    def check(self, name: str, sentences: Iterable[Sentence]) -> None:
        """Find out before any work whether all sentences of ``name`` are translated.

        Raises
        ------
        LectureError
            When some are not; names them.
        """
        every = list(dict.fromkeys(sentences))
        lacking = [f"“{one.caption}”" for one in every if self.lacks(one)]
        if lacking:
            more = f" and {len(lacking) - 8} more" if len(lacking) > 8 else ""
            raise LectureError(
                f"{self.path} does not translate {len(lacking)} of the {len(every)} sentences of "
                f"{name!r} (or marks them fuzzy): {', '.join(lacking[:8])}{more}; with the same "
                f"options, render.py script {name} --to {self.path} writes them into it"
            )

    def _filled(self, texts: Mapping[str, str], text: str) -> str:
        template, values = template_of(text)
        own = [self._written(value) for value in values]
        return PLACE.sub(lambda place: own[int(place.group(1))], texts[template])

    def _written(self, value: str) -> str:
        if value.startswith("“"):
            return value  # what was asked for is what the network was given
        written = {".": self.point, ",": self.comma}
        return "".join(written.get(character, character) for character in value)
