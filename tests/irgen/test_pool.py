"""The pool: order, laziness, guilt for every sort of death, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from backends.base import REASONS, BackendError
from irgen import pool
from irgen.pool import Limits, Lost, WorkError
from tests.irgen import pool_work
from tests.irgen.pool_work import Task, answer, work

MEMORY = 1 << 28
QUICK = Limits(seconds=5.0, memory=MEMORY, batch=16)
IMPATIENT = Limits(seconds=0.1, memory=MEMORY, batch=16)

CRASHED = {
    "SIGSEGV": "SIGSEGV",
    "SIGFPE": "SIGFPE",
    "SIGABRT": "SIGABRT",
    "SIGKILL": "SIGKILL",
    "SIGTERM": "SIGTERM",
    "leave": "exit status 7",
    "leave_properly": "exit status 0",
}


def tasks(fates: dict[int, str], number: int = 60) -> list[Task]:
    return [Task(at, fates.get(at, "")) for at in range(number)]


def check(given: list[Task], found: Iterable[object], lost: dict[int, Lost]) -> None:
    """Exactly these tasks are lost, and every other result is that of an undisturbed run."""
    expected = [lost.get(task.number, answer(task)) for task in given]
    assert list(found) == expected


@pytest.fixture(autouse=True)
def _nothing_left(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No thread, no process and no file of a worker outlives a test."""
    folder = tmp_path_factory.mktemp("workers")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    # What runs already belongs to another test of this process.
    threads, processes = set(threading.enumerate()), set(children(os.getpid()))
    yield
    assert not list(folder.iterdir())
    assert set(threading.enumerate()) <= threads
    assert set(children(os.getpid())) <= processes


def children(process: int) -> list[int]:
    """Living processes whose parent is this one."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def alive(process: int) -> bool:
    """Whether a process runs: neither gone nor only waiting to be noticed."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order_of_tasks(workers: int) -> None:
    given = tasks({}, 200)
    check(given, pool.run(work, given, workers=workers), {})


def test_no_tasks() -> None:
    assert list(pool.run(work, [], workers=2)) == []


def test_no_workers() -> None:
    with pytest.raises(ValueError, match="0 workers"):
        pool.run(work, [], workers=0)


def test_a_crash_is_told_of_the_task_that_crashed() -> None:
    given = tasks({37: "SIGSEGV"})
    lost = {37: Lost("crashed", "SIGSEGV")}
    check(given, pool.run(work, given, workers=1, limits=QUICK), lost)


def test_many_crashes_in_several_batches_at_once() -> None:
    places = [0, 4, 20, 21, 22, 31, 44, 59]
    fates = dict(zip(places, [*CRASHED, "SIGSEGV"], strict=True))
    given = tasks(fates)
    lost = {at: Lost("crashed", CRASHED[fate]) for at, fate in fates.items()}
    check(given, pool.run(work, given, workers=2, limits=QUICK), lost)


def test_every_task_of_a_batch_crashes() -> None:
    given = tasks(dict.fromkeys(range(7, 15), "SIGSEGV"), 20)
    lost = dict.fromkeys(range(7, 15), Lost("crashed", "SIGSEGV"))
    check(given, pool.run(work, given, workers=2, limits=QUICK), lost)


@pytest.mark.parametrize("fate", ["hang", "hang_in_native_code"])
def test_a_hang_is_tried_again_with_ten_times_the_limit(fate: str) -> None:
    given = tasks({9: fate}, 20)
    start = time.monotonic()
    found = pool.run(work, given, workers=2, limits=IMPATIENT)
    check(given, found, {9: Lost("timed_out", "1 s")})
    assert 1.2 < time.monotonic() - start < 10


def test_a_slow_task_is_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "tries"
    given = [Task(0), Task(1), Task(2, "hang_once", str(place)), Task(3)]
    limits = Limits(seconds=0.2, memory=MEMORY, batch=1)
    check(given, pool.run(work, given, workers=1, limits=limits), {})
    assert place.read_text() == "xx"


def test_a_crash_that_does_not_repeat_costs_no_result(tmp_path: Path) -> None:
    given = [Task(at, "crash_once" if at == 11 else "", str(tmp_path / "mark")) for at in range(20)]
    check(given, pool.run(work, given, workers=2, limits=QUICK), {})
    assert (tmp_path / "mark").exists()


def test_a_task_without_end_to_its_memory() -> None:
    given = tasks({18: "eat", 40: "claim"})
    lost = {
        18: Lost("out_of_memory", "more than 256 MiB"),
        40: Lost("out_of_memory", "MemoryError"),
    }
    check(given, pool.run(work, given, workers=2, limits=QUICK), lost)


def test_reasons_are_those_of_the_table() -> None:
    assert {"crashed", "timed_out", "out_of_memory"} <= set(REASONS)


def test_a_worker_killed_while_its_result_is_on_the_way() -> None:
    given = tasks({21: "now"}, 40)
    found = list(pool.run(pool_work.large, given, workers=2, limits=QUICK))
    assert found[21] == Lost("crashed", "SIGKILL")
    assert [one for at, one in enumerate(found) if at != 21] == [bytes(1 << 20)] * 39


def test_nothing_depends_on_workers_or_batches() -> None:
    given = tasks({3: "SIGSEGV", 30: "leave", 31: "SIGABRT"}, 40)
    runs = [
        list(pool.run(work, given, workers=workers, limits=Limits(seconds=5.0, batch=batch)))
        for workers, batch in ((1, 1), (2, 5), (3, 40))
    ]
    assert runs[0] == runs[1] == runs[2]


def test_tasks_are_taken_a_bounded_number_ahead() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Task]:
        for number in count():
            taken.append(number)
            yield Task(number)

    found = pool.run(work, endless(), workers=2, limits=Limits(batch=4))
    assert not taken
    for number in range(300):
        assert next(found) == answer(Task(number))
        assert len(taken) <= number + 2 * 8 * 4 + 4
    del found


def test_a_stuck_task_does_not_let_results_pile_up(tmp_path: Path) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Task]:
        for number in count():
            taken.append(number)
            yield Task(number, "hang_once" if number == 0 else "", str(tmp_path / "tries"))

    found = pool.run(work, endless(), workers=2, limits=Limits(batch=4))
    assert next(found) == answer(Task(0))
    assert len(taken) <= 2 * 8 * 4 + 4
    del found


def test_batches_grow_from_one_task() -> None:
    sizes = list(pool.run(pool_work.batch_sizes, tasks({}, 40), workers=1, limits=Limits(batch=16)))
    assert list(dict.fromkeys(sizes)) == [1, 2, 4, 8, 16, 9]


def test_workers_are_replaced() -> None:
    limits = Limits(batch=4, recycle=10)
    found = list(pool.run(pool_work.process, tasks({}, 40), workers=1, limits=limits))
    runs = [found.count(process) for process in dict.fromkeys(found)]
    assert runs == [11, 12, 12, 5]


def test_one_task_starts_one_worker() -> None:
    assert len(set(pool.run(pool_work.process, tasks({}, 1), workers=8))) == 1


def test_an_exception_of_the_work_ends_the_run_with_its_traceback() -> None:
    given = tasks({33: "fail"})
    found = pool.run(work, given, workers=2, limits=Limits(batch=1))
    assert list(islice(found, 33)) == [answer(task) for task in given[:33]]
    with pytest.raises(WorkError, match=r"in fail(.|\n)*ZeroDivisionError: task 33"):
        next(found)


def test_what_is_meant_for_users_reaches_them() -> None:
    with pytest.raises(BackendError, match="no such device"):
        list(pool.run(work, tasks({2: "refuse"}), workers=1))
    with pytest.raises(BackendError, match="install the backend"):
        list(pool.run(work, tasks({}), workers=1, prepare=pool_work.remember_fault))


def test_too_few_results() -> None:
    with pytest.raises(WorkError, match="0 results for 1 tasks"):
        list(pool.run(pool_work.one_short, tasks({}), workers=1))


def test_results_that_cannot_travel() -> None:
    with pytest.raises(WorkError, match="pickle"):
        list(pool.run(pool_work.unpicklable, tasks({}), workers=1))


def test_preparation_has_a_limit_of_its_own() -> None:
    limits = Limits(seconds=0.4, batch=4)
    found = list(
        pool.run(
            pool_work.settings, tasks({}, 9), workers=1, limits=limits, prepare=pool_work.prepare
        )
    )
    assert found == [(True, False, False, 1)] * 9


def test_workers_that_cannot_start() -> None:
    with pytest.raises(WorkError, match="LookupError: nothing to prepare with"):
        list(pool.run(work, tasks({}), workers=2, prepare=pool_work.prepare_badly))
    with pytest.raises(WorkError, match="before their first task: crashed, SIGABRT"):
        list(pool.run(work, tasks({}), workers=2, prepare=pool_work.prepare_to_die))
    slow = Limits(start=0.2)
    with pytest.raises(WorkError, match=r"before their first task: timed_out, 0\.2 s"):
        list(pool.run(work, tasks({}), workers=1, limits=slow, prepare=pool_work.prepare))


@pytest.mark.parametrize("loud", [False, True])
def test_what_workers_print(capfd: pytest.CaptureFixture[str], loud: bool) -> None:
    given = tasks({1: "shout"}, 3)
    check(given, pool.run(work, given, workers=1, loud=loud), {})
    printed = capfd.readouterr()
    assert printed.out == ""
    lines = ["printed by a worker", "written by a worker", "complained by a worker"]
    assert printed.err.splitlines() == (lines if loud else [])


def test_memory_stays_flat() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    found = pool.run(work, tasks({}, 30_000), workers=2, limits=Limits(batch=256))
    for _ in islice(found, 3_000):
        pass
    before = resident()
    for _ in found:
        pass
    assert resident() - before < 8 << 20


PARENT = """
import sys
from irgen import pool
from tests.irgen.pool_work import Task, work
given = [Task(0), Task(1), Task(2), *[Task(number, "hang") for number in range(3, 20)]]
for number, _ in enumerate(pool.run(work, given, workers=2, limits=pool.Limits(batch=1))):
    print(number, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(
    number: signal.Signals, tmp_path: Path
) -> None:
    pipe = subprocess.PIPE
    place = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=place) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert [parent.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        workers = children(parent.pid)
        assert workers
        os.kill(parent.pid, number)
        start = time.monotonic()
        parent.wait(10)
        while any(map(alive, workers)) and time.monotonic() < start + 5:
            time.sleep(0.01)
        assert not any(map(alive, workers))
        assert parent.stdout.read() == ""
        complaint = parent.stderr.read()
    assert parent.returncode == -number
    assert complaint.count("Traceback") == (number == signal.SIGINT)


def test_leaving_early_ends_the_workers() -> None:
    found = pool.run(pool_work.process, (Task(number) for number in count()), workers=2)
    process = next(found)
    assert isinstance(process, int)
    assert alive(process)
    del found
    assert not alive(process)
