"""The plots: values stand where their scales say, on lines and in bars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from manim import RIGHT, UP, ValueTracker, tempconfig

from scenes.stage.layout import Zone, px
from scenes.stage.lettering import Lettering
from scenes.stage.plots import (
    DIMMED,
    Bars,
    Graph,
    Plot,
    Profile,
    Scale,
    decades,
    pieces_within,
)
from scenes.stage.theme import DARK
from studio.performance import settings
from studio.quality import QUALITIES

ZONE = Zone(200, 100, 600, 300)


@pytest.fixture(autouse=True)
def stage(tmp_path: Path) -> Iterator[None]:
    with tempconfig(settings(QUALITIES["draft"], tmp_path, dry=True)):
        yield


def plot(y: Scale | None = None, **ticks: dict[float, str]) -> Plot:
    return Plot(Lettering(DARK), ZONE, Scale(0, 10), y or Scale(0, 1), **ticks)


def test_scales_are_even_in_differences_or_in_ratios() -> None:
    np.testing.assert_allclose(Scale(-1, 3).share([-1, 0, 3]), [0, 0.25, 1])
    np.testing.assert_allclose(Scale(0.01, 100, log=True).share([0.01, 1, 10]), [0, 0.5, 0.75])
    assert Scale(0.01, 100, log=True).share(0.0) == -np.inf
    assert Scale(1, 0).share(0.25) == 0.75


def test_values_stand_where_the_zone_has_them() -> None:
    p = plot()
    np.testing.assert_allclose(p.at(0, 0), ZONE.point(0, 1), atol=1e-9)
    np.testing.assert_allclose(p.at(10, 1), ZONE.point(1, 0), atol=1e-9)
    np.testing.assert_allclose(p.at([5], [0.25])[0], ZONE.point(0.5, 0.75), atol=1e-9)


def test_ticks_stand_at_their_values_outside_of_the_zone() -> None:
    p = plot(x_ticks={5: "5"}, y_ticks={1: "1"})
    _, _, number, _, _, other = p.submobjects
    assert number.get_x() == pytest.approx(p.at(5, 0)[0])
    assert number.get_top()[1] < p.at(5, 0)[1]
    assert other.get_y() == pytest.approx(p.at(0, 1)[1])
    assert other.get_right()[0] < p.at(0, 1)[0]
    assert decades(-2, 0, 1) == {0.01: "10^(-2)", 1.0: "1", 10.0: "10"}


@pytest.mark.parametrize("log", [False, True])
def test_the_point_moves_along_the_line_that_is_drawn(log: bool) -> None:
    x = np.linspace(0, 10, 11)
    y = 0.5**x
    p = plot(Scale(1e-4, 1, log=log))
    graph = Graph(p, x, y, colour=DARK.signal)
    for i in (0, 3, 10):
        graph.show(x[i])
        np.testing.assert_allclose(graph.dot.get_center(), p.at(x[i], y[i]), atol=1e-6)
    # Every corner of the line is a value, and every value a corner.
    corners = np.concatenate([graph.path.get_start_anchors(), graph.path.get_end_anchors()[-1:]])
    np.testing.assert_allclose(corners, p.at(x, y), atol=1e-6)


def test_a_line_is_cut_where_it_leaves_the_plot() -> None:
    p = plot(Scale(0.1, 1, log=True))
    graph = Graph(p, [0, 1, 2, 3], [np.inf, 1, 0.1, 0.0], colour=DARK.signal)
    assert graph.path.get_top()[1] <= p.at(0, 1)[1] + 1e-9
    assert graph.path.get_bottom()[1] >= p.at(0, 0.1)[1] - 1e-9
    assert graph.show(1.5).dot.get_fill_opacity() == 1
    assert graph.show(3).dot.get_fill_opacity() == 0
    assert graph.show(0).dot.get_fill_opacity() == 0


def test_pieces_end_on_the_edge_of_the_band() -> None:
    up_and_down = np.array([[0, -1], [1, 1], [2, 3], [3, 0.5], [4, 0.5]], float)
    one, other = pieces_within(up_and_down)
    np.testing.assert_allclose(one, [[0.5, 0], [1, 1]])
    np.testing.assert_allclose(other, [[2.8, 1], [3, 0.5], [4, 0.5]])
    assert pieces_within(np.array([[0, 2], [1, 2.0]])) == []


def test_a_stretch_covers_what_lies_between() -> None:
    p = plot()
    graph = Graph(p, [0, 5, 10], [0, 1, 0], colour=DARK.signal)
    stretch = graph.part(4, 6, colour=DARK.noise)
    np.testing.assert_allclose(stretch.get_start(), p.at(4, 0.8), atol=1e-6)
    np.testing.assert_allclose(stretch.get_end(), p.at(6, 0.8), atol=1e-6)
    assert stretch.get_top()[1] == pytest.approx(p.at(5, 1)[1])
    assert len(graph.part(4, 4, colour=DARK.noise).points) == 0


def test_what_recedes_is_faint_and_has_no_words() -> None:
    label = Lettering(DARK).words("linear")
    graph = Graph(plot(), [0, 10], [0, 1], colour=DARK.signal, label=label)
    graph.put_label(5, RIGHT + UP)
    assert label.get_left()[0] > graph.at(5)[0]
    assert label.get_bottom()[1] > graph.at(5)[1]
    graph.light(DIMMED).show(3)
    assert graph.path.get_stroke_opacity() == DIMMED
    assert graph.dot.get_fill_opacity() == DIMMED
    assert label[0].get_fill_opacity() == 0
    assert graph.path.get_fill_opacity() == 0  # a line is not filled by it
    graph.light()
    assert label[0].get_fill_opacity() == 1


def test_bars_follow_the_playhead() -> None:
    p, playhead = plot(Scale(0, 4)), ValueTracker(0)
    heights = np.array([[1, 2], [3, 4], [0, 1]])
    bars = Bars(p, [0, 5, 10], heights, colour=DARK.signal).follow(playhead.get_value)
    for index in range(3):
        playhead.set_value(index)
        bars.update()
        np.testing.assert_allclose(bars.tops() * 4, heights[index])
        corners = bars.points.reshape(2, 4, 4, 3)  # bars, sides, points of a side, space
        for k in range(2):
            assert corners[k, ..., 1].max() == pytest.approx(p.at(0, heights[index, k])[1])
            assert corners[k, ..., 1].min() == pytest.approx(p.at(0, 0)[1])
            assert corners[k, ..., 0].min() == pytest.approx(p.at(5 * k, 0)[0])
            assert corners[k, ..., 0].max() == pytest.approx(p.at(5 * k + 5, 0)[0])
    playhead.set_value(9)
    assert bars.update().index == 2


def test_a_skyline_goes_over_the_bars() -> None:
    p = plot(Scale(0, 4))
    skyline = Bars(p, [0, 5, 10], [[1, 9]], colour=DARK.signal, outline=True)
    starts, ends = skyline.points[::4], skyline.points[3::4]
    path = np.concatenate([starts, ends[-1:]])
    expected = p.at([0, 0, 5, 5, 10, 10], [0, 1, 1, 4, 4, 0])  # what is too high is cut off
    np.testing.assert_allclose(path, expected, atol=1e-9)
    assert skyline.get_fill_opacity() == 0
    assert skyline.width == pytest.approx(px(400))


def test_bars_want_one_height_between_two_edges() -> None:
    with pytest.raises(ValueError, match=r"\(1, 3\).*\(N, 2\)"):
        Bars(plot(), [0, 5, 10], [[1, 2, 3]], colour=DARK.signal)


def test_a_profile_follows_the_playhead_and_is_cut_off_at_the_top() -> None:
    p, playhead = plot(), ValueTracker(0)
    heights = [[0, 1, 0], [0.5, 0.2, 0.1], [0, 2, 0]]
    profile = Profile(p, [0, 5, 10], heights, colour=DARK.noise).follow(playhead.get_value)
    for index in (0, 1):
        playhead.set_value(index + 0.5)
        profile.update()
        corners = np.concatenate([profile.get_start_anchors(), profile.get_end_anchors()[-1:]])
        np.testing.assert_allclose(corners, p.at([0, 5, 10], heights[index]), atol=1e-6)
    playhead.set_value(2)
    profile.update()
    assert profile.get_top()[1] == pytest.approx(p.at(0, 1)[1])
    np.testing.assert_allclose(profile.get_end_anchors()[0], p.at(2.5, 1), atol=1e-6)


def test_a_level_line_runs_through_its_value() -> None:
    p = plot(Scale(0.01, 1, log=True))
    line = p.level(0.1, colour=DARK.quiet)
    assert line.get_y() == pytest.approx(p.at(0, 0.1)[1])
    assert line.width == pytest.approx(ZONE.width)
