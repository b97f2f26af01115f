"""Folders that say what their pictures show: class folders and captions.csv."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion_core.captions import class_captions
from diffusion_core.datasets import ImageSet, load_dataset, with_captions
from diffusion_core.folders import read_folder
from tests.diffusion_core.test_folders import RED, colours, refused, save


def said_of(images: ImageSet, i: int) -> set[str]:
    captions = images.captions
    assert captions is not None
    return {captions.texts[k] for k in captions.wordings[captions.groups[i]].tolist()}


class TestClassFolders:
    def test_the_folder_is_the_class(self, tmp_path: Path) -> None:
        for name, colour in (
            ("Ankle_boot/b.png", (2, 2, 2)),
            ("Ankle_boot/left/a.png", (3, 3, 3)),
            ("t-shirt/a.png", (4, 4, 4)),
            ("Zebra/a.png", (1, 1, 1)),
        ):
            save(tmp_path / name, colour)
        images = load_dataset(str(tmp_path))
        assert images.classes == ("ankle boot", "t-shirt", "zebra")
        assert images.labels is not None
        assert images.labels.dtype == torch.int64
        named = [images.classes[label] for label in images.labels.tolist()]
        assert list(zip(named, colours(images), strict=True)) == [
            ("ankle boot", (2,)),
            ("ankle boot", (3,)),
            ("zebra", (1,)),
            ("t-shirt", (4,)),
        ]
        assert images.captions is None
        worded = with_captions(images)
        assert said_of(worded, 2) >= {"zebra", "a photo of a zebra"}
        expected = class_captions(images.labels, images.classes)
        assert worded.captions is not None
        assert worded.captions.texts == expected.texts

    def test_two_spellings_are_one_class(self, tmp_path: Path) -> None:
        for name in ("golden_retriever/a.png", "Golden Retriever/b.png"):
            save(tmp_path / name)
        assert read_folder(tmp_path).images.classes == ("golden retriever",)

    def test_a_class_of_which_nothing_can_be_read_is_none(self, tmp_path: Path) -> None:
        for name in ("cat/a.png", "dog/a.png"):
            save(tmp_path / name)
        (tmp_path / "bird").mkdir()
        (tmp_path / "bird" / "a.png").touch()
        (tmp_path / "empty").mkdir()
        report = read_folder(tmp_path)
        assert report.images.classes == ("cat", "dog")
        assert len(report.skipped) == 1


class TestCaptions:
    def test_each_picture_has_its_own_words(self, tmp_path: Path) -> None:
        for name, level in (("b.png", 2), ("a.png", 1), ("night/c.png", 3), ("d.png", 4)):
            save(tmp_path / name, (level,) * 3)
        (tmp_path / "captions.csv").write_text(
            "file,caption\nb.png,A red fox.\n./night/c.png,the moon\na.png,a fox\n"
            'b.png,"a fox, at dusk"\nd.png,the moon\n',
            encoding="utf-8-sig",
        )
        report = read_folder(tmp_path)
        images = report.images
        assert report.skipped == ()
        assert colours(images) == [(1,), (2,), (4,), (3,)]
        assert [said_of(images, i) for i in range(4)] == [
            {"a fox"},
            {"a red fox", "a fox, at dusk"},
            {"the moon"},
            {"the moon"},
        ]
        assert with_captions(images) is images
        assert images.digest != ImageSet("pixels", images.images).digest

    def test_what_leads_out_or_is_absent_is_named_and_not_read(self, tmp_path: Path) -> None:
        folder, secret = tmp_path / "folder", save(tmp_path / "secret.png", "blue")
        for name in ("a.png", "b.png", "sub/c.png"):
            save(folder / name)
        (folder / "link.png").symlink_to(secret)
        written = ["../secret.png", str(secret), "sub/../a.png", "link.png", "gone.png", "sub"]
        rows = [f"{name},a secret" for name in written]
        content = "\n".join(["file,caption", "a.png,a cat", "b.png,a dog", *rows])
        (folder / "captions.csv").write_text(content)
        report = read_folder(folder)
        assert colours(report.images) == [RED] * 2
        assert [said_of(report.images, i) for i in range(2)] == [{"a cat"}, {"a dog"}]
        reasons = ["leads out"] * 4 + ["is not in the folder"] * 2
        for name, reason, line in zip(written, reasons, report.skipped[:6], strict=True):
            assert name in line
            assert reason in line
        (unnamed,) = report.skipped[6:]
        assert "sub/c.png has no row in captions.csv" in unnamed

    def test_a_broken_picture_takes_its_words_with_it(self, tmp_path: Path) -> None:
        for name in ("a.png", "b.png", "c.png"):
            save(tmp_path / name)
        (tmp_path / "a.png").write_bytes(b"broken")
        rows = "a.png,an owl\nb.png,a cat\nc.png,a dog\n"
        (tmp_path / "captions.csv").write_text(f"file,caption\n{rows}")
        report = read_folder(tmp_path)
        assert [said_of(report.images, i) for i in range(2)] == [{"a cat"}, {"a dog"}]
        assert report.images.captions is not None
        assert "an owl" not in report.images.captions.texts
        assert len(report.skipped) == 1

    @pytest.mark.parametrize(("disk", "table"), [("NFD", "NFC"), ("NFC", "NFD")])
    def test_accents_may_be_spelt_in_two_ways(self, tmp_path: Path, disk: Any, table: Any) -> None:
        save(tmp_path / unicodedata.normalize(disk, "é.png"))
        save(tmp_path / "写真.png")
        content = unicodedata.normalize(table, "file,caption\né.png,a cat\n写真.png,a dog\n")
        (tmp_path / "captions.csv").write_text(content, encoding="utf-8")
        report = read_folder(tmp_path)
        assert (len(report.images.images), report.skipped) == (2, ())

    def test_a_name_without_a_suffix_is_read_where_it_is_named(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            save(tmp_path / "a.png").rename(tmp_path / name)
        (tmp_path / "captions.csv").write_text("file,caption\none,a cat\ntwo,a dog\n")
        assert len(read_folder(tmp_path).images.images) == 2

    def test_a_row_that_says_nothing_is_told(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png")
        save(tmp_path / "b.png")
        (tmp_path / "captions.csv").write_text("file,caption\na.png,a cat, asleep\nb.png,a dog\n")
        message = refused(tmp_path)
        assert "has one picture" in message
        assert "line 2: it has more fields than there are columns" in message

    def test_a_table_that_is_none_or_elsewhere_is_refused(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        save(folder / "a.png")
        save(folder / "b.png")
        (folder / "captions.csv").write_text("picture,words\n")
        assert "has no column 'file'" in refused(folder)
        (folder / "captions.csv").rename(tmp_path / "captions.csv")
        (folder / "captions.csv").symlink_to(tmp_path / "captions.csv")
        assert "leads out of the folder" in refused(folder)

    def test_no_picture_is_named(self, tmp_path: Path) -> None:
        save(tmp_path / "a.png")
        (tmp_path / "captions.csv").write_text("file,caption\n")
        assert "has no row in captions.csv" in refused(tmp_path)
