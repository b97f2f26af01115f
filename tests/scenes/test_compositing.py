"""Pictures on the frame: what manim's camera draws, within one level, and much faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from manim import Camera, Group, ImageMobject, MovingCamera, PMobject, tempconfig
from numpy.typing import NDArray
from PIL.Image import Resampling

from scenes.stage.camera import StageCamera
from scenes.stage.compositing import Compositor, Placement
from scenes.stage.layout import px
from scenes.stage.tiles import Frames, Tile
from studio import performance
from studio.quality import QUALITIES

SMALL = QUALITIES["draft"]
PIXEL = 8 / SMALL.height
"""A screen pixel in manim's units."""
KINDS = (Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC)


@pytest.fixture(scope="module", autouse=True)
def frame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with tempconfig(performance.settings(SMALL, tmp_path_factory.mktemp("manim"))):
        yield


def pictures(count: int, *, see_through: bool = False) -> list[ImageMobject]:
    """Noise with sharp edges, of unequal sides; ``see_through`` with an alpha of its own."""
    rng = np.random.default_rng(3)
    found = []
    for i in range(count):
        pixels = rng.integers(0, 256, (7 + i, 9, 4), dtype=np.uint8)
        if not see_through:
            pixels[..., 3] = 255
        found.append(ImageMobject(pixels))
    return found


def drawn(camera: Camera, *mobjects: ImageMobject | Tile) -> NDArray[np.int64]:
    camera.reset()
    camera.capture_mobjects(list(mobjects))
    return np.asarray(camera.pixel_array.astype(np.int64))


def assert_alike(
    *mobjects: ImageMobject, ours: Camera | None = None, stock: Camera | None = None
) -> NDArray[np.int64]:
    """Both cameras draw the same, within one level; what ours draws."""
    one, other = drawn(ours or StageCamera(), *mobjects), drawn(stock or Camera(), *mobjects)
    assert np.abs(one - other).max() <= 1
    return one


def stand(picture: ImageMobject, x: float, y: float, width: float, height: float) -> ImageMobject:
    """Put a picture's middle at screen pixels (x, y) from the frame's, of so many pixels."""
    picture.stretch_to_fit_width(width * PIXEL).stretch_to_fit_height(height * PIXEL)
    return picture.move_to((x * PIXEL, y * PIXEL, 0))


def between_cells(picture: ImageMobject) -> bool:
    """Whether the middle of a screen pixel lies on the border of two of the picture's own.

    Which of them it shows is then a matter of the last bit.
    """
    height, width = picture.get_pixel_array().shape[:2]
    (x0, y0), (x1, _), (_, y2), _ = Camera().points_to_subpixel_coords(picture, picture.points)
    for first, last, cells, count in ((x0, x1, width, SMALL.width), (y0, y2, height, SMALL.height)):
        at = (np.arange(count) + 0.5 - first) * cells / (last - first)
        if (np.abs(at - np.rint(at)) < 1e-6).any():
            return True
    return False


places = st.tuples(st.floats(-400, 400), st.floats(-250, 250))
lengths = st.floats(3, 300)
opacities = st.sampled_from([1.0, 0.5, 0.13, 0.0])


@settings(max_examples=60)
@given(at=places, width=lengths, height=lengths, opacity=opacities, kind=st.sampled_from(KINDS))
def test_anywhere_of_any_size_as_the_stock_camera(
    at: tuple[float, float], width: float, height: float, opacity: float, kind: Resampling
) -> None:
    """Also across the edges of the frame, and outside it."""
    [picture] = pictures(1)
    stand(picture, *at, width, height).set_opacity(opacity).set_resampling_algorithm(kind)
    assume(kind != Resampling.NEAREST or not between_cells(picture))
    assert_alike(picture)


@settings(max_examples=40)
@given(
    at=places,
    width=lengths,
    angle=st.floats(-3.2, 3.2),
    opacity=opacities,
    kind=st.sampled_from(KINDS),
)
def test_turned_as_the_stock_camera(
    at: tuple[float, float], width: float, angle: float, opacity: float, kind: Resampling
) -> None:
    [picture] = pictures(1)
    stand(picture, *at, width, width * 0.8).set_opacity(opacity)
    assume(kind != Resampling.NEAREST or not between_cells(picture))
    picture.rotate(angle)
    assert_alike(picture.set_resampling_algorithm(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_overlapping_and_transparent_as_the_stock_camera(kind: Resampling) -> None:
    """The order counts, and so does the alpha of every pixel."""
    found = pictures(5, see_through=True)
    for i, picture in enumerate(found):
        stand(picture, 31.3 * i - 80, 17.7 * i - 40, 120.4, 90.6)
        picture.set_opacity(1 - 0.15 * i).set_resampling_algorithm(kind)
    forward = assert_alike(*found)
    backward = assert_alike(*reversed(found))
    assert np.abs(forward - backward).max() > 50


@settings(max_examples=25)
@given(width=st.floats(3, 30), x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_zoomed_as_the_stock_camera(width: float, x: float, y: float) -> None:
    class Zooming(StageCamera, MovingCamera):
        pass

    cameras = Zooming(), MovingCamera()
    for camera in cameras:
        camera.frame.set(width=width).move_to((x, y, 0))
    found = pictures(2)
    stand(found[0], 10.3, 5.1, 150, 100).set_resampling_algorithm(Resampling.NEAREST)
    stand(found[1], -80.2, 35.6, 90, 120)
    assert_alike(*found, ours=cameras[0], stock=cameras[1])


@pytest.mark.parametrize("mirror", [(-1, 1), (1, -1), (-1, -1)])
def test_mirrored_as_the_stock_camera(mirror: tuple[int, int]) -> None:
    [picture] = pictures(1)
    stand(picture, 20.25, 10.25, 120, 90).set_resampling_algorithm(Resampling.NEAREST)
    x, y = mirror
    points = picture.points - picture.get_center()
    picture.points = points * [x, y, 1] + picture.get_center()
    assert_alike(picture)


@pytest.mark.parametrize("stretch", [(0, 1), (1, 0), (0, 0), (0.001, 1)])
def test_what_has_no_width_shows_nothing(stretch: tuple[float, float]) -> None:
    [picture] = pictures(1)
    picture.points = picture.points * [*stretch, 1]
    background = drawn(StageCamera())
    np.testing.assert_array_equal(assert_alike(picture), background)


def test_an_edge_that_misses_a_whole_pixel_by_rounding_loses_no_column() -> None:
    """manim cuts off the fraction; the stage takes what is as good as whole for whole."""
    corners = np.array([[100, 50], [140, 50], [100, 90], [140, 90]]) - 1e-9
    screen = np.zeros((SMALL.height, SMALL.width, 4), np.uint8)
    picture = np.full((10, 10, 4), 255, np.uint8)
    Compositor().lay(screen, picture, Placement(corners, (10, 10)), Resampling.NEAREST)
    assert (screen[50:90, 100:140] == 255).all()
    assert screen.astype(np.int64).sum() == 40 * 40 * 4 * 255


def test_what_is_outside_the_frame_is_not_drawn() -> None:
    screen = np.zeros((40, 60, 4), np.uint8)
    screen.setflags(write=False)  # to write to it would be an error
    picture = np.full((4, 4, 4), 255, np.uint8)
    for left, top in ((-50, 0), (60, 0), (0, -30), (0, 40)):
        corners = np.array([[0, 0], [20, 0], [0, 20], [20, 20]]) + np.array([left, top])
        Compositor().lay(screen, picture, Placement(corners, (4, 4)), Resampling.NEAREST)


def test_points_as_the_stock_camera() -> None:
    rng = np.random.default_rng(0)
    cloud = PMobject(stroke_width=4)
    cloud.add_points(
        rng.uniform(-9, 9, (300, 3)),
        rgbas=np.append(rng.random((300, 3)), np.ones((300, 1)), axis=1),
    )
    assert_alike(cloud)


# -- tiles -----------------------------------------------------------------------------


def states(N: int = 4, B: int = 3, C: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(-1.2, 1.2, (N, B, C, 8, 8)).astype(np.float32)


def test_a_tile_shows_what_was_recorded_and_copies_no_recording() -> None:
    recorded = states()
    tile = Tile(Frames.of(recorded[:, 0]), 4)
    assert np.shares_memory(tile.frames.states, recorded)
    memory = tile.get_pixel_array()
    for index in (3, 0, 2):
        tile.show(index)
        assert tile.get_pixel_array() is memory  # nothing new for a new picture
        expected = np.rint((np.clip(recorded[index, 0], -1, 1) + 1) * 127.5).transpose(1, 2, 0)
        np.testing.assert_array_equal(memory[..., :3], expected)
        assert (memory[..., 3] == 255).all()


def test_copies_of_a_tile_show_their_own_pictures() -> None:
    tile = Tile(Frames.of(states()[:, 0]), 4)
    other = tile.copy().show(2)
    assert other.frames is tile.frames
    assert not np.array_equal(tile.picture, other.picture)
    np.testing.assert_array_equal(tile.picture, Tile(tile.frames, 4).picture)


def test_weights_are_applied_when_a_state_is_shown() -> None:
    recorded = states()[:, 0]
    weights = np.array([1, 0.5, 0.25, 0])
    shown = Tile(Frames.of(recorded, weights), 4).show(2).picture
    expected = np.rint((np.clip(0.25 * recorded[2], -1, 1) + 1) * 127.5).transpose(1, 2, 0)
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mosaic_is_its_samples_side_by_side(channels: int) -> None:
    recorded = states(B=5, C=channels)
    mosaic = Tile(Frames.mosaic(recorded, 3, 2, "#102030"), 2)
    for index in (3, 1):
        picture = mosaic.show(index).picture
        assert picture.shape == (18, 28, 3)
        for b in range(5):
            top, left = b // 3 * 10, b % 3 * 10
            alone = Tile(Frames.of(recorded[:, b]), 2).show(index).picture
            np.testing.assert_array_equal(picture[top : top + 8, left : left + 8], alone)
        assert (picture[8:10] == [0x10, 0x20, 0x30]).all()
        assert (picture[10:, 20:] == [0x10, 0x20, 0x30]).all()


def test_a_tile_between_pixels_stands_on_the_nearest_whole_ones() -> None:
    tile = Tile(Frames.of(states()[:, 0]), 4)  # 16 pixels a side here
    left, top = SMALL.width // 2 - 8, SMALL.height // 2 - 8
    for x, y in ((0.3, 0.3), (-0.4, 0.45), (7.49, -3.6)):
        tile.move_to((x * PIXEL, y * PIXEL, 0))
        frame = drawn(StageCamera(), tile)
        box = frame[top - round(y) :, left + round(x) :][:16, :16, :3]
        np.testing.assert_array_equal(box, tile.picture.repeat(2, axis=0).repeat(2, axis=1))
        assert np.count_nonzero(frame[..., :3].any(axis=-1)) <= 16 * 16


def test_a_tile_that_is_growing_is_as_the_stock_camera_draws_it() -> None:
    tile = Tile(Frames.of(states()[:, 0]), 4).scale(1.137).shift((0.123, 0.234, 0))
    picture = ImageMobject(tile.get_pixel_array().copy())
    picture.set_resampling_algorithm(tile.resampling_algorithm)
    picture.points = tile.points
    difference = np.abs(drawn(StageCamera(), tile) - drawn(Camera(), picture))
    assert difference.max() <= 1


def test_a_grid_of_tiles_as_the_stock_camera(tmp_path: Path) -> None:
    tiles = [Tile(Frames.of(states()[:, b]), 4).show(b) for b in range(3)]
    row = Group(*tiles).arrange(buff=px(10))
    row[1].set_opacity(0.4)
    stock = []
    for tile in tiles:
        picture = ImageMobject(tile.get_pixel_array().copy())
        picture.set_resampling_algorithm(tile.resampling_algorithm)
        # A millionth of a pixel on, where the stock camera's cutting off does no harm.
        picture.points = tile.points + np.array([1e-6 * PIXEL, -1e-6 * PIXEL, 0])
        stock.append(picture)
    difference = np.abs(drawn(StageCamera(), *tiles) - drawn(Camera(), *stock))
    assert difference.max() <= 1
