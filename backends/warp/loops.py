"""Loops as Warp's adjoint sees them: which are dynamic, how their rounds end, what they leave.

A loop is dynamic unless its bounds are constants, it runs at most 16 times, and nothing breaks out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from grammar.passes.effects import constants
from grammar.program import Program, Region, Statement, Terminator, Value, walk
from grammar.structural import ATOMICS, LOOPS
from grammar.types import Type, scalar_of

UNROLLED = 16
"""Most rounds of a loop between constants that Warp unrolls."""


def is_float(type_: Type) -> bool:
    """Whether a type is of floats."""
    return scalar_of(type_).kind == "float"


def ids(values: Iterable[Value]) -> list[int]:
    """The ids of values."""
    return [value.id for value in values]


def is_dynamic(statement: Statement, constants: Mapping[int, object]) -> bool:
    """Whether Warp keeps a loop as one, given the constants of its unit by value id."""
    if statement.op == "while":
        return True
    start, stop = (constants.get(value.id) for value in statement.operands[:2])
    assert isinstance(statement.attribute, tuple)
    if not isinstance(start, int) or not isinstance(stop, int):
        return True
    if len(range(start, stop, statement.attribute[0])) > UNROLLED:
        return True
    return any(end.kind == "break" for end in ends(statement.regions[0]))


def ends(region: Region) -> Iterator[Terminator]:
    """What ends a round of a loop with this body: its yield, and the exits in its branches."""
    if region.end.kind != "return":
        yield region.end
    for statement in region.body:
        if statement.op == "if":
            for inner in statement.regions:
                yield from (end for end in ends(inner) if end.kind != "yield")


def may_not_end(program: Program) -> bool:
    """Whether a dynamic loop is left by `return`, or a `while` in any way. The reverse half jumps
    into such a loop without the state that ends it, and may run forever."""
    return any(
        any(map(_is_left, loop.regions))
        if loop.op == "while"
        else is_dynamic(loop, known) and returns(loop.regions[0])
        for unit in program.units
        if unit.kind != "program"
        for known in (constants(unit),)
        for loop in walk(unit.body)
        if loop.op in LOOPS
    )


def _is_left(region: Region) -> bool:
    return returns(region) or any(end.kind != "yield" for end in ends(region))


def returns(region: Region) -> bool:
    """Whether a region leaves the unit."""
    return region.end.kind == "return" or any(
        returns(inner) for statement in region.body for inner in statement.regions
    )


def leaves_or_skips(region: Region) -> bool:
    """Whether a loop body breaks out, or goes on to the next round after it did something."""
    does = [end for end in ends(region) if end.kind != "yield"]
    if any(end.kind == "break" for end in does):
        return True
    if not does:
        return False
    carried = ids(region.params[1:])
    return writes(region) or any(ids(end.values) != carried for end in does)


def writes(region: Region) -> bool:
    """Whether a region writes floats."""
    return any(
        (inner.op == "store" or inner.op in ATOMICS) and is_float(inner.operands[-1].type)
        for inner in walk(region)
    )


def only_adds(statement: Statement, active: set[int]) -> bool:
    """Whether the order of the rounds of a `while` does not matter to its adjoint."""
    region = statement.regions[-1]
    if writes(region):
        return False
    made = {s.results[0].id: s for s in region.body if s.op in ("add", "sub")}
    uses: dict[int, int] = {}
    for inner in walk(region):
        for value in inner.operands:
            uses[value.id] = uses.get(value.id, 0) + 1
    for k, result in enumerate(statement.results):
        if result.id not in active:
            continue
        param, out = region.params[k + 1], region.end.values[k]
        added = made.get(out.id)
        if added is None or uses.get(param.id, 0) != 1:
            return False
        places = added.operands[:1] if added.op == "sub" else added.operands
        if param not in places or _mentioned_in_ends(region, param.id):
            return False
    return True


def _mentioned_in_ends(region: Region, value: int) -> bool:
    """Whether a region, or one inside it, hands a value out."""
    return value in ids(region.end.values) or any(
        _mentioned_in_ends(inner, value) for s in region.body for inner in s.regions
    )


def ends_at(value: Value, loop: Statement, outer: Region) -> bool:
    """Whether a value is not used after a loop that starts from it, nor inside: the loop may then
    change the variable that holds it."""
    if value in outer.end.values or any(mentions(inner, value.id) for inner in loop.regions):
        return False
    for statement in reversed(outer.body):
        if statement is loop:
            return True
        if value in statement.operands or any(mentions(r, value.id) for r in statement.regions):
            return False
    return True


def mentions(region: Region, value: int) -> bool:
    """Whether a region uses a value."""
    return any(v.id == value for v in region.end.values) or any(
        any(v.id == value for v in s.operands) or any(mentions(inner, value) for inner in s.regions)
        for s in region.body
    )
