"""How long rows take to be checked, against how long they take to be made: paired, one process.

Batch by batch, rows are made as `irgen build` makes them and then inspected as `irgen validate`
does without running any. Reading and hashing the shards is timed apart. CPU time, so that what else
runs on the machine counts for less.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from irgen import lane
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.dataset.building.rows import BATCH, Making, making
from irgen.dataset.building.rows import prepare as prepare_making
from irgen.dataset.checking import intact
from irgen.dataset.checking.inspection import Inspecting, inspect, prepare
from irgen.dataset.checking.validate import BATCH as INSPECTED
from irgen.dataset.checking.validate import Depth, installed
from irgen.dataset.columns import Row, row_of
from irgen.dataset.facts import facts
from irgen.service import draw_batch
from tests.bench.report import Table
from tests.irgen.dataset import whole

TARGET = 5.0


def campaign(count: int) -> Iterator[Table]:
    """A table of milliseconds of CPU time for a row."""
    rows: list[tuple[str, int, float, float, float]] = []
    for backends in (("warp", "jax"), ("warp",), ("jax",)):
        built, checked = paired(backends, count)
        rows.append((" and ".join(backends), count, built, checked, built / checked))
    failures = [f"{row[0]}: {row[4]:.2f}x, target {TARGET:g}x" for row in rows if row[4] < TARGET]
    columns = ("backends", "rows", "made, ms", "checked, ms", "ratio")
    title = "validate without running, against building, CPU time of a row"
    yield Table(title, columns, tuple(rows), (), tuple(failures))


def paired(backends: tuple[str, ...], count: int) -> tuple[float, float]:
    """Milliseconds of CPU time to make a row, and to check it."""
    settings = settings_of(BuildRequest(count=count, grammars=("safe",), backends=backends))
    how = making(settings)
    here, same, _ = installed(settings)
    inspecting = Inspecting(how, here, same)
    prepare_making(how)
    prepare(inspecting)
    turns = len(how.grammars)
    built = checked = 0.0
    for warming in (True, False):
        built = checked = 0.0
        for start in range(0, INSPECTED if warming else count, INSPECTED):
            numbers = range(start, min(start + INSPECTED, max(count, INSPECTED)))
            spent, rows = _timed(lambda n=numbers: _made(how, turns, n))
            built += spent
            depth = Depth()
            tasks = [
                depth.task(row, row["id"], (n % turns, n // turns))
                for n, row in zip(numbers, rows, strict=True)
            ]
            spent, found = _timed(lambda t=tasks: inspect(inspecting, t))
            checked += spent
            assert not any(one.said for one in found), [one.said for one in found if one.said]
    return 1e3 * built / count, 1e3 * checked / count + _reading(backends)


def _made(how: Making, turns: int, numbers: range) -> list[Row]:
    """Rows as a worker of `irgen build` makes them."""
    rows: list[Row] = []
    for start in range(0, len(numbers), BATCH):
        part = numbers[start : start + BATCH]
        drawn = draw_batch([(how.grammars[n % turns], n // turns) for n in part], 0)
        made = list(zip(*[lane.produce(one, drawn) for one in how.lanes], strict=True))
        rows += [
            row_of(how.settings, records, facts(item.program))
            for item, records in zip(drawn, made, strict=True)
        ]
    return rows


def _reading(backends: tuple[str, ...]) -> float:
    """Milliseconds of CPU time to hash and read a row."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = whole.make(Path(folder) / "data", 2 * BATCH, backends=backends)
        list(dataset.rows())
        spent, _ = _timed(lambda: (list(intact.shards(dataset)), list(dataset.rows())))
    return 1e3 * spent / dataset.count


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found
