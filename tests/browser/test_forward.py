"""The tab "Forward", driven as a person does; its pixels are the core's."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_core.dissolving import dissolved, weights
from diffusion_core.forward import jump
from diffusion_core.pictures import load_picture
from diffusion_core.recipe import ForwardRecipe
from diffusion_core.runs import run
from diffusion_core.schedule import make_schedule
from explorer.forward import PANEL, panels
from explorer.showing import pixels_of
from tests.browser.conftest import Opened, painted, shown_when


@pytest.fixture(scope="module")
def page(open_shared: Opened) -> Any:
    """One page for all; what changes more than t comes last."""
    page = open_shared("forward-size=64&forward-t=300")
    page.wait_for_selector("#forward-x_t")
    return page


def expected(t: int, **more: Any) -> Any:
    return dissolved(ForwardRecipe(**{"size": 64, "T": 1000, **more}), t)


def readouts(page: Any) -> dict[str, str]:
    names, values = (
        page.locator(f"#forward-facts {tag}").all_inner_texts() for tag in ("dt", "dd")
    )
    return dict(zip(names, values, strict=True))


def test_a_moment_is_one_jump_with_the_first_noise_of_the_scene() -> None:
    recipe = ForwardRecipe(size=16, T=100, keep=100, seed=4)
    first = run(recipe).eps
    assert first is not None
    schedule = make_schedule("cosine", 100)
    at = dissolved(recipe, 60)
    x_0 = load_picture("flower", 16)
    again = jump(torch.from_numpy(x_0), 60, schedule, torch.from_numpy(first[1, 0]))
    assert np.allclose(at.x_t, again.numpy(), atol=1e-5)
    assert np.allclose(at.x_t, np.sqrt(at.alpha_bar) * x_0 + at.noise, atol=1e-5)
    assert np.array_equal(dissolved(recipe, -1).x_t, x_0)


def test_the_pictures_are_the_cores_pixel_by_pixel(page: Any) -> None:
    at = expected(300)
    shown_when(page, "forward-x_t", pixels_of(at.x_t))
    shown_when(page, "forward-noise", pixels_of(at.noise))
    assert np.array_equal(painted(page, "forward-x_t"), pixels_of(at.x_t))


def test_the_arrow_keys_move_t_and_everything_follows(page: Any) -> None:
    page.focus("#forward-t input[type=range]")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    shown_when(page, "forward-x_t", pixels_of(expected(303).x_t))
    said = readouts(page)
    alpha_bar, sigma = weights("cosine")
    assert said["t"] == "303"
    assert f"{alpha_bar[303]:.4f}" in said.values()
    assert f"{sigma[303]:.4f}" in said.values()
    assert said["SNR"] == f"{expected(303).snr:.3g}"
    assert "forward-t=303" in page.url


def test_dragging_the_slider_ends_where_it_is_let_go(page: Any) -> None:
    box = page.locator("#forward-t input[type=range]").bounding_box()
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, height)
    page.mouse.down()
    for share in (0.4, 0.5, 0.6, 0.7):
        page.mouse.move(box["x"] + box["width"] * share, height)
    page.mouse.up()
    t = int(page.input_value("#forward-t input[type=range]"))
    assert 650 < t < 750
    shown_when(page, "forward-x_t", pixels_of(expected(t).x_t))


def test_a_sequence_and_its_files(page: Any) -> None:
    page.fill("#forward-steps :is(input, textarea)", "0 500, 999")
    page.keyboard.press("Enter")
    small = panels(ForwardRecipe(size=PANEL, T=1000), [0, 500, 999])
    for place, wanted in enumerate(small):
        shown_when(page, f"forward-panel-{place}", wanted)
    assert page.locator("#forward-sequence img").count() == 3
    page.click("#forward-png")
    strip = Image.open(io.BytesIO(taken(page, "noising.png")))
    wanted = panels(ForwardRecipe(size=64, T=1000), [0, 500, 999])
    for place, panel in enumerate(wanted):
        found = np.asarray(strip)[:, place * 68 : place * 68 + 64]
        assert np.array_equal(found, panel)
    page.click("#forward-gif")
    moving = Image.open(io.BytesIO(taken(page, "noising.gif")))
    assert (moving.format, moving.n_frames, moving.size) == ("GIF", 51, (PANEL, PANEL))


def taken(page: Any, name: str) -> bytes:
    """The file that a person gets by the link."""
    with page.expect_download() as download:
        page.click(f"#forward-files a[download='{name}']")
    content: bytes = download.value.path().read_bytes()
    return content


def test_steps_that_are_none_are_said_in_one_line(page: Any) -> None:
    shown = page.locator("#forward-sequence img").count()
    page.fill("#forward-steps :is(input, textarea)", "0, 5000")
    page.keyboard.press("Enter")
    said = page.wait_for_selector("#complaint[role=alert]").inner_text()
    assert said == "'5000' is no step; write whole numbers, 0 … 999, with commas between"
    assert page.locator("#forward-sequence img").count() == shown


def test_schedule_seed_and_picture_change_it(page: Any) -> None:
    t = int(page.input_value("#forward-t input[type=range]"))
    page.check("#forward-picture input[value=temple]")
    shown_when(page, "forward-x_t", pixels_of(expected(t, image="temple").x_t))
    page.fill("#forward-seed input", "9")
    page.keyboard.press("Tab")
    shown_when(page, "forward-x_t", pixels_of(expected(t, image="temple", seed=9).x_t))
    page.click("#forward-schedule input")
    page.get_by_role("option", name="linear", exact=True).click()
    at = expected(t, image="temple", seed=9, schedule="linear")
    shown_when(page, "forward-x_t", pixels_of(at.x_t))
