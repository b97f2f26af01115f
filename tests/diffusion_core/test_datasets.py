"""Published sets where they are, a clear word where they are not, and their words."""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from diffusion_core import published
from diffusion_core.datasets import (
    DIGITS,
    GARMENTS,
    ImageSet,
    fashion_mnist,
    mnist,
    to_unit,
    with_captions,
)
from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.places import data_dirs
from diffusion_core.vision import import_torchvision
from tests.diffusion_core.conftest import one_line

FILES = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


def small_mnist(raw: Path, seed: int = 0) -> None:
    """Five pictures to train on and three to test with, in MNIST's format."""
    raw.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for part, count in (("train", 5), ("t10k", 3)):
        pixels = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        images = struct.pack(">IIII", 0x803, count, 28, 28) + pixels.tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images)
        labels = struct.pack(">II", 0x801, count) + bytes(range(count))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], list[Path]]:
    """Put something in the place of torchvision's download; returns where it was called."""

    def instead(act: Callable[[Path], None]) -> list[Path]:
        places: list[Path] = []

        def called(self: Any) -> None:
            places.append(Path(self.raw_folder))
            act(Path(self.raw_folder))

        monkeypatch.setattr(import_torchvision().datasets.MNIST, "download", called)
        return places

    return instead


def no_network(raw: Path) -> None:
    raw.mkdir(parents=True)
    raise RuntimeError(
        "Error downloading train-images-idx3-ubyte.gz:\n"
        "Tried https://one.example/, got:\n<urlopen error timed out>\n"
        "Tried https://two.example/, got:\n<urlopen error no network>\n"
    )


class TestTheRealOne:
    def test_the_files_are_those_that_everyone_has(self, mnist_train: ImageSet) -> None:
        place = next(p for p in data_dirs() if (p / "MNIST" / "raw").is_dir())
        for name, digest in FILES.items():
            content = (place / "MNIST" / "raw" / name).read_bytes()
            assert hashlib.md5(content, usedforsecurity=False).hexdigest() == digest, name

    def test_counts_and_range(self, mnist_train: ImageSet) -> None:
        test = mnist("test")
        assert (mnist_train.name, test.name) == ("mnist/train", "mnist/test")
        assert mnist_train.images.shape == (60_000, 1, 28, 28)
        assert test.images.shape == (10_000, 1, 28, 28)
        assert mnist_train.images.dtype == torch.uint8
        assert mnist_train.images.float().mean() == pytest.approx(33.3184, abs=1e-3)
        assert mnist_train.labels is not None
        assert mnist_train.labels.dtype == torch.int64
        assert mnist_train.labels[:6].tolist() == [5, 0, 4, 1, 9, 2]
        units = to_unit(mnist_train.images[:100])
        assert (units.min(), units.max()) == (-1, 1)

    def test_the_model_that_ships_was_trained_on_it(
        self, mnist_train: ImageSet, shipped: Any
    ) -> None:
        data = shipped.facts["data"]
        assert (data["name"], data["pictures"]) == ("mnist/train", 60_000)
        assert data["sha256"] == with_captions(mnist_train).digest
        assert mnist("test").digest != mnist_train.digest


def test_levels_become_units() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    units = to_unit(levels)
    assert units.dtype == torch.float32
    assert (units[0], units[255]) == (-1, 1)
    assert torch.allclose(units.diff(), torch.tensor(2 / 255), atol=1e-6)


def test_it_is_read_from_the_named_folder(tmp_path: Path) -> None:
    small_mnist(tmp_path / "MNIST" / "raw")
    found = mnist("train", data_dir=tmp_path)
    assert found.images.shape == (5, 1, 28, 28)
    assert mnist("test", data_dir=tmp_path).images.shape == (3, 1, 28, 28)
    content = (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()
    assert found.images.numpy().tobytes() == content[16:]
    assert found.digest == hashlib.sha256(content[16:]).hexdigest()
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 3, 4]
    assert found.classes == DIGITS


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_mnist(tmp_path / "MNIST" / "raw")
    monkeypatch.setenv("DIFFUSION_LECTURES_DATA", str(tmp_path))
    assert data_dirs() == [tmp_path]
    assert len(mnist().images) == 5


def test_the_usual_places(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.delenv("DIFFUSION_LECTURES_DATA", raising=False)
    first, last = data_dirs()
    assert first.parts[-2:] == ("shared", "datasets")
    assert last == cache / "datasets"


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(ValueError, match="part 'validation' is neither"):
        mnist("validation")


def test_without_a_network_the_folder_and_the_reason_are_named(
    tmp_path: Path, download: Any
) -> None:
    download(no_network)
    with pytest.raises(MissingRequirement) as error:
        mnist("train", data_dir=tmp_path / "data")
    message = one_line(error)
    assert str(tmp_path / "data" / "MNIST" / "raw") in message
    assert "<urlopen error no network>" in message
    assert "--data-dir" in message
    assert error.value.exit_code == 3
    assert not (tmp_path / "data" / "MNIST").exists()


def test_a_folder_that_cannot_be_made_is_named(below_a_file: Path) -> None:
    with pytest.raises(MissingRequirement, match="regular/folder") as error:
        mnist("train", data_dir=below_a_file)
    one_line(error)


def test_what_is_downloaded_is_found_the_next_time(tmp_path: Path, download: Any) -> None:
    asked = download(small_mnist)
    first, second = (mnist("train", data_dir=tmp_path) for _ in range(2))
    assert len(asked) == 1
    assert first.digest == second.digest
    assert {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()} == set(FILES)
    assert not (tmp_path / "MNIST.partial").exists()


class TestAKilledDownload:
    """torchvision takes for whole whatever lies under the names that it looks for."""

    def test_it_leaves_nothing_that_is_taken_for_whole(self, tmp_path: Path, download: Any) -> None:
        def killed(raw: Path) -> None:
            small_mnist(raw)
            (raw / "train-images-idx3-ubyte").write_bytes(b"half")
            raise KeyboardInterrupt

        download(killed)
        with pytest.raises(KeyboardInterrupt):
            mnist("train", data_dir=tmp_path)
        assert not (tmp_path / "MNIST").exists()

    def test_what_it_left_aside_is_cleared_by_the_next(self, tmp_path: Path, download: Any) -> None:
        small_mnist(tmp_path / "MNIST.partial" / "MNIST" / "raw", seed=9)
        (tmp_path / "MNIST.partial" / "half.gz").touch()
        download(small_mnist)
        assert len(mnist("train", data_dir=tmp_path).images) == 5
        assert not (tmp_path / "MNIST.partial").exists()

    @pytest.mark.parametrize(
        ("name", "length"),
        [("train-images-idx3-ubyte", length) for length in (0, 2, 10, 16, 100)]
        + [("train-labels-idx1-ubyte", length) for length in (0, 2, 9)],
    )
    def test_files_that_are_cut_short_are_downloaded_again(
        self, tmp_path: Path, download: Any, name: str, length: int
    ) -> None:
        small_mnist(tmp_path / "MNIST" / "raw", seed=1)
        whole = mnist("train", data_dir=tmp_path).digest
        damaged = tmp_path / "MNIST" / "raw" / name
        damaged.write_bytes(damaged.read_bytes()[:length])
        asked = download(lambda raw: small_mnist(raw, seed=1))
        assert mnist("train", data_dir=tmp_path).digest == whole
        assert len(asked) == 1
        asked.clear()
        assert mnist("train", data_dir=tmp_path).digest == whole
        assert asked == []


def test_a_download_that_another_process_made_meanwhile_is_read(
    tmp_path: Path, download: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waiting:
        def __init__(self, path: Path) -> None:
            self.place = path.parent

        def __enter__(self) -> None:
            small_mnist(self.place / "MNIST" / "raw")

        def __exit__(self, *_: object) -> None:
            pass

    asked = download(no_network)
    monkeypatch.setattr(published, "FileLock", Waiting)
    assert len(mnist("train", data_dir=tmp_path).images) == 5
    assert asked == []


def test_archives_are_not_kept(tmp_path: Path, download: Any) -> None:
    def with_archives(raw: Path) -> None:
        small_mnist(raw)
        (raw / "train-images-idx3-ubyte.gz").touch()

    download(with_archives)
    mnist("train", data_dir=tmp_path)
    assert {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()} == set(FILES)


def test_too_little_room_is_refused_before_anything_is_downloaded(
    tmp_path: Path, download: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = download(small_mnist)
    Usage = namedtuple("Usage", "total used free")
    room = 199_999_999
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(room, 0, room))
    with pytest.raises(LectureError) as error:
        mnist("train", data_dir=tmp_path)
    assert error.value.exit_code == 1
    message = one_line(error)
    assert f"{tmp_path} has 199 MB free, and MNIST needs 200 MB" in message
    assert "make room there, or name the folder that holds MNIST/raw with --data-dir" in message
    assert asked == []
    room += 1
    assert len(mnist("train", data_dir=tmp_path).images) == 5


class TestFashionMNIST:
    """The same format in a folder of its own."""

    def test_it_is_read_from_its_own_folder(self, tmp_path: Path) -> None:
        small_mnist(tmp_path / "MNIST" / "raw", seed=1)
        small_mnist(tmp_path / "FashionMNIST" / "raw", seed=2)
        found = fashion_mnist("test", data_dir=tmp_path)
        content = (tmp_path / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()
        assert found.digest == hashlib.sha256(content[16:]).hexdigest()
        assert (found.name, found.images.shape) == ("fashion-mnist/test", (3, 1, 28, 28))
        assert found.classes == GARMENTS

    def test_without_a_network_its_folder_is_named(self, tmp_path: Path, download: Any) -> None:
        small_mnist(tmp_path / "MNIST" / "raw")
        download(no_network)
        with pytest.raises(MissingRequirement) as error:
            fashion_mnist(data_dir=tmp_path)
        assert "Fashion-MNIST is not whole" in one_line(error)
        assert str(tmp_path / "FashionMNIST" / "raw") in one_line(error)

    def test_the_words_are_in_torchvisions_order(self) -> None:
        theirs = import_torchvision().datasets.FashionMNIST.classes
        for word, their in zip(GARMENTS, theirs, strict=True):
            assert their.lower().partition("/")[0] in word
