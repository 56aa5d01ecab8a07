"""Paired measurement: shares of CPU time on the same items, in alternating blocks of one run."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.bench.report import Table

T = TypeVar("T")

COLUMNS = (
    "what",
    "against",
    "ratio",
    "lowest",
    "highest",
    "target",
    "met",
    "measured",
    "reference",
    "unit",
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """`what` as a share of `against`, one ratio per block, and both in absolute terms."""

    what: str
    against: str
    ratios: tuple[float, ...]
    target: float
    measured: float
    reference: float
    unit: str

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        return self.median <= self.target


def table(title: str, ratios: Sequence[Ratio], notes: Sequence[str] = ()) -> Table:
    """The table of some ratios; a median above its target is a failure."""
    rows = tuple(
        (
            ratio.what,
            ratio.against,
            ratio.median,
            min(ratio.ratios),
            max(ratio.ratios),
            ratio.target,
            ratio.met,
            ratio.measured,
            ratio.reference,
            ratio.unit,
        )
        for ratio in ratios
    )
    failures = tuple(
        f"{ratio.what} is {ratio.median:.3g} of {ratio.against}, target {ratio.target}"
        for ratio in ratios
        if not ratio.met
    )
    return Table(title, COLUMNS, rows, tuple(notes), failures)


def pin() -> str:
    """Keep this process on one core where the system allows; says what was done.

    Call it before JAX is imported: XLA sizes its thread pools by the cores it sees.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned to a core: the system has no call for it"
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}, CPU time of the process, garbage collected before each block"


def seconds(step: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of the process for one step, and its result."""
    gc.collect()
    start = time.process_time()
    result = step()
    return time.process_time() - start, result


def shares(
    times: Sequence[dict[str, float]],
    reference: str,
    targets: dict[str, float],
    block: int,
    name: str,
) -> list[Ratio]:
    """Ratios of the steps in `targets` to the `reference` step, from seconds per block and step."""

    def rate(step: str) -> float:
        return block * len(times) / sum(taken[step] for taken in times)

    return [
        Ratio(
            what=step,
            against=name,
            ratios=tuple(taken[step] / taken[reference] for taken in times),
            target=target,
            measured=rate(step),
            reference=rate(reference),
            unit="programs/s",
        )
        for step, target in targets.items()
    ]
