"""Rows read back: what a line of a file claims, and how to make the same again.

Nothing of a row is trusted: the program comes from the row's address, or else from the text of the
program, parsed and verified. The sources in it are never executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from backends.registry import BACKENDS
from backends.style import Style, draw_style
from grammar.config import GRAMMAR_VERSION, Grammar
from grammar.generate import draw_program
from grammar.parse import parse_program
from grammar.presets import ALL_GRAMMARS
from grammar.source import INDEX_LIMIT, ReplaySource
from grammar.text import print_program
from grammar.verify import verify
from irgen.lane import Plan
from irgen.record import SCHEMA_VERSION, record_id
from irgen.service import Drawn, draw, installed_versions
from irgen.vectors import Vectors
from irgen.verdict import Verdict
from irgen.views import Row

_ENDS = ("_forward", "_backward", "_module")
"""What the name of a column ends in that holds text of a compiler."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a line is no row, or one that cannot be made again: the field, and what is wrong."""

    field: str
    what: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A row that could be read: what it says, and how to make it again.

    `addressed` tells that its address gives it; if not, `drawn` is the program of its text, and
    neither its choices nor its id can be checked. `view` is the name of its view.
    """

    row: Row
    view: str
    drawn: Drawn
    addressed: bool
    plan: Plan
    vectors: Vectors | None
    verdicts: list[Verdict]


class _Row(msgspec.Struct):
    """What a row of either view must hold to be made again."""

    id: str
    grammar: str
    seed: int
    index: int
    backend: str
    program: str
    choices: list[int]
    style: Style
    versions: dict[str, str]
    grammar_version: int
    schema_version: int
    vectors: Vectors | None
    verdicts: list[Verdict]


def read(line: bytes) -> Claim | Unreadable:
    """What a line claims. BackendError where the backend of the row is not installed."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        cut = "" if line.endswith(b"\n") else "; the line has no end: was the file cut off?"
        return Unreadable("", f"no JSON: {error}{cut}")
    if not isinstance(row, dict):
        return Unreadable("", f"a row is a JSON object, not {type(row).__name__}")
    return _understood(cast("Row", row))


def _understood(row: Row) -> Claim | Unreadable:
    # Earlier versions of a row lack fields of this one: say which it is first.
    version = row.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        return Unreadable("schema_version", f"{version!r}, where {SCHEMA_VERSION} is read")
    sources = row.get("sources")
    view = "wide" if sources is None else "record"
    found = cast("list[Any]", sources)[:1] if isinstance(sources, list) else []
    try:
        claimed = msgspec.convert({**row, **(found[0] if found else {})}, _Row)
    except (msgspec.ValidationError, TypeError) as error:
        return Unreadable("", f"no row of the views wide and record: {error}")
    if claimed.backend not in BACKENDS:
        return Unreadable("backend", f"{claimed.backend!r} is none of {', '.join(BACKENDS)}")
    backend = BACKENDS[claimed.backend]
    executions = tuple([verdict.execution for verdict in claimed.verdicts])
    for name in executions:
        if name not in (*backend.executions, *backend.judged):
            return Unreadable("verdicts", f"unknown execution {name!r} of {backend.name}")
    drawn = _drawn(claimed)
    if isinstance(drawn, Unreadable):
        return drawn
    present = _levels(row, view)
    plan = Plan(
        claimed.backend,
        claimed.seed,
        frozenset([level.name for level in backend.levels if level.name in present]),
        executions,
        (),
        installed_versions(backend, len(claimed.versions) > 1, here=False),
    )
    addressed = drawn.grammar == preset(claimed.grammar)
    return Claim(row, view, drawn, addressed, plan, claimed.vectors, claimed.verdicts)


def preset(name: str) -> Grammar | None:
    """The preset of a name, if there is one."""
    return ALL_GRAMMARS.get(name)


def _drawn(claimed: _Row) -> Drawn | Unreadable:
    """The program again, by its address or else from its text."""
    grammar = preset(claimed.grammar)
    in_range = 0 <= claimed.seed < INDEX_LIMIT and 0 <= claimed.index < INDEX_LIMIT
    if grammar is not None and in_range and claimed.grammar_version == GRAMMAR_VERSION:
        if record_id(grammar, claimed.seed, claimed.index) == claimed.id:
            return draw(grammar, claimed.seed, claimed.index)
        if _replayed(grammar, claimed):
            where = f"{claimed.grammar} seed {claimed.seed} index {claimed.index}"
            return Unreadable(
                "id", f"is not that of {where}, though its choices are of {grammar.name}"
            )
    try:
        program = parse_program(claimed.program)
        verify(program)
    except (ValueError, RecursionError) as error:
        return Unreadable("program", " ".join(str(error).split()))
    named = Grammar(name=claimed.grammar)
    choices = tuple(claimed.choices)
    return Drawn(named, claimed.seed, claimed.index, program, claimed.style, choices)


def _replayed(grammar: Grammar, claimed: _Row) -> bool:
    """Whether the choices, replayed through a grammar, give the program and style of the row."""
    if any(choice < 0 for choice in claimed.choices):
        return False
    source = ReplaySource(claimed.choices)
    program = draw_program(source, grammar)
    return (print_program(program), draw_style(source)) == (claimed.program, claimed.style)


def _levels(row: Row, view: str) -> frozenset[str]:
    """The names of the levels that a row may have text of."""
    if view == "record":
        artifacts = cast("list[Mapping[str, Any]]", row.get("artifacts") or [])
        return frozenset([str(artifact.get("level")) for artifact in artifacts])
    return frozenset([key.removesuffix(end) for key in row for end in _ENDS if key.endswith(end)])


def is_text(field: str) -> bool:
    """Whether a field of a wide row is made by a compiler."""
    return field.endswith(_ENDS)
