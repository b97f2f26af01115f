"""A sweep that is interrupted leaves nothing torn, and goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from studio.video import probe
from tests.helpers import Done, Workplace, finished, session_of, wait_until
from tests.studio.sweep.small import SWEEP, assert_whole, until_it_draws


def stopped(process: subprocess.Popen[str], number: int, send: Any) -> Done:
    assert process.poll() is None, "it had ended before the signal"
    send(process.pid, number)
    return finished(process)


def test_an_interrupted_sweep_leaves_whole_files_and_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    here = Workplace(tmp_path / "here", tmp_path / "cache")
    command = (*SWEEP, "--seeds", "0:2")
    for number, code, send in (
        (signal.SIGKILL, -signal.SIGKILL, os.kill),  # its workers end by themselves
        (signal.SIGTERM, 143, os.kill),
        (signal.SIGINT, 130, os.killpg),
    ):
        process = here.start(*command)
        until_it_draws(here, process)
        done = stopped(process, number, send)
        assert (done.code, done.out) == (code, ""), done.err
        assert "Traceback" not in done.err
        assert wait_until(lambda leader=process.pid: not session_of(leader), 30)
        for video in here.folder.rglob("[!.]*.mp4"):
            assert probe(video).frame_count > 0
        assert not (here.folder / "made" / "index.html").exists()

    # It has made one of two when it is interrupted, and makes only the other afterwards.
    process = here.start(*command[:-3], "1", *command[-2:])
    noted = here.cache / "finished"
    assert wait_until(lambda: process.poll() is not None or any(noted.glob("[!.]*.json")))
    assert stopped(process, signal.SIGINT, os.killpg).code == 130
    whole = here.render(*command).facts
    assert whole["recorded"] == 0
    assert [job["status"] for job in whole["jobs"]] == ["kept", "made"]
    assert_whole(here, {0, 1})
