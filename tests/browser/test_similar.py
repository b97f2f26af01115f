"""Similar noise as a person uses it."""

from __future__ import annotations

import json
from typing import Any

from diffusion_core.experiment_runs import run_experiment
from diffusion_core.recipe import SimilarNoiseRecipe
from explorer.similar import change, chosen_patches, corners
from scenes.recipes import NEIGHBOURS
from tests.browser.boards import assert_shows, box_value, last, scene_command, scrub, wait_for_text

ADDRESS = "tab=similar&similar-steps=10&similar-seed=23&similar-patches=10+11"


def assert_is_the_run(page: Any, text: str) -> None:
    """Assert that the page shows what the core makes of these patches."""
    patches = corners(chosen_patches(text), 28)
    recipe = SimilarNoiseRecipe(
        seed=23, new_seed=23 + NEIGHBOURS, steps=10, patch=patches[0], further=patches[1:]
    )
    run = run_experiment(recipe)
    facts = run["patch"].facts
    inside, outside = facts["rms_inside"][0], facts["rms_outside"][0]
    note = f"changed by {inside:.2f} inside the patches, {outside:.2f} outside"
    wait_for_text(page, "#similar-film", note)
    one, other = run["original"].states[:, 0], run["patch"].states[:, 0]
    last(page, "similar-film")
    for frame in (-1, 0):
        if frame == 0:
            assert scrub(page, "similar-film", 0) == "t = 999"
        assert_shows(page, "similar-original", one[frame])
        assert_shows(page, "similar-changed", other[frame])
        assert_shows(page, "similar-difference", change(one[frame], other[frame]))
    # The grid shows the noise that was given, darker: half as strong.
    assert_shows(page, "similar-noise", other[0] / 2)


def test_patches_are_redrawn_by_mouse_and_by_keys(open_page: Any) -> None:
    page = open_page(ADDRESS)
    assert_is_the_run(page, "10 11")
    assert page.locator("#similar-grid .patch[aria-pressed=true]").count() == 2
    box = page.locator("#similar-grid .pad").bounding_box()

    def at(row: int, column: int) -> tuple[float, float]:
        cell = box["width"] / 7
        return box["x"] + cell * (column + 0.5), box["y"] + cell * (row + 0.5)

    # One is taken back, and two are brushed over.
    page.mouse.click(*at(1, 3))
    page.mouse.move(*at(4, 2))
    page.mouse.down()
    page.mouse.move(*at(4, 3), steps=4)
    page.mouse.up()
    assert box_value(page, "similar-patches") == "11 30 31"
    assert_is_the_run(page, "11 30 31")

    page.locator("#similar-grid .patch").nth(30).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    assert box_value(page, "similar-patches") == "11 30 31 37"
    assert page.evaluate("document.activeElement.ariaLabel") == "Row 6, column 3"
    wait_for_text(page, "#similar-film", "changed by")
    page.wait_for_url("**similar-patches=11+30+31+37**")
    first, *further = corners((11, 30, 31, 37), 28)
    brought = json.dumps({"further": further, "patch": first}, separators=(",", ":"))
    scene_command(page, "similar")
    wait_for_text(page, "#similar-command", brought)
    assert page.text_content("#similar-command-text") == (
        f"python render.py scene similar_noise --seed 23 --steps 10 --recipe '{brought}'"
    )
    page.click("#similar-clear")
    wait_for_text(page, "#similar-status", "No patch is chosen")
    wait_for_text(page, "#similar-command", "No patch is chosen")
