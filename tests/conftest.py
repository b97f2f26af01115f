"""What every test has: a cache of its own, and Hypothesis without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.tiny_pipelines import TinyPipelines

# Two busy cores are no reason to fail, and the same commit passes or fails everywhere.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --dist loadfile all files that need the browser stay with one worker, too.

    xdist has groups for that, which do nothing under pytest 9.2: it no longer takes
    the names that xdist gives to the tests of a group.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = "tests/browser"
            return shared if nodeid.startswith(f"{shared}/") else super()._split_scope(nodeid)

    return OneBrowser(config, log)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's cache; it is in the environment, so that subprocesses have it too."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIFFUSION_LECTURES_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_pipelines(tmp_path_factory: pytest.TempPathFactory) -> TinyPipelines:
    """Folders of tiny pretrained pipelines by their short names; read only."""
    return TinyPipelines(tmp_path_factory.mktemp("pipelines"))
