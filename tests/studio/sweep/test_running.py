"""Jobs that fail are tried again, then given up; the others are done whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from diffusion_core.errors import LectureError
from scenes.options import SceneOptions
from studio.production import Order, Product
from studio.quality import QUALITIES
from studio.sweep.plan import Sweep, SweepJob
from studio.sweep.running import FAILED_CHANCES, LOST_CHANCES, Outcome, one_line, work
from studio.sweep.watching import Watcher, in_words


class Lost(Exception):
    """A worker is."""


class ScriptedHands:
    """Two places; each job ends as its script says, and the last word of it stays."""

    def __init__(self, scripts: dict[int, list[BaseException | None]]) -> None:
        self.scripts = scripts
        self.begun: list[int] = []
        self.running: list[Future[Product]] = []

    @property
    def free(self) -> bool:
        self.running = [future for future in self.running if not future.done()]
        return len(self.running) < 2

    def submit(self, job: SweepJob) -> Future[Product]:
        assert self.free
        self.begun.append(job.number)
        script = self.scripts.get(job.number, [None])
        error = script.pop(0) if len(script) > 1 else script[0]
        future: Future[Product] = Future()
        if error is None:
            future.set_result(Product.beside(job.order.video, 1.0))
        else:
            future.set_exception(error)
        self.running.append(future)
        return future

    def shares(self) -> Iterator[tuple[int, float]]:
        yield from ()

    def chances(self, error: BaseException) -> int:
        return LOST_CHANCES if isinstance(error, Lost) else FAILED_CHANCES

    def said(self, error: BaseException) -> str:
        return one_line(error)


class Seen:
    """What was told."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.repeated: list[int] = []

    def share(self, number: int, share: float) -> None:
        raise AssertionError("nobody told of a share")

    def ended(self, outcome: Outcome) -> None:
        self.done.append(outcome.job.number)

    def again(self, job: SweepJob, error: str) -> None:
        self.repeated.append(job.number)


@pytest.fixture
def jobs() -> tuple[SweepJob, ...]:
    base = Order("forward_process", SceneOptions(), QUALITIES["draft"], "silent", Path("out"))
    return Sweep(base, tuple(range(6)), {}).jobs


def test_what_fails_is_tried_again_and_given_up_and_the_others_are_done(
    jobs: tuple[SweepJob, ...],
) -> None:
    hands = ScriptedHands(
        {
            0: [LectureError("always")],
            1: [LectureError("once"), None],
            2: [Lost(), Lost(), None],
            3: [Lost("for good")],
            4: [ZeroDivisionError("a bug")],
        }
    )
    seen = Seen()
    outcomes = work(jobs, hands, seen)
    assert {n: (o.status, o.tries) for n, o in outcomes.items()} == {
        0: ("failed", 2),
        1: ("made", 2),
        2: ("made", 3),
        3: ("failed", 3),
        4: ("failed", 2),
        5: ("made", 1),
    }
    assert outcomes[0].error == "always"
    assert outcomes[4].error == "ZeroDivisionError: a bug"
    assert sorted(seen.done) == list(range(6))
    assert sorted(seen.repeated) == [0, 1, 2, 2, 3, 3, 4]
    # Whoever fails waits until the others had their turn.
    assert hands.begun[:6] == list(range(6))


def test_a_worker_that_is_lost_a_second_time_after_a_failure_has_its_chances(
    jobs: tuple[SweepJob, ...],
) -> None:
    outcomes = work(jobs[:1], ScriptedHands({0: [Lost(), LectureError("no")]}), Seen())
    assert (outcomes[0].status, outcomes[0].tries, outcomes[0].error) == ("failed", 2, "no")


def test_the_time_left_follows_from_what_is_done(
    jobs: tuple[SweepJob, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("studio.sweep.watching.time.monotonic", lambda: now)
    watcher = Watcher()
    watcher.begin(4, 2, 3)
    assert watcher.seconds_left() is None
    now = 130.0
    watcher.ended(Outcome(jobs[0], "made", Product.beside(Path("a.mp4"), 1.0)))
    assert watcher.seconds_left() == pytest.approx(90)
    watcher.share(1, 0.5)
    assert watcher.seconds_left() == pytest.approx(50)
    watcher.again(jobs[1], "it rained")
    assert watcher.seconds_left() == pytest.approx(90)
    for job in jobs[1:4]:
        watcher.ended(Outcome(job, "failed", error="it rained"))
    assert watcher.seconds_left() is None
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[:4] == [
        "recordings: 3 made",
        "2 of 6 videos are there already",
        "1 of 4: seed 0 made; about 2 min left",
        "seed 1 is tried again: it rained",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (9000, "2.5 h")]
)
def test_times_are_said_as_one_says_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
