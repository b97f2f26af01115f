"""From a dataset's name and settings to a run; what is refused before any work."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from diffusion_core.datasets import ImageSet
from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from diffusion_core.text import EMBEDDING, Vocabulary
from diffusion_core.training import start
from diffusion_core.training.start import SPACE, check_space, some
from diffusion_core.unet import UNetConfig
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.fakes import vocabulary
from tests.diffusion_core.training.small_runs import SETTINGS, blobs

# The package gives the function of that name.
MODULE = importlib.import_module("diffusion_core.training.start")


@pytest.fixture
def blobs_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked for is captioned blobs; nothing is read, and no encoder asked."""
    monkeypatch.setattr(MODULE, "load_dataset", lambda *of, **options: blobs(words=True))
    monkeypatch.setattr(MODULE, "vocabulary_of", vocabulary)


class TestRun:
    def test_with_words(self, tmp_path: Path, blobs_by_name: None) -> None:
        run = start("blobs", SETTINGS, tmp_path)
        assert run.network.config == UNetConfig(size=8, text=EMBEDDING)
        assert run.vocabulary is not None
        assert run.images.captions is not None
        assert run.vocabulary.texts == run.images.captions.texts
        assert run.batches[0].text is not None

    def test_without_words(self, tmp_path: Path, blobs_by_name: None) -> None:
        run = start("blobs", SETTINGS, tmp_path, words=False)
        assert run.network.config == UNetConfig(size=8)
        assert run.vocabulary is None
        assert run.batches[0].text is None

    def test_pictures_of_which_nothing_is_known_have_no_words(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MODULE, "load_dataset", lambda *of, **options: blobs())
        run = start("blobs", SETTINGS, tmp_path)
        assert run.network.config.text == 0

    def test_mnist_and_some_of_its_pictures(
        self, tmp_path: Path, mnist_train: ImageSet, no_pictures: None
    ) -> None:
        run = start("mnist", SETTINGS, tmp_path, limit=16, words=False)
        assert run.images.name == "mnist/train, 16 of 60000"
        for picture in (run.images.images[0], run.images.images[-1]):
            assert (mnist_train.images == picture).flatten(1).all(1).any()
        assert run.network.config == UNetConfig(channels=1, size=28)
        assert run.steps == 4 * 2
        assert next(iter(run.run())).step == 1
        assert list(tmp_path.iterdir()) == []

    def test_mnist_in_words(
        self, tmp_path: Path, mnist_train: ImageSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(MODULE, "vocabulary_of", vocabulary)
        run = start("mnist", SETTINGS, tmp_path, limit=16)
        captions = run.images.captions
        assert captions is not None
        assert len(captions.groups) == 16
        text = run.batches[0].text
        assert text is not None
        assert text.shape == (8, EMBEDDING)


class TestSome:
    def test_all_that_belongs_to_a_picture_goes_with_it(self) -> None:
        images = replace(blobs(words=True), labels=torch.arange(40))
        few = some(images, 7)
        assert few.name == "blobs/train, 7 of 40"
        assert few.labels is not None
        assert few.captions is not None
        assert images.captions is not None
        assert torch.equal(few.images, images.images[few.labels])
        assert torch.equal(few.captions.groups, images.captions.groups[few.labels])
        assert few.captions.texts == images.captions.texts
        assert few.digest != images.digest

    def test_they_are_spread_over_all(self) -> None:
        """A folder is sorted by class: its first pictures would be of one class."""
        images = replace(blobs(), labels=torch.arange(40))
        labels = some(images, 7).labels
        assert labels is not None
        assert set(labels.diff().tolist()) <= {5, 6, 7}
        assert int(labels[0]) < 6
        assert int(labels[-1]) >= 34

    @pytest.mark.parametrize("count", [60_000, 59_000, 70_000])
    def test_none_comes_twice(self, count: int) -> None:
        levels = torch.zeros(60_000, 1, 1, 1, dtype=torch.uint8)
        images = ImageSet("many", levels, labels=torch.arange(60_000))
        labels = some(images, count).labels
        assert labels is not None
        assert len(labels) == len(labels.unique()) == min(count, 60_000)

    def test_what_is_not_known_stays_unknown(self) -> None:
        few = some(blobs(), 3)
        assert (few.labels, few.captions) == (None, None)


class TestRefused:
    def test_an_unknown_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="dataset 'mnits' is unknown") as error:
            start("mnits", SETTINGS, tmp_path)
        assert "choose one of: mnist" in one_line(error)

    def test_a_full_disk_before_anything_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def nearly_full(place: Path) -> SimpleNamespace:
            asked.append(place)
            return SimpleNamespace(free=SPACE // 2)

        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
        monkeypatch.setattr(MODULE, "load_dataset", lambda *of, **options: pytest.fail("was read"))
        output = tmp_path / "not" / "there"
        with pytest.raises(LectureError, match="has 250 MB free") as error:
            start("mnist", SETTINGS, output)
        assert asked == [tmp_path]
        message = one_line(error)
        assert str(output) in message
        assert "a run takes up to 500 MB" in message
        assert "--output" in message
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_with_room_is_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=SPACE))
        check_space(tmp_path)
        monkeypatch.chdir(tmp_path)
        check_space(Path("run"))

    def test_words_without_an_encoder(
        self, tmp_path: Path, blobs_by_name: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def absent(texts: tuple[str, ...]) -> Vocabulary:
            raise MissingRequirement("no encoder")

        monkeypatch.setattr(MODULE, "vocabulary_of", absent)
        with pytest.raises(MissingRequirement, match="no encoder"):
            start("blobs", SETTINGS, tmp_path)
        assert start("blobs", SETTINGS, tmp_path, words=False).step == 0
