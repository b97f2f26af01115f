"""Runs that the tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from diffusion_core.training import TrainingProgress, TrainingRun
from tests.diffusion_core.training.small_runs import (
    go_on,
    leave_out_pictures,
    start,
    start_reading,
    train,
)


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_pictures(monkeypatch)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingRun]:
    """A run that nothing disturbed; read only."""
    output = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        return output, train(output)


@pytest.fixture(scope="session")
def whole_reading(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingRun]:
    """One that was taught words."""
    output = tmp_path_factory.mktemp("whole-reading") / "run"
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        return output, go_on(start_reading(output))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[TrainingProgress]]:
    """A run with all that it writes, the curve too."""
    output = tmp_path_factory.mktemp("finished") / "a run"
    return output, list(start(output).run())
