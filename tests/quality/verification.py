"""Verified rows over every preset and backend: outcomes, reasons, and each mismatch by address."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.presets import ALL_GRAMMARS
from irgen.lane import Plan, work
from irgen.pool import Limits, Lost, run
from irgen.record import Record
from irgen.verdict import OUTCOMES
from tests.bench.report import Cell, Table

SEED = 3


@dataclass(slots=True)
class Tally:
    """What became of the rows of one preset in one execution."""

    rows: int = 0
    verified: int = 0
    lanes: int = 0
    blind: int = 0
    forward: Counter[str] = field(default_factory=Counter[str])
    gradient: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    mismatches: list[str] = field(default_factory=list[str])
    largest: float = 0.0


def plan(backend: str, executions: Sequence[str] | None = None) -> Plan:
    """Verification alone: no text is kept."""
    language = BACKENDS[backend]
    chosen = tuple(executions or language.executions[:1])
    return Plan(backend, SEED, frozenset(), chosen, (), {})


def campaign(
    presets: Sequence[str],
    count: int,
    workers: int,
    start: int = 0,
    backends: Sequence[str] = tuple(BACKENDS),
    executions: Sequence[str] | None = None,
) -> Iterator[Table]:
    """`count` rows of every preset on every backend."""
    for backend in backends:
        tallies: dict[tuple[str, str], Tally] = {}
        addresses = [(ALL_GRAMMARS[name], start + at) for at in range(count) for name in presets]
        job = functools.partial(work, plan(backend, executions))
        results = run(job, addresses, workers=workers, limits=Limits())
        for (grammar, index), record in zip(addresses, results, strict=True):
            note(tallies, grammar, index, record)
        yield outcomes(backend, tallies)
        yield causes(backend, tallies)


def note(
    tallies: dict[tuple[str, str], Tally], grammar: Grammar, index: int, record: Record | Lost
) -> None:
    """Count one row."""
    place = f"{grammar.name} {index}"
    if isinstance(record, Lost):
        tally = tallies.setdefault((grammar.name, ""), Tally())
        tally.rows += 1
        tally.failures[record.reason] += 1
        tally.mismatches.append(f"{place} {record.reason} {record.detail}")
        return
    for verdict in record.verdicts:
        tally = tallies.setdefault((grammar.name, verdict.execution), Tally())
        tally.rows += 1
        tally.verified += verdict.verified
        tally.forward[verdict.forward] += 1
        tally.gradient[verdict.gradient] += 1
        for reason in (verdict.reason, verdict.gradient_reason):
            if reason:
                tally.failures[reason] += 1
        if "not_comparable" in (verdict.forward, verdict.gradient):
            tally.reasons.update(verdict.reasons.keys())
        for side in ("forward", "gradient"):
            if getattr(verdict, side) in ("mismatch", "failed"):
                tally.mismatches.append(f"{place} {side}")
        for compared in verdict.compared:
            tally.lanes += compared.lanes
            tally.blind += compared.not_comparable
            if not compared.mismatched:
                tally.largest = max(tally.largest, compared.max_share)


def outcomes(backend: str, tallies: dict[tuple[str, str], Tally]) -> Table:
    """Rows by outcome."""
    rows: list[tuple[Cell, ...]] = []
    failed: list[str] = []
    for (preset, execution), tally in sorted(tallies.items()):
        forward = [str(tally.forward[outcome]) for outcome in OUTCOMES]
        gradient = [str(tally.gradient[outcome]) for outcome in OUTCOMES]
        wrong = tally.forward["mismatch"] + tally.gradient["mismatch"]
        if wrong:
            failed.append(f"{preset} {execution}: {wrong} mismatches")
        rows.append(
            (
                preset,
                execution,
                tally.rows,
                f"{tally.verified / max(1, tally.rows):.1%}",
                " ".join(forward),
                " ".join(gradient),
                f"{tally.blind / max(1, tally.lanes):.2%}",
                tally.largest,
            )
        )
    short = " ".join(OUTCOMES)
    return Table(
        title=f"{backend}: rows by outcome ({short})",
        columns=(
            *("preset", "execution", "rows", "verified", "forward", "gradient"),
            *("blind lanes", "largest error/bound"),
        ),
        rows=tuple(rows),
        failures=tuple(failed),
    )


def causes(backend: str, tallies: dict[tuple[str, str], Tally]) -> Table:
    """Why rows were not verified, and the address of each that differs."""
    rows: list[tuple[Cell, ...]] = []
    for (preset, execution), tally in sorted(tallies.items()):
        reasons = ", ".join(f"{name} {n}" for name, n in tally.reasons.most_common(5))
        failures = ", ".join(f"{name} {n}" for name, n in tally.failures.most_common(5))
        shown = "; ".join(tally.mismatches[:12])
        if reasons or failures or shown:
            rows.append((preset, execution, reasons, failures, shown))
    return Table(
        title=f"{backend}: causes",
        columns=("preset", "execution", "not comparable by", "without result", "differing"),
        rows=tuple(rows),
    )
