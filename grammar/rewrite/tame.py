"""Which statements may run where they did not: in the branch that is not taken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from grammar.ops import OPS
from grammar.ops.expression import Expression, parse
from grammar.program import Statement, Value
from grammar.rewrite.expressions import element_of
from grammar.rewrite.place import Place
from grammar.types import Array, Scalar, scalar_of

_OVERFLOWING = ("abs", "absolute_difference")
"""Choices among integers that overflow at the least of them."""


def may_run_anywhere(place: Place, statement: Statement) -> bool:
    """Whether a statement, with all in it, is defined whatever its operands are, and its adjoint
    finite where they are: what a cotangent of zero then gives is zero."""
    match statement.op:
        case "const":
            return True
        case "load":
            return _inside(place, statement)
        case "if":
            return all(
                region.end.kind == "yield"
                and all(may_run_anywhere(place, inner) for inner in region.body)
                for region in statement.regions
            )
        case op if op in OPS:
            return _total(statement.op, statement.operands, statement.results[0])
        case _:
            return False


def _inside(place: Place, statement: Statement) -> bool:
    """Whether a load's indices are constants or the lane's own."""
    unit, known = place.unit, place.known
    array = statement.operands[0].type
    assert isinstance(array, Array)
    own = {value.id: extent for value, extent in zip(unit.body.params, unit.grid, strict=False)}
    return all(
        known.get(index.id, own.get(index.id, extent + 1) - 1) < extent
        for index, extent in zip(statement.operands[1:], array.shape, strict=True)
    )


def _total(op: str, operands: tuple[Value, ...], result: Value) -> bool:
    row = OPS[op]
    types = [element_of(value.type) for value in (*operands, result)]
    if op == "cast":
        first, last = scalar_of(types[0]), scalar_of(types[1])
        return first.kind != "float" or (last.kind == "float" and _wider(first, last))
    if any(scalar_of(type_).kind in ("int", "uint") for type_ in types):
        overflows = row.group in ("arithmetic", "integer") or op in _OVERFLOWING
        return not overflows and not any(row.requires)
    return _is_tame(op)


def _wider(first: Scalar, last: Scalar) -> bool:
    return last.bits > first.bits


@cache
def _is_tame(op: str) -> bool:
    """Whether an op and its partials take any operands."""
    names = {op}
    for text in OPS[op].partials or ():
        names.update(_names(parse(text)) if text else ())
    return not any(any(OPS[name].requires) or name in _BURSTING for name in names)


_BURSTING = ("div", "reciprocal", "vector_div", "component_div")
"""Ops that give infinity from moderate operands."""


def _names(tree: Expression) -> Iterator[str]:
    if isinstance(tree, tuple):
        name = tree[0].partition("[")[0]
        if name != "join":
            yield name
        for part in tree[1:]:
            yield from _names(part)
