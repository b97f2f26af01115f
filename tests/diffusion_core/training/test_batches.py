"""Batches: every picture, every time, and words that fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from diffusion_core.captions import Captions
from diffusion_core.datasets import ImageSet, to_unit
from diffusion_core.schedule import make_schedule
from diffusion_core.training import Batch, Batches, loss_of
from tests.diffusion_core.conftest import READS, tiny_network
from tests.diffusion_core.fakes import TEXTS, vocabulary
from tests.diffusion_core.training.small_runs import SETTINGS, blobs

# Other captions between ours, and in another order: rows are found by their texts.
VOCABULARY = vocabulary(("a flower", *reversed(TEXTS), "a temple"))


class TestLoss:
    def test_the_untrained_loss_is_that_of_saying_nothing(self) -> None:
        """An output of zero errs by the mean square of v."""
        x_0 = to_unit(blobs(200).images)
        schedule = make_schedule("cosine", 1000)
        silent = nn.Linear(1, 1)
        silent.forward = lambda x, level: torch.zeros_like(x)  # type: ignore[method-assign]
        loss = loss_of(silent, Batch(x_0, None), schedule, torch.Generator().manual_seed(0))
        t = torch.arange(1000)
        noise = float(schedule.alpha(t).square().mean())
        signal = float(schedule.sigma(t).square().mean()) * float(x_0.square().mean())
        assert float(loss) == pytest.approx(noise + signal, rel=0.05)

    @pytest.mark.parametrize("T", [10, 1000])
    def test_all_times_are_trained_on_evenly(self, T: int) -> None:
        schedule = make_schedule("cosine", T)
        listens = Listens()
        for i in range(50):
            batch = Batch(torch.zeros(64, 1, 2, 2), None)
            loss_of(listens, batch, schedule, torch.Generator().manual_seed(i))
        table = schedule.noise_level(torch.arange(T)).float()
        told = torch.cat(listens.levels)
        times = torch.searchsorted(table, told - 1e-6)
        assert torch.allclose(table[times], told)
        counts = torch.histc(times.float(), bins=10, min=0, max=T)
        # Independent times would stray by 17 (one standard deviation).
        assert (counts - 320).abs().max() <= 5

    def test_the_parts_of_a_batch_make_up_the_whole(self) -> None:
        """Each with the times and the noise that it has in the whole."""
        images = blobs(12, words=True)
        batch = Batches(images, replace(SETTINGS, batch_size=12), VOCABULARY)[0]
        network = tiny_network(config=READS)
        schedule = make_schedule("cosine", 20)

        def loss(share: slice) -> float:
            rng = torch.Generator().manual_seed(3)
            with torch.no_grad():
                return float(loss_of(network, batch, schedule, rng, share=share))

        parts = [loss(slice(i, i + 4)) for i in (0, 4, 8)]
        assert sum(parts) / 3 == pytest.approx(loss(slice(None)), rel=1e-5)
        assert len(set(parts)) == 3

    def test_dropping_every_caption_is_training_without_words(self) -> None:
        images = blobs(8, words=True)
        batch = Batches(images, replace(SETTINGS, drop_captions=1.0), VOCABULARY)[0]
        assert batch.text is not None
        assert not batch.text.any()
        network = tiny_network(config=READS)
        schedule = make_schedule("cosine", 20)
        losses = [
            loss_of(network, Batch(batch.x_0, text), schedule, torch.Generator().manual_seed(0))
            for text in (batch.text, None)
        ]
        assert torch.equal(losses[0], losses[1])


class Listens(nn.Linear):
    """A network that says what it is given, and remembers the levels that it was told."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.levels: list[Tensor] = []

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.levels.append(level)
        return x


class TestPictures:
    def test_every_picture_is_seen_once_an_epoch(self) -> None:
        images = torch.arange(40, dtype=torch.uint8)[:, None, None, None]
        batches = Batches(ImageSet("levels", images), SETTINGS, None)
        assert (batches.size, batches.per_epoch) == (8, 5)
        epochs = []
        for epoch in range(2):
            seen = torch.cat([batches[epoch * 5 + i].x_0 for i in range(5)])
            levels = ((seen + 1) * 127.5).round().flatten().tolist()
            assert sorted(levels) == list(range(40))
            epochs.append(levels)
        assert epochs[0] != epochs[1]

    def test_fewer_pictures_than_a_batch_are_a_batch(self) -> None:
        batches = Batches(blobs(5), SETTINGS, None)
        assert (batches.size, batches.per_epoch) == (5, 1)
        assert batches[3].x_0.shape == (5, 1, 8, 8)

    def test_words_do_not_change_which_pictures_come(self) -> None:
        images = blobs(words=True)
        silent, told = Batches(images, SETTINGS, None), Batches(images, SETTINGS, VOCABULARY)
        for step in (0, 7):
            assert silent[step].text is None
            assert torch.equal(silent[step].x_0, told[step].x_0)


def spoken(text: Tensor | None) -> list[str]:
    """The captions whose embeddings are given; "" where one is dropped."""
    assert text is not None
    rows = torch.from_numpy(VOCABULARY.embeddings).float()
    found = []
    for row in text:
        same = (rows == row).all(1).nonzero().flatten().tolist()
        assert len(same) == 1 or not row.any()
        found.append(VOCABULARY.texts[same[0]] if same else "")
    return found


class TestWords:
    def test_each_picture_is_told_what_may_be_said_of_it(self) -> None:
        images = blobs(words=True)
        batches = Batches(images, replace(SETTINGS, drop_captions=0.3), VOCABULARY)
        fits = {True: {*TEXTS[2:], ""}, False: {*TEXTS[:2], ""}}
        heard: set[tuple[bool, str]] = set()
        for step in range(10):
            batch = batches[step]
            bright = batch.x_0.flatten(1).mean(1) > 0
            pairs = set(zip(bright.tolist(), spoken(batch.text), strict=True))
            assert all(caption in fits[is_bright] for is_bright, caption in pairs)
            heard |= pairs
        assert heard == {(key, caption) for key, some in fits.items() for caption in some}

    @pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 1.0])
    def test_so_many_are_dropped_and_the_others_shared_out_evenly(self, share: float) -> None:
        one = torch.full((64, 1, 1, 1), 200, dtype=torch.uint8)
        captions = Captions(TEXTS, torch.tensor([[2, 3]]), torch.zeros(64, dtype=torch.int64))
        settings = replace(SETTINGS, batch_size=64, drop_captions=share)
        batches = Batches(ImageSet("one", one, captions=captions), settings, VOCABULARY)
        told = [caption for step in range(60) for caption in spoken(batches[step].text)]
        # Over 3,840 captions one standard deviation is at most 0.8 %.
        assert told.count("") / len(told) == pytest.approx(share, abs=0.03)
        assert told.count(TEXTS[2]) / len(told) == pytest.approx((1 - share) / 2, abs=0.03)

    def test_the_words_follow_from_seed_and_step_alone(self) -> None:
        images = blobs(words=True)

        def words(seed: int, step: int) -> Tensor:
            text = Batches(images, replace(SETTINGS, seed=seed), VOCABULARY)[step].text
            assert text is not None
            return text

        batches = Batches(images, SETTINGS, VOCABULARY)
        in_order = [batches[step].text for step in range(6)]
        torch.manual_seed(99)  # nothing hangs on the generator that all share
        for step in (5, 0, 3):
            assert torch.equal(words(0, step), in_order[step])
            assert not torch.equal(words(1, step), in_order[step])
        # The same pictures, an epoch of 5 steps later: other words for some of them.
        order = [batches[step].x_0.flatten(1).mean(1) for step in (0, 5)]
        assert not torch.equal(*order)
