"""Workers that are killed and jobs that always fail: the others are whole, and it is said."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from studio.video import stream_digest
from tests.helpers import Done, Workplace, finished
from tests.studio.sweep.small import SWEEP, assert_whole, drawing, stem, until_it_draws


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    root = tmp_path_factory.mktemp("sweeps")
    return Workplace(root / "here", root / "cache")


@pytest.fixture(scope="module")
def swept(place: Workplace) -> Done:
    """A sweep by Dask of which a worker was killed, and whose seed 2 cannot be written."""
    pytest.importorskip("distributed")
    (place.folder / "made" / f"{stem(2)}.mp4").mkdir(parents=True)
    process = place.start(*SWEEP, "--seeds", "0:3", "--cluster", "local")
    until_it_draws(place, process)
    os.kill(drawing(place, process)[0], signal.SIGKILL)
    return finished(process)


class TestDask:
    """On a cluster of this machine; the code is that of any other."""

    def test_every_other_output_is_whole_and_the_failed_one_is_named(
        self, swept: Done, place: Workplace
    ) -> None:
        assert swept.code == 4, swept.err
        facts = json.loads(swept.out)
        assert [job["status"] for job in facts["jobs"]] == ["made", "made", "failed"]
        assert [job["tries"] for job in facts["jobs"]] == [1, 1, 2]
        assert f"{stem(2)}.mp4 is a folder" in facts["jobs"][2]["error"]
        last = swept.err.splitlines()[-1]
        assert last.startswith("error: 1 of 3 failed: seed 2 (")
        assert "Traceback" not in swept.err
        assert_whole(place, {0, 1})

    def test_index_and_mosaic_show_what_there_is(self, swept: Done, place: Workplace) -> None:
        facts = json.loads(swept.out)
        page = (place.folder / facts["index"]).read_text()
        index = json.loads((place.folder / facts["index_json"]).read_text())
        assert (place.folder / facts["mosaic"]).is_file()
        assert "http" not in page  # nothing comes from a network
        for seed, job in enumerate(index["jobs"]):
            assert job["seed"] == seed
            if seed == 2:
                assert job["status"] == "failed"
                assert "is a folder" in page
            else:
                assert f'src="{job["video"]}"' in page
                video = place.folder / "made" / job["video"]
                assert job["stream_sha256"] == stream_digest(video)
                assert len(job["recordings"]["reverse"]) == 64

    def test_the_same_command_again_makes_nothing_that_is_whole(
        self, swept: Done, place: Workplace
    ) -> None:
        before = {name: Path(place.folder, name).stat().st_mtime_ns for name in place.files()}
        again = place.render(*SWEEP, "--seeds", "0:3")
        assert again.code == 4, again.err
        statuses = [job["status"] for job in json.loads(again.out)["jobs"]]
        assert statuses == ["kept", "kept", "failed"]
        assert before == {name: Path(place.folder, name).stat().st_mtime_ns for name in before}
        # Once nothing is in its way, it is made, and only it.
        (place.folder / "made" / f"{stem(2)}.mp4").rmdir()
        last = place.render(*SWEEP, "--seeds", "0:3").facts
        assert [job["status"] for job in last["jobs"]] == ["kept", "kept", "made"]
        assert_whole(place, {0, 1, 2})
