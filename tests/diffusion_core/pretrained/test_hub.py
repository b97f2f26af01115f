"""The hub: fetched whole or not at all, found again without it, and refused in one line."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from diffusion_core.errors import DamagedFile, LectureError
from diffusion_core.models import model_digest
from diffusion_core.pretrained import hub as hub_module
from diffusion_core.pretrained import source as source_module
from diffusion_core.pretrained.names import hub_name
from diffusion_core.pretrained.source import Source, located, pin
from tests.local_hub import COMMIT, Hub, serving
from tests.tiny_pipelines import TinyPipelines

NAME = "somebody/a-model"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def running() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture
def hub(
    running: Hub, tiny_pipelines: TinyPipelines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Hub:
    """A hub with one model, asked by nobody yet, and an empty cache."""
    running.__init__(models={NAME: tiny_pipelines["ddpm"]}, url=running.url)  # type: ignore[misc]
    monkeypatch.setattr(constants, "ENDPOINT", running.url)
    template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # its library waits between tries
    afresh(monkeypatch)
    return running


def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As another process would begin."""
    monkeypatch.setattr(hub_module, "_resolved", {})
    monkeypatch.setattr(source_module, "_known", {})


def cached() -> set[str]:
    """What lies in the hub's cache, besides locks and the library's own marks."""
    place = Path(constants.HF_HUB_CACHE)
    return {
        path.relative_to(place).as_posix()
        for path in place.rglob("*")
        if not path.is_dir() and ".locks" not in path.parts and path.name != "CACHEDIR.TAG"
    }


def test_a_model_is_fetched_once_and_pinned(
    hub: Hub, tiny_pipelines: TinyPipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    found = located(NAME, report=lambda done, total: told.append((done, total)))
    assert (found.revision, found.pipeline) == (COMMIT, "DDPMPipeline")
    assert found.folder.name == COMMIT
    assert found.digest == model_digest(str(tiny_pipelines["ddpm"]))
    files = [p for p in tiny_pipelines["ddpm"].rglob("*") if p.is_file()]
    size = sum(p.stat().st_size for p in files if p.name != "model_index.json")
    done, totals = zip(*told, strict=True)
    assert set(totals) == {size}
    assert done[-1] == size
    assert sorted(done) == list(done)

    asked = len(hub.asked)
    afresh(monkeypatch)
    assert located(NAME).digest == found.digest
    assert len(hub.asked) == asked  # what was fetched first is meant from now on
    located(f"{NAME}@main")
    assert len(hub.asked) == asked + 1  # this asks what is newest, and has it
    located(f"{NAME}@{COMMIT}")
    assert len(hub.asked) == asked + 1


def test_only_what_draws_is_fetched_and_nothing_that_could_run(
    hub: Hub, tiny_pipelines: TinyPipelines, tmp_path: Path
) -> None:
    model = copied(tiny_pipelines["ddpm"], tmp_path / "model")
    more = ("pickled.bin", "old.ckpt", "weights.pt", "pipeline.py", "README.md", "notes.json")
    for name in more:
        (model / name).write_bytes(b"not to be fetched")
    hub.models[NAME] = model
    located(NAME)
    assert not {path for path in hub.downloads() if path in more}
    assert not [path for path in cached() if Path(path).name in more]


REFUSED = [
    (401, "", r"refuses it \(401\); log in with `hf auth login`, or put a token"),
    (403, "", r"refuses it \(403\); log in"),
    (403, "GatedRepo", r"is gated: accept its terms at .*/somebody/a-model, then log in"),
    (401, "RepoNotFound", r"has none of that name that may be seen \(401\)"),
    (404, "RepoNotFound", r"is no folder here, and .* none of that name .* how it is spelt"),
    (404, "RevisionNotFound", "has no revision"),
    (500, "", r"answers 500; try again later"),
]


@pytest.mark.parametrize(("status", "error", "says"), REFUSED)
def test_a_hub_that_refuses(hub: Hub, status: int, error: str, says: str) -> None:
    hub.status, hub.error = status, error
    with pytest.raises(LectureError, match=says) as refused:
        located(f"{NAME}@v1")
    assert (refused.value.exit_code, "\n" in str(refused.value)) == (1, False)
    assert repr(NAME) in str(refused.value)
    assert cached() == set()


def test_a_name_that_the_hub_does_not_know(hub: Hub) -> None:
    with pytest.raises(LectureError, match="none of that name"):
        located("somebody/else")
    with pytest.raises(LectureError, match=r"has no revision 'v3'; choose a branch, a tag"):
        located(f"{NAME}@v3")
    assert cached() == set()


def test_a_hub_that_is_not_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = located(NAME)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    afresh(monkeypatch)
    assert located(NAME).digest == located(f"{NAME}@main").digest == found.digest
    with pytest.raises(LectureError, match=r"127.0.0.1:9 could not be read \(.*refused.*network"):
        located("somebody/else")


def test_offline_nothing_is_asked(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    found = located(NAME)
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    afresh(monkeypatch)
    assert located(NAME).digest == located(f"{NAME}@main").digest == found.digest
    with pytest.raises(LectureError, match="HF_HUB_OFFLINE says not to ask the hub; unset it"):
        located("somebody/else")
    assert len(hub.asked) == asked


def test_what_breaks_off_leaves_nothing_half_done(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut = frozenset({UNET})
    with pytest.raises(LectureError, match=r"could not be read .*; try again with a network"):
        located(NAME)
    left = cached()
    assert not [path for path in left if "snapshots" in path or "incomplete" in path]
    assert not [path for path in left if "refs" in path or "trees" in path]
    hub.cut = frozenset()
    afresh(monkeypatch)
    assert located(NAME).revision == COMMIT  # the same again goes on, and is whole


def test_who_stops_it_leaves_nothing_half_done(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        located(NAME, report=stop)
    assert not [path for path in cached() if not path.startswith("models--somebody--a-model/blobs")]
    assert not [path for path in cached() if path.endswith(".incomplete")]
    afresh(monkeypatch)
    assert located(NAME).revision == COMMIT


def test_what_a_killed_process_left_is_removed_once_it_is_old(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Path(constants.HF_HUB_CACHE) / "models--somebody--a-model" / "blobs"
    blobs.mkdir(parents=True)
    old, new = (blobs / f"{name}.incomplete" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"a half")
    os.utime(old, (0, 0))
    located(NAME)
    assert not old.exists()
    assert new.exists()  # another process may be at it


def test_what_is_damaged_on_the_way_is_found_and_removed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.damaged = frozenset({UNET})
    with pytest.raises(DamagedFile, match=f"{UNET} came damaged .*not what its digest says"):
        located(NAME)
    assert not [path for path in cached() if "snapshots" in path]
    hub.damaged = frozenset()
    afresh(monkeypatch)
    assert located(NAME).revision == COMMIT


def test_weights_that_are_none_do_not_stay(
    hub: Hub, tiny_pipelines: TinyPipelines, tmp_path: Path
) -> None:
    broken = copied(tiny_pipelines["ddpm"], tmp_path / "broken")
    (broken / UNET).write_bytes((broken / UNET).read_bytes()[:-100])
    hub.models[NAME] = broken
    with pytest.raises(DamagedFile, match="came damaged from the hub"):
        located(NAME)
    assert not [path for path in cached() if "snapshots" in path]


def copied(folder: Path, place: Path) -> Path:
    for path in folder.rglob("*"):
        if path.is_file():
            target = place / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return place


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: (f / UNET).rename(f / "unet" / "diffusion_pytorch_model.bin"), "pickled only"),
        (lambda f: (f / "model_index.json").unlink(), "has no model_index.json, so it is no diff"),
        (lambda f: (f / "model_index.json").write_text("{"), "is no JSON"),
        (
            lambda f: (f / "unet" / "config.json").write_text("no"),
            f"unet/config.json of model '{NAME}' is no JSON",
        ),
        (
            lambda f: (f / "model_index.json").write_text('{"_class_name": ["pipeline", "Mine"]}'),
            "code of the model's own is never run",
        ),
    ],
    ids=["pickled", "no index", "broken index", "broken settings", "own code"],
)
def test_what_cannot_be_shown_never_gets_into_the_cache(
    change: object, says: str, hub: Hub, tiny_pipelines: TinyPipelines, tmp_path: Path
) -> None:
    model = copied(tiny_pipelines["ddpm"], tmp_path / "changed")
    change(model)  # type: ignore[operator]
    hub.models[NAME] = model
    with pytest.raises(LectureError, match=says):
        located(NAME)
    assert UNET not in hub.downloads()
    assert cached() == set()


def test_a_disk_without_room_is_found_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=150_000_000)
    monkeypatch.setattr(hub_module.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(LectureError, match=r"needs 0.0 GB, and .* has 0.1 GB free; make room"):
        located(NAME)
    assert UNET not in hub.downloads()
    assert cached() == set()


def test_nothing_is_fetched_where_it_may_not_be(hub: Hub) -> None:
    with pytest.raises(LectureError, match=r"nothing is fetched here; .* without --dry-run"):
        located(NAME, download=False)
    assert cached() == set()
    assert hub.downloads() == []


def test_a_name_can_be_pinned_to_a_commit(hub: Hub) -> None:
    other = "0123456789" * 4
    found = located(NAME)
    pin(NAME, other)
    with pytest.raises(LectureError, match="has no revision"):
        located(NAME)
    pin(NAME, COMMIT)
    again: Source = located(NAME)
    assert again == found
    assert hub_name(NAME) is not None
