"""``render.py explore``: what it serves on, and what it says before any work."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
from click.testing import CliRunner

import render
from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from explorer import command
from explorer.command import listen, shown_host
from explorer.door import LOOPBACK


def test_a_port_that_is_taken_is_said_before_anything_is_imported() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LectureError, match=f"port {port} cannot be served on .* --port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", "192.0.2.1"])
def test_an_address_that_is_none_of_ours_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match=f"--host {host} is no address"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("here", "here")],
)
def test_the_address_can_be_opened_here(host: str, shown: str) -> None:
    assert shown_host(host) == shown


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_another_address_than_loopback_says_what_it_means(
    monkeypatch: pytest.MonkeyPatch, host: str, warned: bool
) -> None:
    served: list[Any] = []
    monkeypatch.setattr(command, "serve", lambda *given: served.append(given))
    done = CliRunner().invoke(render.cli, ["explore", "--host", host, "--port", "0"])
    assert done.exit_code == 0, done.output
    assert ("without a password" in done.stderr) == warned
    (_, hosts, address, browser) = served[0]
    assert hosts == (None if warned else LOOPBACK)
    assert address.startswith("http://127.0.0.1:")
    assert browser


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingRequirement, match=r"diffusion-lectures\[web\]"):
        command.check_installed()
