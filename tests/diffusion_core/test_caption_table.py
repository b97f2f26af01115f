"""captions.csv as people and spreadsheets write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.caption_table import captions_of, read_table
from diffusion_core.errors import LectureError
from tests.diffusion_core.conftest import one_line


def table(folder: Path, content: str | bytes) -> Path:
    path = folder / "captions.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class TestReading:
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a mark"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_files_and_captions(self, tmp_path: Path, mark: bytes, end: str) -> None:
        rows = ["file,caption", "a.png,A cat.", 'b/é.png,"A cat, asleep"', "a.png,Eine Katze"]
        content = mark + end.join([*rows, ""]).encode()
        captions, skipped = read_table(table(tmp_path, content))
        assert captions == {"a.png": ("a cat", "eine katze"), "b/é.png": ("a cat, asleep",)}
        assert skipped == []

    def test_other_columns_and_another_order(self, tmp_path: Path) -> None:
        content = "author, caption, file\nme, a cat, a.png\n"
        assert read_table(table(tmp_path, content)) == ({"a.png": ("a cat",)}, [])

    def test_the_same_caption_twice_is_one(self, tmp_path: Path) -> None:
        content = "file,caption\na.png,a cat\na.png,A  Cat!\n"
        assert read_table(table(tmp_path, content))[0] == {"a.png": ("a cat",)}

    def test_blank_lines_are_nothing(self, tmp_path: Path) -> None:
        content = "file,caption\n\na.png,a cat\n\n"
        assert read_table(table(tmp_path, content)) == ({"a.png": ("a cat",)}, [])

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("b.png,a cat, asleep", "more fields than there are columns"),
            ("b.png", "says nothing of b.png"),
            ("b.png,", "says nothing of b.png"),
            ("b.png, .", "says nothing of b.png"),
            (" ,a dog", "names no file"),
        ],
    )
    def test_a_row_that_says_nothing_is_named_with_its_line(
        self, tmp_path: Path, row: str, reason: str
    ) -> None:
        content = f"file,caption\na.png,a cat\n{row}\nc.png,a cow\n"
        captions, (line,) = read_table(table(tmp_path, content))
        assert captions == {"a.png": ("a cat",), "c.png": ("a cow",)}
        assert line.startswith("captions.csv, line 3: ")
        assert reason in line


class TestWhatIsNoTable:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "has no column 'file' (its first line: it is empty)"),
            (b"a.png,a cat\n", "has no column 'file' (its first line: 'a.png', 'a cat')"),
            (b"file;caption\na.png;a cat\n", "(its first line: 'file;caption'); begin it with"),
            (b"file,text\n", "has no column 'caption'"),
            ("file,caption\na.png,a cat\n".encode("utf-16"), "is not UTF-8"),
            ("file,caption\na.png,à la carte\n".encode("latin-1"), "is not UTF-8"),
            (
                b'file,caption\na.png,"a cat\nb.png,a dog\n',
                "(unexpected end of data, after line 1)",
            ),
            (b'file,caption\na.png,"a "black" cat"\n', "is no table"),
            (b"file,caption\na.png," + b"a" * 200_000, "field larger than field limit"),
        ],
    )
    def test_it_is_refused_in_one_line(self, tmp_path: Path, content: bytes, says: str) -> None:
        path = table(tmp_path, content)
        with pytest.raises(LectureError) as error:
            read_table(path)
        assert says in one_line(error)
        assert str(path) in one_line(error)

    def test_a_folder_of_that_name(self, tmp_path: Path) -> None:
        with pytest.raises(LectureError, match="cannot be read") as error:
            read_table(tmp_path)
        one_line(error)


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True), min_size=1)
)
def test_of_each_picture_all_of_its_captions_may_be_said_and_no_other(
    said: list[list[str]],
) -> None:
    found = captions_of([tuple(row) for row in said])
    assert len(found.groups) == len(said)
    for row, group in zip(said, found.groups.tolist(), strict=True):
        assert [found.texts[i] for i in found.wordings[group].tolist()][: len(row)] == row
        assert {found.texts[i] for i in found.wordings[group].tolist()} == set(row)
    assert len(found.wordings) == len({tuple(row) for row in said})
    assert len(set(found.texts)) == len(found.texts) == len({text for row in said for text in row})
