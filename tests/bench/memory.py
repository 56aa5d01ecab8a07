"""Peak memory of a long stream: after 1,000 programs and at its end, in one fresh process."""

from __future__ import annotations

import resource
import sys

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen.service import draw_batch, render_batch
from irgen.streaming import BATCH
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
    """Draw, render and capture `records` programs batch by batch, and keep none."""
    if records <= EARLY:
        raise ValueError(f"{records} programs end before the first measurement, at {EARLY}")
    preset, language = GRAMMARS[grammar], BACKENDS[backend]
    characters = [0]
    early = 0.0
    start = 0
    while start < records:
        stop = min(records, start + BATCH, EARLY if start < EARLY else records)
        drawn = draw_batch([(preset, index) for index in range(start, stop)], 0)
        captures = language.capture(render_batch(drawn, language), LEVELS[backend])
        characters += [sum(len(a.text or "") for a in captured.artifacts) for captured in captures]
        start = stop
        if start == EARLY:
            early = peak()
    late = peak()
    ratio = Ratio(
        what=f"peak after {records:,}",
        against=f"peak after {EARLY:,}",
        ratios=(late / early,),
        target=1.15,
        measured=late,
        reference=early,
        unit="MiB",
    )
    characters.sort()
    median, most = characters[len(characters) // 2], characters[-1]
    levels = " and ".join(sorted(LEVELS[backend]))
    notes = (f"{levels} of {grammar}: {median:,} characters in the median, {most:,} at most",)
    return table(f"Peak memory, {backend}", [ratio], notes)
