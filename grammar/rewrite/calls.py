"""A call replaced by what it calls, and a computation that becomes a function."""

from __future__ import annotations

from dataclasses import replace

from grammar.passes.dce import drop_unused_units
from grammar.passes.exits import remove_exits
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.rewrite.place import Place, copied, count_uses, is_element, is_row, now
from grammar.source import Source

MOST_PARAMETERS = 8
"""A function that is made takes no more."""


def is_call(place: Place) -> bool:
    """Whether the statement applies a function."""
    return place.statement.op == "call"


def inline(place: Place, source: Source) -> Program:
    """The body of the function, its exits as predicates, in place of the call."""
    statement = place.statement
    assert isinstance(statement.attribute, int)
    function = remove_exits(place.program.units[statement.attribute])
    known = {
        param.id: value
        for param, value in zip(function.body.params, statement.operands, strict=True)
    }
    made = copied(place.builder(), function.body.body, known)
    given = now(function.body.end.values, known)
    pairs = zip(statement.results, given, strict=True)
    return drop_unused_units(place.instead(made, {old.id: new for old, new in pairs}))


def _cone(place: Place) -> list[int]:
    """The places of the statement and of all before it in the region that only it needs."""
    uses = count_uses(place.unit)
    body = place.region.body
    inside = {place.index}
    inner = dict[int, int]()
    for value in body[place.index].operands:
        inner[value.id] = inner.get(value.id, 0) + 1
    for at in range(place.index - 1, -1, -1):
        statement = body[at]
        if not (is_row(statement) or statement.op in ("const", "call")):
            continue
        if all(
            value.id in inner and inner[value.id] == uses[value.id] for value in statement.results
        ):
            inside.add(at)
            for value in statement.operands:
                inner[value.id] = inner.get(value.id, 0) + 1
    return sorted(inside)


def _inputs(place: Place, cone: list[int]) -> list[Value]:
    """The values that the statements of a cone take from elsewhere, in order of appearance."""
    made = {value.id for at in cone for value in place.region.body[at].results}
    found: dict[int, Value] = {}
    for at in cone:
        for value in place.region.body[at].operands:
            if value.id not in made:
                found.setdefault(value.id, value)
    return list(found.values())


def may_be_function(place: Place) -> bool:
    """Whether an op over elements ends a computation that a function may do."""
    if place.unit.kind == "program" or not is_row(place.statement):
        return False
    return 1 <= len(_inputs(place, _cone(place))) <= MOST_PARAMETERS


def outline(place: Place, source: Source) -> Program:
    """The op, and perhaps what only it needs, as a new function that is called instead."""
    whole = _cone(place)
    cone = whole[source.below(len(whole)) :] if len(whole) > 1 else whole
    if len(_inputs(place, cone)) > MOST_PARAMETERS:
        cone = whole
    inputs = _inputs(place, cone)
    assert all(map(is_element, inputs))
    body = place.region.body
    (result,) = place.statement.results
    inner = Region(tuple(inputs), tuple([body[at] for at in cone]), Terminator("return", (result,)))
    function = Unit("function", inner, (result.type,))
    call = Statement("call", tuple(inputs), (result,), place.number)
    kept = [s for at, s in enumerate(body[: place.index]) if at not in cone]
    changed = place.with_body((*kept, call, *body[place.index + 1 :]))
    units = list(changed.units)
    here = units[place.number]
    # The new function stands before its caller: what names the caller's number or a later one
    # stands behind both.
    later = [replace(u, body=_shifted(u.body, place.number)) for u in units[place.number + 1 :]]
    return Program((*units[: place.number], function, here, *later))


def _shifted(region: Region, first: int) -> Region:
    """A region that names units from `first` on by a number one higher."""
    body: list[Statement] = []
    for statement in region.body:
        attribute = statement.attribute
        if statement.op in ("call", "launch"):
            assert isinstance(attribute, int)
            attribute += attribute >= first
        regions = tuple([_shifted(inner, first) for inner in statement.regions])
        body.append(statement._replace(attribute=attribute, regions=regions))
    return region._replace(body=tuple(body))
