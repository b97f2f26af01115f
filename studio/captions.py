"""Captions, transcript and chapter marks: the written forms of a cue list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import accumulate, pairwise

import srt

from scenes.cues import Chapter, Cue

LINE = 42
"""Most characters of a caption line; a caption has at most two."""
LINGER = 0.6
"""Seconds that a caption stays after the voice has ended, when nothing follows at once."""

Words = tuple[str, ...]

_OPERATORS = frozenset("=≈≠<>≤≥+−-×·/∼~→←∝|")
_AT_LINE_END = 60  # what a break away from punctuation costs, in squared characters
_AT_PAGE_END = 600


@dataclass(frozen=True, slots=True)
class Caption:
    """What is on screen from ``start`` to ``end`` (milliseconds): one or two lines."""

    start: int
    end: int
    lines: tuple[str, ...]


def _width(text: str) -> int:
    """Characters as one sees them: an accent over a letter takes no place."""
    return sum(not unicodedata.combining(c) for c in text)


def _break_cost(before: str, after: str, elsewhere: int) -> int:
    if before in _OPERATORS or after in _OPERATORS:
        return 1000  # a formula stays together while it can
    return 0 if before[-1] in ".,;:!?—–" else elsewhere


def _evenly(
    words: Words, count: int, fits: Callable[[Words], bool], elsewhere: int
) -> list[Words] | None:
    """``words`` cut into ``count`` runs that all fit, as even as can be; None where none do.

    ``elsewhere`` is what a break costs that follows no punctuation.
    """
    nowhere: tuple[float, tuple[int, ...]] = (float("inf"), ())

    @cache
    def best(start: int, runs: int) -> tuple[float, tuple[int, ...]]:
        if runs == 1:
            rest = words[start:]
            return (_width(" ".join(rest)) ** 2, (len(words),)) if fits(rest) else nowhere
        found = nowhere
        for stop in range(start + 1, len(words)):
            run = words[start:stop]
            if not fits(run):
                break
            cost, stops = best(stop, runs - 1)
            cost += _width(" ".join(run)) ** 2 + _break_cost(run[-1], words[stop], elsewhere)
            found = min(found, (cost, (stop, *stops)))
        return found

    _, stops = best(0, count)
    return [words[start:stop] for start, stop in pairwise((0, *stops))] or None


def _lines(words: Words) -> tuple[str, ...] | None:
    """One line, or two of about the same length; None where two are too few."""

    def fits(run: Words) -> bool:
        return _width(" ".join(run)) <= LINE

    for count in (1, 2):
        runs = _evenly(words, count, fits, _AT_LINE_END)
        if runs:
            return tuple(" ".join(run) for run in runs)
    return None


def _pages(text: str) -> list[tuple[str, ...]]:
    """``text`` as captions of one or two lines each, as few as will do."""
    # A space that must not break (U+00A0) does not.
    whole = [word for word in re.split(r"[ \t\r\n]+", text) if word]
    words = tuple(word[at : at + LINE] for word in whole for at in range(0, len(word), LINE))
    for count in range(1, len(words) + 1):
        runs = _evenly(words, count, lambda run: _lines(run) is not None, _AT_PAGE_END)
        if runs:
            return [lines for lines in map(_lines, runs) if lines]
    return []


def _shown(cue: Cue, until: float) -> list[Caption]:
    """The captions of one cue, one after the other; the last stays a little, to ``until``."""
    pages = _pages(cue.sentence.caption)
    widths = [sum(map(_width, lines)) for lines in pages]
    length = min(cue.end, until) - cue.start
    starts = [
        round(1000 * (cue.start + length * before / max(1, sum(widths))))
        for before in [0, *accumulate(widths)][: len(pages)]
    ]
    ends = [*starts, round(1000 * min(cue.end + LINGER, until))][1:]
    return [
        Caption(start, end, lines)
        for start, end, lines in zip(starts, ends, pages, strict=True)
        if end > start
    ]


def captions_of(chapters: tuple[Chapter, ...]) -> list[Caption]:
    """The captions of the chapters, in order of time; they never overlap.

    Each shows ``Sentence.caption`` in at most two lines of 42 characters;
    what needs more is split, each part staying in proportion to its length.
    A caption stays 0.6 s after the voice, but not into the next one and not
    past the end of its chapter.
    """
    placed = sorted(
        ((cue, chapter.end) for chapter in chapters for cue in chapter.cues),
        key=lambda pair: pair[0].start,
    )
    nexts = [*(cue.start for cue, _ in placed), float("inf")][1:]
    return [
        caption
        for (cue, end), following in zip(placed, nexts, strict=True)
        for caption in _shown(cue, min(following, max(end, cue.end)))
    ]


def to_srt(chapters: tuple[Chapter, ...]) -> str:
    r"""The captions in SRT; an empty text when nothing is said.

    SRT has no escapes, and players take ``<x>`` and ``{\…}`` for markup: an
    invisible U+2060 (word joiner) after ``<`` and ``\`` keeps them text.
    """
    subtitles = [
        srt.Subtitle(
            None,
            timedelta(milliseconds=caption.start),
            timedelta(milliseconds=caption.end),
            re.sub(r"<(?=\S)|\\", "\\g<0>\u2060", "\n".join(caption.lines)),
        )
        for caption in captions_of(chapters)
    ]
    text: str = srt.compose(subtitles)
    return text


def to_vtt(chapters: tuple[Chapter, ...]) -> str:
    """The captions in WebVTT."""
    blocks = ["WEBVTT"]
    for caption in captions_of(chapters):
        text = "\n".join(caption.lines)
        for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(character, escaped)
        blocks.append(f"{_vtt_time(caption.start)} --> {_vtt_time(caption.end)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _vtt_time(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}"


def clock(seconds: float) -> str:
    """Time as a reader writes it: 0:07, 12:30, 1:02:03."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def markdown(text: str) -> str:
    """``text`` with what Markdown would take for markup escaped."""
    text = re.sub(r"([\\`*_\[\]<$|~])", r"\\\1", " ".join(text.split(" ")).replace("\n", " "))
    return re.sub(r"^(\d+)(?=[.)] )|^(?=[#>+-])", r"\1\\", text)


def transcript(chapters: tuple[Chapter, ...], title: str) -> str:
    """What is said, in Markdown: the title, each chapter with its time, a paragraph a sentence."""
    blocks = [f"# {markdown(title)}"]
    for chapter in chapters:
        blocks.append(f"## {clock(chapter.start)} {markdown(chapter.title)}")
        blocks.extend(markdown(cue.sentence.caption) for cue in chapter.cues)
    return "\n\n".join(blocks) + "\n"


def chapters_metadata(chapters: tuple[Chapter, ...]) -> str:
    """The chapters as ffmpeg reads them (``-f ffmetadata``), times in milliseconds."""
    lines = [";FFMETADATA1"]
    for chapter in chapters:
        title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={round(1000 * chapter.start)}",
            f"END={round(1000 * chapter.end)}",
            f"title={title}",
        ]
    return "\n".join(lines) + "\n"
