"""Fuzzing against verified sampling of the same programs, and what each further oracle costs.

All sides get the same addresses and take turns at going first. The first block warms up and is not
counted. What is wrong with a program is not shrunk here.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen import lane
from irgen.fuzz import campaign
from irgen.fuzz.setup import BASE, ORACLES, REFERENCE, Setup
from irgen.lane import Address, Plan
from irgen.service import installed_versions
from tests.bench.measure import Ratio, pin, seconds, shares, table
from tests.bench.report import Cell, Table

DEARER = 1.2
"""Target: with the oracles of the reference alone, at most so many times as long as sampling."""

GRAMMAR = "compound"
SEED = 0
SAMPLING = "verified sampling"

_BLOCK = {"warp": 48, "jax": 16}
"""Programs in a block."""
_FEW = 8
"""Programs in a block where some also run in an interpreter of their own."""

Side = Callable[[Sequence[Address]], object]


def reference(blocks: int) -> Table:
    """CPU time of the oracles of the reference, against that of sampling which captures no more
    than what it runs, in the same execution."""
    note = pin()
    ratios: list[Ratio] = []
    for backend, block in _BLOCK.items():
        name = f"fuzzing, {backend}"
        versions = installed_versions(BACKENDS[backend], True)
        plan = Plan(backend, SEED, frozenset(), (BASE[backend],), (), versions)
        sides: dict[str, Side] = {
            SAMPLING: partial(lane.work, plan),
            name: partial(campaign.work, Setup(backend), SEED),
        }
        times = _timed(sides, blocks, block, lambda step: seconds(step)[0])
        ratios += shares(times, SAMPLING, {name: DEARER}, block, SAMPLING)
    sizes = " and ".join(f"{block} {backend}" for backend, block in _BLOCK.items())
    return table("Fuzzing", ratios, (f"{blocks} blocks of {sizes} {GRAMMAR} programs; {note}",))


def oracles(backend: str, blocks: int) -> Table:
    """Wall time of the oracles of the reference with one more, as a multiple of that without."""
    BACKENDS[backend].prepare()
    further = [n for n, one in ORACLES.items() if n not in REFERENCE and backend in one.ways]
    setups = {"": REFERENCE, **{name: (*REFERENCE, name) for name in further}}
    sides: dict[str, Side] = {
        name: partial(campaign.work, Setup(backend, oracles=chosen), SEED)
        for name, chosen in setups.items()
    }
    times = _timed(sides, blocks, _FEW, _elapsed)
    rows: list[tuple[Cell, ...]] = []
    for name in further:
        ratios = [taken[name] / taken[""] for taken in times]
        rate = _FEW * len(times) / sum(taken[name] for taken in times)
        rows.append((name, median(ratios), min(ratios), max(ratios), rate))
    columns = ("oracle", "multiple", "lowest", "highest", "programs/s")
    notes = (
        f"{blocks} blocks of {_FEW} {GRAMMAR} programs, wall time of a process and of those that it"
        " runs programs in",
    )
    return Table(f"Oracles beside the reference, {backend}", columns, tuple(rows), notes)


def _timed(
    sides: dict[str, Side], blocks: int, block: int, timed: Callable[[Callable[[], object]], float]
) -> list[dict[str, float]]:
    """Seconds by side of each block but the first."""
    times: list[dict[str, float]] = []
    for number in range(blocks + 1):
        given = [(GRAMMARS[GRAMMAR], number * block + at) for at in range(block)]
        order = [*sides][:: -1 if number % 2 else 1]
        times.append({name: timed(partial(sides[name], given)) for name in order})
    return times[1:]


def _elapsed(step: Callable[[], object]) -> float:
    """Wall seconds: interpreters of their own are waited for."""
    gc.collect()
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
