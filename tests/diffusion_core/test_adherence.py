"""What was asked for is recognised in what was drawn, and missed where it is not there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusion_core.adherence import ENOUGH, Prompts, adherence, prompts_of
from diffusion_core.captions import SLANTS, THICKNESSES, digit_captions, facts_of
from diffusion_core.classifier import accuracy, load_judge
from diffusion_core.datasets import ImageSet
from tests.diffusion_core.bars import bars, shuffled
from tests.diffusion_core.experiment_cases import labelled_digits

JUDGE = load_judge()


def asked(n: int = 200) -> Prompts:
    return prompts_of(bars(n), n, seed=0)


def test_prompts_say_what_the_pictures_show_in_all_three_facts() -> None:
    test = bars(200)
    prompts = prompts_of(test, 150, seed=3)
    assert len(prompts.texts) == len(prompts.pictures) == 150
    for i, text in enumerate(prompts.texts):
        facts = facts_of(text)
        assert facts.digit == prompts.digits[i]
        assert facts.thickness == THICKNESSES[prompts.thickness[i]]
        assert facts.slant == SLANTS[prompts.slant[i]]
    captions = digit_captions(prompts.pictures, torch.from_numpy(prompts.digits))
    assert np.array_equal(prompts.groups, captions.groups.numpy())
    # Each picture of the set at most once, with the label that it has there.
    assert test.labels is not None
    where = [
        (test.images == picture).flatten(1).all(1).nonzero().item() for picture in prompts.pictures
    ]
    assert len(set(where)) == 150
    assert test.labels[where].tolist() == prompts.digits.tolist()


def test_wording_varies_and_comes_from_the_seed() -> None:
    one, same, other = (prompts_of(bars(200), 200, seed) for seed in (0, 0, 1))
    assert one.texts == same.texts
    assert torch.equal(one.pictures, same.pictures)
    assert one.texts != other.texts
    lengths = {len(text.split()) for text in one.texts}
    assert len(lengths) > 4


def test_pictures_without_labels_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="strange has no labels"):
        prompts_of(ImageSet("strange", bars(3).images), 3, 0)


def test_the_pictures_that_prompts_were_read_off_show_what_was_asked() -> None:
    prompts = asked()
    found = adherence(prompts.pictures, prompts, JUDGE)
    assert found.thickness > 0.85
    assert found.slant > 0.85
    assert found.diversity == pytest.approx(1)
    labels = torch.from_numpy(prompts.digits)
    assert found.accuracy == pytest.approx(accuracy(JUDGE.network, prompts.pictures, labels))
    assert sum(score.pictures for score in found.by_prompt) == 200
    weighted = sum(score.pictures * score.accuracy for score in found.by_prompt) / 200
    assert weighted == pytest.approx(found.accuracy)


def test_pictures_of_something_else_do_not() -> None:
    prompts = asked()
    found = adherence(shuffled(prompts.pictures), prompts, JUDGE)
    assert abs(found.thickness) < 0.25
    assert abs(found.slant) < 0.25
    wrong_way = adherence(prompts.pictures.flip(3), prompts, JUDGE)
    assert wrong_way.slant < -0.8
    assert wrong_way.thickness > 0.85


def test_one_picture_for_every_prompt_is_seen_as_collapse() -> None:
    prompts = asked()
    images = prompts.pictures.clone()
    for group in np.unique(prompts.groups):
        of = torch.from_numpy(prompts.groups == group)
        images[of] = images[of][:1].clone()
    found = adherence(images, prompts, JUDGE)
    assert found.diversity == pytest.approx(0, abs=1e-3)
    # It shows all the same what was asked for.
    assert found.thickness > 0.85
    empty = adherence(torch.zeros_like(images), prompts, JUDGE)
    assert (empty.thickness, empty.diversity) == (0, pytest.approx(0, abs=1e-3))


def test_diversity_of_a_prompt_is_told_where_there_are_enough_pictures() -> None:
    test = bars(400)
    assert test.labels is not None
    # All are called three, so that some facts are common and others rare.
    prompts = prompts_of(ImageSet("threes", test.images, torch.full((400,), 3)), 400, seed=0)
    scores = adherence(prompts.pictures, prompts, JUDGE).by_prompt
    assert {score.diversity is None for score in scores} == {True, False}
    for score in scores:
        assert (score.diversity is None) == (score.pictures < ENOUGH)
        if score.diversity is not None:
            assert score.diversity == pytest.approx(1)
        assert facts_of(score.prompt).digit == 3


def test_real_digits_reach_what_the_judge_and_the_ruler_allow() -> None:
    images, labels = labelled_digits(train=False)
    prompts = prompts_of(ImageSet("mnist/test", images, labels), 500, seed=0)
    found = adherence(prompts.pictures, prompts, JUDGE)
    assert found.accuracy > 0.98
    assert found.thickness > 0.9
    assert found.slant > 0.85
    assert adherence(shuffled(prompts.pictures), prompts, JUDGE).accuracy < 0.2
