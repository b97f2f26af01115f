"""Visitors of the explorer that need no browser: what it sends, well formed and not."""

from __future__ import annotations

import io
import itertools
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from PIL import Image


class Visitor:
    """One browser's cookies, and one tab.

    Parameters
    ----------
    address
        Of the server.
    config
        What ``/config`` says; asked for where it is not given.
    """

    def __init__(self, address: str, config: Any = None) -> None:
        self.client = httpx.Client(base_url=address, timeout=120)
        self.client.get("/").raise_for_status()
        self.config = config or self.client.get("/config").json()
        self.tab = secrets.token_hex(6)
        self._turns = itertools.count(1)
        self._components = {
            part["props"].get("elem_id"): part["id"] for part in self.config["components"]
        }

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def function(self, name: str, event: str) -> int:
        """Which function it is that happens on ``event`` of the control ``name``."""
        wanted = [self._components[name], event]
        return next(
            part["id"]
            for part in self.config["dependencies"]
            if wanted in part["targets"] and part["backend_fn"]
        )

    def body(self, name: str, event: str, *values: Any) -> dict[str, Any]:
        """What the page sends when that happens."""
        return {
            "data": list(values),
            "event_data": None,
            "fn_index": self.function(name, event),
            "trigger_id": self._components[name],
            "session_hash": self.tab,
        }

    def ask(self, name: str, event: str, *values: Any) -> httpx.Response:
        """What is answered at once."""
        return self.client.post("/gradio_api/run/predict", json=self.body(name, event, *values))

    def join(self, name: str, event: str, *values: Any) -> httpx.Response:
        """Begin what is answered bit by bit."""
        body = self.body(name, event, *values, next(self._turns))
        return self.client.post("/gradio_api/queue/join", json=body)

    def news(self) -> Iterator[Any]:
        """What is said of it, until it is over."""
        with self.client.stream(
            "GET", "/gradio_api/queue/data", params={"session_hash": self.tab}
        ) as lines:
            for line in lines.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line.removeprefix("data:"))
                    yield message
                    if message["msg"] in ("process_completed", "close_stream"):
                        return

    def upload(self, content: bytes, name: str = "picture.png") -> httpx.Response:
        """Send a picture, or what is called one."""
        return self.client.post("/pictures", content=content, headers={"X-Name": name})


def picture(side: int = 64, colour: str = "teal") -> bytes:
    """A small PNG."""
    into = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(into, "PNG")
    return into.getvalue()


FORWARD = ("flower", "", "cosine", 64, 0)
"""Picture, one's own, schedule, pixels and seed of the first tab."""


def move(visitor: Visitor, t: Any, settings: tuple[Any, ...] = FORWARD) -> httpx.Response:
    """Move the slider of the first tab."""
    return visitor.ask("forward-t", "change", t, *settings)


def requests(visitor: Visitor) -> Iterator[Callable[[], tuple[httpx.Response, bool]]]:
    """Requests of all kinds, for ever; each says whether it should be answered or refused."""
    client = visitor.client

    def sent(path: str, **more: Any) -> httpx.Response:
        return client.post(path, **more)

    def taken_back() -> httpx.Response:
        return client.get("/" + visitor.upload(picture()).json()["picture"])

    good: list[Callable[[], httpx.Response]] = [
        lambda: client.get("/"),
        lambda: client.get("/config"),
        lambda: move(visitor, 10),
        lambda: move(visitor, 700),
        lambda: move(visitor, 400, ("temple", "", "linear", 128, 7)),
        lambda: visitor.upload(picture()),
        taken_back,
    ]
    run, join = "/gradio_api/run/predict", "/gradio_api/queue/join"
    body = visitor.body("forward-t", "change", 10, *FORWARD)
    bad: list[Callable[[], httpx.Response]] = [
        lambda: move(visitor, 5000),
        lambda: move(visitor, "far"),
        lambda: move(visitor, None),
        lambda: move(visitor, 10, ("/etc/passwd", "", "cosine", 64, 0)),
        lambda: move(visitor, 10, ("your own", "kept/../../x", "cosine", 64, 0)),
        lambda: move(visitor, 10, ("flower", "", "cosine", 10**9, 0)),
        lambda: move(visitor, 10, ("flower", "", "cosine", 64, -1)),
        lambda: move(visitor, 10, ("flower", "", "no schedule", 64, 0)),
        lambda: visitor.ask("forward-t", "change", 10),
        lambda: sent(run, content=b"{"),
        lambda: sent(run, content=b"\xff\xfe\x00"),
        lambda: sent(run, json={**body, "fn_index": 10**6}),
        lambda: sent(run, json={**body, "data": {"a": 1}}),
        lambda: sent(join, json={"data": []}),
        lambda: sent(join, content=b"[" * 1000),
        lambda: visitor.upload(b"no picture at all", "notes.png"),
        lambda: visitor.upload(b""),
        lambda: visitor.upload(picture()[:60]),
        lambda: client.get("/gradio_api/file=/etc/passwd"),
        lambda: client.get("/own/..%2f..%2frender.py"),
        lambda: client.get("/kept/" + "a" * 22 + "/x.png"),
        lambda: client.delete("/config"),
    ]
    for fine, wrong in zip(itertools.cycle(good), itertools.cycle(bad), strict=False):
        yield lambda fine=fine: (fine(), True)  # type: ignore[misc]
        yield lambda wrong=wrong: (wrong(), False)  # type: ignore[misc]


def as_expected(response: httpx.Response, good: bool) -> bool:
    """Whether it was answered, or refused without falling over.

    Gradio says of some of what it refuses, and of what we refuse, "500" with an
    error in words; without words the server has fallen over.
    """
    if good:
        return response.status_code == 200
    if response.status_code == 500:
        said = response.headers.get("content-type", "").startswith("application/json")
        return said and bool(response.json().get("error"))
    return 400 <= response.status_code < 500


def memory(process: int) -> float:
    """Megabytes that a process and its threads have in memory."""
    with open(f"/proc/{process}/status") as status:  # noqa: PTH123 - not a file on disk
        found = next(line for line in status if line.startswith("VmRSS"))
    return int(found.split()[1]) / 1024
