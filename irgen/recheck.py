"""Rows checked against what they should be: regenerated and compared, and only then run again.

Nothing of a row is executed but what irgen prints itself, from the row's address or from the text
of its program.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import msgspec

from backends.base import Capture
from backends.registry import BACKENDS
from irgen import pool, vectors
from irgen.claim import Claim, Unreadable, read
from irgen.errors import UserError
from irgen.checking import require_defined
from irgen.lane import produce
from irgen.pool import Limits, Lost
from irgen.record import Record, with_verdicts
from irgen.service import make_record
from irgen.streaming import BATCH
from irgen.vectors import Vector, Vectors
from irgen.verdict import Verdict, lost
from irgen.views import VIEWS

Kind = Literal["altered", "unreadable", "outcome", "note"]

KINDS: dict[Kind, str] = {
    "altered": "what its choices or its program give is something else",
    "unreadable": "no row, or one that cannot be made again",
    "outcome": "running it again gave something else",
    "note": "what could not be compared, and why",
}
"""What a problem may be; a note is none."""

MADE_BY_RUNNING = ("outputs", "gradients")
"""The vectors that only an execution can tell."""

RUNS = ("vectors", "verdicts", "content_hash", "forward_verified", "gradient_verified")
"""Fields that depend on an execution."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, or worth knowing of it: the field, and what in words."""

    line: int
    kind: Kind
    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.line}: {self.field}: {self.what}" if self.field else f"{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, counted from 1."""

    number: int
    text: bytes


def verify(lines: Iterable[Line], workers: int) -> Iterator[tuple[Problem, ...]]:
    """What is wrong with each line, in order; empty for a row that is what it says.

    Lines are read, made again and run in `workers` processes. BackendError where the backend of a
    row cannot be used here.
    """
    kept: list[Line] = []

    def noted() -> Iterator[Line]:
        for line in lines:
            kept.append(line)
            yield line

    for found in pool.run(inspect, noted(), workers=workers, limits=_limits()):
        line = kept.pop(0)
        yield _without_running(line, found) if isinstance(found, Lost) else found


def _limits() -> Limits:
    # Any backend's rows may come, and they are made twice.
    return Limits(seconds=2 * max(backend.seconds for backend in BACKENDS.values()), batch=BATCH)


def inspect(lines: Sequence[Line]) -> list[tuple[Problem, ...]]:
    """What is wrong with each line: altered rows are not run. Called in a worker."""
    return _inspect(lines, running=True)


def inspect_text(lines: Sequence[Line]) -> list[tuple[Problem, ...]]:
    """What is wrong with each line, without running any."""
    return _inspect(lines, running=False)


def _inspect(lines: Sequence[Line], *, running: bool) -> list[tuple[Problem, ...]]:
    found: dict[int, list[Problem]] = {line.number: [] for line in lines}
    claims: list[Claim] = []
    for line in lines:
        claim = read(line.text)
        if isinstance(claim, Unreadable):
            found[line.number].append(Problem(line.number, "unreadable", claim.field, claim.what))
        else:
            claims.append(replace(claim, line=line.number))
    for claim, again in _made(claims, running=False):
        found[claim.line] += [*notes(claim), *differences(claim, again)]
    clean = [
        claim for claim in claims if all(problem.kind == "note" for problem in found[claim.line])
    ]
    if running:
        defined: list[Claim] = []
        for claim in clean:
            try:
                require_defined(claim.drawn.program)
            except UserError as error:
                found[claim.line].append(Problem(claim.line, "unreadable", "program", str(error)))
            else:
                defined.append(claim)
        for claim, again in _made([c for c in defined if c.verdicts], running=True):
            found[claim.line] += surprises(claim, again)
    return [tuple(found[line.number]) for line in lines]


def _made(claims: Sequence[Claim], *, running: bool) -> Iterator[tuple[Claim, Record]]:
    """Each claim with the record made again: those of one plan together."""
    groups: dict[tuple[object, ...], list[Claim]] = {}
    for claim in claims:
        plan = claim.plan
        groups.setdefault((plan.backend, plan.seed, plan.levels, plan.executions), []).append(claim)
    for group in groups.values():
        plan = group[0].plan if running else replace(group[0].plan, executions=())
        yield from zip(group, produce(plan, [claim.drawn for claim in group]), strict=True)


def _without_running(line: Line, why: Lost) -> tuple[Problem, ...]:
    """What is wrong with a line that ended the process which ran it: some rows say so."""
    (found,) = pool.run(inspect_text, [line], workers=1, limits=_limits())
    claim = read(line.text)
    if isinstance(claim, Unreadable):
        return (Problem(line.number, "unreadable", claim.field, claim.what),)
    if isinstance(found, Lost):
        said = {verdict.reason for verdict in claim.verdicts}
        if found.reason in said:
            what = f"{found.reason} ({found.detail}), as the row says, before any text was made"
            return (Problem(line.number, "note", "", what),)
        return (_lost_problem(line.number, "", found),)
    if any(problem.kind != "note" for problem in found):
        return found
    text = make_record(claim.drawn, _source(claim), Capture((), {}), claim.plan.versions)
    fed = vectors.fed(claim.drawn.program, *vectors.make(claim.drawn.program))
    verdicts = [
        lost(claim.plan.backend, name, why.reason, why.detail) for name in claim.plan.executions
    ]
    if [(v.reason, v.execution) for v in verdicts] == [
        (v.reason, v.execution) for v in claim.verdicts
    ]:
        return found
    return (*found, *surprises(replace(claim, line=line.number), with_verdicts(text, fed, verdicts)))
