"""What boards are sent, and what they send."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion_core.errors import LectureError
from diffusion_core.grids import to_pixels
from explorer.boards import LONGEST_TEXT, coded, film, pairs, panel


def decoded(text: str, kind: str, *shape: int) -> np.ndarray:
    """As the script reads it."""
    return np.frombuffer(base64.b64decode(text), np.dtype(kind)).reshape(shape)


def test_floats_arrive_lowest_byte_first_in_reading_order() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(decoded(coded(values), "<f4", 4, 3), values)
    big = values.astype(">f4")
    np.testing.assert_array_equal(decoded(coded(big), "<f4", 4, 3), values)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_panel_has_the_pixels_of_its_states(channels: int) -> None:
    states = np.random.default_rng(0).normal(size=(3, channels, 4, 5)).astype(np.float16)
    sent = panel("name", states, "label", "says")
    count, height, width, c = sent["size"]
    assert (count, height, width, c) == (3, 4, 5, channels)
    levels = decoded(sent["frames"], "u1", *sent["size"])
    expected = to_pixels(states.astype(np.float32))
    np.testing.assert_array_equal(levels.transpose(0, 3, 1, 2), expected)


def test_a_film_is_json_with_plain_times() -> None:
    sent = film(np.array([5, -1]), [], live=True, done=3)
    assert sent == {"times": [5, -1], "panels": [], "live": True, "play": False, "done": 3}
    assert all(type(t) is int for t in sent["times"])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_points_are_read_as_they_were_written(points: list[tuple[float, float]]) -> None:
    text = ";".join(f"{a!r},{b!r}" for a, b in points)
    assert pairs(text, "the strokes", 0, 1) == tuple(points)


@pytest.mark.parametrize(
    "text",
    [
        *("0.5", "0.5,0.5,0.5", "a,b", "0.5,nan", "inf,0", "0.5,1.01", "-0.1,0", "<b>,1"),
        "0.5,0.5;" * (LONGEST_TEXT // 8 + 1),
    ],
)
def test_what_no_hand_drew_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(LectureError, match="the strokes") as error:
        pairs(text, "the strokes", 0, 1)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
