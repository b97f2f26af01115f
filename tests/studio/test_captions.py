"""Captions that can be read, and what players and ffmpeg make of the files."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import ffmpeg
import pytest
import srt
from hypothesis import given, settings
from hypothesis import strategies as st

from scenes.cues import Chapter, Cue, Sentence
from studio.captions import (
    LINE,
    LINGER,
    captions_of,
    chapters_metadata,
    to_srt,
    to_vtt,
    transcript,
)

LONG = (
    "The network never sees the clean image; it only guesses the noise that was added, and from "
    "that guess we take one small step towards a picture, again and again, until nothing is left."
)


def chapter_of(*spoken: tuple[float, float, str], end: float = 60.0) -> tuple[Chapter, ...]:
    cues = tuple(Cue(start, stop, Sentence(text, "spoken")) for start, stop, text in spoken)
    return (Chapter("Chapter", 0.0, end, cues),)


def test_a_short_caption_is_one_line_that_shows_the_symbols() -> None:
    (caption,) = captions_of(chapter_of((1.0, 3.0, "At t = 499, ᾱ is 0.02.")))
    assert caption.lines == ("At t = 499, ᾱ is 0.02.",)
    assert (caption.start, caption.end) == (1000, round(1000 * (3 + LINGER)))


def test_a_longer_caption_is_two_balanced_lines() -> None:
    text = "Each step removes a little of the noise that the network predicts."
    (caption,) = captions_of(chapter_of((0, 4, text)))
    assert " ".join(caption.lines) == text
    first, second = map(len, caption.lines)
    assert abs(first - second) <= 10
    assert max(first, second) <= LINE


def test_a_caption_too_long_for_two_lines_is_split_in_proportion() -> None:
    captions = captions_of(chapter_of((10.0, 20.0, LONG)))
    assert len(captions) == 3
    assert " ".join(" ".join(caption.lines) for caption in captions) == LONG
    assert captions[0].start == 10_000
    assert captions[-1].end == round(1000 * (20 + LINGER))
    for caption, following in pairwise(captions):
        assert caption.end == following.start
        share = sum(map(len, caption.lines)) / len(LONG)
        assert (caption.end - caption.start) / 10_000 == pytest.approx(share, abs=0.02)


def test_a_formula_is_not_torn_apart() -> None:
    text = "So what the schedule leaves of the signal at t = 250 is less than half."
    (caption,) = captions_of(chapter_of((0, 4, text)))
    assert any("t = 250" in line for line in caption.lines)


def test_accents_over_letters_take_no_place() -> None:
    text = "ε̂ " * 14 + "is a caption."  # 41 characters to the eye
    (caption,) = captions_of(chapter_of((0, 4, text)))
    assert len(caption.lines) == 1


def test_a_caption_ends_where_the_next_begins_and_with_its_chapter() -> None:
    soon = captions_of(chapter_of((0, 2, "One."), (2.2, 4, "Two."), end=4.1))
    assert [(caption.start, caption.end) for caption in soon] == [(0, 2200), (2200, 4100)]


def test_nothing_written_shows_nothing() -> None:
    assert captions_of(chapter_of((0, 2, ""), (3, 4, "   "))) == []


def test_voices_that_run_over_give_captions_that_do_not_overlap() -> None:
    first, second = captions_of(chapter_of((0, 2.05, "One."), (2.0, 4, "Two.")))
    assert first.end == second.start == 2000


words = st.text(st.characters(categories=["L", "N", "P", "S", "M"]), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 2),
            st.floats(0.5, 12),
            st.lists(words, min_size=1, max_size=30).map(" ".join),
        ),
        max_size=4,
    )
)
def test_whatever_is_said_fits_is_complete_and_in_order(
    said: list[tuple[float, float, str]],
) -> None:
    at, spoken = 0.0, []
    for pause, lasts, text in said:
        spoken.append((at + pause, at + pause + lasts, text))
        at += pause + lasts
    captions = captions_of(chapter_of(*spoken, end=at + 1))
    for caption in captions:
        assert caption.start < caption.end
        assert 1 <= len(caption.lines) <= 2
    for caption, following in pairwise(captions):
        assert caption.end <= following.start
    shown = "".join("".join(caption.lines) for caption in captions)
    if all(lasts > 8 for _, lasts, _ in said):  # long enough for every part to be seen
        assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", "".join(t for _, _, t in said))


def test_srt_survives_the_round_trip() -> None:
    chapters = chapter_of((0.5, 2, "Was ist ᾱ? — “Signal”."), (3, 8, LONG))
    parsed = list(srt.parse(to_srt(chapters)))
    captions = captions_of(chapters)
    assert [entry.index for entry in parsed] == list(range(1, len(captions) + 1))
    for entry, caption in zip(parsed, captions, strict=True):
        assert entry.content == "\n".join(caption.lines)
        assert entry.start == timedelta(milliseconds=caption.start)
        assert entry.end == timedelta(milliseconds=caption.end)
    assert to_srt((Chapter("Silent", 0, 5),)) == ""


ODD = "if x < 5 & y > 3 then <x> is {ε} \\alpha"


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_ffmpeg_reads_times_and_odd_characters(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"captions.{kind}"
    chapters = chapter_of((0.5, 2.25, ODD), (3700, 3702, "x_t ist größer."), end=3710)
    path.write_text((to_srt if kind == "srt" else to_vtt)(chapters), encoding="utf-8")
    printed, _ = ffmpeg.input(str(path)).output("-", f="webvtt").run(quiet=True)
    text = printed.decode().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert "00:00.500 --> 00:02.850" in text
    assert "01:01:40.000 --> 01:01:42.600" in text
    assert "größer" in text
    assert ODD in text.replace("\u2060", "").replace("\\{", "{").replace("\\}", "}")


def test_vtt_escapes_what_would_be_markup() -> None:
    text = to_vtt(chapter_of((0.5, 2, "a < b --> c & d")))
    assert text.startswith("WEBVTT\n\n00:00:00.500 --> ")
    assert "a &lt; b --&gt; c &amp; d\n" in text
    assert to_vtt(()) == "WEBVTT\n"


def test_the_transcript_is_markdown_with_times() -> None:
    chapters = (
        Chapter("Noise * in", 0, 61, (Cue(1, 2, Sentence("x_t [is] <b>.", "")),)),
        Chapter("Out", 3723.4, 3800, (Cue(3724, 3725, Sentence("# no heading", "")),)),
    )
    assert transcript(chapters, "A_B") == (
        "# A\\_B\n\n## 0:00 Noise \\* in\n\nx\\_t \\[is\\] \\<b>.\n\n"
        "## 1:02:03 Out\n\n\\# no heading\n"
    )


def test_chapter_marks_escape_what_ffmetadata_would_take_for_syntax() -> None:
    text = chapters_metadata((Chapter("a=b;c#d\\e\nf", 0.0004, 1.5),))
    assert text == (
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\n"
        "title=a\\=b\\;c\\#d\\\\e\\\nf\n"
    )
