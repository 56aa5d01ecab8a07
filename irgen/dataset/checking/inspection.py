"""What a worker does to rows: make them again, compare, parse their texts, run a sample again."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from backends.registry import BACKENDS
from backends.syntax import Fault, Read
from grammar.config import Grammar
from grammar.source import INDEX_LIMIT
from irgen import lane
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.rows import Making
from irgen.dataset.checking.checks import Again, Said, Unreadable, differences, judged_again, read
from irgen.dataset.checking.problems import how
from irgen.dataset.columns import Row
from irgen.record import Record, record_id
from irgen.service import draw_batch, render_batch

_OUTCOMES = ("forward", "gradient")


@dataclass(frozen=True, slots=True)
class Inspecting:
    """How rows are inspected. `here` are the backends that are installed, and `same` those of
    exactly the versions that made the rows: the texts of others are not parsed, and others are run
    for their outcomes only."""

    making: Making
    here: frozenset[str]
    same: frozenset[str]


@dataclass(frozen=True, slots=True)
class Task:
    """A row to inspect. `planned` is the place of its grammar and its index, as planned, or None.

    `compiled` has its C++ compiled; `closely` has all of its text compiled, and its verdicts judged
    again from the recorded arrays; `running` captures and runs it again. Parsers that are fast
    parse every text.
    """

    row: Row
    planned: tuple[int, int] | None = None
    compiled: bool = False
    closely: bool = False
    running: bool = False


@dataclass(slots=True)
class Found:
    """What came of a row: what is wrong, texts parsed by level, and what it counts as."""

    said: list[Said] = field(default_factory=list[Said])
    parsed: dict[str, int] = field(default_factory=dict[str, int])
    counts: Counts = field(default_factory=Counts)
    ran: bool = False


def prepare(inspecting: Inspecting) -> None:
    """Start the parsers in a worker; BackendError where a backend cannot be used."""
    for name in sorted(inspecting.same):
        _syntax(name).prepare()
    gc.freeze()  # what compilers brought along stays: the collector would walk all of it again


def _syntax(name: str) -> Any:
    return import_module(f"{BACKENDS[name].package}.syntax")


def inspect(inspecting: Inspecting, tasks: Sequence[Task]) -> list[Found]:
    """What is wrong with each row. Runs in a worker: a text may end its process."""
    making = inspecting.making
    found = [Found() for _ in tasks]
    known: list[tuple[int, tuple[Record, ...], tuple[Grammar, int]]] = []
    for number, task in enumerate(tasks):
        records = read(making, task.row)
        if isinstance(records, Unreadable):
            found[number].said.append(("altered", "", records.what))
            continue
        address = _address(making, task, records, found[number])
        if address is not None:
            known.append((number, records, address))
    drawn = draw_batch([address for _, _, address in known], making.settings.seed)
    rendered = [render_batch(drawn, BACKENDS[one.backend]) for one in making.lanes]
    rows = zip(known, drawn, zip(*rendered, strict=True), strict=True)
    agains = {number: Again(item, records, texts) for (number, records, _), item, texts in rows}
    for number, again in agains.items():
        found[number].said += differences(making, tasks[number].row, again)
        found[number].counts.count(again.records)
    _parse(inspecting, tasks, agains, found)
    _judge(inspecting, tasks, agains, found)
    _run(inspecting, tasks, agains, found)
    return found


def _address(
    making: Making, task: Task, records: Sequence[Record], found: Found
) -> tuple[Grammar, int] | None:
    """Where a row is drawn again: where it says, or else where it is planned."""
    claimed = records[0]
    settings = making.settings
    named = {grammar.name: grammar for grammar in making.grammars}
    own = named.get(claimed.grammar)
    planned = None
    if task.planned is not None:
        planned = making.grammars[task.planned[0]], task.planned[1]
    if own is not None and claimed.seed == settings.seed and 0 <= claimed.index < INDEX_LIMIT:
        address = own, claimed.index
        if planned in (None, address):
            return address
        if record_id(own, settings.seed, claimed.index) == claimed.id:
            return address  # another row of the same drawing: its place is wrong, the row is not
    if planned is None:
        found.said.append(("altered", "id", "is at no address of this data set"))
    return planned


def _parse(
    inspecting: Inspecting,
    tasks: Sequence[Task],
    agains: Mapping[int, Again],
    found: Sequence[Found],
) -> None:
    numbers = list(agains)
    for position, plan in enumerate(inspecting.making.lanes):
        if plan.backend not in inspecting.same or not numbers:
            continue
        artifacts = [agains[number].records[position].artifacts for number in numbers]
        compiled = [tasks[number].compiled for number in numbers]
        closely = [tasks[number].closely for number in numbers]
        results: list[Read] = _syntax(plan.backend).read(artifacts, compiled, closely)
        for number, result in zip(numbers, results, strict=True):
            mine = found[number]
            mine.said += [_fault(plan.backend, fault) for fault in result.faults]
            for level, count in result.parsed.items():
                mine.parsed[level] = mine.parsed.get(level, 0) + count
            claimed = agains[number].records[position].sources[0].cost
            if result.cost is not None and not result.faults and result.cost != claimed:
                what = f"{how(result.cost, claimed)}, as its text costs"
                mine.said.append(("inconsistent", f"{plan.backend}_cost", what))


def _fault(backend: str, fault: Fault) -> Said:
    unit = f"{fault.unit}: " if fault.unit else ""
    return "syntax", f"{backend}_{fault.level}_{fault.direction}", f"{unit}{fault.what}"


def _judge(
    inspecting: Inspecting,
    tasks: Sequence[Task],
    agains: Mapping[int, Again],
    found: Sequence[Found],
) -> None:
    for number, again in agains.items():
        if tasks[number].closely and not found[number].said:
            for record, plan in zip(again.records, inspecting.making.lanes, strict=True):
                for field_, what in judged_again(plan, again, record):
                    found[number].said.append(("inconsistent", f"{plan.backend}_{field_}", what))


def _run(
    inspecting: Inspecting,
    tasks: Sequence[Task],
    agains: Mapping[int, Again],
    found: Sequence[Found],
) -> None:
    """Capture and run again the rows that are what they say."""
    numbers = [number for number in agains if tasks[number].running and not found[number].said]
    for position, plan in enumerate(inspecting.making.lanes):
        if plan.backend not in inspecting.here or not numbers:
            continue
        drawn = [agains[number].drawn for number in numbers]
        for number, now in zip(numbers, lane.produce(plan, drawn), strict=True):
            said = agains[number].records[position]
            same = plan.backend in inspecting.same
            compared = _whole(plan.backend, said, now) if same else _outcomes(said, now)
            found[number].said += compared
            found[number].ran = True


def _whole(backend: str, said: Record, now: Record) -> Iterator[Said]:
    """Where a record made again differs, with the same compilers."""
    for one, again in zip(said.artifacts, now.artifacts, strict=True):
        if one != again:
            words = how(again.text, one.text) if one.text != again.text else "has another reason"
            yield "outcome", f"{backend}_{one.level}_{one.direction}", words
    if said.sources[0].cost != now.sources[0].cost:
        what = how(now.sources[0].cost, said.sources[0].cost)
        yield "outcome", f"{backend}_cost", what
    for name in ("outputs", "gradients"):
        before, after = getattr(said.vectors, name, None), getattr(now.vectors, name, None)
        if before != after:
            yield "outcome", f"{backend}_{name}", "are others this time"
    if said.verdicts != now.verdicts:
        yield "outcome", f"{backend}_verdicts", _how_verdicts(said, now)


def _how_verdicts(said: Record, now: Record) -> str:
    for before, after in zip(said.verdicts, now.verdicts, strict=False):
        for name in before.__struct_fields__:
            a, b = getattr(before, name), getattr(after, name)
            if a != b:
                return f"{name} of {before.execution} {how(b, a)}"
    return f"are {len(said.verdicts)}, {len(now.verdicts)} this time"


def _outcomes(said: Record, now: Record) -> Iterator[Said]:
    """Where a row has another outcome with other compilers."""
    backend = said.sources[0].backend
    for before, after in zip(said.verdicts, now.verdicts, strict=False):
        for name in _OUTCOMES:
            a, b = getattr(before, name), getattr(after, name)
            if a != b:
                yield "outcome", f"{backend}_verdicts", f"{name} was {a}, is {b} this time"
