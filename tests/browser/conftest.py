"""One server and one browser for all tests that look at the page as a person does.

With --dist loadfile one worker alone starts them (see ``tests/conftest.py``);
without a Chromium the tests are skipped, and say so.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.helpers import ROOT

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120_000
"""Milliseconds that the page has for anything, also beside others on busy cores."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium is here: apt-get install chromium (`make test` does it where it may)")


@dataclass(frozen=True)
class Served:
    """``render.py explore``, as a person starts it."""

    address: str
    process: int


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Served]:
    """The one server of all tests."""
    pytest.importorskip("gradio", reason="the explorer's extra, web, is not installed")
    errors = tmp_path_factory.mktemp("server") / "errors"
    with errors.open("w") as into:
        command = [sys.executable, "render.py", "explore", "--no-browser", "--port", "0"]
        running = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=into, text=True, env=dict(os.environ)
        )
    assert running.stdout is not None
    try:
        address = running.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), errors.read_text()
        yield Served(address, running.pid)
        assert running.poll() is None, errors.read_text()
    finally:
        running.terminate()
        running.wait(60)


@pytest.fixture(scope="session")
def server(served: Served) -> str:
    """Its address."""
    return served.address


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """A Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root, in whose hands tests often are.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


Opened = Callable[..., Any]


@contextmanager
def opening(browser: Any, server: str) -> Iterator[Opened]:
    """Give a function that opens the page, each time as another person with other cookies.

    Whatever the page asks of another address, or says went wrong, is an error at the end.
    """
    contexts, trouble = [], []

    def opened(
        query: str = "", *, width: int = 1366, height: int = 768, colours: Any = "light"
    ) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=colours
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)

        def asked(request: Any) -> None:
            if not request.url.startswith((server, "data:", "blob:")):
                trouble.append(f"asked for {request.url}")

        page.on("request", asked)
        page.on("pageerror", lambda error: trouble.append(f"the page failed: {error}"))
        page.goto(f"{server}/?{query}")
        page.wait_for_selector("#tabs")
        page.wait_for_function("() => window.explorer && window.explorer.ready")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not trouble, trouble


@pytest.fixture
def open_page(browser: Any, server: str) -> Iterator[Opened]:
    """Open the page: ``open_page("tab=reverse", width=390, colours="dark")``."""
    with opening(browser, server) as opened:
        yield opened


@pytest.fixture(scope="module")
def open_shared(browser: Any, server: str) -> Iterator[Opened]:
    """The same for a page that a module's tests share, one after the other."""
    with opening(browser, server) as opened:
        yield opened


def pixels(page: Any, name: str) -> NDArray[np.uint8]:
    """The pixels of the picture with this id, as they are in what the page was sent."""
    source = page.get_attribute(f"#{name}", "src")
    if source.startswith("data:image/"):
        content = base64.b64decode(source.partition(",")[2])
    else:
        content = page.request.get(urljoin(page.url, source)).body()
    return np.asarray(Image.open(io.BytesIO(content)))


def shown_when(page: Any, name: str, wanted: NDArray[np.uint8]) -> None:
    """Wait until the picture with this id has exactly these pixels."""
    deadline = time.monotonic() + PATIENCE / 1000
    page.wait_for_selector(f"#{name}")
    while True:
        found = pixels(page, name)
        if found.shape == wanted.shape and np.array_equal(found, wanted):
            return
        assert time.monotonic() < deadline, f"#{name} never became what was expected"
        page.wait_for_timeout(50)


def painted(page: Any, name: str) -> NDArray[np.uint8]:
    """The pixels of the same picture as the browser decoded it, (H, W, 3)."""
    shown = page.evaluate(
        """async (name) => {
            const image = document.getElementById(name);
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const values = context.getImageData(0, 0, canvas.width, canvas.height).data;
            let text = "";
            for (let i = 0; i < values.length; i += 8192)
                text += String.fromCharCode(...values.subarray(i, i + 8192));
            return [canvas.height, canvas.width, btoa(text)];
        }""",
        name,
    )
    height, width, values = shown
    levels = np.frombuffer(base64.b64decode(values), np.uint8)
    return levels.reshape(height, width, 4)[..., :3]
