"""The noise brush as a person uses it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from diffusion_core.bundle import Bundle
from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import CanvasRecipe
from explorer.boards import pairs
from scenes.catalog import scene_entry
from scenes.options import SceneOptions
from tests.browser.boards import (
    assert_shows,
    box_value,
    canvas_pixels,
    last,
    scene_command,
    scrub,
    wait_for_text,
)

ADDRESS = "tab=brush&brush-steps=10&brush-seed=19&brush-t=700&brush-strength=0.1"


def ready(page: Any) -> Any:
    page.wait_for_function("() => document.getElementById('brush-canvas')?.dataset.key")
    return page.locator("#brush-canvas").bounding_box()


def recipe(page: Any, **more: Any) -> CanvasRecipe:
    """What is on the page."""
    dabs = pairs(box_value(page, "brush-dabs"), "the strokes", 0, 1)
    usual = {"seed": 19, "steps": 10, "radius": 0.12, "strength": 0.1, "t": 700}
    return CanvasRecipe(dabs=dabs, **{**usual, **more})


def test_noise_is_painted_and_removed_as_the_core_does_it(open_page: Any) -> None:
    page = open_page(ADDRESS)
    box = ready(page)
    wait_for_text(page, "#brush-measure", "There is no noise yet")
    before = canvas_pixels(page, "brush-canvas")
    x, y = box["x"] + 0.35 * box["width"], box["y"] + 0.3 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, 7):
        page.mouse.move(x + 14 * i, y + 9 * (i % 2))
    page.mouse.up()

    asked = recipe(page)
    assert len(asked.dabs) > 4
    run: Bundle = run_experiment(asked)
    painted, removed = run["painted"], run["removed"]
    assert_shows(page, "brush-canvas", painted.states[1, 0])
    assert (canvas_pixels(page, "brush-canvas") != before).any()
    # The noise is too little for the chosen t, and the page says so.
    std, sigma = painted.facts["painted_std"][0], painted.facts["sigma"]
    wait_for_text(page, "#brush-measure", f"Noise where you painted: {std:.2f}")
    wait_for_text(page, "#brush-measure", "Too little noise for t = 700")
    assert page.get_attribute("#brush-measure .expected", "data-says").endswith(f"{sigma:.2f}")

    page.evaluate(
        """() => {
            window.seen = [];
            const film = document.getElementById("brush-film");
            new MutationObserver(() => {
                const said = document.getElementById("brush-film-time")?.textContent;
                const going = document.getElementById("brush-film-at")?.disabled;
                if (said && going && window.seen.at(-1) !== said) window.seen.push(said);
            }).observe(film, { subtree: true, childList: true, characterData: true });
        }"""
    )
    page.click("#brush-start")
    wait_for_text(page, "#brush-read", "A second network read")
    # It formed while the time step was shown.
    times = [int(said.removeprefix("t = ")) for said in page.evaluate("window.seen")]
    assert times
    assert times == sorted(times, reverse=True)
    assert set(times) <= set(removed.timesteps.tolist())
    assert_shows(page, "brush-x", removed.states[-1, 0])
    for frame in (0, 3):
        assert scrub(page, "brush-film", frame) == f"t = {removed.timesteps[frame]}"
        assert_shows(page, "brush-x", removed.states[frame, 0])
        assert removed.x0_hat is not None
        assert_shows(page, "brush-guess", removed.x0_hat[frame, 0])
    assert last(page, "brush-film") == "t = −1, the picture"
    read = removed.facts["final_class"][0]
    wait_for_text(page, "#brush-read", f"reads a {read}.")
    # The scene is brought the same canvas, in a line that can be typed, or in a file.
    words = shlex.split(scene_command(page, "brush"))
    assert words[:4] == ["python", "render.py", "scene", "noise_brush"]
    assert "--seed 19 --steps 10 --recipe" in " ".join(words)
    brought = SceneOptions(seed=19, steps=10, recipe=words[-1])
    scene = scene_entry("noise_brush").runs(brought)["brush"]
    assert scene == replace(asked, samples=9)


def test_keys_paint_and_the_fitting_t_is_found(open_page: Any) -> None:
    page = open_page(ADDRESS)
    ready(page)
    page.click("#brush-start")
    page.wait_for_selector("text=There is no noise yet: move the brush")
    page.focus("#brush-canvas")
    for key in ("ArrowLeft", "ArrowUp", " ", " ", "ArrowDown", " "):
        page.keyboard.press(key)
    dabs = pairs(box_value(page, "brush-dabs"), "the strokes", 0, 1)
    pixel = 1 / 28
    places = [(0.5 - pixel, 0.5 - pixel)] * 2 + [(0.5, 0.5 - pixel)]
    np.testing.assert_allclose(dabs, places, atol=6e-4)
    wait_for_text(page, "#brush-measure", "Too little")
    page.click("#brush-fit")
    wait_for_text(page, "#brush-measure", "The noise fits t =")
    t = int(page.input_value("#brush-t input[type=number]"))
    facts = run_experiment(recipe(page, t=t))["painted"].facts
    assert facts["painted_std"][0] == pytest.approx(facts["sigma"], abs=0.01)
    assert f"brush-t={t}" in page.url
    page.click("#brush-undo")
    assert len(pairs(box_value(page, "brush-dabs"), "the strokes", 0, 1)) == 2
    page.click("#brush-clear")
    assert box_value(page, "brush-dabs") == ""
    assert page.is_disabled("#brush-undo")
