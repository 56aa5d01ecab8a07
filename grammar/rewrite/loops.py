"""Loops unrolled, peeled, split and counted from elsewhere."""

from __future__ import annotations

from grammar.program import Program, Region, Statement, Value, walk
from grammar.rewrite.place import (
    Place,
    copied,
    copied_region,
    emitted,
    exits_loop,
    now,
    rounds_are_free,
)
from grammar.source import Source
from grammar.types import I32

MOST_ROUNDS = 16
"""Loops of more rounds are not unrolled."""

MOST_STATEMENTS = 400
"""Nor are those that would make more statements."""

_SMALL = 1 << 20
"""Bounds up to here are far from overflowing."""


def parts(statement: Statement) -> tuple[int, int]:
    """The step and the bound of a `for`."""
    assert isinstance(statement.attribute, tuple)
    step, most = statement.attribute
    return step, most


def rounds(place: Place) -> range | None:
    """The indices of a `for` between literals; None for other statements."""
    statement = place.statement
    if statement.op != "for":
        return None
    start, stop = (place.known.get(value.id) for value in statement.operands[:2])
    if start is None or stop is None:
        return None
    step, most = parts(statement)
    return range(start, stop, step)[:most]


def may_unroll(place: Place) -> bool:
    """Whether a loop is short and nothing leaves it."""
    found = rounds(place)
    if found is None or not 1 <= len(found) <= MOST_ROUNDS:
        return False
    region = place.statement.regions[0]
    count = sum(1 for _ in walk(region))
    return (
        count * len(found) <= MOST_STATEMENTS and not exits_loop(region) and rounds_are_free(region)
    )


def unroll(place: Place, source: Source) -> Program:
    """One copy of the body after the other."""
    found = rounds(place)
    assert found is not None
    statement = place.statement
    region = statement.regions[0]
    b = place.builder()
    made: list[Statement] = []
    carried = statement.operands[2:]
    for number in found:
        index = b.fresh(I32)
        made.append(Statement("const", (), (index,), number))
        known = _entering(region, (index, *carried))
        made += copied(b, region.body, known)
        carried = now(region.end.values, known)
    return place.instead(made, _results(statement, carried))


def _entering(region: Region, values: tuple[Value, ...]) -> dict[int, Value]:
    return {param.id: value for param, value in zip(region.params, values, strict=True)}


def _results(statement: Statement, carried: tuple[Value, ...]) -> dict[int, Value]:
    return {old.id: new for old, new in zip(statement.results, carried, strict=True)}


def _starts_small(place: Place) -> bool:
    """Whether a loop starts at a literal from which its rounds cannot overflow."""
    statement = place.statement
    if statement.op != "for":
        return False
    start = place.known.get(statement.operands[0].id)
    step, most = parts(statement)
    return start is not None and abs(start) <= _SMALL and step * most <= _SMALL


def may_peel(place: Place) -> bool:
    """Whether the first round may run ahead of the others, if there is one."""
    if not _starts_small(place) or (place.unit.kind == "program" and not rounds(place)):
        return False
    region = place.statement.regions[0]
    found = rounds(place)
    if found is not None and not found:
        return False
    return parts(place.statement)[1] > 1 and not exits_loop(region) and rounds_are_free(region)


def peel(place: Place, source: Source) -> Program:
    """The first round, under a condition where there may be none, then a loop over the others."""
    statement = place.statement
    start, stop, *inits = statement.operands
    region = statement.regions[0]
    step, most = parts(statement)
    b = place.builder()
    known = _entering(region, (start, *inits))
    first = copied(b, region.body, known)
    carried = now(region.end.values, known)
    made: list[Statement] = list(first)
    if rounds(place) is None:

        def run() -> tuple[Value, ...]:
            for inner in first:
                b.append(inner)
            return carried

        def emit() -> None:
            nonlocal carried
            carried = b.if_(b.op("lt", start, stop), run, lambda: inits)

        made = list(emitted(b, emit))
    second = b.fresh(I32)
    made.append(Statement("const", (), (second,), place.known[start.id] + step))
    operands = (second, stop, *carried)
    made.append(statement._replace(operands=operands, attribute=(step, most - 1)))
    return place.instead(made)


def may_split(place: Place) -> bool:
    """Whether a loop may run in two parts, the first of them at least one round long."""
    if not _starts_small(place) or parts(place.statement)[1] < 2:
        return False
    found = rounds(place)
    region = place.statement.regions[0]
    enough = found is None or len(found) > 1
    return enough and not exits_loop(region) and rounds_are_free(region) and not _is_driver(place)


def _is_driver(place: Place) -> bool:
    return place.unit.kind == "program" and rounds(place) is None


def split(place: Place, source: Source) -> Program:
    """A loop over the first rounds and one over the others."""
    statement = place.statement
    start, stop, *inits = statement.operands
    step, most = parts(statement)
    found = rounds(place)
    count = 1 + source.below((most if found is None else len(found)) - 1)
    b = place.builder()
    middle = b.fresh(I32)
    made = [Statement("const", (), (middle,), place.known[start.id] + step * count)]
    end = middle
    if found is None:
        end = b.fresh(I32)
        made.append(Statement("min", (middle, stop), (end,)))
    carried = tuple([b.fresh(value.type) for value in inits])
    region = copied_region(b, statement.regions[0], {})
    made.append(Statement("for", (start, end, *inits), carried, (step, count), (region,)))
    operands = (middle, stop, *carried)
    made.append(statement._replace(operands=operands, attribute=(step, most - count)))
    return place.instead(made)


def may_shift(place: Place) -> bool:
    """Whether a loop runs between literals that are far from overflowing."""
    found = rounds(place)
    if found is None or place.unit.kind == "program":
        return False
    return _starts_small(place) and abs(found.stop) <= _SMALL


def shift(place: Place, source: Source) -> Program:
    """The index counted from elsewhere, and brought back in each round."""
    found = rounds(place)
    assert found is not None
    statement = place.statement
    start, stop = (place.known[value.id] for value in statement.operands[:2])
    offset = 1 + source.below(5)
    b = place.builder()
    first, last, distance, index = [b.fresh(I32) for _ in range(4)]
    region = statement.regions[0]
    back = [
        Statement("const", (), (distance,), offset),
        Statement("sub", (index, distance), (region.params[0],)),
    ]
    inner = Region((index, *region.params[1:]), (*back, *region.body), region.end)
    return place.instead(
        [
            Statement("const", (), (first,), start + offset),
            Statement("const", (), (last,), stop + offset),
            statement._replace(operands=(first, last, *statement.operands[2:]), regions=(inner,)),
        ]
    )
