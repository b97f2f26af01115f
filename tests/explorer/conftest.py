"""People at the explorer, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.people import Person, new_token
from explorer.serving import Work, working


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with working(tmp_path / "rooms") as work:
        yield work


@pytest.fixture
def person() -> Person:
    return Person(new_token(), "a tab")
