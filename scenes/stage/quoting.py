"""Prompts on the screen: any text in so much room, in lines or shortened."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from textwrap import shorten, wrap

SAID = 80
"""Letters of a prompt that are said aloud, about 5 seconds."""
LEFT_OUT = " …"
"""What stands for the rest."""
EMOJI, TONES = 0x1F000, range(0x1F3FB, 0x1F400)
"""Where emoji begin, and the colours of skin among them."""
SELECTORS = "\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}"
"""They choose how the sign before them looks."""


def readable(text: str) -> str:
    """``text`` in one line, of signs that lettering has.

    Signs without a shape of their own are left out, and emoji, which fonts keep
    as pictures in colour, stand as their names: "🐸" is "(frog face)".
    """
    shown = []
    for sign in text:
        kind = unicodedata.category(sign)
        if kind in ("Cc", "Zl", "Zp", "Zs"):
            shown.append(" ")
        elif kind in ("Cs", "Cn", "Co"):
            shown.append("\N{REPLACEMENT CHARACTER}")
        elif kind == "So" and ord(sign) >= EMOJI:
            shown.append(f"({unicodedata.name(sign, 'a sign').casefold()})")
        elif kind != "Cf" and sign not in SELECTORS and ord(sign) not in TONES:
            shown.append(sign)
    return " ".join("".join(shown).split())


def breadth(text: str) -> int:
    """How many letters of Latin are about as wide: signs of East Asia are twice as wide."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def shortened(text: str, most: int) -> str:
    """The beginning of ``text``, as many whole words as are ``most`` letters wide.

    Where not even the first word is, its beginning.
    """
    text = readable(text)
    if breadth(text) <= most:
        return text
    found = shorten(text, most, placeholder=LEFT_OUT) if breadth(text) == len(text) else ""
    if found.strip(LEFT_OUT):
        return found
    kept = _within(text, most - len(LEFT_OUT))
    return kept.rstrip() + LEFT_OUT.lstrip()


def quoted(text: str, most: int) -> str:
    """``text`` in quotation marks, shortened."""
    return f"“{shortened(text, most)}”"


def said(text: str) -> str:
    """As much of a prompt as is said aloud."""
    return shortened(text, SAID)


def lines_of(text: str, most: int, count: int) -> list[str]:
    """``text`` in quotation marks, in at most ``count`` lines so wide; the last may end early."""
    text = f"“{readable(text)}”"
    if breadth(text) == len(text) and max(map(len, text.split()), default=0) < most:
        return wrap(text, most, max_lines=count, placeholder=f"{LEFT_OUT}”")
    lines = list(_broken(text, most))
    if len(lines) <= count:
        return lines
    last = _within(lines[count - 1], most - len(LEFT_OUT) - 1).rstrip()
    return [*lines[: count - 1], f"{last}{LEFT_OUT}”"]


def _within(text: str, most: int) -> str:
    end = len(text)
    while breadth(text[:end]) > most:
        end -= 1
    return text[:end]


def _broken(text: str, most: int) -> Iterator[str]:
    """Lines of text, broken at blanks where they are, else anywhere."""
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if breadth(longer) <= most:
            line = longer
            continue
        if line:
            yield line
        while breadth(word) > most:
            part = _within(word, most)
            yield part
            word = word[len(part) :]
        line = word
    if line:
        yield line
