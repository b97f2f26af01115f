"""What every test has: a cache of its own, and Hypothesis without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny_pipelines import TinyPipelines

# Two busy cores are no reason to fail, and the same commit passes or fails everywhere.
settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")


def pytest_itemcollected(item: pytest.Item) -> None:
    """With --dist loadgroup a file's tests stay together, and all that need the browser do."""
    if item.config.pluginmanager.hasplugin("xdist"):
        place = item.path.relative_to(item.config.rootpath)
        group = "browser" if "browser" in place.parts else str(place)
        item.add_marker(pytest.mark.xdist_group(group))


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
