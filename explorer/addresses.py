"""An address that can be shared: settings to a query string, and back, checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Read = Callable[[str], Any]
"""From the text in an address to a value; a ValueError says what would have been taken."""

LONGEST = 400
"""Characters of one setting."""


@dataclass(frozen=True)
class Setting:
    """One setting that the address keeps.

    Parameters
    ----------
    name
        What it is called there: the component's elem_id.
    read
        Checks the text.
    """

    name: str
    read: Read


def whole(low: int, high: int) -> Read:
    """A whole number in ``low`` … ``high``."""

    def read(text: str) -> int:
        if not text.lstrip("-").isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"a whole number, {low} … {high}")
        return int(text)

    return read


def number(low: float, high: float) -> Read:
    """A number in ``low`` … ``high``."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number, {low:g} … {high:g}")
        return value

    return read


def one_of(known: Iterable[str]) -> Read:
    """One of a few names."""
    names = tuple(known)

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return text

    return read


def words(longest: int = LONGEST) -> Read:
    """Any text that is not too long."""

    def read(text: str) -> str:
        if len(text) > longest or not text.isprintable():
            raise ValueError(f"at most {longest} characters that can be printed")
        return text

    return read


def switch(text: str) -> bool:
    """A box that is ticked or not."""
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def read_all(settings: Iterable[Setting], query: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The values that an address gives, by name, and what is wrong with it in one line.

    What is wrong is left as usual; the rest is taken.
    """
    found, wrong = {}, []
    for setting in settings:
        text = query.get(setting.name)
        if text is None:
            continue
        try:
            if len(text) > LONGEST:
                raise ValueError(f"at most {LONGEST} characters")
            found[setting.name] = setting.read(text)
        except ValueError as error:
            shown = text if len(text) <= 40 else f"{text[:40]}…"
            wrong.append(f"{setting.name} = {shown!r} must be {error}")
    said = f"The address says {'; '.join(wrong)}. What is usual is taken." if wrong else ""
    return found, said
