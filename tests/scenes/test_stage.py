"""The pieces of the stage: numbers, colours, tiles, the camera."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from manim import Camera, ImageMobject, tempconfig

from diffusion_core.errors import UsageError
from scenes.catalog import LECTURES, SCENES, lecture_entry, scene_entry
from scenes.options import SceneOptions
from scenes.stage.camera import StageCamera
from scenes.stage.layout import px
from scenes.stage.numbers import fixed, significant, whole
from scenes.stage.theme import MIN_CONTRAST, THEMES, contrast
from scenes.stage.tiles import Frames, Tile
from studio.performance import settings
from studio.quality import QUALITIES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.994, "0.994"),
        (8.8701, "8.87"),
        (9224.6, "9,225"),
        (12345.0, "1.2×10^4"),
        (0.0358, "0.0358"),
        (2.4e-9, "2.4×10^−9"),
        (9.99e-6, "1.0×10^−5"),
        (0.0, "0"),
        (math.inf, "∞"),
    ],
)
def test_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_fixed_and_whole_use_a_true_minus() -> None:
    assert fixed(2)(-0.5) == "−0.50"
    assert whole(-1) == "−1"
    assert whole(60000) == "60,000"


@pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
def test_every_colour_of_text_is_readable(theme) -> None:  # type: ignore[no-untyped-def]
    for meaning, colour in theme.readable().items():
        assert contrast(colour, theme.background) >= MIN_CONTRAST, meaning


def frames(n: int = 3, size: int = 8) -> Frames:
    rng = np.random.default_rng(0)
    return Frames.of(rng.uniform(-1.2, 1.2, (n, 3, size, size)))


def test_tiles_share_their_frames_and_stay_within_them() -> None:
    tile = Tile(frames(), 4)
    assert copy.deepcopy(tile).frames is tile.frames
    assert tile.show(-5).index == 0
    assert tile.show(99).index == 2
    assert tile.show(1.999999999).index == 2  # the playhead's rounding is not a step
    assert tile.show(1.9).index == 1
    assert tile.width == pytest.approx(px(32))


def test_grey_states_become_grey_pixels() -> None:
    shown = Tile(Frames.of(np.array([[[[-1.0, 0.0], [1.0, 3.0]]]])), 4).picture
    np.testing.assert_array_equal(shown[..., 0], [[0, 128], [255, 255]])
    assert (shown[..., 0] == shown[..., 2]).all()


@pytest.mark.parametrize("quality", ["draft", "medium", "high"])
@pytest.mark.parametrize("opacity", [1.0, 0.4])
@pytest.mark.parametrize("place", [(0, 0), (-6.9, 3.8), (7.0, -3.9), (30, 0)])
def test_camera_draws_what_the_stock_camera_draws(
    tmp_path,
    quality: str,
    opacity: float,
    place: tuple[float, float],  # type: ignore[no-untyped-def]
) -> None:
    """Within one level, over positions, opacities, edges of the frame and qualities."""
    with tempconfig(settings(QUALITIES[quality], tmp_path, dry=True)):
        tile = Tile(frames(), 10).set_opacity(opacity)
        tile.move_to((round(place[0] / px(2)) * px(2), round(place[1] / px(2)) * px(2), 0))
        stock_picture = ImageMobject(tile.get_pixel_array())
        stock_picture.set_resampling_algorithm(tile.resampling_algorithm)
        stock_picture.points = tile.points.copy()
        ours, stock = StageCamera(), Camera()
        ours.capture_mobjects([tile])
        stock.capture_mobjects([stock_picture])
        difference = np.abs(ours.pixel_array.astype(int) - stock.pixel_array.astype(int))
        assert difference[..., :3].max() <= 1
        if place[0] < 10:
            assert ours.pixel_array[..., :3].max() > 50


def test_a_turned_tile_is_left_to_the_stock_camera(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with tempconfig(settings(QUALITIES["draft"], tmp_path, dry=True)):
        tile = Tile(frames(), 10).rotate(0.5)
        camera = StageCamera()
        camera.capture_mobjects([tile])
        assert camera.pixel_array[..., :3].max() > 50


def test_catalogue_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'reverse_process'"):
        scene_entry("revers_proces")
    with pytest.raises(UsageError, match="did you mean 'introduction'"):
        lecture_entry("introducton")


def test_every_lecture_is_made_of_known_scenes() -> None:
    for lecture in LECTURES.values():
        assert all(name in SCENES for name in lecture.scenes)
        assert set(lecture.accepts) <= set(SceneOptions.__dataclass_fields__)
