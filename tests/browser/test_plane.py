"""Two dimensions as a person uses them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from diffusion_core.experiment_runs import run_experiment
from explorer.plane import read_points, recipe_of, written
from scenes.score_field.recipe import MOST, REACH
from scenes.stage.theme import DARK, channels
from tests.browser.boards import (
    box_value,
    canvas_pixels,
    last,
    scene_command,
    scrub,
    wait_for_text,
)

POINTS = ((-1.5, 1.0), (1.25, 0.5), (0.25, -1.75))
ADDRESS = f"tab=plane&plane-steps=20&plane-std=0.2&plane-seed=3&plane-points={written(POINTS)}"


def places(points: NDArray[Any], side: int) -> NDArray[Any]:
    """Rows and columns of the canvas at which points (N, 2) are."""
    x, y = np.asarray(points, float).T
    return np.stack([REACH - y, x + REACH], axis=1) / (2 * REACH) * side


def assert_dots(page: Any, points: NDArray[Any], colour: str, data: NDArray[Any]) -> None:
    """Assert that each point, unless data or the edge covers it, is drawn in ``colour``."""
    shown = canvas_pixels(page, "plane-canvas").astype(int)
    side = len(shown)
    at, covered = places(points, side), places(data, side)
    free = np.linalg.norm(at[:, None] - covered, axis=2).min(1) > 9
    free &= (at > 3).all(1) & (at < side - 4).all(1)
    # Rims of dots that lie above it are mixed with it, and rounded every time.
    apart = np.linalg.norm(at[:, None] - at, axis=2) + np.diag(np.full(len(at), np.inf))
    free &= apart.min(1) > 5
    assert free.sum() > 20
    rows, columns = at[free].astype(int).T
    expected = np.rint(255 * channels(colour)).astype(int)
    assert np.abs(shown[rows, columns] - expected).max() <= 2


def test_particles_are_where_the_core_has_them(open_page: Any) -> None:
    page = open_page(ADDRESS, colours="dark")
    wait_for_text(page, "#plane-status", "exact score of your 3 points")
    points = read_points(box_value(page, "plane-points"))
    np.testing.assert_allclose(points, POINTS, atol=1e-9)
    run = run_experiment(recipe_of(points, 0.2, 3, 20))
    states, data = run["ode"].states[..., 0, 0], np.array(POINTS)
    assert scrub(page, "plane", 0) == "t = 999"
    assert_dots(page, states[0], DARK.noise, data)
    assert scrub(page, "plane", 12) == f"t = {run['ode'].timesteps[12]}"
    assert_dots(page, states[12], DARK.noise, data)
    assert last(page, "plane") == "t = −1, the picture"
    assert_dots(page, states[-1], DARK.prediction, data)
    page.click("text=jittering (SDE)")
    page.wait_for_function("() => document.getElementById('plane-at').value === '0'")
    last(page, "plane")
    assert_dots(page, run["sde"].states[-1, ..., 0, 0], DARK.prediction, data)
    *program, recipe = shlex.split(scene_command(page, "plane"))
    assert program == ["python", "render.py", "scene", "score_field", "--seed", "3", "--recipe"]
    brought = {"drawn": [list(point) for point in POINTS], "std": 0.2, "steps": 20}
    assert json.loads(recipe) == brought


def test_points_are_drawn_by_mouse_and_by_keys(open_page: Any) -> None:
    page = open_page(ADDRESS)
    wait_for_text(page, "#plane-status", "exact score of your 3 points")
    page.click("#plane-clear")
    wait_for_text(page, "#plane-status", "Draw a few points")
    box = page.locator("#plane-canvas").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    (point,) = read_points(box_value(page, "plane-points"))
    assert point == pytest.approx((-REACH / 2, REACH / 2), abs=0.03)
    wait_for_text(page, "#plane-status", "exact score of your 1 point.")
    # All that there is to flow to is this one.
    assert last(page, "plane") == "t = −1, the picture"
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.7 * box["height"], steps=12)
    page.mouse.up()
    stroke = np.array(read_points(box_value(page, "plane-points")))[1:]
    assert len(stroke) > 5
    np.testing.assert_allclose(stroke[:, 1], REACH - 0.7 * 2 * REACH, atol=0.03)
    wait_for_text(page, "#plane-count", f"{1 + len(stroke)} points")
    page.click("#plane-undo")
    assert len(read_points(box_value(page, "plane-points"))) == 1
    page.focus("#plane-canvas")
    for key in ("ArrowRight", "ArrowUp", " "):
        page.keyboard.press(key)
    assert len(read_points(box_value(page, "plane-points"))) == 2
    wait_for_text(page, "#plane-status", "exact score of your 2 points.")
    page.click("#plane-example label:has-text('ring')")
    wait_for_text(page, "#plane-status", "exact score of your 80 points.")
    assert len(read_points(box_value(page, "plane-points"))) == 80 <= MOST
