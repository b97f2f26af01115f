"""The tab "Reverse": a run that is watched, held, stepped and scrubbed is the core's run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from diffusion_core.counting import evaluations_so_far
from diffusion_core.onlookers import looking_on
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import run
from diffusion_core.trajectory import Trajectory
from explorer.frames import COLUMNS, frame_of
from explorer.reverse import recipe_of
from explorer.showing import mosaic, pixels_of
from tests.browser.conftest import Opened, shown_when

RECIPE = ReverseRecipe(prompt="a bold seven", guidance=2.0, seeds=(5, 6), steps=6)
QUERY = (
    "tab=reverse&reverse-prompt=a+bold+seven&reverse-seed=5&reverse-samples-count=2&reverse-steps=6"
)


@pytest.fixture(scope="module")
def alone() -> Trajectory:
    return run(RECIPE)


def state(page: Any, alone: Trajectory, index: int) -> None:
    """Wait until the page shows this state, pixel by pixel."""
    assert alone.x0_hat is not None
    assert alone.eps_hat is not None
    said = max(0, index - 1)
    shown_when(page, "reverse-x_t", pixels_of(alone.states[index, 0]))
    shown_when(page, "reverse-x0_hat", pixels_of(alone.x0_hat[said, 0]))
    shown_when(page, "reverse-eps_hat", pixels_of(alone.eps_hat[said, 0]))
    if alone.states.shape[1] > 1:
        shown_when(page, "reverse-samples", mosaic(alone.states[index], COLUMNS))


def scrub_to(page: Any, index: int) -> None:
    page.fill("#reverse-scrub input[type=number]", str(index))
    page.keyboard.press("Enter")


def test_what_is_on_the_page_is_the_recipe_of_the_command_line() -> None:
    assert recipe_of("  a bold  seven", 2.0, 5, 2, "ddim", 6, "cosine") == RECIPE
    assert recipe_of("", 2.0, 0, 1, "heun", 3, "linear").guidance == 1


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_each_state_knows_how_often_the_network_was_asked(sampler: str) -> None:
    recipe = ReverseRecipe(sampler=sampler, steps=3, prompt="a seven", guidance=3.0)
    seen: list[int] = []
    with looking_on(lambda look: seen.append(look.nfe)):
        recorded = run(recipe)
    counted = evaluations_so_far(recipe, recorded)
    assert counted == [0, *seen]
    assert frame_of(recorded, counted, 2).nfe == seen[1]


def test_a_run_forms_and_every_state_of_it_can_be_scrubbed_to(
    open_page: Opened, alone: Trajectory
) -> None:
    page = open_page(QUERY)
    page.click("#reverse-run")
    page.wait_for_selector("#reverse-says a.take")
    state(page, alone, 6)
    nfe = evaluations_so_far(RECIPE, alone)
    for index in (0, 3, 6):
        scrub_to(page, index)
        state(page, alone, index)
        said = page.inner_text("#reverse-facts")
        assert f"{index} of 6" in said
        assert re.search(rf"NFE\s+{nfe[index]}\b", said)
    page.click("#reverse-back")
    state(page, alone, 5)
    page.click("#reverse-step")
    state(page, alone, 6)
    page.click("#reverse-again")
    page.get_by_text("The recording: state").wait_for()
    page.wait_for_selector("#reverse-says a.take")
    state(page, alone, 6)


def test_a_run_is_held_stepped_and_let_go(open_page: Opened) -> None:
    page = open_page("tab=reverse&reverse-seed=8&reverse-steps=200")
    page.click("#reverse-run")
    page.get_by_text("It runs: step").wait_for()
    page.click("#reverse-pause")
    page.get_by_text("Held.").wait_for()
    page.wait_for_timeout(300)
    held = int(page.input_value("#reverse-scrub input[type=range]"))
    assert 0 < held < 200
    whole = run(ReverseRecipe(seeds=(8,), steps=200))
    state(page, whole, held)
    page.click("#reverse-step")
    state(page, whole, held + 1)
    page.click("#reverse-back")
    state(page, whole, held)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_selector("#reverse-says a.take")
    state(page, whole, 200)


def test_a_seed_that_is_none_is_said_in_one_line(open_page: Opened) -> None:
    page = open_page("tab=reverse&reverse-steps=2")
    page.fill("#reverse-seed input", str(2**32))
    page.keyboard.press("Tab")
    page.click("#reverse-run")
    said = page.wait_for_selector("[data-testid=toast-text]").inner_text()
    assert said == "seed = 4294967296 is outside 0 … 4294967295"
    assert page.locator("#reverse-shown img").count() == 0
