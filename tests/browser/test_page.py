"""The page as a whole: its tabs, its address, light and dark, and a place for four people."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from benchmarks._visitors import Visitor
from diffusion_core.dissolving import dissolved
from diffusion_core.recipe import ForwardRecipe
from explorer.page import TABS
from explorer.showing import pixels_of
from scenes.stage.theme import DARK, LIGHT, channels
from tests.browser.conftest import Opened, shown_when


def colour(page: Any, selector: str, name: str) -> list[int]:
    """A colour of the first element, as red, green and blue."""
    said = page.eval_on_selector(selector, f"e => getComputedStyle(e)['{name}']")
    return [int(part) for part in said.strip("rgba()").split(",")[:3]]


def levels(colour: str) -> list[int]:
    return [round(255 * float(value)) for value in channels(colour)]


def check_sound(page: Any) -> None:
    """Every control has a name, and nothing is cut off."""
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            "button, input, select, textarea, canvas, img, [role=img], [role=application]"
        )].filter(e => e.checkVisibility() && !e.closest("[aria-hidden=true]")).filter(e =>
            !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.alt
              || e.title || e.innerText?.trim() || e.labels?.length || e.closest("label"))
        ).map(e => e.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
    wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0


def test_every_tab_is_reached_by_the_arrow_keys_and_fits_a_phone(open_page: Opened) -> None:
    page = open_page(colours="dark")
    page.get_by_role("tab", name="Forward", exact=True).focus()
    for name, title in TABS.items():
        tab = page.get_by_role("tab", name=title, exact=True)
        page.wait_for_function(
            "tab => tab.getAttribute('aria-selected') === 'true'", arg=tab.element_handle()
        )
        page.wait_for_selector(f"#{name}-scene")
        check_sound(page)
        page.set_viewport_size({"width": 390, "height": 844})
        check_sound(page)
        page.set_viewport_size({"width": 1366, "height": 768})
        page.wait_for_function(
            "n => document.querySelectorAll('[role=tablist] [role=tab]').length === n",
            arg=len(TABS),
        )
        tab.focus()
        page.keyboard.press("ArrowRight")
    page.keyboard.press("End")
    page.wait_for_function("name => location.search.includes('tab=' + name)", arg=[*TABS][-1])
    assert colour(page, "body", "backgroundColor") == levels(DARK.background)
    page.wait_for_function("() => document.fonts.check('16px Inter')")
    loaded = page.evaluate(
        "() => [...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)"
    )
    assert any("Inter" in family for family in loaded)
    assert "fonts.googleapis" not in page.content()


def test_an_address_that_was_shared_shows_the_same(open_page: Opened) -> None:
    one = open_page("forward-size=64")
    one.wait_for_selector("#forward-x_t")
    one.focus("#forward-t input[type=range]")
    one.keyboard.press("ArrowLeft")
    one.check("#forward-picture input[value=temple]")
    one.wait_for_function("() => location.search.includes('forward-picture=temple')")
    recipe = ForwardRecipe(image="temple", size=64, T=1000)
    wanted = pixels_of(dissolved(recipe, 299).x_t)
    shown_when(one, "forward-x_t", wanted)
    other = open_page(one.url.partition("?")[2])
    shown_when(other, "forward-x_t", wanted)


def test_what_is_wrong_in_an_address_is_said_and_the_rest_is_taken(open_page: Opened) -> None:
    page = open_page("forward-t=5000&forward-size=64&forward-schedule=linear&tab=nowhere")
    page.get_by_text("forward-t = '5000' must be a whole number, 0 … 999").wait_for()
    page.get_by_text("tab = 'nowhere' must be one of forward").wait_for()
    assert page.input_value("#forward-schedule input") == "linear"
    assert page.input_value("#forward-t input[type=range]") == "300"


def test_light_and_dark_are_the_courses(open_page: Opened) -> None:
    page = open_page(colours="light")
    for theme in (LIGHT, DARK):
        assert colour(page, "body", "backgroundColor") == levels(theme.background)
        assert colour(page, "#header h1", "color") == levels(theme.text)
        page.click("#theme-switch")
    page.click("#theme-switch")
    page.reload()
    page.wait_for_function("() => window.explorer && window.explorer.ready")
    assert colour(page, "body", "backgroundColor") == levels(DARK.background)


def test_a_fifth_waits_is_told_so_and_a_closed_tab_makes_room(
    open_page: Opened, server: str
) -> None:
    page, fifth = (
        open_page(f"tab=reverse&reverse-steps=200&reverse-samples=16&reverse-seed={n}")
        for n in (3, 4)
    )
    with ExitStack() as there:
        visitors = [there.enter_context(Visitor(server)) for _ in range(3)]
        for seed, visitor in enumerate(visitors):
            visitor.join("reverse-run", "click", "", 2, seed, 1, "ddim", 200, "cosine")
            runs = visitor.news()
            while "It runs" not in json.dumps(next(runs)):
                pass
            assert "Go on" in visitor.ask("reverse-pause", "click").text
            there.callback(runs.close)
        page.click("#reverse-run")
        page.get_by_text("It runs: step").wait_for()
        page.click("#reverse-pause")
        page.get_by_text("Held.").wait_for()
        fifth.click("#reverse-run")
        fifth.get_by_text(
            "4 people are being served. You wait in line: 1 person is ahead of you."
        ).wait_for()
        page.close()
        fifth.get_by_text("It runs: step").wait_for()


def test_make_this_a_scene_gives_the_command_and_runs_it(open_page: Opened) -> None:
    page = open_page("forward-size=64&forward-picture=temple&forward-seed=12")
    page.wait_for_selector("#forward-x_t")
    page.get_by_role("button", name="Make this a scene").click()
    command = page.locator("#forward-command-text")
    command.wait_for()
    assert command.inner_text() == (
        "python render.py scene forward_process --seed 12 --image temple "
        """--recipe '{"noise":"one","size":64}'"""
    )
    page.click("#forward-render")
    page.locator("#forward-video .status").filter(has_text=" s)").wait_for()
    # To the end: the browser itself says how long the video is that it was given.
    page.wait_for_function("() => document.querySelector('#forward-video video')?.duration > 20")
    assert page.get_by_text("Download forward_process").count() == 1
