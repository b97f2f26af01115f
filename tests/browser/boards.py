"""What is on a board: pixels of a canvas, the moment that is shown, what was sent."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffusion_core.grids import to_pixels

READ = """(name) => {
    const canvas = document.getElementById(name) ?? document.querySelector(name);
    const values = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let text = "";
    for (let i = 0; i < values.length; i += 8192)
        text += String.fromCharCode(...values.subarray(i, i + 8192));
    return [canvas.height, canvas.width, btoa(text)];
}"""


def canvas_pixels(page: Any, name: str) -> NDArray[np.uint8]:
    """The pixels of the canvas with this id, (H, W, 3)."""
    height, width, values = page.evaluate(READ, name)
    levels = np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width, 4)
    assert (levels[..., 3] == 255).all()
    return levels[..., :3]


def assert_shows(page: Any, name: str, state: NDArray[Any]) -> None:
    """Assert that the canvas shows ``state`` (1, H, W) in −1 … 1.

    The last bit may be another where the core was run with other threads.
    """
    shown = canvas_pixels(page, name).astype(int)
    expected = to_pixels(np.asarray(state, np.float32))[0].astype(int)
    assert shown.shape == (*expected.shape, 3)
    assert np.abs(shown - expected[..., None]).max() <= 1, name


def scrub(page: Any, film: str, frame: int) -> str:
    """Move a film to a frame by its slider; what it says of the moment."""
    page.evaluate(
        """([name, frame]) => {
            const range = document.getElementById(name + "-at");
            range.value = frame;
            range.dispatchEvent(new Event("input", { bubbles: true }));
        }""",
        [film, frame],
    )
    return str(page.text_content(f"#{film}-time"))


def last(page: Any, film: str) -> str:
    """Move a film to its end."""
    return scrub(page, film, int(page.get_attribute(f"#{film}-at", "max")))


def box_value(page: Any, name: str) -> str:
    """What a text box that is not seen holds."""
    return str(page.input_value(f"#{name} input, #{name} textarea"))


def wait_for_text(page: Any, selector: str, text: str) -> None:
    """Wait until ``text`` stands in the element."""
    page.wait_for_function(
        "([where, text]) => document.querySelector(where)?.textContent.includes(text)",
        arg=[selector, text],
    )


def scene_command(page: Any, tab: str) -> str:
    """What "make this a scene" says."""
    page.locator(f"#{tab}-scene button").first.click()
    return str(page.locator(f"#{tab}-command-text").text_content())
