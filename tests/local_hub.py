"""A model hub on this machine: it answers the hub's own library as the real one does.

It serves folders as models, whole or, as it is told, broken: what refuses,
what breaks off, what is damaged.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + 34 * "0"


@dataclass
class Hub:
    """What is served, and how.

    Parameters
    ----------
    models
        Folders by ``owner/name``.
    status
        What is answered instead to every question, 0 for none.
    error
        The hub's own name of an error that goes with it ("GatedRepo").
    cut
        Paths of files that are broken off in the middle.
    damaged
        Paths of files in which a byte is another on the way.
    asked
        Everything that was asked for, as it came.
    """

    models: dict[str, Path] = field(default_factory=dict)
    status: int = 0
    error: str = ""
    cut: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[str]:
        """Files whose content was asked for."""
        return [
            line.rpartition(f"/{COMMIT}/")[2]
            for line in self.asked
            if line.startswith("GET") and "/resolve/" in line
        ]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub at a free port of this machine, until it is left."""
    hub = Hub()

    class Answer(_Answer):
        told = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answer(BaseHTTPRequestHandler):
    told: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_HEAD(self) -> None:
        """See ``BaseHTTPRequestHandler``."""
        self.do_GET()

    def do_GET(self) -> None:
        """See ``BaseHTTPRequestHandler``."""
        path = unquote(urlsplit(self.path).path)
        self.told.asked.append(f"{self.command} {path}")
        if self.told.status:
            named = {"X-Error-Code": self.told.error} if self.told.error else {}
            self._send(b"", self.told.status, named)
            return
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), parts[4:])
        elif len(parts) > 4 and parts[2] == "resolve":
            self._file("/".join(parts[:2]), "/".join(parts[4:]))
        else:
            self._send(b"", 404)

    def _describe(self, name: str, rest: list[str]) -> None:
        folder = self.told.models.get(name)
        if folder is None:
            self._send(b"", 404, {"X-Error-Code": "RepoNotFound"})
        elif rest[1:] and rest[1] not in ("main", COMMIT):
            self._send(b"", 404, {"X-Error-Code": "RevisionNotFound"})
        elif rest[:1] == ["tree"]:
            self._json([_entry(folder, path) for path in _files(folder)])
        else:
            self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": []})

    def _file(self, name: str, path: str) -> None:
        folder = self.told.models.get(name)
        if folder is None or not (folder / path).is_file():
            self._send(b"", 404, {"X-Error-Code": "EntryNotFound"})
            return
        content = (folder / path).read_bytes()
        headers = {"ETag": f'"{_etag(folder, path)}"', "X-Repo-Commit": COMMIT}
        if path in self.told.damaged:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self._send(content, 200, headers, cut=path in self.told.cut)

    def _json(self, told: object) -> None:
        self._send(json.dumps(told).encode(), 200, {"Content-Type": "application/json"})

    def _send(
        self,
        content: bytes,
        status: int,
        headers: dict[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _etag(folder: Path, path: str) -> str:
    """Of a large file its SHA-256, of a small one git's name for it."""
    content = (folder / path).read_bytes()
    if path.endswith((".safetensors", ".bin")):
        return hashlib.sha256(content).hexdigest()
    git = b"blob %d\0" % len(content) + content
    return hashlib.sha1(git, usedforsecurity=False).hexdigest()


def _entry(folder: Path, path: str) -> dict[str, object]:
    size, oid = (folder / path).stat().st_size, _etag(folder, path)
    told: dict[str, object] = {"type": "file", "path": path, "size": size, "oid": oid}
    if path.endswith((".safetensors", ".bin")):
        told["lfs"] = {"oid": oid, "size": size, "pointerSize": 130}
    return told
