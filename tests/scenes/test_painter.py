"""What is painted in pieces is what is painted at once, to the bit; looks tell what differs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manim import (
    Circle,
    Dot,
    ImageMobject,
    Line,
    Mobject,
    Polygon,
    Square,
    ValueTracker,
    VMobject,
    tempconfig,
)
from manim.constants import LineJointType

from scenes.stage.camera import StageCamera
from scenes.stage.looks import Look, LookBook
from scenes.stage.painter import Painter
from scenes.stage.tiles import Frames, Tile
from studio import performance
from studio.quality import QUALITIES

SMALL = QUALITIES["draft"]


@pytest.fixture(scope="module", autouse=True)
def frame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tempconfig(performance.settings(SMALL, tmp_path_factory.mktemp("manim"))):
        yield


def look(mobject: Mobject) -> Look:
    [(_, found)] = LookBook(StageCamera()).items([mobject])
    return found


def crowd() -> list[Mobject]:
    """Shapes that overlap, thick and thin, sharp and round, under and over pictures."""
    states = np.random.default_rng(0).uniform(-1, 1, (6, 3, 10, 10))
    tiles = [Tile(Frames.of(states), 8).shift((2 * i - 2, 0.3 * i, 0)) for i in range(3)]
    return [
        Circle(radius=2, stroke_width=12, fill_opacity=0.4),
        tiles[0],
        Polygon([-3, -2, 0], [-2.8, 2, 0], [-2.6, -2, 0], stroke_width=20),
        Square(3, fill_opacity=0.7, stroke_width=3).shift((2.5, 1, 0)),
        tiles[1].set_opacity(0.6),
        Line((-6, -3, 0), (6, -2.5, 0), stroke_width=5),
        Dot((1, -2.7, 0), radius=0.2),
        tiles[2].rotate(0.4),
        VMobject(stroke_width=9).set_points_smoothly([[4, 3, 0], [5, 0, 0], [4.5, -3, 0]]),
    ]


def change(mobjects: list[Mobject], rng: np.random.Generator) -> None:
    """One of the things that happen between two frames."""
    at = int(rng.integers(len(mobjects)))
    mobject = mobjects[at]
    kind = rng.integers(7)
    if kind == 0:
        mobject.shift((*rng.uniform(-0.5, 0.5, 2), 0))
    elif kind == 1:
        mobject.set_opacity(float(rng.uniform()))
    elif kind == 2 and isinstance(mobject, Tile):
        mobject.show(int(rng.integers(6)))
    elif kind == 3 and len(mobjects) > 3:
        mobjects.pop(at)
    elif kind == 4:
        mobjects.insert(at, Dot((*rng.uniform(-4, 4, 2), 0), radius=0.3))
    elif kind == 5 and isinstance(mobject, VMobject):
        mobject.set_stroke(width=float(rng.uniform(0, 25)))
    elif kind == 6:
        mobjects.insert(int(rng.integers(len(mobjects))), mobjects.pop(at))


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_frame_is_the_same_whatever_was_on_it_before(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mobjects, camera, whole = crowd(), StageCamera(), StageCamera()
    painter, book = Painter(camera), LookBook(camera)
    for _ in range(12):
        for _ in range(int(rng.integers(1, 3))):
            change(mobjects, rng)
        before = camera.pixel_array.copy()
        screen, changed = painter.paint(book.items(mobjects))
        assert screen is camera.pixel_array
        whole.reset()
        whole.capture_mobjects(mobjects)
        np.testing.assert_array_equal(camera.pixel_array, whole.pixel_array)
        if changed is not None:
            left, top, right, bottom = changed
            before[top:bottom, left:right] = screen[top:bottom, left:right]
            np.testing.assert_array_equal(before, screen)


def test_what_has_not_changed_is_not_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    dots = [Dot((x, 0, 0)) for x in range(-5, 6)]
    camera = StageCamera()
    painter, book = Painter(camera), LookBook(camera)
    painted: list[Mobject] = []
    draw = camera.display_vectorized
    monkeypatch.setattr(
        camera, "display_vectorized", lambda m, c: (painted.append(m), draw(m, c)) and camera
    )
    painter.paint(book.items(dots))
    assert painted == dots
    painted.clear()
    assert painter.paint(book.items(dots)).changed == (0, 0, 0, 0)
    assert painted == []
    dots[3].set_color("#ff0000")
    painter.paint(book.items(dots))
    assert painted == [dots[3]]
    painted.clear()
    painter.forget()
    painter.paint(book.items(dots))
    assert painted == dots


@settings(max_examples=80)
@given(
    corners=st.lists(
        st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=2, max_size=6, unique=True
    ),
    width=st.floats(0, 60),
    joint=st.sampled_from(list(LineJointType)),
    closed=st.booleans(),
)
def test_nothing_is_drawn_outside_the_box_of_a_look(
    corners: list[tuple[float, float]], width: float, joint: LineJointType, closed: bool
) -> None:
    shape = VMobject(stroke_width=width, fill_opacity=0.5, joint_type=joint)
    points = [[x, y, 0] for x, y in corners]
    shape.set_points_as_corners([*points, points[0]] if closed else points)
    camera = StageCamera()
    empty = camera.pixel_array.copy()
    camera.capture_mobjects([shape])
    left, top, right, bottom = look(shape).box
    camera.pixel_array[top:bottom, left:right] = empty[top:bottom, left:right]
    np.testing.assert_array_equal(camera.pixel_array, empty)


def test_a_look_tells_apart_what_is_drawn_differently() -> None:
    states = np.random.default_rng(0).uniform(-1, 1, (2, 3, 6, 6))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 5, 4), dtype=np.uint8)

    def square() -> Square:
        return Square(fill_opacity=0.5, stroke_width=3)

    different = [
        square(),
        square().shift((0.01, 0, 0)),
        square().set_fill("#112233"),
        square().set_fill(opacity=0.49),
        square().set_stroke("#112233"),
        square().set_stroke(width=4),
        square().set_stroke(width=4, background=True),
        square().set_fill(["#ff0000", "#00ff00"]),
        square().set_fill(["#ff0000", "#00ff00"]).set_sheen_direction((1, 0, 0)),
        Tile(Frames.of(states), 4),
        Tile(Frames.of(states), 4).show(1),
        Tile(Frames.of(states), 4).set_opacity(0.5),
        Tile(Frames.of(states), 5),
        ImageMobject(pixels),
        ImageMobject(pixels[::-1].copy()),
        ImageMobject(pixels).set_resampling_algorithm(0),
    ]
    looks = [look(mobject).digest for mobject in different]
    assert len(set(looks)) == len(looks)
    assert looks == [look(mobject.copy()).digest for mobject in different]


def test_the_way_to_a_place_does_not_change_the_look() -> None:
    """Skipped animations end where played ones do, up to the last bits."""
    played, skipped = Dot(), Dot()
    for x in np.linspace(0, 4.7, 200):
        played.move_to((x, 0.3 * x, 0))
    skipped.move_to((4.7, 0.3 * 4.7, 0))
    assert not np.array_equal(played.points, skipped.points)
    assert look(played) == look(skipped)


def test_a_book_notices_a_change_of_the_same_mobject() -> None:
    camera = StageCamera()
    book = LookBook(camera)
    square, tracker = Square(), ValueTracker(0)
    [(_, before)] = book.items([square, tracker])
    square.points[0, 0] += 0.5  # in place
    [(_, after)] = book.items([square, tracker])
    assert before != after
    assert [(square, after)] == book.items([square, tracker])
