"""Short cuts over many programs: with all of them every byte is as with none."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from backends.base import Capture, Rendered
from backends.registry import BACKENDS
from backends.tricks import ALL, VARIABLE
from grammar.presets import ALL_GRAMMARS
from irgen.service import draw_batch, render_batch
from tests.bench.report import Cell, Table
from tests.quality.pool import over

START = 5_000
"""First index: other programs than those that the tests draw."""

BATCH = 32

LEVELS = {
    "warp": (frozenset({"cpp", "cuda"}),),
    "jax": (frozenset({"stablehlo"}), frozenset({"stablehlo", "hlo_optimized"})),
}
"""Sets of levels: which short cuts are taken depends on what is asked for."""

Job = tuple[str, str, int]


def campaign(presets: Sequence[str], count: int, workers: int) -> Iterator[Table]:
    """`count` programs of each preset on each backend."""
    jobs = [(preset, backend, count) for preset in presets for backend in LEVELS]
    rows: list[tuple[Cell, ...]] = []
    failures: list[str] = []
    for compared, different in over(examine, jobs, workers):
        rows.append((*compared, len(different)))
        failures += different
    columns = ("preset", "backend", "programs", "texts", "programs that differ")
    yield Table("Short cuts against the plain way", columns, tuple(rows), (), tuple(failures))


def examine(job: Job) -> tuple[tuple[Cell, ...], list[str]]:
    """Programs and texts compared, and the programs that differ."""
    preset, name, count = job
    backend = BACKENDS[name]
    different: list[str] = []
    texts = 0
    for start in range(START, START + count, BATCH):
        stop = min(start + BATCH, START + count)
        addresses = [(ALL_GRAMMARS[preset], index) for index in range(start, stop)]
        sources = render_batch(draw_batch(addresses, 0), backend)
        for levels in LEVELS[name]:
            short = _captured(name, sources, levels, "")
            plain = _captured(name, sources, levels, ALL)
            texts += sum(len(one.artifacts) for one in plain)
            different += [
                f"{name} {preset} {start + at}: {', '.join(sorted(levels))}"
                for at, (one, other) in enumerate(zip(short, plain, strict=True))
                if one != other
            ]
    return (preset, name, count, texts), different


def _captured(
    name: str, sources: Sequence[Rendered], levels: frozenset[str], plain: str
) -> list[Capture]:
    found = os.environ.get(VARIABLE, "")
    os.environ[VARIABLE] = plain
    try:
        return BACKENDS[name].capture(sources, levels)
    finally:
        os.environ[VARIABLE] = found
