"""Crowds and arrows in a plane: one mobject each, and every member where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from scenes.stage.plane import Arrows, Dots, Glow, Plane, Trails
from scenes.stage.theme import DARK, channels

PLACES = np.array(
    [[x, y] for x in (-2.0, -1.0, 0.0, 1.0, 2.0) for y in (-2.0, -1.0, 0.0, 1.0, 2.0)]
)


@pytest.fixture
def plane() -> Plane:
    density = np.zeros((2, 1, 5, 5))
    density[0, 0, 1, 3] = 4.0  # the highest y first: this place is (1, 1)
    density[1, 0, 4, 0] = 0.5
    density[1, 0, 2, 2] = 0.25
    glow = Glow(density, DARK.background, DARK.signal, strength=0.5)
    made = Plane(glow, 20, 2.0, colour=DARK.line)
    made.shift((1.0, -0.5, 0.0))
    return made


def test_the_likeliest_place_of_each_moment_is_the_brightest(plane: Plane) -> None:
    dark, light = channels(DARK.background), channels(DARK.signal)
    brightest = 255 * (dark + light) / 2
    first = plane.tile.show(0).picture.copy()
    np.testing.assert_allclose(first[1, 3], brightest, atol=0.5)
    np.testing.assert_array_equal(first[0, 0], np.rint(255 * dark))
    second = plane.tile.show(1).picture
    np.testing.assert_allclose(second[4, 0], brightest, atol=0.5)
    assert (second[2, 2] < brightest).all()
    assert (second[2, 2] > np.rint(255 * dark)).all()


def test_a_point_stands_on_the_pixel_of_its_place(plane: Plane) -> None:
    left, top = plane.tile.get_corner((-1, 1, 0))[:2]
    cell = plane.tile.width / 5
    x, y, _ = plane.at(np.array([1.0, 1.0]))
    assert (x - left) / cell == pytest.approx(3.5)
    assert (top - y) / cell == pytest.approx(1.5)
    inside = plane.inside(np.array([[2.0, -2.0], [2.1, 0.0]]))
    assert inside.tolist() == [True, False]


def test_arrows_point_as_their_vectors_do_and_longer_ones_are_longer(plane: Plane) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, len(PLACES), 2)) * 3
    arrows = Arrows(plane, PLACES, vectors, colour=DARK.text).show(2)
    drawn = arrows.points.reshape(-1, 16, 3)
    shown = (np.abs(PLACES) <= 1).all(axis=1)  # the others would reach over the edge
    assert len(drawn) == shown.sum() == 9
    tips, notches = drawn[:, 0, :2], drawn[:, 8, :2]
    expected = vectors[2][shown]
    along = tips - notches
    turned = along[:, 0] * expected[:, 1] - along[:, 1] * expected[:, 0]
    np.testing.assert_allclose(turned, 0, atol=1e-9)
    assert ((along * expected).sum(axis=1) > 0).all()
    lengths = np.linalg.norm(along, axis=1)
    assert (np.diff(lengths[np.argsort(np.linalg.norm(expected, axis=1))]) > 0).all()
    low, high = drawn[..., :2].min((0, 1)), drawn[..., :2].max((0, 1))
    assert (low > plane.border.get_corner((-1, -1, 0))[:2]).all()
    assert (high < plane.border.get_corner((1, 1, 0))[:2]).all()
    still = Arrows(plane, PLACES, np.zeros((1, len(PLACES), 2)), colour=DARK.text)
    assert np.ptp(still.points.reshape(-1, 16, 3), axis=1).max() == 0


def test_dots_stand_at_their_points_and_go_with_the_plane(plane: Plane) -> None:
    positions = np.array(
        [[[0.0, 0.0], [1.5, -1.0], [9.0, 0.0]], [[0.5, 0.5], [0.0, 1.0], [1.0, 1]]]
    )
    dots = Dots(plane, positions, colour=DARK.text, radius=4)
    circles = dots.points.reshape(-1, 16, 3)
    assert len(circles) == 2  # the third is outside
    np.testing.assert_allclose(circles.mean(axis=1), plane.at(positions[0, :2]), atol=1e-9)
    away = np.linalg.norm(circles - circles.mean(axis=1, keepdims=True), axis=2)
    assert away[:, ::4] == pytest.approx(dots.radius)
    plane.shift((0.3, 0.2, 0.0))
    circles = dots.show(1.9).points.reshape(-1, 16, 3)
    np.testing.assert_allclose(circles.mean(axis=1), plane.at(positions[1]), atol=1e-9)


def test_a_trail_goes_through_where_a_point_has_been(plane: Plane) -> None:
    positions = np.cumsum(np.ones((4, 2, 2)) * [[0.1, 0.2], [-0.2, 0.1]], axis=0)
    trails = Trails(plane, positions, colour=DARK.text)
    assert len(trails.points) == 0
    curves = trails.show(2).points.reshape(2, 2, 4, 3)  # of two points two pieces each
    for point in range(2):
        stops = plane.at(positions[:3, point])
        np.testing.assert_allclose(curves[point, :, 0], stops[:2])
        np.testing.assert_allclose(curves[point, :, 3], stops[1:])
