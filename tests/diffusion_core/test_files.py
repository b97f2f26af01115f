"""Whole or absent; and no damage goes unnoticed."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.files import (
    HOST,
    array_digest,
    canonical_json,
    digest_of,
    read_arrays,
    read_digest,
    write_arrays,
    write_text,
    written_whole,
)
from tests.diffusion_core.conftest import child_environment, one_line

KIND = "a test 1"
ARRAYS = {
    "halves": np.linspace(-1, 1, 6, dtype=np.float16).reshape(2, 3),
    "singles": np.arange(4, dtype=np.float32),
    "doubles": np.array([np.pi, 1e-300]),
    "levels": np.array([[0, 255]], np.uint8),
    "times": np.array([999, -1]),
    "none": np.zeros((0, 3), np.float32),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
}
# A number that JSON may spell in two ways, letters beyond ASCII, quotes in quotes.
FACTS = {"rate": 1e-05, "ᾱ": 'half "of" it\n', "nested": {"list": [1, None, True, 2.5]}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.safetensors"
    write_arrays(path, ARRAYS, FACTS, kind=KIND)
    return path


def refused(path: Path) -> str:
    with pytest.raises(DamagedFile) as error:
        read_arrays(path, kind=KIND)
    message = one_line(error)
    assert str(path) in message
    return message


class TestCanonicalJson:
    def test_one_spelling(self) -> None:
        assert canonical_json({"b": 1, "a": [1.0, "ᾱ"]}) == '{"a":[1.0,"ᾱ"],"b":1}'
        assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
        assert digest_of({"a": 1}) != digest_of({"a": 2})

    @given(JSON)
    def test_reading_and_writing_again_changes_nothing(self, value: object) -> None:
        text = canonical_json(value)
        assert canonical_json(json.loads(text)) == text

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_json_has_no_word_for_is_refused(self, value: float) -> None:
        with pytest.raises(ValueError, match="JSON"):
            canonical_json({"a": value})


class TestArrays:
    def test_round_trip(self, file: Path) -> None:
        arrays, facts, digest = read_arrays(file, kind=KIND)
        assert facts == FACTS
        assert digest == read_digest(file) == array_digest(ARRAYS, FACTS)
        assert arrays.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array, strict=True)

    def test_the_same_content_is_the_same_file(self, file: Path, tmp_path: Path) -> None:
        again = tmp_path / "again.safetensors"
        write_arrays(again, dict(reversed(ARRAYS.items())), FACTS, kind=KIND)
        assert read_digest(again) == read_digest(file)

    def test_the_digest_covers_names_types_shapes_values_and_facts(self) -> None:
        a = np.zeros((2, 3), np.float32)
        digests = [
            array_digest({"a": a}),
            array_digest({"b": a}),
            array_digest({"a": a.astype(np.int32)}),
            array_digest({"a": a.reshape(3, 2)}),
            array_digest({"a": a + 1}),
            array_digest({"a": a}, {"b": 1}),
            array_digest({"a": a, "b": a}),
            array_digest({}),
        ]
        assert len(set(digests)) == len(digests)

    def test_every_length_that_is_cut_short_is_found(self, file: Path) -> None:
        content = file.read_bytes()
        for length in range(len(content)):
            file.write_bytes(content[:length])
            refused(file)

    def test_every_flipped_bit_is_found(self, file: Path) -> None:
        """In the header, the digest, the facts (also an E for an e), the padding, the values."""
        some = {name: ARRAYS[name] for name in ("halves", "none")}
        write_arrays(file, some, {"rate": 1e-05}, kind=KIND)
        content = file.read_bytes()
        for bit in range(8 * len(content)):
            damaged = bytearray(content)
            damaged[bit // 8] ^= 1 << bit % 8
            file.write_bytes(damaged)
            refused(file)
        file.write_bytes(content)
        read_arrays(file, kind=KIND)

    @given(st.data())
    def test_many_flipped_bits_are_found(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("flips") / "file.safetensors"
        write_arrays(path, ARRAYS, FACTS, kind=KIND)
        content = bytearray(path.read_bytes())
        bits = st.integers(0, 8 * len(content) - 1)
        for bit in data.draw(st.sets(bits, min_size=2, max_size=20)):
            content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        refused(path)

    @pytest.mark.parametrize("more", [b"\0", b" ", b"more" * 100])
    def test_what_is_appended_is_found(self, file: Path, more: bytes) -> None:
        file.write_bytes(file.read_bytes() + more)
        refused(file)

    def test_arrays_under_each_others_names_are_found(self, file: Path) -> None:
        """What safetensors cannot know: the file is sound, the content is another."""
        content = file.read_bytes()
        assert content.count(b'"singles"') == content.count(b'"doubles"') == 1
        swapped = content.replace(b'"singles"', b'"x"').replace(b'"doubles"', b'"singles"')
        swapped = swapped.replace(b'"x"', b'"doubles"')
        file.write_bytes(swapped)
        assert "not what its digest was taken of" in refused(file)

    @pytest.mark.parametrize("kind", ["a test 2", "another 1", ""])
    def test_another_kind_or_version_is_named(self, file: Path, kind: str) -> None:
        with pytest.raises(DamagedFile) as error:
            read_arrays(file, kind=kind)
        message = one_line(error)
        assert repr(KIND) in message
        assert repr(kind) in message

    @pytest.mark.parametrize(
        "content",
        [b"", b"\0" * 100, b"\xff" * 100, b"hello\n" * 30, pickle.dumps({"a": ARRAYS["singles"]})],
        ids=["empty", "zeros", "ones", "text", "pickle"],
    )
    def test_what_is_no_safetensors_file_is_found(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        refused(file)
        with pytest.raises(DamagedFile):
            read_digest(file)

    def test_a_safetensors_file_of_others_is_found(self, file: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"a": np.ones(3)}, file)
        assert "it names no digest" in refused(file)
        with pytest.raises(DamagedFile):
            read_digest(file)

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        for path in (tmp_path / "absent", tmp_path, tmp_path / ("long" * 100)):
            for read in (lambda p: read_arrays(p, kind=KIND), read_digest):
                with pytest.raises(LectureError) as error:
                    read(path)
                assert str(path) in one_line(error)
                assert not isinstance(error.value, DamagedFile)


class TestWrittenWhole:
    def test_folders_are_made_and_the_old_gives_way(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "ᾱ of t.txt"
        write_text(path, "old")
        write_text(path, "ε")
        assert path.read_text(encoding="utf-8") == "ε"
        assert list(path.parent.iterdir()) == [path]

    def test_the_temporary_is_hidden_beside_it_with_its_suffix(self, tmp_path: Path) -> None:
        path = tmp_path / "film.mp4"
        with written_whole(path) as partial:
            partial.write_text("x")
            assert partial.parent == tmp_path
            assert partial.name.startswith(".")
            assert partial.suffix == ".mp4"
            assert not path.exists()

    @pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt, LectureError])
    def test_after_a_failure_the_old_is_there_and_nothing_else(
        self, tmp_path: Path, problem: type[BaseException]
    ) -> None:
        path = tmp_path / "file.txt"
        write_text(path, "old")

        def fail() -> None:
            with written_whole(path) as partial:
                partial.write_text("half of the n")
                raise problem("mine")

        with pytest.raises(problem, match="mine"):
            fail()
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_is_told_and_leaves_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "file.txt"

        def fill() -> None:
            with written_whole(path) as partial:
                partial.write_text("half")
                Path("/dev/full").write_text("x" * 10_000)

        with pytest.raises(LectureError, match="No space left on device") as error:
            fill()
        assert "make room there" in one_line(error)
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written_is_told(
        self, tmp_path: Path, below_a_file: Path
    ) -> None:
        (tmp_path / "taken").mkdir()
        places = (
            below_a_file,
            below_a_file / "deeper" / "file.txt",
            Path("/proc/1/file.txt"),
            Path("/proc/none/file.txt"),
            tmp_path / ("long" * 100),
            tmp_path / "taken",
        )
        for path in places:
            with pytest.raises(LectureError, match="cannot be written") as error:
                write_text(path, "x")
            assert str(path) in one_line(error)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["regular", "taken"]


@pytest.fixture
def running() -> subprocess.Popen[bytes]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def ended() -> int:
    """The number of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


class TestWhatKilledProcessesLeft:
    @pytest.mark.parametrize(
        "name", ["film.mp4", "step-000500.safetensors", "a.b.c", "[12] * what?.mp4", "a**b", "bare"]
    )
    def test_the_next_writer_removes_it_and_only_it(
        self, tmp_path: Path, running: subprocess.Popen[bytes], ended: int, name: str
    ) -> None:
        path = tmp_path / name
        dead = tmp_path / f".{path.stem}.{ended}.partial{path.suffix}"
        ours = tmp_path / f".{path.stem}.{HOST}.{ended}.partial{path.suffix}"
        nobodys = tmp_path / f".{path.stem}.{10**20}.partial{path.suffix}"
        others = [
            tmp_path / f".{path.stem}.{running.pid}.partial{path.suffix}",
            tmp_path / f".other.{ended}.partial{path.suffix}",
            # Of another machine, where a process of that number may well be alive.
            tmp_path / f".{path.stem}.{HOST[::-1]}.{ended}.partial{path.suffix}",
            tmp_path / f"{path.stem}.{ended}.partial{path.suffix}",
        ]
        for partial in (dead, ours, nobodys, *others):
            partial.write_text("half")
        write_text(path, "whole")
        assert path.read_text() == "whole"
        assert set(tmp_path.iterdir()) == {path, *others}

    def test_a_killed_writer_leaves_the_old(self, tmp_path: Path) -> None:
        path = tmp_path / "film.mp4"
        write_text(path, "old")
        script = """
import sys, time
from pathlib import Path
from diffusion_core.files import written_whole
with written_whole(Path(sys.argv[1])) as partial:
    partial.write_text("half of the n")
    print("written", flush=True)
    time.sleep(60)
"""
        with subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdout=subprocess.PIPE,
            env=child_environment(),
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"written\n"
            os.kill(writer.pid, signal.SIGKILL)
        assert path.read_text() == "old"
        assert len(list(tmp_path.iterdir())) == 2
        write_text(path, "new")
        assert path.read_text() == "new"
        assert list(tmp_path.iterdir()) == [path]
