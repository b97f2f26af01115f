"""What may be said of a picture: captions built from measured facts.

A digit has three facts: which it is, how thick its strokes are (thin, regular,
bold) and how it leans (left, upright, right).  The last two are measured, so a
prompt means more than a class label.  Each of the 10 · 3 · 3 combinations is a
group, and a group has a row of wordings: a third of them carry all three
facts, the rest one or two, so that every word is learnt alone too, and a
picture can be asked for by a part of its description.

Where the words begin.  Thickness: at the terciles of MNIST's training
pictures.  Lean: "leaning left" begins at the vertical, and "leaning right" at
the lean of the middle writer, because people write with a lean to the right
and call that straight.  So a fifth of MNIST leans left, three in ten are
upright, and half lean right; equal thirds would call left what does not lean.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from diffusion_core.errors import UsageError
from diffusion_core.strokes import lean, thickness

THICKNESSES = ("thin", "regular", "bold")
"""The words for thickness, from thin to bold."""

SLANTS = ("leaning left", "upright", "leaning right")
"""The words for the lean, from left to right."""

THICKNESS_CUTS = (2.14, 2.63)
"""Pixels at which "regular" and "bold" begin: the terciles of MNIST's training pictures."""

LEAN_CUTS = (0.0, 12.0)
"""Degrees at which "upright" and "leaning right" begin: the vertical, and the
median lean of MNIST's training pictures."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_WIDTH_WORDS = (
    ("thin", "fine", "light"),
    ("regular", "medium", "normal"),
    ("bold", "thick", "heavy"),
)
_LEAN_PHRASES = (
    ("leaning left", "slanted to the left", "tilted to the left"),
    ("upright", "straight", "vertical"),
    ("leaning right", "slanted to the right", "tilted to the right"),
)
# Those that every lean has before the digit, and behind it.
_BEFORE = ("left-leaning", "upright", "right-leaning")
_BEHIND = ("leaning left", "standing upright", "leaning right")


@dataclass(frozen=True)
class Captions:
    """What may be said of each picture of a set.

    Parameters
    ----------
    texts
        The captions, each once, as ``normalised`` spells them.
    wordings
        (G, K) int64, indices into ``texts``: what may be said of a picture of
        each group, with rows padded by repeating.
    groups
        (N,) int64, the group of each picture.
    """

    texts: tuple[str, ...]
    wordings: Tensor  # (G, K)
    groups: Tensor  # (N,)


@dataclass(frozen=True)
class DigitFacts:
    """The facts that a caption names; None for those it leaves open.

    Parameters
    ----------
    digit
        0 … 9.
    thickness
        One of ``THICKNESSES``.
    slant
        One of ``SLANTS``.
    """

    digit: int | None = None
    thickness: str | None = None
    slant: str | None = None


def normalised(prompt: str) -> str:
    """The spelling by which a caption is looked up.

    Unicode's compatibility form (NFKC), lower case, single blanks, and no
    full stop, comma, exclamation or question mark at the end.
    """
    folded = unicodedata.normalize("NFKC", prompt).casefold()
    # Folding can leave characters apart that the form joins, and the other way round.
    folded = unicodedata.normalize("NFKC", folded).casefold()
    return " ".join(folded.split()).rstrip(".,!? ")


def with_article(phrase: str) -> str:
    """``phrase`` behind "a" or "an", by how its first word sounds."""
    first = phrase.casefold()
    vowel = first.startswith(tuple("aeiou8")) and not first.startswith(("one", "uni", "use", "eu"))
    return f"{'an' if vowel else 'a'} {phrase}"


def class_captions(labels: Tensor, classes: Sequence[str]) -> Captions:
    """Captions that name a picture's class: "a photo of a frog", "frog", ….

    Parameters
    ----------
    labels
        (N,) int64, the class of each picture.
    classes
        The name of each class; an underscore in it is read as a blank.

    Returns
    -------
    Captions
        One group a class.

    Raises
    ------
    UsageError
        Where a class has no name that could be read.
    ValueError
        Where a label has no class.
    """
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < len(classes):
        raise ValueError(
            f"labels from {int(labels.min())} to {int(labels.max())}: "
            f"there are {len(classes)} classes, and the first is 0"
        )
    rows = []
    for name in classes:
        plain = normalised(name.replace("_", " "))
        if not plain:
            raise UsageError(f"class {name!r} has no name to make a caption of: call it by a word")
        thing = with_article(plain)
        photos = (f"{kind} of {thing}" for kind in ("a photo", "a picture", "an image"))
        rows.append([plain, thing, *photos, f"a photo of the {plain}"])
    return _captions(rows, labels)


def digit_captions(images: Tensor, labels: Tensor) -> Captions:
    """Captions that name a digit, the thickness of its strokes and its lean.

    Parameters
    ----------
    images
        (N, 1, 28, 28), uint8 or float −1 … 1, as MNIST has them: light strokes
        on black.  Thickness is measured in pixels, so the size matters.
    labels
        (N,) int64, 0 … 9.

    Returns
    -------
    Captions
        90 groups; that of digit d, thickness i and slant j (indices into
        ``THICKNESSES`` and ``SLANTS``) is 9 d + 3 i + j.

    Raises
    ------
    ValueError
        For pictures of another shape or type, or labels that are no digits.
    """
    width = torch.bucketize(thickness(images), torch.tensor(THICKNESS_CUTS), right=True)
    side = torch.bucketize(lean(images, labels), torch.tensor(LEAN_CUTS), right=True)
    rows = [list(row) for row in _digit_rows()]
    return _captions(rows, 9 * labels + 3 * width + side)


def digit_prompts() -> tuple[tuple[str, DigitFacts], ...]:
    """The plainest wording of each group, in the groups' order, with its facts."""
    return tuple(next(iter(row.items())) for row in _digit_rows())


def facts_of(text: str) -> DigitFacts:
    """Which facts a caption of the digits' vocabulary names.

    Raises
    ------
    UsageError
        Where the vocabulary does not have it.
    """
    known = _digit_facts()
    found = known.get(normalised(text))
    if found is None:
        raise UsageError(
            f"prompt {text!r} is none of the {len(known):,} captions of the digits: "
            "say it like 'a bold seven leaning right', 'a thin 4' or 'an upright two'"
        )
    return found


def _captions(rows: Sequence[Iterable[str]], groups: Tensor) -> Captions:
    """Number the texts; rows that are shorter begin again."""
    index: dict[str, int] = {}
    numbered = [[index.setdefault(normalised(text), len(index)) for text in row] for row in rows]
    longest = max(map(len, numbered), default=0)
    padded = [[row[k % len(row)] for k in range(longest)] for row in numbered]
    wordings = torch.tensor(padded, dtype=torch.int64).reshape(len(padded), longest)
    return Captions(tuple(index), wordings, groups.to(torch.int64))


@cache
def _digit_facts() -> dict[str, DigitFacts]:
    return {text: facts for row in _digit_rows() for text, facts in row.items()}


@cache
def _digit_rows() -> tuple[dict[str, DigitFacts], ...]:
    """Each group's wordings and what they name, the plainest first."""
    rows = []
    for digit in range(10):
        for i, thick in enumerate(THICKNESSES):
            for j, side in enumerate(SLANTS):
                said = [
                    (_all_three(digit, i, j), DigitFacts(digit, thick, side)),
                    (_digit_and_width(digit, i), DigitFacts(digit, thickness=thick)),
                    (_digit_and_lean(digit, j), DigitFacts(digit, slant=side)),
                    (_digit_alone(digit), DigitFacts(digit)),
                    (_width_alone(i), DigitFacts(thickness=thick)),
                    (_lean_alone(j), DigitFacts(slant=side)),
                    (_no_digit(i, j), DigitFacts(thickness=thick, slant=side)),
                ]
                rows.append({normalised(text): facts for texts, facts in said for text in texts})
    return tuple(rows)


def _leaning(j: int, k: int, thing: str, width: str = "") -> str:
    """ "bold seven leaning right", but "bold upright seven": the k-th way to say it."""
    phrase = _LEAN_PHRASES[j][k]
    words = (width, phrase, thing) if j == 1 else (width, thing, phrase)
    return " ".join(word for word in words if word)


def _all_three(digit: int, i: int, j: int) -> list[str]:
    word, numeral = DIGITS[digit], str(digit)
    plain, second, third = _WIDTH_WORDS[i]
    phrases = _LEAN_PHRASES[j]
    # What is upright stands, and "a bold upright seven" has been said; the others come before.
    other = f"{plain} {word} {_BEHIND[j]}" if j == 1 else f"{plain} {_BEFORE[j]} {word}"
    return [
        with_article(_leaning(j, 0, word, plain)),
        with_article(_leaning(j, 0, numeral, plain)),
        with_article(_leaning(j, 1, word, second)),
        with_article(_leaning(j, 2, numeral, third)),
        _leaning(j, 0, word, plain),
        with_article(other),
        f"{with_article(_BEFORE[j])} {word} with {second} strokes",
        f"{with_article(_BEFORE[j])} {numeral} in {plain} strokes",
        f"handwritten digit {numeral}, {plain} strokes, {phrases[0]}",
        f"handwritten digit {numeral}, {third} strokes, {phrases[1]}",
        f"the digit {word}, {plain} strokes, {phrases[2]}",
        f"{numeral}, {plain}, {phrases[0]}",
        f"{with_article(word)} with {third} strokes {_BEHIND[j]}",
        f"a picture of {with_article(_leaning(j, 0, word, plain))}",
        f"a drawing of {with_article(_leaning(j, 1, numeral, second))}",
        f"a handwritten {_leaning(j, 0, word)} in {second} strokes",
    ]


def _digit_and_width(digit: int, i: int) -> list[str]:
    word, numeral = DIGITS[digit], str(digit)
    plain, second, third = _WIDTH_WORDS[i]
    return [
        with_article(f"{plain} {word}"),
        with_article(f"{plain} {numeral}"),
        with_article(f"{second} {word}"),
        with_article(f"{third} {numeral}"),
        f"{plain} {word}",
        f"{numeral}, {plain}",
        f"handwritten digit {numeral}, {plain} strokes",
        f"the digit {word} in {second} strokes",
        f"{with_article(word)} with {third} strokes",
        f"a picture of {with_article(f'{plain} {word}')}",
    ]


def _digit_and_lean(digit: int, j: int) -> list[str]:
    word, numeral = DIGITS[digit], str(digit)
    other = f"{word} {_BEHIND[j]}" if j == 1 else f"{_BEFORE[j]} {word}"
    return [
        with_article(_leaning(j, 0, word)),
        with_article(_leaning(j, 0, numeral)),
        with_article(_leaning(j, 1, word)),
        with_article(_leaning(j, 2, numeral)),
        with_article(other),
        _leaning(j, 0, word),
        f"{numeral}, {_LEAN_PHRASES[j][0]}",
        f"handwritten digit {numeral}, {_LEAN_PHRASES[j][0]}",
        f"the digit {word}, {_LEAN_PHRASES[j][1]}",
        f"a picture of {with_article(_leaning(j, 0, word))}",
    ]


def _digit_alone(digit: int) -> list[str]:
    word, numeral = DIGITS[digit], str(digit)
    return [
        with_article(word),
        with_article(numeral),
        word,
        numeral,
        f"the digit {word}",
        f"handwritten digit {numeral}",
        f"a picture of {with_article(word)}",
    ]


def _width_alone(i: int) -> list[str]:
    return [with_article(f"{_WIDTH_WORDS[i][0]} digit"), f"a digit in {_WIDTH_WORDS[i][1]} strokes"]


def _lean_alone(j: int) -> list[str]:
    return [with_article(_leaning(j, 0, "digit")), with_article(_leaning(j, 1, "digit"))]


def _no_digit(i: int, j: int) -> list[str]:
    return [with_article(_leaning(j, 0, "digit", _WIDTH_WORDS[i][0]))]
