"""CIFAR-10: pickles that are only opened when they are the published ones, and sheets."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_core import published
from diffusion_core.datasets import THINGS, ImageSet, cifar10, load_dataset
from diffusion_core.errors import LectureError, MissingRequirement
from diffusion_core.places import data_dirs
from diffusion_core.vision import import_torchvision
from tests.diffusion_core.conftest import one_line

BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
FOLDER = "cifar-10-batches-py"


def planes(batch: int) -> np.ndarray:
    """Two pictures of a batch, (2, 3, 32, 32)."""
    return np.random.default_rng(batch).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)


def small_cifar(folder: Path) -> None:
    """Two pictures a batch, in the published format."""
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate(BATCHES):
        content = {"data": planes(batch).reshape(2, -1), "labels": [batch, 9 - batch]}
        (folder / name).write_bytes(pickle.dumps(content))
    names = ["airplane", "…"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files in ``folder`` be those that torchvision knows the digests of."""
    kind = import_torchvision().datasets.CIFAR10
    lists = [[name, md5(folder / name)] for name in BATCHES]
    monkeypatch.setattr(kind, "train_list", lists[:5])
    monkeypatch.setattr(kind, "test_list", lists[5:])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(folder / "batches.meta")})


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a small CIFAR-10, and the only one that there is."""
    small_cifar(tmp_path / "data" / FOLDER)
    publish(tmp_path / "data" / FOLDER, monkeypatch)
    return tmp_path / "data"


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], None]], list[Path]]:
    """Put something in the place of torchvision's download; returns where it was called."""

    def instead(act: Callable[[Path], None]) -> list[Path]:
        places: list[Path] = []

        def called(self: Any) -> None:
            places.append(Path(self.root))
            act(Path(self.root))

        monkeypatch.setattr(import_torchvision().datasets.CIFAR10, "download", called)
        return places

    return instead


def no_network(root: Path) -> None:
    raise URLError("no network")


class TestPickles:
    def test_pictures_and_labels_arrive_in_order(self, small: Path) -> None:
        train, test = (cifar10(part, data_dir=small) for part in ("train", "test"))
        assert (train.name, test.name) == ("cifar10/train", "cifar10/test")
        assert train.classes == THINGS
        np.testing.assert_array_equal(train.images, np.concatenate([planes(i) for i in range(5)]))
        np.testing.assert_array_equal(test.images, planes(5))
        assert train.images.is_contiguous()
        assert train.labels is not None
        assert train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
        assert train.labels.dtype == torch.int64
        assert load_dataset("cifar10", data_dir=small, size=32).digest == train.digest

    @pytest.mark.parametrize("name", ["data_batch_1", "test_batch", "batches.meta"])
    def test_a_file_with_another_digest_is_never_unpickled(
        self,
        small: Path,
        download: Any,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        name: str,
    ) -> None:
        ran = small / "the pickle ran"

        class Payload:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (ran,)

        part = "test" if name == "test_batch" else "train"
        (small / FOLDER / name).write_bytes(pickle.dumps(Payload()))
        asked = download(no_network)
        with pytest.raises(MissingRequirement, match="not whole") as error:
            cifar10(part, data_dir=small)
        one_line(error)
        assert len(asked) == 1
        assert not ran.exists()
        assert f"{small / FOLDER} is not CIFAR-10 as it was published" in caplog.text
        # It is the digest that held it back: under its own it would have run.
        publish(small / FOLDER, monkeypatch)
        with pytest.raises((TypeError, MissingRequirement)):
            cifar10(part, data_dir=small)
        assert ran.exists()

    def test_an_altered_file_is_replaced_by_the_published_one(
        self, small: Path, download: Any
    ) -> None:
        whole = cifar10(data_dir=small).digest
        (small / FOLDER / "data_batch_3").write_bytes(b"another")

        def arrives(root: Path) -> None:
            small_cifar(root / FOLDER)
            (root / "cifar-10-python.tar.gz").touch()

        asked = download(arrives)
        assert cifar10(data_dir=small).digest == whole
        assert cifar10(data_dir=small).digest == whole
        assert asked == [small / "CIFAR10.partial"]
        assert {path.name for path in small.iterdir()} <= {FOLDER, "CIFAR10.lock"}
        assert {path.name for path in (small / FOLDER).iterdir()} == {*BATCHES, "batches.meta"}

    def test_a_killed_download_leaves_nothing_that_is_taken_for_whole(
        self, tmp_path: Path, download: Any
    ) -> None:
        def killed(root: Path) -> None:
            small_cifar(root / FOLDER)
            raise KeyboardInterrupt

        download(killed)
        with pytest.raises(KeyboardInterrupt):
            cifar10(data_dir=tmp_path)
        assert not (tmp_path / FOLDER).exists()

    def test_without_a_network_the_folder_is_named(self, tmp_path: Path, download: Any) -> None:
        download(no_network)
        with pytest.raises(MissingRequirement) as error:
            cifar10(data_dir=tmp_path)
        message = one_line(error)
        assert "CIFAR-10 is not whole" in message
        assert "no network" in message
        assert f"put the files of cifar-10-python.tar.gz into {tmp_path / FOLDER}" in message

    def test_its_room_is_its_own(
        self, tmp_path: Path, download: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = download(no_network)
        usage = type("Usage", (), {"free": 599 * 10**6})
        monkeypatch.setattr(published.shutil, "disk_usage", lambda place: usage)
        with pytest.raises(LectureError, match="has 599 MB free, and CIFAR-10 needs 600 MB"):
            cifar10(data_dir=tmp_path)
        assert asked == []


def tile(sheet: int, i: int) -> np.ndarray:
    """A picture that is told from all others of its sheets, and from itself turned."""
    levels = np.zeros((32, 32, 3), np.uint8)
    levels[:, :, 0], levels[:16, :, 1], levels[:, :16, 2] = i % 250, i // 250 + 1, 100 * sheet + 1
    return levels


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sheets, of which the last is to test with."""
    folder = tmp_path_factory.mktemp("sheets") / "cifar10"
    folder.mkdir()
    for sheet in range(3):
        rows = [np.hstack([tile(sheet, 40 * row + i) for i in range(40)]) for row in range(25)]
        picture = Image.fromarray(np.vstack(rows))
        picture.save(folder / f"batch_{sheet:02}.webp", lossless=True, exact=True)
    np.save(folder / "labels.npy", (np.arange(3000) * 7 // 3 % 10).astype(np.uint8))
    return folder


@pytest.fixture
def sheets(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with sheets that may be damaged."""
    monkeypatch.setattr(published, "TRAIN_SHEETS", 2)
    monkeypatch.setattr(published, "ALL_SHEETS", 3)
    (tmp_path / "cifar10").mkdir()
    for path in drawn.iterdir():
        (tmp_path / "cifar10" / path.name).write_bytes(path.read_bytes())
    return tmp_path


class TestSheets:
    def test_pictures_and_labels_arrive_in_order(self, sheets: Path) -> None:
        train, test = (cifar10(part, data_dir=sheets) for part in ("train", "test"))
        assert train.images.shape == (2000, 3, 32, 32)
        assert test.images.shape == (1000, 3, 32, 32)
        pixels = torch.cat([train.images, test.images]).numpy()
        for i in (0, 1, 39, 40, 999, 1000, 1777, 2000, 2041, 2999):
            np.testing.assert_array_equal(
                pixels[i].transpose(1, 2, 0), tile(*divmod(i, 1000)), err_msg=str(i)
            )
        assert train.labels is not None
        assert test.labels is not None
        labels = [i * 7 // 3 % 10 for i in range(3000)]
        assert train.labels.tolist() + test.labels.tolist() == labels
        assert (train.name, train.classes) == ("cifar10/train", THINGS)

    def test_the_published_files_come_first(self, sheets: Path, small: Path) -> None:
        (small / FOLDER).rename(sheets / FOLDER)
        assert len(cifar10("test", data_dir=sheets).images) == 2

    @pytest.mark.parametrize(
        ("name", "damage", "reason"),
        [
            ("labels.npy", lambda path: path.unlink(), "No such file"),
            ("labels.npy", lambda path: path.write_bytes(b""), "No data left"),
            (
                "labels.npy",
                lambda path: np.save(path, np.array([{}] * 3000, object), allow_pickle=True),
                "allow_pickle=False",
            ),
            ("labels.npy", lambda path: np.save(path, np.zeros(2999, np.uint8)), "3000 labels"),
            ("labels.npy", lambda path: np.save(path, np.zeros(3000, np.int8)), "3000 labels"),
            ("labels.npy", lambda path: np.save(path, np.full(3000, 10, np.uint8)), "ten classes"),
            ("batch_01.webp", lambda path: path.unlink(), "does not exist"),
            ("batch_01.webp", lambda path: path.write_bytes(path.read_bytes()[:200]), "damaged"),
            (
                "batch_01.webp",
                lambda path: Image.new("RGB", (800, 1280)).save(path),
                "800×1280 pixels, not 1280×800",
            ),
        ],
    )
    def test_what_is_damaged_is_told_and_not_read(
        self,
        sheets: Path,
        download: Any,
        caplog: pytest.LogCaptureFixture,
        name: str,
        damage: Callable[[Path], None],
        reason: str,
    ) -> None:
        download(no_network)
        damage(sheets / "cifar10" / name)
        with caplog.at_level(logging.WARNING), pytest.raises(MissingRequirement) as error:
            cifar10(data_dir=sheets)
        one_line(error)
        (record,) = caplog.records
        assert str(sheets / "cifar10") in record.getMessage()
        assert reason in record.getMessage()


@pytest.fixture(scope="module")
def real() -> ImageSet:
    here = [p for p in data_dirs() if (p / FOLDER).is_dir() or (p / "cifar10").is_dir()]
    if not here:
        pytest.skip("CIFAR-10 is not on this machine")
    return cifar10(data_dir=here[0])


class TestTheRealOne:
    def test_counts_and_colours(self, real: ImageSet) -> None:
        """The means are those that everyone subtracts: 0.4914, 0.4822, 0.4465."""
        assert real.images.shape == (50_000, 3, 32, 32)
        means = real.images.to(torch.float32).mean((0, 2, 3)) / 255
        assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=6e-5)
        assert real.labels is not None
        assert real.labels.bincount().tolist() == [5000] * 10

    def test_the_labels_are_those_of_the_pictures(self, real: ImageSet) -> None:
        """Ships and planes are bluer than frogs and deer."""
        assert real.labels is not None
        blue = real.images[:, 2].float().mean((1, 2)) - real.images[:, 0].float().mean((1, 2))
        by_class = {name: blue[real.labels == i].mean() for i, name in enumerate(THINGS)}
        assert min(by_class["ship"], by_class["airplane"]) > max(by_class["frog"], by_class["deer"])
