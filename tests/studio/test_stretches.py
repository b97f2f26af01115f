"""Kept animations: found by what they show, and only when they are whole."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from diffusion_core.errors import DamagedFile, LectureError
from studio.encoding import Stretch
from studio.quality import Quality
from studio.stretches import Library, is_whole, join, make_room, read_stretch, write_stretch

TINY = Quality("tiny", 128, 96, 10)
STRETCH = Stretch((b"one", b"", b"three"), (0, 2, 1), (True, False, False), b"header")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(TINY, tmp_path / "stretches")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shelf" / "stretch.safetensors"
    assert not is_whole(path)
    write_stretch(path, STRETCH)
    assert read_stretch(path) == STRETCH
    assert is_whole(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_stretch_is_removed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "stretch.safetensors"
    write_stretch(path, STRETCH)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes({"cut": content[:-5], "flipped": content, "emptied": b""}[damage])
    with pytest.raises(DamagedFile):
        read_stretch(path)
    assert not is_whole(path)
    assert not path.exists()


def test_a_place_is_of_all_looks_in_their_order(library: Library) -> None:
    runs = [(b"a", 2), (b"b", 1)]
    others = [
        [(b"a", 2), (b"c", 1)],
        [(b"b", 1), (b"a", 2)],
        [(b"a", 1), (b"b", 2)],
        [(b"a", 2)],
        [(b"a", 3)],
    ]
    places = {library.path(runs), *(library.path(other) for other in others)}
    assert len(places) == 6
    assert library.path(runs) == library.path(list(runs))
    for changed in ({"width": 64}, {"height": 64}, {"frame_rate": 30}):
        other_quality = Library(replace(TINY, **changed), library.folder)
        assert other_quality.path(runs) not in places
    assert Library(replace(TINY, name="other"), library.folder).path(runs) in places


def test_what_begins_and_lasts_like_a_kept_one_may_be_kept(library: Library) -> None:
    path = library.path([(b"a", 2), (b"b", 1)])
    assert not library.may_have(b"a", 3)
    write_stretch(path, STRETCH)
    assert library.may_have(b"a", 3)
    assert not library.may_have(b"a", 2)
    assert not library.may_have(b"b", 3)


def test_another_encoder_or_another_version_has_other_places(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    import studio.stretches as module

    before = library.path([(b"a", 1)])
    for name, value in (("ENCODER", {"crf": "1"}), ("DRAWN_BY", ("click",)), ("ENCODING", ())):
        module._circumstances.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert library.path([(b"a", 1)]) != before
    module._circumstances.cache_clear()
    assert library.path([(b"a", 1)]) == before


def test_what_another_x264_encoded_is_not_joined(tmp_path: Path) -> None:
    path = tmp_path / "stretch.safetensors"
    write_stretch(path, STRETCH)
    with pytest.raises(LectureError, match="another x264; remove"):
        join([path], TINY, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_room_is_made_by_the_longest_unused(library: Library) -> None:
    paths = [library.path([(bytes([i]), 1)]) for i in range(4)]
    for age, path in enumerate(paths):
        write_stretch(path, STRETCH)
        os.utime(path, (1000 - age, 1000 - age))
    size = paths[0].stat().st_size
    make_room(library.folder, room=4 * size)
    assert all(path.exists() for path in paths)
    make_room(library.folder, room=2 * size)
    assert [path.exists() for path in paths] == [True, True, False, False]
