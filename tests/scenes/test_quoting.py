"""Prompts on the screen: any text, in its room."""

from __future__ import annotations

import unicodedata
from textwrap import shorten, wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes.stage.quoting import breadth, lines_of, quoted, readable, said, shortened
from scenes.text_to_image.columns import told_apart


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a photo of a frog", "a photo of a frog"),
        ("", ""),
        (" two\nlines\tand \u2028 more ", "two lines and more"),
        ("\N{FROG FACE} on a leaf", "(frog face) on a leaf"),
        ("\N{WOMAN}\N{ZERO WIDTH JOINER}\N{MICROSCOPE}", "(woman)(microscope)"),
        ("\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", "(waving hand sign)"),
        ("\u202eabc\u0000\u200b", "abc"),
        ("\ud800 alone", "\N{REPLACEMENT CHARACTER} alone"),
        ("蛙の写真", "蛙の写真"),
        ("صورة ضفدع", "صورة ضفدع"),
        ("a ^ b ` c", "a ^ b ` c"),
    ],
)
def test_any_text_can_be_read(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_plain_prompts_are_shortened_by_whole_words() -> None:
    prompt = (
        "a bold seven that leans to the right and is drawn with a very thick pen on white paper"
    )
    for most in (13, 40, 48, 64, 100):
        assert quoted(prompt, most) == f"“{shorten(prompt, most, placeholder=' …')}”"
    assert lines_of(prompt, 32, 2) == wrap(f"“{prompt}”", 32, max_lines=2, placeholder=" …”")
    assert said("a seven") == "a seven"


@given(st.text(max_size=200), st.integers(12, 60), st.integers(1, 3))
def test_every_prompt_stays_in_its_room(text: str, most: int, count: int) -> None:
    assert breadth(shortened(text, most)) <= most
    lines = lines_of(text, most, count)
    assert len(lines) <= count
    assert all(breadth(line) <= most for line in lines)
    for line in [shortened(text, most), *lines]:
        assert not any(unicodedata.category(sign) in ("Cc", "Cs", "Cf") for sign in line)


def test_signs_of_east_asia_are_twice_as_wide() -> None:
    assert breadth("蛙frog") == 6
    assert breadth("e\N{COMBINING ACUTE ACCENT}") == 1


def test_prompts_are_told_apart_by_where_they_differ() -> None:
    prompts = ["a photo of a frog", "a photo of a red car", "a fox in watercolour", "a two"]
    assert told_apart(prompts) == {
        "a photo of a frog": "… frog",
        "a photo of a red car": "… red car",
        "a fox in watercolour": "… fox in watercolour",
        "a two": "a two",
    }
