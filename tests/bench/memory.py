"""Peak memory of a long stream: after 1,000 records and at its end, in one fresh process."""

from __future__ import annotations

import resource
import sys

from grammar.presets import GRAMMARS
from irgen.service import stream
from tests.bench.measure import Ratio, table
from tests.bench.report import Table

EARLY = 1000
LEVELS = {"warp": frozenset({"cpp", "cuda"}), "jax": frozenset({"stablehlo"})}
"""What is captured: all of Warp, and of JAX the level that both plain loop and driver have."""


def peak() -> float:
    """Peak resident memory of this process so far, in MiB."""
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def memory(backend: str, records: int = 20000, grammar: str = "compound") -> Table:
    """Draw, render and capture `records` records one after another, and keep none."""
    if records <= EARLY:
        raise ValueError(f"{records} records end before the first measurement, at {EARLY}")
    early = 0.0
    texts = 0
    found = stream(GRAMMARS[grammar], backend, count=records, levels=LEVELS[backend])
    for number, record in enumerate(found, 1):
        texts += len(record.artifacts)
        if number == EARLY:
            early = peak()
    late = peak()
    levels = ", ".join(sorted(LEVELS[backend]))
    ratio = Ratio(
        what=f"peak after {records:,}",
        against=f"peak after {EARLY:,}",
        ratios=(late / early,),
        target=1.15,
        measured=late,
        reference=early,
        unit="MiB",
    )
    notes = (f"{grammar} records at {levels}; {texts:,} artifacts",)
    return table(f"Peak memory, {backend}", [ratio], notes)
