"""The door of the application: what may be asked for, by whom, and how much may be sent."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from explorer.people import COOKIE, TOKEN, new_token

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = re.compile(
    r"/(?:"
    r"|config|theme\.css|favicon\.ico|robots\.txt|manifest\.json"
    r"|(?:assets|static|svelte|own|fonts)/[\w@~-][\w./@~-]*"
    r"|kept/[\w-]{22}/[^/]+|pictures"
    r"|gradio_api/(?:queue/join|queue/data|run/[\w-]+|cancel|reset|startup-events|app_id"
    r"|heartbeat/[\w-]+|info)/?"
    r")"
)
"""What can be asked for.  Gradio can also fetch files and other addresses, take
uploads and code, …: none of that is needed here, so that nobody can misuse it."""

LARGEST_REQUEST = 2_000_000
"""Bytes of a request, unless a picture is uploaded."""
LARGEST_PICTURE = 20_000_000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
"""The browser asks nothing of any other address, whatever the page would like."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


log = logging.getLogger(__name__)


class TooLarge(Exception):
    """More was sent than is taken."""


class Door:
    """Lets through what the page needs, and gives each browser its token.

    Parameters
    ----------
    app
        What is behind it.
    hosts
        Names under which it may be asked; any where it is None.  A page from
        elsewhere cannot then reach a server on loopback through a name that it
        lets point there.
    """

    def __init__(self, app: Application, hosts: frozenset[str] | None = LOOPBACK) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refused = self._refused(scope, headers)
        if refused:
            await answer(send, *refused)
            return
        await self._pass(scope, headers, receive, send)

    def _refused(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        path, method = scope["path"], scope["method"]
        host = headers.get("host", "")
        if self.hosts is not None and name_in(f"//{host}") not in self.hosts:
            return 421, "this server answers to its own name only"
        origin = headers.get("origin")
        if origin is not None and origin.partition("//")[2] != host:
            return 403, "this was sent from another page"
        if ".." in path or "\\" in path or "\0" in path or not OPEN.fullmatch(path):
            return 404, "there is nothing here"
        if method not in ("GET", "HEAD", "POST"):
            return 405, "this cannot be done here"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > largest(path):
            return 413, f"at most {largest(path) // 10**6} MB are taken"
        return None

    async def _pass(
        self, scope: Message, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        path = scope["path"]
        added = dict(HEADERS)
        if path == "/" and not token_in(headers.get("cookie", "")):
            added["set-cookie"] = f"{COOKIE}={new_token()}; HttpOnly; SameSite=Strict; Path=/"
        reply = _Reply(send, added)
        counted = _counted(receive, largest(path))
        try:
            if scope["method"] == "POST" and path != "/pictures":
                counted = _replayed(await _json(counted), receive)
            await self.app(scope, counted, reply.send)
        except TooLarge:
            await reply.instead(413, f"at most {largest(path) // 10**6} MB are taken")
        except Exception as error:  # noqa: BLE001 - whatever a library stumbles over, it is served on
            log.warning("%s %s could not be answered (%r)", scope["method"], path, error)
            await reply.instead(400, "this is not what the page sends")


class _Reply:
    """What is answered, with our headers; where what is behind the door falls over, our words."""

    def __init__(self, send: Send, headers: dict[str, str]) -> None:
        self._send = send
        self._added = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._begun = self._fallen = False

    async def send(self, message: Message) -> None:
        """Hand it on."""
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), *self._added]
            # A library that falls over says so in plain text, and raises afterwards.
            plain = any(b"text/plain" in value for _, value in headers)
            self._fallen = message["status"] == 500 and plain
            self._begun = not self._fallen
            message = {**message, "headers": headers}
        if self._begun:
            await self._send(message)

    async def instead(self, code: int, text: str) -> None:
        """Answer so, where nothing was answered yet."""
        if not self._begun:
            await answer(self._send, code, text)


def _counted(receive: Receive, most: int) -> Receive:
    """``receive``, up to so many bytes; then it raises ``TooLarge``."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise TooLarge
        return message

    return counted


async def _whole(receive: Receive) -> bytes:
    """The body of a request."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """``receive`` as it would be had the body not been read yet."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


async def _json(receive: Receive) -> bytes:
    """The body, which is to be an object in JSON; libraries stumble over some of what is not.

    Raises
    ------
    ValueError
        For anything else.
    """
    body = await _whole(receive)
    try:
        if isinstance(json.loads(body), dict):
            return body
    except RecursionError:
        pass
    raise ValueError("no object in JSON")


def name_in(address: str) -> str | None:
    """The host's name in an address; None where there is none."""
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def largest(path: str) -> int:
    """Bytes that may be sent to ``path``."""
    return LARGEST_PICTURE if path == "/pictures" else LARGEST_REQUEST


def token_in(cookies: str) -> str:
    """The browser's token in its cookies; "" where there is none that we gave."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None and TOKEN.fullmatch(found.value) else ""


async def answer(send: Send, code: int, text: str) -> None:
    """A short answer in plain words."""
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
