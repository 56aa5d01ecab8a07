"""One row checked: made again from its address and compared, and its parts with each other.

Nothing of a row is executed. What is compared with it is drawn and rendered here; what compilers
made of it is taken from the row and checked against the row's own hashes, verdicts and arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import msgspec

from backends.base import REASONS, Artifact, Capture, Execution, Job, Rendered
from backends.registry import BACKENDS
from grammar.program import Program
from grammar.types import Array, Type, element_shape, scalar_of
from irgen import lane, oracle, vectors
from irgen.dataset.building.rows import Making
from irgen.dataset.checking.problems import Kind, how
from irgen.dataset.columns import Row, columns, records_of, row_of
from irgen.dataset.facts import facts
from irgen.record import Record
from irgen.service import Drawn, make_record
from irgen.vectors import Vector
from irgen.verdict import Verdict

Said = tuple[Kind, str, str]
"""Something wrong with a row: its kind, the field, and in words."""

_HASH = "is not the hash of what the row holds: a text, verdict or array was changed, or the hash"
_MALFORMED = (
    msgspec.ValidationError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
)
"""What reading a row raises that is none."""


@dataclass(frozen=True, slots=True)
class Again:
    """A row that could be read: its records, and what its address gives, by backend."""

    drawn: Drawn
    records: tuple[Record, ...]
    rendered: tuple[Rendered, ...]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why something is no row of a data set."""

    what: str


def read(making: Making, row: Row) -> tuple[Record, ...] | Unreadable:
    """The records of a row, or why it has none."""
    try:
        found = tuple(records_of(making.settings, row))
        _digested(found)
    except _MALFORMED as error:
        words = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, KeyError):
            words = f"it has no {words}"
        return Unreadable(f"no row of this data set: {words}")
    return found


def _digested(records: Sequence[Record]) -> None:
    """Values that no hash or comparison takes raise here, and not later."""
    for record in records:
        msgspec.json.encode(record)


def differences(making: Making, row: Row, again: Again) -> Iterator[Said]:
    """Where a row says something else than its address gives, or contradicts itself."""
    expected = _expected(making, again)
    names = [column.name for column in columns(making.settings)]
    wrong = [name for name in names if expected[name] != row.get(name)]
    hashes = [name for name in wrong if name.endswith("content_hash")]
    others = [name for name in wrong if name not in hashes]
    for name in others:
        yield "altered", name, how(expected[name], row.get(name))
    for name in sorted(row.keys() - expected.keys()):
        yield "altered", name, "should not be there"
    if not others:  # a hash over what has been found to be changed says nothing more
        for name in hashes:
            yield "inconsistent", name, _HASH
    yield from _fed(again)
    for record, rendered, plan in zip(again.records, again.rendered, making.lanes, strict=True):
        prefix = f"{plan.backend}_"
        for field, what in _contradictions(plan, again.drawn, record, rendered):
            yield "inconsistent", prefix + field, what


def _expected(making: Making, again: Again) -> Row:
    """The row that follows from the address, with what was captured and run taken from the row."""
    made: list[Record] = []
    for record, rendered, plan in zip(again.records, again.rendered, making.lanes, strict=True):
        captured = Capture(tuple(record.artifacts), record.sources[0].cost)
        made.append(
            make_record(
                again.drawn, rendered, captured, plan.versions, record.vectors, record.verdicts
            )
        )
    return row_of(making.settings, made, facts(again.drawn.program))


def _fed(again: Again) -> Iterator[Said]:
    """Inputs and cotangents follow from the program."""
    given = next((one.vectors for one in again.records if one.vectors is not None), None)
    if given is None:
        return
    program = again.drawn.program
    made = vectors.fed(program, *vectors.make(program))
    for name in ("inputs", "cotangents"):
        if getattr(made, name) != getattr(given, name):
            yield "altered", name, "is not what the program is fed"


def _contradictions(
    plan: lane.Plan, drawn: Drawn, record: Record, rendered: Rendered
) -> Iterator[tuple[str, str]]:
    """Fields of one backend, and how they contradict others."""
    yield from _artifacts(plan, record, rendered)
    yield from _arrays(drawn.program, record)
    names = tuple([one.execution for one in record.verdicts])
    wanted = lane._executions(plan, drawn)  # pyright: ignore[reportPrivateUsage]
    spare = BACKENDS[plan.backend].executions[len(wanted) :][:1]
    if names not in (wanted, (*wanted, *spare)):
        yield "verdicts", f"are of {_listed(names)}, not of {_listed(wanted)}"
        return
    for verdict in record.verdicts:
        yield from _verdict(drawn.program, record, verdict)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no execution"


def _artifacts(plan: lane.Plan, record: Record, rendered: Rendered) -> Iterator[tuple[str, str]]:
    syntax: Any = import_module(f"{BACKENDS[plan.backend].package}.syntax")
    levels = [level.name for level in BACKENDS[plan.backend].levels if level.name in plan.levels]
    places = [(one.unit, one.level, one.direction) for one in record.artifacts]
    if places != syntax.places(rendered, levels) and not _lost(record.artifacts):
        yield "artifacts", "are not those of the source"
    for number, one in enumerate(record.artifacts):
        fine = (one.text is not None) == (one.status == "ok")
        known = one.reason in REASONS if one.text is None else not (one.reason or one.detail)
        if not (fine and known):
            yield "artifacts", f"entry {number}: {one.status} with reason {one.reason!r}"


def _lost(artifacts: Iterable[Artifact]) -> bool:
    """Whether a row ended the process that captured it."""
    return all(one.unit == "" and one.text is None and one.reason in _ENDED for one in artifacts)


_ENDED = frozenset({"crashed", "timed_out", "out_of_memory"})


def _arrays(program: Program, record: Record) -> Iterator[tuple[str, str]]:
    """What came back has the numbers, types and shapes of the program, and is there if it ran."""
    if record.vectors is None or not record.verdicts:
        if record.verdicts or record.vectors is not None:
            yield "outputs", "are there without verdicts, or verdicts without them"
        return
    entry = program.entry
    ran = next((one for one in record.verdicts if not one.reason), record.verdicts[0])
    for field, found, types, there in (
        ("outputs", record.vectors.outputs, vectors.output_types(entry), not ran.reason),
        (
            "gradients",
            record.vectors.gradients,
            [value.type for value in entry.parameters],
            not ran.gradient_reason,
        ),
    ):
        if len(found) != (len(types) if there else 0):
            yield field, f"are {len(found)} arrays, and {len(types) if there else 0} came back"
            continue
        for at, (vector, type_) in enumerate(zip(found, types, strict=False)):
            missing = vector is None and field == "outputs"
            if missing or not _fits(vector, type_):
                yield field, f"entry {at} is no array of the program's type"


def _fits(vector: Vector | None, type_: Type) -> bool:
    if vector is None:
        return True
    element = element_shape(type_.element if isinstance(type_, Array) else type_)
    shape = [*(type_.shape if isinstance(type_, Array) else ()), *element]
    return (vector.dtype, vector.shape) == (scalar_of(type_).dtype, shape) and _decodes(vector)


def _decodes(vector: Vector) -> bool:
    try:
        vectors.decode(vector)
    except (ValueError, TypeError):
        return False
    return True


def _verdict(program: Program, record: Record, verdict: Verdict) -> Iterator[tuple[str, str]]:
    syntax: Any = import_module(f"{BACKENDS[record.sources[0].backend].package}.syntax")
    if verdict.backend != record.sources[0].backend:
        yield "verdicts", f"are of {verdict.backend}"
    for reason in (verdict.reason, verdict.gradient_reason):
        if reason and reason not in REASONS:
            yield "verdicts", f"{reason!r} is no reason"
    ran = not verdict.reason, not verdict.gradient_reason
    expected = syntax.source_hash(record.artifacts, verdict.execution, *ran)
    failed_before = not ran[0] and verdict.source_hash == ""
    if expected is not None and verdict.source_hash != expected and not failed_before:
        yield "verdicts", f"source_hash of {verdict.execution}: another text ran than is recorded"
    for one in verdict.compared:
        counted = one.exact + one.within + one.close + one.mismatched + one.not_comparable
        if counted != one.lanes:
            yield "verdicts", f"{one.role} {one.position}: {counted} lanes judged of {one.lanes}"
    entry = program.entry
    for role, claimed, there in (
        ("output", verdict.forward, ran[0]),
        ("gradient", verdict.gradient, ran[1]),
    ):
        found = [one for one in verdict.compared if one.role == role]
        if there and found and claimed != _outcome(verdict, role):
            yield "verdicts", f"{role}s are {claimed} by name, {_outcome(verdict, role)} by lanes"
    outputs = [one.position for one in verdict.compared if one.role == "output"]
    if ran[0] and outputs != list(range(len(vectors.output_types(entry)))):
        yield "verdicts", "compare other outputs than the program has"


def _outcome(verdict: Verdict, role: str) -> str:
    """The outcome that the counts of lanes give."""
    found = [one for one in verdict.compared if one.role == role]
    outcome = oracle._outcome(found)  # pyright: ignore[reportPrivateUsage]
    wrong = role == "gradient" and outcome == "mismatch" and verdict.limitations
    return "known_wrong" if wrong else outcome


def judged_again(plan: lane.Plan, again: Again, record: Record) -> Iterator[tuple[str, str]]:
    """Fields of one backend that the oracle gives otherwise for the recorded arrays."""
    given = record.vectors
    ran = next((one for one in record.verdicts if not one.reason), None)
    if given is None or ran is None:
        return
    program = again.drawn.program
    backend = BACKENDS[plan.backend]
    execution = Execution(
        ran.execution,
        tuple([_decoded(one) for one in given.outputs]),
        None if ran.gradient_reason else tuple([_decoded(one) for one in given.gradients]),
        ran.source_hash,
        "",
        "",
        ran.gradient_reason,
        ran.gradient_detail,
    )
    inputs, cotangents = vectors.make(program)
    rendered = next(one for one in again.rendered if one.backend == plan.backend)
    job = Job(program, rendered, Capture((), {}), inputs, cotangents)
    _, (verdict,) = lane.judged(backend, job, [execution])
    if verdict != ran:
        yield "verdicts", f"{ran.execution}: {_how_verdicts(verdict, ran)} for the recorded arrays"


def _how_verdicts(expected: Verdict, got: Verdict) -> str:
    a, b = msgspec.to_builtins(expected), msgspec.to_builtins(got)
    return how(a, b)


def _decoded(vector: Vector | None) -> Any:
    return None if vector is None else vectors.decode(vector)
