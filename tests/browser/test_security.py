"""What the server refuses: asked without a browser, as somebody with bad intent would."""

from __future__ import annotations

import http.client
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks._visitors import FORWARD, Visitor, as_expected, memory, move, picture, requests
from tests.browser.conftest import Served


@pytest.fixture(scope="module")
def visitor(server: str) -> Iterator[Visitor]:
    with Visitor(server) as visitor:
        yield visitor


def raw(server: str, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Ask for exactly this path: clients tidy up what climbs."""
    place = urlsplit(server)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    said = answer.read().decode(errors="replace")
    connection.close()
    return answer.status, said


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=render.py",
        "/gradio_api/file/etc/passwd",
        "/file=/etc/passwd",
        "/gradio_api/proxy=http://example.org/",
        "/gradio_api/upload_progress?upload_id=x",
        "/gradio_api/stream/x/y/1/playlist.m3u8",
        "/gradio_api/runs",
        "/gradio_api/openapi.json",
        "/gradio_api/vibe-code",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/own/../door.py",
        "/own/..%2fdoor.py",
        "/own/%2e%2e/door.py",
        "/own//etc/passwd",
        "/own/..\\door.py",
        "/fonts/../../../render.py",
        "/static/../../../../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/kept/aaaaaaaaaaaaaaaaaaaaaa/..%2f..%2fetc%2fpasswd",
        "/kept/..%2f..%2f..%2f..%2fetc/passwd",
        "/kept/short/x.png",
        "/%00",
        "//etc/passwd",
    ],
)
def test_nothing_else_can_be_read(server: str, path: str) -> None:
    code, said = raw(server, "GET", path)
    assert code == 404, said
    assert "root:" not in said
    assert "import" not in said


def test_files_that_the_page_needs_can_be(server: str) -> None:
    for path in ("/own/explorer.js", "/fonts/Inter-Regular.otf", "/theme.css", "/config"):
        code, _ = raw(server, "GET", path)
        assert code == 200, path


@pytest.mark.parametrize(
    "path", ["/gradio_api/upload", "/gradio_api/call/answer", "/gradio_api/vibe-edit"]
)
def test_gradio_takes_in_nothing_else(server: str, path: str) -> None:
    assert raw(server, "POST", path, **{"Content-Length": "0"})[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(server: str, method: str) -> None:
    assert raw(server, method, "/config")[0] == 405


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "["])
def test_it_answers_to_its_own_name_only(server: str, host: str) -> None:
    assert raw(server, "GET", "/config", Host=host)[0] in (400, 421)


def test_another_page_cannot_send(visitor: Visitor) -> None:
    body = visitor.body("forward-t", "change", 10, *FORWARD)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = visitor.client.post(
            "/gradio_api/run/predict", json=body, headers={"Origin": origin}
        )
        assert answer.status_code == 403, origin


@pytest.mark.parametrize("length", ["50000000", "-1", "x"])
def test_too_much_is_refused_before_it_is_read(server: str, length: str) -> None:
    code, said = raw(server, "POST", "/pictures", **{"Content-Length": length})
    assert code in (400, 413)
    assert code == 400 or said == "at most 20 MB are taken"


def test_too_much_without_a_length_is_refused_as_it_comes(visitor: Visitor) -> None:
    parts = (b"x" * 1_000_000 for _ in range(50))
    answer = visitor.client.post("/pictures", content=parts)
    assert answer.status_code == 413
    assert answer.text == "at most 20 MB are taken"


def test_the_browser_is_told_to_ask_nobody_else(visitor: Visitor) -> None:
    page = visitor.client.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def test_the_cookie_is_the_browsers_alone(server: str) -> None:
    with Visitor(server) as one, Visitor(server) as other:
        tokens = {visitor.client.cookies["explorer"] for visitor in (one, other)}
        assert len(tokens) == 2
        given = http.client.HTTPConnection(urlsplit(server).netloc)
        given.request("GET", "/")
        cookie = given.getresponse().getheader("set-cookie") or ""
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_a_picture_is_its_browsers_alone(server: str) -> None:
    with Visitor(server) as one, Visitor(server) as other:
        address = "/" + one.upload(picture()).json()["picture"]
        own = one.client.get(address)
        assert own.status_code == 200
        assert own.headers["content-type"] == "image/png"
        assert other.client.get(address).status_code == 404
        assert raw(server, "GET", address)[0] == 404
        settings = ("your own", address.removeprefix("/"), "cosine", 64, 0)
        assert move(one, 10, settings).status_code == 200
        refused = move(other, 10, settings)
        assert refused.status_code == 500
        assert "your own picture is not here" in refused.json()["error"]


def test_a_path_in_what_is_sent_reads_no_file(visitor: Visitor) -> None:
    named = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    for choice, own in ((named, ""), ("your own", named), ("your own", "kept//etc/passwd")):
        answer = move(visitor, 10, (choice, own, *FORWARD[2:]))
        assert answer.status_code == 500
        assert "root:" not in answer.text


def test_no_account_is_kept_of_anybody(visitor: Visitor) -> None:
    config = visitor.config
    assert config["analytics_enabled"] is False
    assert not config.get("enable_monitoring")
    assert not config.get("is_space")


def test_a_run_goes_through_the_line_as_the_page_sends_it(visitor: Visitor) -> None:
    values: list[Any] = ["", 2, 5, 1, "ddim", 3, "cosine"]
    assert visitor.join("reverse-run", "click", *values).status_code == 200
    news = list(visitor.news())
    assert news[-1]["msg"] == "process_completed"
    assert "3 of 3" in json.dumps(news)


def test_it_survives_a_mixture_and_its_memory_stays(served: Served) -> None:
    with Visitor(served.address) as visitor:
        mixed = requests(visitor)

        def send(count: int) -> None:
            for request in itertools.islice(mixed, count):
                answer, good = request()
                assert as_expected(answer, good), (answer.request.url, answer.text[:300])

        send(60)
        before = memory(served.process)
        send(150)
        assert memory(served.process) <= 1.1 * before
        assert move(visitor, 10).status_code == 200
