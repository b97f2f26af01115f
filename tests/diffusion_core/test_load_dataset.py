"""A dataset by its name or its folder, and the words that belong to it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from diffusion_core.captions import Captions, class_captions, digit_captions
from diffusion_core.datasets import (
    DATASETS,
    DIGITS,
    ImageSet,
    fashion_mnist,
    load_dataset,
    mnist,
    with_captions,
)
from diffusion_core.errors import UsageError
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.test_datasets import small_mnist


class TestLoadDataset:
    def test_the_names_are_those_of_the_command_line(self) -> None:
        assert DATASETS == ("mnist", "fashion-mnist", "cifar10")

    @pytest.mark.parametrize("part", ["train", "test"])
    def test_a_name(self, tmp_path: Path, part: str) -> None:
        small_mnist(tmp_path / "MNIST" / "raw", seed=1)
        small_mnist(tmp_path / "FashionMNIST" / "raw", seed=2)
        for name, read in (("mnist", mnist), ("fashion-mnist", fashion_mnist)):
            found = load_dataset(name, part, data_dir=tmp_path)
            assert found.name == f"{name}/{part}"
            assert found.digest == read(part, data_dir=tmp_path).digest
            assert load_dataset(name, part, data_dir=tmp_path, size=28).digest == found.digest

    def test_a_folder(self, tmp_path: Path) -> None:
        folder = two_pictures(tmp_path / "mine")
        found = load_dataset(str(folder))
        assert (found.name, found.images.shape) == ("mine", (2, 3, 32, 32))
        assert load_dataset(str(folder), size=12).images.shape == (2, 3, 12, 12)

    def test_a_folder_does_not_hide_a_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        two_pictures(tmp_path / "mnist")
        small_mnist(tmp_path / "data" / "MNIST" / "raw")
        monkeypatch.chdir(tmp_path)
        assert len(load_dataset("mnist", data_dir=tmp_path / "data").images) == 5
        assert len(load_dataset("./mnist").images) == 2

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("mnits", "'mnits' is unknown, and there is no such folder"),
            ("", "'' is unknown"),
            ("no\0name", "is unknown"),
            ("long" * 100, "File name too long"),
            (__file__, "is a file"),
        ],
    )
    def test_what_is_neither_is_refused(self, name: str, says: str) -> None:
        with pytest.raises(UsageError) as error:
            load_dataset(name)
        message = one_line(error)
        assert says in message
        assert "mnist, fashion-mnist, cifar10, or give the path of a folder" in message

    def test_a_size_that_is_not_the_sets_own(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="size = 32: the pictures of mnist have 28×28"):
            load_dataset("mnist", size=32, data_dir=tmp_path)

    def test_parts(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="'validation' is unknown; choose one of: train, test"):
            load_dataset("mnist", "validation")
        with pytest.raises(UsageError, match="has no part 'test'") as error:
            load_dataset(str(two_pictures(tmp_path / "mine")), "test")
        one_line(error)


def two_pictures(folder: Path) -> Path:
    folder.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (8, 8), colour).save(folder / f"{colour}.png")
    return folder


def same(first: Captions | None, second: Captions) -> bool:
    return (
        first is not None
        and first.texts == second.texts
        and torch.equal(first.wordings, second.wordings)
        and torch.equal(first.groups, second.groups)
    )


class TestWithCaptions:
    def test_digits_are_measured(self) -> None:
        images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
        for i, width in enumerate((1, 2, 4, 6)):
            images[i, :, 5:23, 12 : 12 + width] = 255
        labels = torch.ones(4, dtype=torch.int64)
        found = with_captions(ImageSet("bars", images, labels, DIGITS))
        assert same(found.captions, digit_captions(images, labels))
        assert found.captions is not None
        assert len(set(found.captions.groups.tolist())) > 1  # one digit, unlike strokes

    def test_other_sets_are_called_by_their_classes(self) -> None:
        labels = torch.tensor([1, 0, 1])
        images = ImageSet(
            "ponds", torch.zeros(3, 3, 8, 8, dtype=torch.uint8), labels, ("frog", "newt")
        )
        found = with_captions(images)
        assert same(found.captions, class_captions(labels, ("frog", "newt")))
        assert found.captions is not None
        assert "a photo of a newt" in found.captions.texts
        assert found.images is images.images
        assert with_captions(found) is found

    def test_where_nothing_is_known_nothing_is_said(self) -> None:
        images = ImageSet("noise", torch.zeros(3, 3, 8, 8, dtype=torch.uint8))
        assert with_captions(images) is images

    def test_the_digest_is_of_the_pixels_until_there_are_captions(self) -> None:
        pixels = torch.arange(3 * 64, dtype=torch.uint8).reshape(3, 1, 8, 8)
        alone = hashlib.sha256(bytes(range(3 * 64))).hexdigest()
        labels = torch.tensor([0, 1, 1])
        sets = [
            ImageSet("set", pixels),
            ImageSet("set", pixels, labels, ("frog", "newt")),
            with_captions(ImageSet("set", pixels, labels, ("frog", "newt"))),
            with_captions(ImageSet("set", pixels, labels, ("frog", "toad"))),
            with_captions(ImageSet("set", pixels, labels.flip(0), ("frog", "newt"))),
            with_captions(ImageSet("set", pixels + 1, labels, ("frog", "newt"))),
        ]
        digests = [images.digest for images in sets]
        assert digests[:2] == [alone, alone]
        assert len({*digests}) == 5
        assert sets[2].digest == digests[2]
