"""Workers that stay for one list of tasks after another."""

from __future__ import annotations

import pytest

from backends.base import BackendError
from irgen.pool import Limits, Lost, Session
from tests.irgen import pool_work
from tests.irgen.pool_work import Task, answer

QUICK = Limits(seconds=5.0, batch=4)


def _tasks(number: int) -> list[Task]:
    return [Task(at) for at in range(number)]


def test_every_list_is_answered_in_order() -> None:
    with Session(pool_work.work, workers=2, limits=QUICK) as session:
        for number in (10, 1, 0, 7):
            assert session.map(_tasks(number)) == [answer(task) for task in _tasks(number)]


def test_the_processes_stay() -> None:
    with Session(pool_work.process, workers=1, limits=QUICK) as session:
        seen = {each for _ in range(3) for each in session.map(_tasks(6))}
    assert len(seen) == 1


def test_a_list_is_shared_evenly_from_the_start() -> None:
    with Session(pool_work.batch_sizes, workers=2, limits=QUICK) as session:
        assert session.map(_tasks(6)) == [3] * 6
        assert session.map(_tasks(9)) == [4] * 8 + [1]


def test_a_death_costs_one_task_and_no_list() -> None:
    with Session(pool_work.work, workers=1, limits=QUICK) as session:
        given = [Task(0), Task(1, "SIGSEGV"), Task(2)]
        dead = Lost("crashed", "SIGSEGV")
        assert session.map(given) == [answer(given[0]), dead, answer(given[2])]
        assert session.map(_tasks(3)) == [answer(task) for task in _tasks(3)]


def test_patience_bounds_the_second_try() -> None:
    limits = Limits(seconds=0.2, batch=4, patience=2)
    with Session(pool_work.work, workers=1, limits=limits) as session:
        assert session.map([Task(0, "hang")]) == [Lost("timed_out", "0.4 s")]


def test_what_the_work_raises_comes_out() -> None:
    with (
        Session(pool_work.work, workers=1, limits=QUICK) as session,
        pytest.raises(BackendError),
    ):
        session.map([Task(0, "refuse")])


def test_no_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="0 workers"):
        Session(pool_work.work, workers=0)
