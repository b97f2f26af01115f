"""Work for four at once: who waits is told, who leaves is not worked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from diffusion_core.errors import LectureError
from diffusion_core.onlookers import Look
from diffusion_core.recipe import ReverseRecipe
from diffusion_core.runs import run
from explorer.people import Person, new_token
from explorer.serving import Finished, Running, Tell, Waiting, Work
from explorer.waiting import Line

RECIPE = ReverseRecipe(seeds=(3,), steps=4)


def somebody() -> Person:
    return Person(new_token(), new_token())


class Held:
    """A job that tells of itself until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.ended = threading.Event(), threading.Event()

    def __call__(self, tell: Tell) -> str:
        try:
            while not self.let_go.wait(0.01):
                tell("busy")
            return "done"
        finally:
            self.ended.set()


class TestLine:
    def test_the_first_are_served_in_the_order_of_arrival(self) -> None:
        line = Line(places=2, longest=2)
        tickets = [line.join() for _ in range(4)]
        assert [line.ahead(ticket) for ticket in tickets] == [0, 0, 1, 2]
        line.leave(tickets[1])
        assert [line.ahead(ticket) for ticket in (tickets[2], tickets[3])] == [0, 1]

    def test_too_many_are_told_so(self) -> None:
        line = Line(places=1, longest=1)
        for _ in range(2):
            line.join()
        with pytest.raises(LectureError, match="1 people are waiting already"):
            line.join()

    def test_waiting_ends_as_soon_as_it_is_ones_turn(self) -> None:
        line = Line(places=1)
        first, second = line.join(), line.join()
        threading.Timer(0.05, line.leave, [first]).start()
        assert line.wait(second, 60) == 0


class TestFourAtOnce:
    def test_a_fifth_waits_is_told_and_is_served_when_one_is_done(self, work: Work) -> None:
        jobs = [Held() for _ in range(5)]
        flows = [work.do(somebody(), job) for job in jobs]
        assert [next(flow) for flow in flows[:4]] == ["busy"] * 4
        told = next(flows[4])
        assert isinstance(told, Waiting)
        assert told.ahead == 1
        assert str(told) == (
            "4 people are being served. You wait in line: 1 person is ahead of you."
        )
        jobs[2].let_go.set()
        assert [news.result for news in flows[2] if isinstance(news, Finished)] == ["done"]
        assert "busy" in flows[4]
        for flow in flows:
            flow.close()  # type: ignore[attr-defined]
        assert all(job.ended.wait(10) for job in jobs)

    def test_a_place_is_free_only_when_the_work_has_ended(self, work: Work) -> None:
        going_on = threading.Event()

        def stubborn(tell: Tell) -> None:
            tell("busy")
            going_on.wait(10)

        flow = work.do(somebody(), stubborn)
        next(flow)
        flow.close()  # type: ignore[attr-defined]
        assert len(work.line) == 1
        going_on.set()
        assert len(list(work.do(somebody(), lambda tell: None))) == 1
        assert len(work.line) == 0

    def test_what_goes_wrong_is_raised_and_leaves_no_place_taken(self, work: Work) -> None:
        def wrong(tell: Tell) -> None:
            raise LectureError("no such picture")

        with pytest.raises(LectureError, match="no such picture"):
            list(work.do(somebody(), wrong))
        assert len(work.line) == 0


class TestStopping:
    def test_closing_the_tab_stops_its_work(self, work: Work, person: Person) -> None:
        job = Held()
        flow = work.do(person, job)
        next(flow)
        work.leave(person)
        assert job.ended.wait(10)
        assert not [news for news in flow if isinstance(news, Finished)]

    def test_closing_the_tab_ends_its_waiting(self, work: Work, person: Person) -> None:
        others = [work.do(somebody(), Held()) for _ in range(4)]
        for other in others:
            next(other)
        never = Held()
        flow = work.do(person, never)
        next(flow)
        work.leave(person)
        assert list(flow) == []
        assert len(work.line) == 4
        assert not never.ended.is_set()

    def test_a_run_is_stopped_between_its_steps_and_nothing_is_kept(
        self, work: Work, person: Person
    ) -> None:
        flow = work.run(person, ReverseRecipe(steps=200))
        first = next(news for news in flow if isinstance(news, Running))
        work.leave(person)
        rest = list(flow)
        assert first.total == 200
        assert not [news for news in rest if isinstance(news, Finished)]
        assert not list(work.room(person).folder.rglob("*.safetensors"))

    def test_new_work_of_a_tab_stops_its_old(self, work: Work, person: Person) -> None:
        old, new = Held(), Held()
        before = work.do(person, old)
        next(before)
        after = work.do(person, new)
        next(after)
        assert old.ended.wait(10)
        assert not new.ended.is_set()
        assert not [news for news in before if isinstance(news, Finished)]
        assert work.handle(person) is not None

    def test_what_was_done_before_the_newest_is_not_begun(self, work: Work, person: Person) -> None:
        other = Person(person.browser, "another tab")
        assert work.is_newest(person, 2)
        assert not work.is_newest(person, 1)
        assert work.is_newest(other, 1)
        assert work.is_newest(person, 2)
        assert work.is_newest(person, 3)
        work.leave(person)
        assert work.is_newest(person, 1)

    def test_when_the_server_ends_all_work_does_and_none_begins(
        self, work: Work, person: Person
    ) -> None:
        job = Held()
        flow = work.do(person, job)
        next(flow)
        work.end()
        assert job.ended.wait(10)
        with pytest.raises(LectureError, match="is being closed"):
            next(work.do(person, Held()))

    def test_what_a_tab_shows_is_forgotten_with_it(self, work: Work, person: Person) -> None:
        work.show(person, "reverse", "a recording")
        work.leave(Person(person.browser, "another tab"))
        assert work.shown(person, "reverse") == "a recording"
        work.leave(person)
        assert work.shown(person, "reverse") is None


class Seen:
    """What a run shows, one step at a time."""

    def __init__(self, work: Work, person: Person) -> None:
        self.steps: list[int] = []
        self.flow: Iterator[Any] = work.run(person, RECIPE, self.look)

    def look(self, look: Look) -> int:
        self.steps.append(look.done)
        return look.done


class TestHolding:
    def test_held_it_takes_one_step_when_asked_and_goes_on_when_let(
        self, work: Work, person: Person
    ) -> None:
        handles: list[Any] = []

        def hold(look: Look) -> int:
            handle = work.handle(person)
            assert handle is not None
            if look.done == 1:
                handles.append(handle)
                handle.pause()
            return look.done

        flow = work.run(person, RECIPE, hold)
        assert next(flow) == 1
        assert handles[0].paused
        assert handles[0].seen == [1]
        handles[0].step()
        assert next(flow) == 2
        assert handles[0].seen == [1, 2]
        handles[0].pause(False)
        *_, last = flow
        assert isinstance(last, Finished)
        assert handles[0].seen == [1, 2, 3, 4]


def test_what_was_seen_is_what_a_run_records(work: Work, person: Person) -> None:
    looks: list[Look] = []
    *_, last = work.run(person, RECIPE, lambda look: looks.append(look) or look)  # type: ignore[func-returns-value]
    alone = run(RECIPE)
    kept = last.result.trajectory
    for name, array in alone.arrays().items():
        assert np.array_equal(kept.arrays()[name], array), name
    assert kept.facts["recipe"] == alone.facts["recipe"]
    assert [look.t for look in looks] == alone.timesteps[:-1].tolist()
    assert looks[-1].nfe == alone.facts["nfe"]
    assert alone.x0_hat is not None
    assert alone.eps_hat is not None
    for i, look in enumerate(looks):
        assert np.array_equal(look.x_t, alone.states[i])
        assert np.array_equal(look.x_s, alone.states[i + 1])
        assert np.array_equal(look.x0_hat, alone.x0_hat[i])
        assert np.array_equal(look.eps_hat, alone.eps_hat[i])


def test_what_was_recorded_is_found_again(work: Work, person: Person) -> None:
    *_, first = work.run(person, RECIPE)
    *_, again = work.run(person, RECIPE)
    assert first.result.fresh
    assert not again.result.fresh
    assert first.result.path.is_relative_to(work.room(person).folder)
