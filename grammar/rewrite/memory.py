"""Stores that are overwritten at once, and values read back from where they were stored."""

from __future__ import annotations

from grammar.program import Program, Statement, Value, walk
from grammar.rewrite.place import Place, emitted, is_element, kind_of
from grammar.source import Source
from grammar.structural import LOOPS
from grammar.types import Array


def is_store(place: Place) -> bool:
    """Whether the statement stores an element."""
    return place.statement.op == "store"


def store_twice(place: Place, source: Source) -> Program:
    """Something else stored first: another value in scope, or zero."""
    statement = place.statement
    *where, value = statement.operands
    values = [v for v in place.visible if v.type == value.type and v != value]
    b = place.builder()
    chosen = source.below(len(values) + 1)

    def emit() -> None:
        b.store(*where, values[chosen - 1] if chosen else b.zero(value.type))

    return place.instead([*emitted(b, emit), statement])


def may_reload(place: Place) -> bool:
    """Whether the only store to an array is followed by uses of what it stores. Integers may be
    indices and bounds, which are better left as they are."""
    statement = place.statement
    if statement.op != "store" or any(outer.body[at].op in LOOPS for outer, at, _ in place.path):
        return False
    array, value = statement.operands[0], statement.operands[-1]
    if kind_of(value) == "int":
        return False
    stores = [s for s in walk(place.unit.body) if s.op == "store" and s.operands[0] == array]
    return len(stores) == 1 and _used_later(place, value)


def _used_later(place: Place, value: Value) -> bool:
    rest = place.region.body[place.index + 1 :]
    region = place.region._replace(body=rest)
    return value in region.end.values or any(
        value in s.operands or any(value in r.end.values for r in s.regions) for s in walk(region)
    )


def reload(place: Place, source: Source) -> Program:
    """Later uses read the element that was stored."""
    statement = place.statement
    array, *where, value = statement.operands
    assert isinstance(array.type, Array)
    assert is_element(value)
    again = place.builder().fresh(value.type)
    load = Statement("load", (array, *where), (again,))
    return place.instead([statement, load], {value.id: again})
