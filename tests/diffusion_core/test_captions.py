"""Captions say what was measured, and a caption tells what it says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.captions import (
    DIGITS,
    LEAN_CUTS,
    SLANTS,
    THICKNESS_CUTS,
    THICKNESSES,
    DigitFacts,
    class_captions,
    digit_captions,
    digit_prompts,
    facts_of,
    normalised,
    with_article,
)
from diffusion_core.datasets import ImageSet
from diffusion_core.errors import UsageError
from diffusion_core.strokes import lean, thickness
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.test_strokes import stroke

NOTHING = digit_captions(torch.zeros((0, 1, 28, 28)), torch.zeros(0, dtype=torch.int64))
"""The vocabulary, of no pictures."""


def names(text: str) -> DigitFacts:
    """What a caption says, read off its words rather than out of the table."""
    words = set(text.replace(",", " ").replace("-", " ").split())
    read = {word: DIGITS.index(word) for word in DIGITS} | {str(d): d for d in range(10)}
    digit = {read[word] for word in words & read.keys()}
    width = [
        name
        for name, said in zip(
            THICKNESSES,
            (
                {"thin", "fine", "light"},
                {"regular", "medium", "normal"},
                {"bold", "thick", "heavy"},
            ),
            strict=True,
        )
        if words & said
    ]
    side = [
        name
        for name, said in zip(
            SLANTS, ({"left"}, {"upright", "straight", "vertical"}, {"right"}), strict=True
        )
        if words & said
    ]
    assert max(len(digit), len(width), len(side)) <= 1, text
    return DigitFacts(*(next(iter(found), None) for found in (digit, width, side)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width", "angle", "said"),
    [
        (1.5, -15, "a thin one leaning left"),
        (2.5, 6, "a regular upright one"),
        (4.0, 30, "a bold one leaning right"),
    ],
)
def test_captions_say_what_was_measured(width: float, angle: float, said: str) -> None:
    captions = digit_captions(stroke(width, angle), torch.tensor([1]))
    row = [captions.texts[i] for i in captions.wordings[captions.groups[0]]]
    assert row[0] == said
    everything = facts_of(said)
    for text in row:
        told = facts_of(text)
        for fact in ("digit", "thickness", "slant"):
            assert getattr(told, fact) in (None, getattr(everything, fact)), text


def test_the_label_names_the_digit() -> None:
    bars = stroke(3, 5).expand(10, 1, 28, 28)
    captions = digit_captions(bars, torch.arange(10))
    assert (captions.groups // 9).tolist() == list(range(10))


def test_the_vocabulary() -> None:
    texts, wordings = NOTHING.texts, NOTHING.wordings
    assert wordings.shape[0] == 90
    assert 1500 <= len(texts) <= 3500
    assert len(set(texts)) == len(texts)
    assert set(wordings.flatten().tolist()) == set(range(len(texts)))
    assert all(len(set(row)) == len(row) for row in wordings.tolist())
    for text in texts:
        assert normalised(text) == text
        assert "  " not in text
        assert facts_of(text) == names(text)
        assert names(text) != DigitFacts()


def test_a_third_of_the_wordings_say_everything() -> None:
    for row in NOTHING.wordings.tolist():
        told = [facts_of(NOTHING.texts[i]) for i in row]
        full = sum(None not in (f.digit, f.thickness, f.slant) for f in told)
        assert 0.3 <= full / len(row) <= 0.36
        for partial in ((1, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 0), (0, 0, 1), (0, 1, 1)):
            assert partial in {
                (f.digit is not None, f.thickness is not None, f.slant is not None) for f in told
            }


def test_each_group_has_its_plain_wordings() -> None:
    for row, (prompt, facts) in zip(NOTHING.wordings.tolist(), digit_prompts(), strict=True):
        said = {NOTHING.texts[i] for i in row}
        assert facts.digit is not None
        assert facts.thickness is not None
        assert facts.slant is not None
        word, i, j = DIGITS[facts.digit], facts.thickness, facts.slant
        lone = f"upright {word}" if j == "upright" else f"{word} {j}"
        for thing in (word, str(facts.digit), f"{i} {word}", lone, f"{i} {lone}"):
            assert with_article(thing) in said
        assert {word, str(facts.digit), prompt} <= said
        assert prompt == with_article(f"{i} {lone}")
        assert facts_of(prompt) == facts


def test_prompts_are_in_the_order_of_the_groups() -> None:
    for group, (_, facts) in enumerate(digit_prompts()):
        assert facts == DigitFacts(group // 9, THICKNESSES[group // 3 % 3], SLANTS[group % 3])


def test_facts_of_takes_any_spelling_and_refuses_what_it_does_not_know() -> None:
    assert facts_of("  A Bold  SEVEN leaning right! ") == DigitFacts(7, "bold", "leaning right")
    assert facts_of("an 8") == DigitFacts(8)
    assert facts_of("a digit leaning left") == DigitFacts(slant="leaning left")
    with pytest.raises(UsageError) as error:
        facts_of("a photo of a frog")
    assert "a photo of a frog" in one_line(error)


@pytest.mark.parametrize(
    ("phrase", "whole"),
    [
        ("eight", "an eight"),
        ("8", "an 8"),
        ("one", "a one"),
        ("upright one", "an upright one"),
        ("airplane", "an airplane"),
        ("unicycle", "a unicycle"),
        ("frog", "a frog"),
    ],
)
def test_articles(phrase: str, whole: str) -> None:
    assert with_article(phrase) == whole


def test_class_captions() -> None:
    captions = class_captions(torch.tensor([1, 0, 1]), ["Frog", "ankle_boot"])
    assert captions.groups.tolist() == [1, 0, 1]
    assert len(set(captions.texts)) == len(captions.texts)
    assert all(normalised(text) == text for text in captions.texts)
    for row, plain in ((0, "frog"), (1, "ankle boot")):
        said = [captions.texts[i] for i in captions.wordings[row]]
        assert all(text.endswith(plain) for text in said)
        assert {plain, f"a photo of {with_article(plain)}"} <= set(said)


def test_class_captions_refuse() -> None:
    with pytest.raises(ValueError, match="there are 2 classes"):
        class_captions(torch.tensor([2]), ["frog", "cat"])
    with pytest.raises(UsageError, match="call it by a word"):
        class_captions(torch.tensor([0]), ["_"])


@given(st.text())
def test_a_normalised_prompt_stays_as_it_is(prompt: str) -> None:
    assert normalised(normalised(prompt)) == normalised(prompt)


def test_normalised_folds() -> None:
    assert normalised("\tA  Seven ,.!?") == normalised("a seven") == "a seven"
    assert normalised("ａ ７") == "a 7"


def test_shares_on_mnist(mnist_train: ImageSet) -> None:
    digits = mnist_train.labels
    assert digits is not None
    captions = digit_captions(mnist_train.images, digits)
    counts = torch.bincount(captions.groups, minlength=90).reshape(10, 3, 3).double()
    assert (counts / counts.sum((1, 2), keepdim=True)).min() > 0.03
    shares = counts / counts.sum()
    assert shares.sum((0, 2)).tolist() == pytest.approx([1 / 3] * 3, abs=0.01)
    assert shares.sum((0, 1)).tolist() == pytest.approx([0.2, 0.3, 0.5], abs=0.01)
    # The cuts are what the docstrings say they are.
    terciles = torch.quantile(thickness(mnist_train.images), torch.tensor([1 / 3, 2 / 3]))
    assert terciles.tolist() == pytest.approx(THICKNESS_CUTS, abs=0.006)
    middle = lean(mnist_train.images, digits).median().item()
    assert (0.0, middle) == pytest.approx(LEAN_CUTS, abs=0.06)
