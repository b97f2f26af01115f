"""Folders as people have them: unlike pictures, odd names, and what is none of it."""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_core import folders
from diffusion_core.datasets import ImageSet, with_captions
from diffusion_core.errors import LectureError, UsageError
from diffusion_core.folders import read_folder
from diffusion_core.pictures import load_picture, read_picture
from tests.diffusion_core.conftest import one_line
from tests.diffusion_core.test_pictures import quarters, turned, zeros_png

WHITE, GREY, RED = (255, 255, 255), (100, 100, 100), (255, 0, 0)


def save(path: Path, colour: str | tuple[int, ...] = "red", *, side: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour).save(path)
    return path


def colours(images: ImageSet) -> list[tuple[int, ...]]:
    """The colour in the middle of each picture."""
    side = images.images.shape[-1]
    return [tuple(pixel) for pixel in images.images[:, :, side // 2, side // 2].tolist()]


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(LectureError) as error:
        read_folder(folder, **options)
    return one_line(error)


class TestUnlikePictures:
    def test_every_mode_and_size_becomes_one(self, tmp_path: Path) -> None:
        hole = Image.new("RGBA", (300, 20), (0, 0, 0, 0))
        pictures = {
            "01.png": (Image.new("1", (1, 1), 1), WHITE),
            "02.png": (Image.new("L", (5, 9), 100), GREY),
            "03.png": (Image.new("LA", (64, 64), (0, 0)), WHITE),
            "04.gif": (Image.new("RGB", (64, 20), "red").quantize(2), RED),
            "05.png": (hole, WHITE),
            "06.tiff": (Image.new("RGB", (40, 40), "red").convert("CMYK"), RED),
            "07.png": (Image.fromarray(np.full((9, 5), 25_700, np.uint16)), GREY),
            "08.bmp": (Image.new("RGB", (33, 31), "red"), RED),
            "09.webp": (Image.new("RGB", (200, 100), "red"), RED),
            "10.JPG": (Image.new("L", (700, 300), 100), GREY),
            "11.ppm": (Image.new("RGB", (32, 32), "red"), RED),
        }
        for name, (picture, _) in pictures.items():
            picture.save(tmp_path / name, **({"lossless": True} if "webp" in name else {}))
        report = read_folder(tmp_path)
        assert report.skipped == ()
        assert report.images.images.shape == (11, 3, 32, 32)
        assert report.images.images.dtype == torch.uint8
        assert colours(report.images) == [colour for _, colour in pictures.values()]
        assert (report.images.labels, report.images.classes, report.images.captions) == (
            None,
            (),
            None,
        )

    def test_a_turned_photograph_stands_upright(self, tmp_path: Path) -> None:
        levels = quarters((-1, -1, -1), (1, 1, 1), (0, 0, 0), (0, 0, 0))
        for name, orientation in (("a", 1), ("b", 6)):
            Image.fromarray(levels).save(tmp_path / f"{name}.png", exif=turned(orientation))
        upright, was_turned = read_folder(tmp_path).images.images
        assert torch.equal(was_turned, upright.rot90(-1, (1, 2)))
        assert not torch.equal(was_turned, upright)

    def test_the_middle_square_is_taken(self, tmp_path: Path) -> None:
        levels = np.zeros((20, 60, 3), np.uint8)
        levels[:, 20:40] = quarters((1, -1, -1), (-1, 1, -1), (-1, -1, 1), (1, 1, 1), side=20)
        for name in ("a.png", "b.png"):
            Image.fromarray(levels).save(tmp_path / name)
        first = read_folder(tmp_path, 20).images.images[0]
        np.testing.assert_array_equal(first.permute(1, 2, 0), levels[:, 20:40])

    def test_grey_ones_are_one_channel_until_one_is_in_colour(self, tmp_path: Path) -> None:
        for name, level in (("a", 30), ("b", 60)):
            save(tmp_path / f"{name}.png", (level, level, level))
        grey = read_folder(tmp_path).images.images
        assert grey.shape == (2, 1, 32, 32)
        assert grey.is_contiguous()
        assert [int(picture[0, 0, 0]) for picture in grey] == [30, 60]
        save(tmp_path / "c.png", (60, 60, 61))
        coloured = read_folder(tmp_path).images.images
        assert coloured.shape == (3, 3, 32, 32)
        assert torch.equal(coloured[:2], grey.expand(2, 3, 32, 32))

    def test_a_large_jpeg_is_not_decoded_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Image.open(io.BytesIO(flower_jpeg())) as flower:
            for name in ("a.jpg", "b.jpg"):
                flower.resize((1600, 1200)).save(tmp_path / name, quality=95)
        whole = (load_picture(str(tmp_path / "a.jpg"), 32) + 1) * 127.5
        decoded = []

        def read(path: Path, **options: Any) -> Image.Image:
            decoded.append(read_picture(path, **options))
            return decoded[-1]

        monkeypatch.setattr(folders, "read_picture", read)
        found = read_folder(tmp_path).images.images[0].numpy()
        assert abs(found - whole).max() <= 3
        assert [picture.size for picture in decoded] == [(200, 150)] * 2
        assert read_picture(tmp_path / "a.jpg", at_least=64).size == (200, 150)
        assert read_picture(tmp_path / "a.jpg", at_least=151).size == (400, 300)
        assert read_picture(tmp_path / "a.jpg").size == (1600, 1200)

    def test_the_order_is_that_of_the_names(self, tmp_path: Path) -> None:
        """Not the one in which they were made, nor the disk's."""
        for name, level in (("c", 3), ("a", 1), ("b", 2), ("B", 0)):
            save(tmp_path / f"{name}.png", (level, level, level))
        images = read_folder(tmp_path).images
        assert colours(images) == [(0,), (1,), (2,), (3,)]
        assert read_folder(tmp_path).images.digest == images.digest


def flower_jpeg() -> bytes:
    levels = np.rint((load_picture("flower", 400) + 1) * 127.5).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


class TestNames:
    NAMES = (
        "写真.png",
        "🐈‍⬛.png",
        unicodedata.normalize("NFD", "café.png"),
        "a b,c;'d'.png",
        "-rf.png",
        "line\nbreak.png",
        os.fsdecode(b"caf\xe9.png"),
    )

    def test_any_name_is_read(self, tmp_path: Path) -> None:
        for name in self.NAMES:
            save(tmp_path / name)
        assert len(read_folder(tmp_path).images.images) == len(self.NAMES)

    def test_any_name_is_told_in_one_line_that_can_be_written(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        for name in self.NAMES:
            (tmp_path / name).write_bytes(b"broken")
        report = read_folder(tmp_path)
        assert len(report.images.images) == 2
        assert len(report.skipped) == len(self.NAMES)
        for line in report.skipped:
            assert line.isprintable()
            line.encode()
        assert "写真.png" in " ".join(report.skipped)
        assert "line\\nbreak.png" in " ".join(report.skipped)
        assert "写真.png" in caplog.text

    @pytest.mark.parametrize("name", ["写真", os.fsdecode(b"caf\xe9")])
    def test_the_folder_s_own_name_can_be_written(self, tmp_path: Path, name: str) -> None:
        for kind in ("cat", os.fsdecode(b"caf\xe9")):
            save(tmp_path / name / kind / "a.png")
        images = with_captions(read_folder(tmp_path / name).images)
        images.name.encode()
        assert len(images.digest) == 64
        assert len(images.classes) == 2


class TestWhatIsSkipped:
    def test_a_broken_one_is_named_and_the_others_are_kept(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        save(tmp_path / "a.png", (1, 1, 1))
        whole = save(tmp_path / "b.png", (2, 2, 2), side=64).read_bytes()
        (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "c.jpg").touch()
        (tmp_path / "d.gif").write_text("no picture at all")
        (tmp_path / "e.png").write_bytes(zeros_png(9_000, 9_000))
        save(tmp_path / "f.png", (6, 6, 6))
        with caplog.at_level(logging.WARNING):
            report = read_folder(tmp_path)
        assert colours(report.images) == [(1,), (6,)]
        reasons = ["is damaged", "is empty", "not a picture of a known format", "80 million"]
        assert len(report.skipped) == len(reasons)
        for name, reason, line in zip("bcde", reasons, report.skipped, strict=True):
            assert f"{tmp_path / name}." in line
            assert reason in line
        assert [record.getMessage() for record in caplog.records] == [
            f"skipped: {line}" for line in report.skipped
        ]

    def test_the_log_names_ten_and_counts_the_others(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        for i in range(13):
            (tmp_path / f"broken-{i:02}.png").touch()
        assert len(read_folder(tmp_path).skipped) == 13
        messages = [record.getMessage() for record in caplog.records]
        assert len(messages) == 11
        assert "broken-09.png" in messages[9]
        assert messages[10] == "skipped: 3 more"

    def test_a_kind_that_is_not_taken_is_named_and_other_files_are_not(
        self, tmp_path: Path
    ) -> None:
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        for name in ("phone.HEIC", "drawing.svg", "notes.txt", "Thumbs.db", "model.safetensors"):
            (tmp_path / name).write_text("…")
        drawing, phone = sorted(read_folder(tmp_path).skipped)
        assert "drawing.svg is none of PNG, JPEG" in drawing
        assert "phone.HEIC is none of PNG, JPEG" in phone

    def test_hidden_files_and_folders_are_left_alone(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png", ".c.png", ".cache/d.png", "._a.png"):
            save(tmp_path / name)
        report = read_folder(tmp_path)
        assert (len(report.images.images), report.skipped) == (2, ())
        hidden = tmp_path / ".hidden"
        save(hidden / "a.png")
        save(hidden / "b.png")
        assert len(read_folder(hidden).images.images) == 2


class TestLinks:
    def test_what_leads_out_is_named_and_not_read(self, tmp_path: Path) -> None:
        folder, outside = tmp_path / "folder", save(tmp_path / "secret" / "a.png", "blue")
        save(folder / "a.png")
        save(folder / "b.png")
        (folder / "inside.png").symlink_to("a.png")
        (folder / "out.png").symlink_to(outside)
        (folder / "nowhere.png").symlink_to("missing.png")
        (folder / "loop.png").symlink_to("loop.png")
        (folder / "cats").symlink_to(outside.parent)
        report = read_folder(folder)
        assert colours(report.images) == [RED] * 3
        told = dict(zip(("cats", "loop", "out", "nowhere"), report.skipped, strict=True))
        assert "cats is a link, which is not followed" in told["cats"]
        assert "loop.png" in told["loop"]
        assert "out.png is a link that leads out of the folder" in told["out"]
        assert "nowhere.png' does not exist" in told["nowhere"]

    def test_a_link_to_the_folder_itself_works(self, tmp_path: Path) -> None:
        save(tmp_path / "folder" / "a.png")
        save(tmp_path / "folder" / "b.png")
        (tmp_path / "link").symlink_to("folder")
        assert len(read_folder(tmp_path / "link").images.images) == 2

    def test_a_device_is_not_read(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        os.mkfifo(tmp_path / "pipe.png")
        (line,) = read_folder(tmp_path).skipped
        assert "pipe.png' is not a file" in line


class TestRefusals:
    def test_an_empty_folder(self, tmp_path: Path) -> None:
        message = refused(tmp_path)
        assert message.startswith(f"{tmp_path} has no picture that can be read")
        assert "looked for: pictures (PNG, JPEG, GIF" in message
        assert "captions.csv with the columns file and caption" in message

    def test_a_folder_without_a_readable_picture(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png"):
            (tmp_path / name).touch()
        message = refused(tmp_path)
        assert f"no picture that can be read (2 skipped, the first: picture {tmp_path}" in message
        assert "a.png is empty" in message

    def test_a_single_picture(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png")
        assert "has one picture that can be read, and at least 2 are needed" in refused(tmp_path)
        save(tmp_path / "b.png")
        assert len(read_folder(tmp_path).images.images) == 2

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        assert "No such file or directory" in refused(tmp_path / "missing")

    def test_pictures_beside_class_folders(self, tmp_path: Path) -> None:
        for name in ("overview.png", "cat/a.png", "dog/b.png"):
            save(tmp_path / name)
        message = refused(tmp_path)
        assert "holds pictures (overview.png, …) beside folders of pictures (cat/a.png" in message
        assert "captions.csv" in message

    @pytest.mark.parametrize("size", [0, -4, 4, 30, 516, 32.5, float("nan")])
    def test_sizes_that_the_network_cannot_have(self, tmp_path: Path, size: Any) -> None:
        with pytest.raises(UsageError, match="size = "):
            read_folder(tmp_path, size)

    def test_more_than_the_memory_holds_is_refused_before_any_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for i in range(5):
            save(tmp_path / f"{i}.png", side=2)

        def read(*_: object, **__: object) -> None:
            raise AssertionError("it was read")

        monkeypatch.setattr(folders, "MAX_BYTES", 5 * 3 * 20**2)
        with monkeypatch.context() as patch:
            patch.setattr(folders, "read_picture", read)
            with pytest.raises(UsageError) as error:
                read_folder(tmp_path, 24)
            message = one_line(error)
            assert "size = 24: the 5 pictures" in message
            assert "choose a size of 20 at most, or fewer pictures" in message
            with pytest.raises(AssertionError, match="it was read"):
                read_folder(tmp_path, 20)
        assert len(read_folder(tmp_path, 20).images.images) == 5
        monkeypatch.setattr(folders, "MAX_BYTES", 5 * 3 * 8**2 - 1)
        with pytest.raises(UsageError, match="; take fewer pictures"):
            read_folder(tmp_path, 8)

    def test_four_gigabytes_are_the_most(self, tmp_path: Path, monkeypatch: Any) -> None:
        many = {f"{i}.png": tmp_path / f"{i}.png" for i in range(5_087)}
        monkeypatch.setattr(folders, "_files_below", lambda folder, skipped: many)
        with pytest.raises(UsageError, match=r"the 5,087 pictures of .* would take 4\.0 GB"):
            read_folder(tmp_path, 512)
