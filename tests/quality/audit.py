"""Every op at every typing, on every backend, each way to run it: does it agree with its row?"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.backends.audit import Case, Ran, cases, everything, run_stablehlo, run_warp
from tests.backends.op_audit import WAYS, Cell, cells, judged
from tests.bench.report import Table

CHUNK = 300
"""Cases in a module of Warp."""

STATUSES = ("agree", "blind", "declared", "unsupported", "differ")


def _warp(found: Sequence[Case], folder: Path) -> list[Ran]:
    out: list[Ran] = []
    for at in range(0, len(found), CHUNK):
        out += run_warp(found[at : at + CHUNK], folder, f"audit{at}", backward=True)
    return out


@contextmanager
def _settings(folder: Path) -> Iterator[None]:
    """Warp quiet, unoptimized, with a cache of its own; 64-bit types in JAX."""
    import jax
    import warp as wp

    wanted = {
        "log_level": wp.LOG_ERROR,
        "optimization_level": 0,
        "kernel_cache_dir": str(folder / "cache"),
    }
    before = {name: getattr(wp.config, name) for name in wanted}
    for name, value in wanted.items():
        setattr(wp.config, name, value)
    try:
        with jax.enable_x64(True):
            yield
    finally:
        for name, value in before.items():
            setattr(wp.config, name, value)


def audit(rounds: int) -> Iterator[Cell]:
    """The cells, by backend, way to run, op and typing; each round has operands of its own."""
    every = everything()
    with tempfile.TemporaryDirectory() as name, _settings(Path(name)):
        for backend, execution in WAYS:
            found = [
                dataclasses.replace(case, round=number)
                for number in range(rounds)
                for case in cases(backend, every, every=False)
            ]
            run = (
                partial(_warp, folder=Path(name))
                if backend == "warp"
                else partial(run_stablehlo, way=execution, backward=True)
            )
            yield from cells(every, backend, execution, judged(found, backend, execution, run))


def campaign(rounds: int) -> Iterator[Table]:
    """Counts of cells, then those that do not simply agree."""
    made = list(audit(rounds))
    counts = Counter((c.backend, c.execution, c.direction, c.status) for c in made)
    kinds = sorted({key[:3] for key in counts})
    yield Table(
        "Ops on backends",
        ("backend", "execution", "direction", *STATUSES),
        tuple((*kind, *(counts[*kind, status] for status in STATUSES)) for kind in kinds),
        notes=(f"{len(made)} cells: op, typing, way to run, direction",),
        failures=tuple(
            f"{c.backend} {c.execution} {c.direction} {c.detail}"
            for c in made
            if c.status == "differ"
        ),
    )
    kept = Counter(
        (
            c.op,
            c.backend,
            c.execution,
            c.direction,
            c.status,
            c.detail if c.status == "declared" else "",
        )
        for c in made
        if c.status not in ("agree", "differ")
    )
    yield Table(
        "Ops that do not agree everywhere",
        ("op", "backend", "execution", "direction", "status", "limitation", "typings"),
        tuple((*key, number) for key, number in sorted(kept.items())),
    )
