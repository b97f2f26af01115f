"""Rooms: each browser has its own, nobody sees another's, and nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diffusion_core.errors import LectureError
from explorer import people
from explorer.people import IDLE, People, Person, Room, new_token
from explorer.serving import working


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def everybody(tmp_path: Path, clock: Clock) -> People:
    return People(tmp_path, clock)


def test_a_browser_has_one_room_whatever_its_tabs(everybody: People) -> None:
    one, other = new_token(), new_token()
    room = everybody.enter(Person(one, "first"))
    assert everybody.enter(Person(one, "second")) is room
    assert everybody.room(other).folder != room.folder


def test_a_folder_does_not_tell_whose_it_is(everybody: People) -> None:
    token = new_token()
    assert token not in str(everybody.room(token).folder)


@pytest.mark.parametrize(
    "token", ["", "short", "../../etc/passwd", "x" * 44, "ä" * 43, "a/" * 21 + "a"]
)
def test_only_tokens_that_were_given_out_open_rooms(everybody: People, token: str) -> None:
    with pytest.raises(LectureError, match="no cookie"):
        everybody.room(token)
    assert len(everybody) == 0


def test_a_room_outlives_a_reload_but_not_long_absence(everybody: People, clock: Clock) -> None:
    person = Person(new_token(), "a tab")
    folder = everybody.enter(person).folder
    everybody.leave(person)
    clock.now += IDLE - 1
    assert everybody.room(person.browser).folder.exists()
    clock.now += IDLE + 1
    everybody.room(new_token())
    assert not folder.exists()


def test_an_open_tab_keeps_its_room(everybody: People, clock: Clock) -> None:
    folder = everybody.enter(Person(new_token(), "a tab")).folder
    clock.now += 10 * IDLE
    everybody.room(new_token())
    assert folder.exists()


def test_nothing_is_left_when_the_server_ends(tmp_path: Path) -> None:
    with working(tmp_path) as work:
        room = work.room(Person(new_token(), "a tab"))
        room.place("a.png").write_bytes(b"...")
        assert list(tmp_path.rglob("a.png"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("flower.png", "flower.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/shadow", "shadow"),
        ("..", "file"),
        ("", "file"),
        ("a\0b;rm -rf.png", "a-b-rm--rf.png"),
        ("x" * 300 + ".png", "x" * 76 + ".png"),
        (".bashrc", "bashrc"),
    ],
)
def test_a_name_never_climbs(tmp_path: Path, name: str, kept: str) -> None:
    room = Room(tmp_path / "room")
    place = room.place(name)
    assert place.name == kept
    assert place.resolve().is_relative_to(room.folder.resolve())
    assert place.parent != room.place(name).parent


def test_what_is_offered_is_found_by_its_token_alone(tmp_path: Path) -> None:
    room = Room(tmp_path)
    path = room.place("a b.png")
    address = room.offer(path)
    kept, token, name = address.split("/")
    assert (kept, name) == ("kept", "a-b.png")
    assert room.offered(token) == path
    assert room.offered(new_token()) is None


def test_the_oldest_goes_where_a_room_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MOST_FILES", 2)
    room = Room(tmp_path)
    paths = [room.place(f"{i}.png") for i in range(4)]
    for age, path in enumerate(paths):
        path.write_bytes(b"...")
        os.utime(path, (age, age))
    offered = [room.offer(path).split("/")[1] for path in paths]
    room.tidy()
    assert [path.exists() for path in paths] == [False, False, True, True]
    assert [room.offered(token) is not None for token in offered] == [False, False, True, True]
