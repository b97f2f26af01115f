"""``explore``: the browser application."""

from __future__ import annotations

import errno
import ipaddress
import socket
import tempfile
import threading
import webbrowser
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import cloup

from diffusion_core.errors import LectureError, MissingRequirement, UsageError
from explorer.door import LOOPBACK
from studio.commands.options import option
from studio.commands.reporting import report

PORT = 7860


@cloup.command("explore")
@option("--host", default="127.0.0.1", help="Address to serve on; 127.0.0.1 is this machine alone.")
@option("--port", type=click.IntRange(0, 65535), default=PORT, help="0 is any that is free.")
@cloup.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
def explore_command(host: str, port: int, no_browser: bool) -> None:
    """Open the explorer: the same runs, in a browser, under your hands."""
    check_installed()
    with closing(listen(host, port)) as listening:
        address = f"http://{shown_host(host)}:{listening.getsockname()[1]}"
        if host not in LOOPBACK:
            click.echo(
                f"warning: --host {host} lets everybody who can reach this machine over the "
                "network use the explorer, unencrypted and without a password",
                err=True,
            )
        click.echo("getting ready…", err=True)
        serve(listening, None if host not in LOOPBACK else LOOPBACK, address, not no_browser)


def check_installed() -> None:
    """Raise a MissingRequirement unless gradio is here; without importing it, which takes long."""
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise MissingRequirement(
            "the explorer needs gradio, which is not installed: "
            "pip install 'diffusion-lectures[web]'"
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket on ``host`` and ``port``, before anything that takes time.

    Raises
    ------
    UsageError
        For an address that is none of this machine's.
    LectureError
        When the port is taken, or not allowed.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"--host {host} is no address ({error.strerror})") from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(place)
        found.listen(128)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise UsageError(f"--host {host} is no address of this machine") from error
        raise LectureError(
            f"port {port} cannot be served on ({error.strerror}); choose another with --port, "
            "or 0 for any that is free"
        ) from error
    return found


def shown_host(host: str) -> str:
    """How a browser here names it."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return f"[{host}]" if address.version == 6 else host


def serve(
    listening: socket.socket, hosts: frozenset[str] | None, address: str, browser: bool
) -> None:
    """Serve until it is interrupted; then nothing of anybody is left."""
    import uvicorn

    from explorer.app import make_app
    from explorer.serving import working

    class Server(uvicorn.Server):
        """Says when it is ready, and lets go of its work before it waits for what is open."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            report({}, False, address)
            if browser:
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            work.end()
            await super().shutdown(sockets)

    with (
        tempfile.TemporaryDirectory(prefix="explorer-") as folder,
        working(Path(folder)) as work,
    ):
        settings: dict[str, Any] = {"log_level": "error", "access_log": False}
        told = uvicorn.Config(make_app(work, hosts), **settings, timeout_graceful_shutdown=3)
        Server(told).run(sockets=[listening])
