"""Loops of another kind, and exits that are never taken."""

from __future__ import annotations

from grammar.program import Program, Region, Statement, Terminator, Value
from grammar.rewrite.loops import parts, rounds
from grammar.rewrite.place import (
    Place,
    copied,
    emitted,
    now,
    rounds_are_free,
    stores,
)
from grammar.source import Source
from grammar.structural import LOOPS
from grammar.types import I32

_SMALL = 1 << 20


def _is_device_loop(place: Place) -> bool:
    return place.statement.op in LOOPS and place.unit.kind != "program"


def _is_free(region: Region) -> bool:
    """Whether a loop with this body may be of another kind."""
    return rounds_are_free(region) and not stores(region)


def may_hide_stop(place: Place) -> bool:
    """Whether a loop between literals may have a bound that is computed."""
    found = rounds(place)
    if found is None or place.unit.kind == "program" or not found:
        return False
    return _is_free(place.statement.regions[0]) and bool(_numbers(place))


def _numbers(place: Place) -> list[Value]:
    return [value for value in place.visible if value.type == I32 and value.id not in place.known]


def hide_stop(place: Place, source: Source) -> Program:
    """The loop ends at its literal plus a number that is zero at run time."""
    statement = place.statement
    start, stop, *inits = statement.operands
    numbers = _numbers(place)
    number = numbers[source.below(len(numbers))]
    b = place.builder()
    made = emitted(b, lambda: b.op("add", stop, b.op("bit_xor", number, number)))
    operands = (start, made[-1].results[0], *inits)
    return place.instead([*made, statement._replace(operands=operands)])


def is_for(place: Place) -> bool:
    """Whether a `for` starts at a small literal and may be a `while`."""
    statement = place.statement
    if statement.op != "for" or place.unit.kind == "program":
        return False
    start = place.known.get(statement.operands[0].id)
    step, most = parts(statement)
    if start is None or abs(start) > _SMALL or step * most > _SMALL:
        return False
    return _is_free(statement.regions[0])


def to_while(place: Place, source: Source) -> Program:
    """The index from the number of the round, and a condition on it."""
    statement = place.statement
    start, stop, *inits = statement.operands
    region = statement.regions[0]
    step, most = parts(statement)
    b = place.builder()

    def index(number: Value) -> Value:
        return b.op("add", start, b.op("mul", number, b.const(I32, step)))

    tested = [b.fresh(value.type) for value in region.params]
    test = b.region(tested, lambda: b.op("lt", index(tested[0]), stop))
    number = b.fresh(I32)
    head = emitted(b, lambda: index(number))
    head = (*head[:-1], head[-1]._replace(results=region.params[:1]))
    body = Region((number, *region.params[1:]), (*head, *region.body), region.end)
    return place.instead([Statement("while", tuple(inits), statement.results, most, (test, body))])


def is_while(place: Place) -> bool:
    """Whether a `while` may be a `for`."""
    return place.statement.op == "while" and rounds_are_free(place.statement.regions[1])


def to_for(place: Place, source: Source) -> Program:
    """As many rounds as there may be, left when the condition does not hold."""
    statement = place.statement
    condition, region = statement.regions
    most = statement.attribute
    assert isinstance(most, int)
    b = place.builder()
    known = {old.id: new for old, new in zip(condition.params, region.params, strict=True)}
    test = copied(b, condition.body, known)
    (holds,) = now(condition.end.values, known)
    carried = tuple([b.fresh(value.type) for value in statement.results])
    again = Region((), region.body, region.end)
    stop = Region((), (), Terminator("break", region.params[1:]))
    first, last = b.fresh(I32), b.fresh(I32)
    body = Region(
        region.params,
        (*test, Statement("if", (holds,), carried, None, (again, stop))),
        Terminator("yield", carried),
    )
    return place.instead(
        [
            Statement("const", (), (first,), 0),
            Statement("const", (), (last,), most),
            Statement(
                "for", (first, last, *statement.operands), statement.results, (1, most), (body,)
            ),
        ]
    )


def may_break(place: Place) -> bool:
    """Whether an exit that is never taken may stand in a loop."""
    return _is_device_loop(place) and not stores(place.statement.regions[-1])


def _guarded(place: Place, kind: str) -> Program:
    """The loop with an exit where the index is below where it starts."""
    statement = place.statement
    region = statement.regions[-1]
    b = place.builder()
    index, *carried = region.params
    exit_ = Terminator("break" if kind == "break" else "continue", tuple(carried))

    def emit() -> None:
        least = statement.operands[0] if statement.op == "for" else b.const(I32, 0)
        b.if_(b.op("lt", index, least), lambda: exit_)

    body = Region(region.params, (*emitted(b, emit), *region.body), region.end)
    return place.instead([statement._replace(regions=(*statement.regions[:-1], body))])


def never_break(place: Place, source: Source) -> Program:
    return _guarded(place, "break")


def never_continue(place: Place, source: Source) -> Program:
    return _guarded(place, "continue")
