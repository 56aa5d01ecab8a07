"""The fault drill: workers are killed, hung and starved in the middle of a real run.

Exactly the rows that did it carry the status; every other row equals an undisturbed run's.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen import pool
from irgen.pool import Limits, Lost
from irgen.service import addresses, installed_versions
from tests.bench.report import Table

Work = Callable[[Sequence[Any]], Sequence[Any]]
Placed = tuple[int, Any]

LIMITS = Limits(seconds=10.0, memory=2 << 30)
"""A batch takes about a second."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to a process, and what is to be said of the row that it happens at."""

    strike: Callable[[], object]
    lost: Lost


def _hang() -> None:
    time.sleep(24 * 3600)


def _eat() -> None:
    eaten: list[bytearray] = []
    while True:
        eaten.append(bytearray(b"\1") * (1 << 24))


def _signalled(number: signal.Signals) -> Fate:
    return Fate(lambda: os.kill(os.getpid(), number), Lost("crashed", number.name))


FATES: dict[str, Fate] = {
    "SEGV": Fate(lambda: ctypes.string_at(0), Lost("crashed", "SIGSEGV")),
    "FPE": _signalled(signal.SIGFPE),
    "ABRT": Fate(os.abort, Lost("crashed", "SIGABRT")),
    "KILL": _signalled(signal.SIGKILL),
    "hang": Fate(_hang, Lost("timed_out", f"{10 * LIMITS.seconds:g} s")),
    "memory": Fate(_eat, Lost("out_of_memory", "more than 2 GiB")),
}


def disturbed(work: Work, fates: Mapping[int, str], tasks: Sequence[Placed]) -> list[Any]:
    """The work on tasks with their positions; a position with a fate strikes once it is done, when
    compilers are loaded and their threads run."""
    found = work([task for _, task in tasks])
    for position, _ in tasks:
        if position in fates:
            FATES[fates[position]].strike()
    return list(found)


def chosen(count: int) -> dict[int, str]:
    """Rows and their fates: alone, side by side in one batch, first and last of all."""
    alone = {(2 * at + 1) * count // (2 * len(FATES)): name for at, name in enumerate(FATES)}
    fatal = [name for name in FATES if name not in ("hang", "memory")]
    together = {count // 3 + at: name for at, name in enumerate(fatal)}
    return {**together, **alone, 0: "SEGV", count - 1: "KILL"}


@dataclass(frozen=True, slots=True)
class Run:
    """What came of each row: a digest, or how it was lost."""

    rows: list[str | Lost]
    seconds: float


def _run(
    work: Work, tasks: Sequence[Any], fates: Mapping[int, str], workers: int, limits: Limits
) -> Run:
    start = time.monotonic()
    job = functools.partial(disturbed, work, fates)
    rows: list[str | Lost] = [
        row if isinstance(row, Lost) else hashlib.sha256(msgspec.json.encode(row)).hexdigest()
        for row in pool.run(job, list(enumerate(tasks)), workers=workers, limits=limits)
    ]
    return Run(rows, time.monotonic() - start)


def drill(
    title: str, work: Work, tasks: Sequence[Any], workers: int, limits: Limits = LIMITS
) -> Table:
    """Two runs of the work over the tasks, the second one disturbed, row by row."""
    fates = chosen(len(tasks))
    quiet = _run(work, tasks, {}, workers, limits)
    loud = _run(work, tasks, fates, workers, limits)
    failures: list[str] = []
    for position, (before, after) in enumerate(zip(quiet.rows, loud.rows, strict=True)):
        expected = FATES[fates[position]].lost if position in fates else before
        if after != expected:
            failures.append(f"row {position}: {after} where {expected} is due")
    rows: list[tuple[str, int, int, str]] = []
    for name, fate in FATES.items():
        places = [position for position, given in fates.items() if given == name]
        told = sum(loud.rows[place] == fate.lost for place in places)
        rows.append((name, len(places), told, f"{fate.lost.reason}, {fate.lost.detail}"))
    equal = sum(before == after for before, after in zip(quiet.rows, loud.rows, strict=True))
    notes = (
        f"{len(tasks)} rows, {workers} workers; {equal} rows equal those of the undisturbed run",
        f"undisturbed {quiet.seconds:.0f} s, disturbed {loud.seconds:.0f} s",
    )
    return Table(title, ("fate", "rows", "told", "as"), tuple(rows), notes, tuple(failures))


def campaign(presets: list[str], count: int, workers: int) -> Iterator[Table]:
    """The drill on rows that are captured, executed and judged, half of them for each backend."""
    from irgen.lane import Plan, work

    for backend in BACKENDS.values():
        versions = installed_versions(backend, True, here=False)
        levels = frozenset(level.name for level in backend.levels)
        plan = Plan(backend.name, 0, levels, backend.executions[:1], (), versions)
        grammars = [GRAMMARS[name] for name in presets]
        tasks = list(addresses(grammars, 0, count // len(BACKENDS)))
        title = f"Fault drill, {backend.name}"
        yield drill(title, functools.partial(work, plan), tasks, workers)
