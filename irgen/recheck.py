"""Rows checked against what they should be: regenerated and compared, and only then run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from backends.registry import BACKENDS
from backends.style import Style
from grammar.config import GRAMMAR_VERSION, Grammar
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.verify import verify
from irgen import vectors
from irgen.lane import Plan
from irgen.record import SCHEMA_VERSION, Record, content_hash, record_id
from irgen.service import Drawn, draw, installed_versions
from irgen.vectors import Vectors
from irgen.verdict import Verdict
from irgen.views import VIEWS, Row

MADE_BY_RUNNING = ("outputs", "gradients")
"""The vectors that only an execution can tell."""

LATER = frozenset(
    ("vectors", "verdicts", "content_hash", "forward_verified", "gradient_verified", "versions")
)
"""Fields that the first comparison leaves out: they depend on an execution, or on where."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: the field, and why in words."""

    line: int
    field: str
    what: str

    def __str__(self) -> str:
        place = f"line {self.line}"
        return f"{place}: {self.field}: {self.what}" if self.field else f"{place}: {self.what}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that could be read: what it says, and how to make it again."""

    line: int
    row: Row
    view: str
    drawn: Drawn
    addressed: bool
    plan: Plan
    vectors: Vectors | None
    verdicts: list[Verdict]


def read(lines: Iterable[bytes]) -> Iterator[Claim | Problem]:
    """Each line as a claim, or as what is wrong with it. Nothing is executed."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _claim(number, line)


def _claim(number: int, line: bytes) -> Claim | Problem:
    try:
        row = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        cut = "" if line.endswith(b"\n") else ", and the line has no end: was the file cut off?"
        return Problem(number, "", f"no JSON ({error}){cut}")
    if not isinstance(row, dict):
        return Problem(number, "", f"a row is a JSON object, not {type(row).__name__}")
    return _understood(number, cast("Row", row))


def _understood(number: int, row: Row) -> Claim | Problem:
    view = "record" if "sources" in row else "wide"
    sources = row.get("sources")
    source = sources[0] if isinstance(sources, list) and sources else row
    try:
        claimed = msgspec.convert({**row, **cast("Row", source)}, _Claimed)
        style = msgspec.convert(claimed.style, Style)
    except msgspec.ValidationError as error:
        return Problem(number, "", f"no row of the views record or wide: {error}")
    if claimed.schema_version != SCHEMA_VERSION:
        return Problem(
            number, "schema_version", f"{claimed.schema_version}, where {SCHEMA_VERSION} is read"
        )
    if claimed.backend not in BACKENDS:
        return Problem(number, "backend", f"unknown {claimed.backend!r}")
    drawn = _drawn(claimed, style)
    if isinstance(drawn, str):
        return Problem(number, "program", drawn)
    backend = BACKENDS[claimed.backend]
    present = _levels(row, view)
    known = tuple(level.name for level in backend.levels)
    executions = tuple(verdict.execution for verdict in claimed.verdicts)
    for execution in executions:
        if execution not in backend.executions:
            return Problem(number, "verdicts", f"unknown execution {execution!r}")
    plan = Plan(
        claimed.backend,
        claimed.seed,
        frozenset(name for name in known if name in present),
        executions,
        (),
        installed_versions(backend, bool(present)),
    )
    addressed = _addressed(claimed)
    return Claim(number, row, view, drawn, addressed, plan, claimed.vectors, list(claimed.verdicts))


class _Claimed(msgspec.Struct):
    """What a row of either view must hold to be made again."""

    id: str
    grammar: str
    seed: int
    index: int
    backend: str
    program: str
    choices: list[int]
    style: dict[str, int]
    grammar_version: int
    schema_version: int
    vectors: Vectors | None
    verdicts: list[Verdict]


def _addressed(claimed: _Claimed) -> bool:
    """Whether the row was drawn from a preset as it is here, so that its address remakes it."""
    grammar = GRAMMARS.get(claimed.grammar)
    return (
        grammar is not None
        and claimed.grammar_version == GRAMMAR_VERSION
        and record_id(grammar, claimed.seed, claimed.index) == claimed.id
    )


def _drawn(claimed: _Claimed, style: Style) -> Drawn | str:
    """The program again: by its address, or else from its text; or why there is none."""
    if _addressed(claimed):
        return draw(GRAMMARS[claimed.grammar], claimed.seed, claimed.index)
    try:
        program = parse_program(claimed.program)
        verify(program)
    except ValueError as error:
        return " ".join(str(error).split())
    named = Grammar(name=claimed.grammar)
    return Drawn(named, claimed.seed, claimed.index, program, style, tuple(claimed.choices))


def _levels(row: Row, view: str) -> frozenset[str]:
    if view == "record":
        artifacts = cast("list[Mapping[str, Any]]", row.get("artifacts") or [])
        return frozenset([str(artifact.get("level")) for artifact in artifacts])
    directions = ("_forward", "_backward", "_module")
    ends = [(key, end) for key in row for end in directions if key.endswith(end)]
    return frozenset([key.removesuffix(end) for key, end in ends])


def differences(claim: Claim, again: Record) -> list[Problem]:
    """Where a row differs from the record made again without running it."""
    expected = msgspec.json.decode(msgspec.json.encode(VIEWS[claim.view](again)))
    skipped = LATER if claim.addressed else LATER | {"id"}
    if not _same_versions(claim):
        skipped |= {"artifacts", "missing", *_text_fields(expected)}
    found = [
        Problem(claim.line, field, _how(expected.get(field), claim.row.get(field)))
        for field in dict.fromkeys((*expected, *claim.row))
        if field not in skipped and expected.get(field) != claim.row.get(field)
    ]
    found += _differing_inputs(claim)
    if not found and _same_versions(claim):
        digest = content_hash(again.sources, again.artifacts, claim.vectors, claim.verdicts)
        if digest != claim.row.get("content_hash"):
            what = "does not fit the vectors and verdicts of the row: one of the three was altered"
            found.append(Problem(claim.line, "content_hash", what))
    return found


def _text_fields(row: Mapping[str, Any]) -> frozenset[str]:
    ends = ("_forward", "_backward", "_module")
    return frozenset([field for field in row if field.endswith(ends)])


def _same_versions(claim: Claim) -> bool:
    return claim.row.get("versions") == claim.plan.versions


def _how(expected: object, got: object) -> str:
    """Two values that differ, in a few words."""
    if got is None:
        return "is missing"
    if expected is None:
        return "should not be there"
    if isinstance(expected, str) and isinstance(got, str):
        pairs = zip(expected.splitlines(), got.splitlines(), strict=False)
        for number, (mine, theirs) in enumerate(pairs, 1):
            if mine != theirs:
                return f"differs from what its choices give, first in line {number}: {theirs!r}"
        return "differs from what its choices give, in length"
    return "differs from what its choices give"


def _differing_inputs(claim: Claim) -> list[Problem]:
    if claim.vectors is None:
        return []
    program = claim.drawn.program
    inputs, cotangents = vectors.make(program)
    made = vectors.fed(program, inputs, cotangents)
    return [
        Problem(claim.line, f"vectors.{name}", "differ from those that follow from the program")
        for name in ("inputs", "cotangents")
        if getattr(made, name) != getattr(claim.vectors, name)
    ]


def surprises(claim: Claim, again: Record) -> list[Problem]:
    """Where running a row again gave something else than it says."""
    found: list[Problem] = []
    if _same_versions(claim) and claim.vectors is not None and again.vectors is not None:
        found += [
            Problem(claim.line, f"vectors.{name}", "came out otherwise this time")
            for name in MADE_BY_RUNNING
            if getattr(claim.vectors, name) != getattr(again.vectors, name)
        ]
    for said, now in zip(claim.verdicts, again.verdicts, strict=True):
        for side in ("forward", "gradient"):
            before, after = getattr(said, side), getattr(now, side)
            if before != after:
                field = f"verdicts.{said.execution}.{side}"
                found.append(Problem(claim.line, field, f"was {before}, is {after} this time"))
    return found


def text_only(plan: Plan) -> Plan:
    """The plan without any execution."""
    return replace(plan, executions=(), sampled=())
