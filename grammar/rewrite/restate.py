"""Operands exchanged, and ops said by other ops with the very same roundings."""

from __future__ import annotations

from typing import NamedTuple

from grammar.ops import OPS
from grammar.program import Program, Statement
from grammar.rewrite.expressions import emit, fits
from grammar.rewrite.place import Place, bound, emitted, is_row, kind_of
from grammar.source import Source
from grammar.types import BF16, Type, scalar_of


class Restated(NamedTuple):
    """The expression over `a`, `b`, ... is the op bit for bit, for operands of these kinds."""

    op: str
    text: str
    kinds: tuple[str, ...] = ("float",)


_INTEGERS = ("int", "uint")
_NUMBERS = ("float", *_INTEGERS)
_ALL = (*_NUMBERS, "bool")

RESTATED: tuple[Restated, ...] = (
    # Comparisons and logic
    Restated("lt", "b > a", _NUMBERS),
    Restated("gt", "b < a", _NUMBERS),
    Restated("le", "b >= a", _NUMBERS),
    Restated("ge", "b <= a", _NUMBERS),
    Restated("lt", "logical_not(a >= b)", _INTEGERS),
    Restated("gt", "logical_not(a <= b)", _INTEGERS),
    Restated("eq", "logical_not(ne(a, b))", _ALL),
    Restated("ne", "logical_not(eq(a, b))", _ALL),
    Restated("is_nan", "ne(a, a)"),
    Restated("is_finite", "logical_not(logical_or(is_nan(a), is_inf(a)))"),
    Restated("logical_and", "logical_not(logical_or(logical_not(a), logical_not(b)))", ("bool",)),
    Restated("logical_or", "logical_not(logical_and(logical_not(a), logical_not(b)))", ("bool",)),
    Restated("logical_xor", "ne(a, b)", ("bool",)),
    # Integers
    Restated("bit_and", "bit_not(bit_or(bit_not(a), bit_not(b)))", _INTEGERS),
    Restated("bit_or", "bit_not(bit_and(bit_not(a), bit_not(b)))", _INTEGERS),
    Restated("bit_xor", "bit_and(bit_or(a, b), bit_not(bit_and(a, b)))", _INTEGERS),
    Restated("bit_not", "bit_xor(a, -1)", ("int",)),
    Restated("is_odd", "ne(bit_and(a, 1), 0)", _INTEGERS),
    Restated("bit_test", "is_odd(shift_right(a, b))", _INTEGERS),
    Restated("rem", "a - div_trunc(a, b) * b", _INTEGERS),
    Restated("modulo", "a - div_floor(a, b) * b", _INTEGERS),
    Restated("min", "select(a < b, a, b)", _INTEGERS),
    Restated("max", "select(b < a, a, b)", _INTEGERS),
    Restated("sign", "select(a > 0, 1, select(a < 0, -1, 0))", ("int",)),
    # Arithmetic
    Restated("square", "a * a", _NUMBERS),
    Restated("cube", "a * a * a"),
    Restated("add", "a - -b"),
    Restated("sub", "a + -b"),
    Restated("neg", "-0.0 - a"),
    Restated("reciprocal", "1.0 / a"),
    Restated("midpoint", "0.5 * (a + b)"),
    Restated("squared_difference", "square(a - b)"),
    Restated("multiply_add", "a * b + c"),
    Restated("lerp", "a * (1.0 - c) + b * c"),
    Restated("floor_divide", "floor(a / b)"),
    Restated("frac", "a - trunc(a)"),
    Restated("absolute_difference", "abs(a - b)", ("float", "int")),
    Restated("clamp", "min(max(a, b), c)", _NUMBERS),
    Restated("sign_not_zero", "select(a < 0.0, -1.0, 1.0)"),
    Restated("step", "select(a < 0.0, 1.0, 0.0)"),
    Restated("heaviside", "1.0 - step(a)"),
    Restated("nonzero", "select(eq(a, 0.0), 0.0, 1.0)"),
    # Vectors
    Restated("vector_offset", "a + fill(b)"),
    Restated("vector_lerp", "scale(1.0 - c, a) + scale(c, b)"),
    Restated("vector_multiply_add", "scale(a, b) + c"),
    Restated("length_squared", "dot(a, a)"),
    Restated("distance_squared", "length_squared(a - b)"),
    Restated("distance", "length(a - b)"),
    Restated("normalize", "vector_div(a, length(a))"),
    Restated("triple", "dot(a, cross(b, c))"),
    Restated("reflect", "a - scale(2.0 * dot(a, b), b)"),
    Restated("project", "scale(dot(a, b) / dot(b, b), b)"),
    Restated("squash", "vector_div(a, 1.0 + dot(a, a))"),
)
"""What rows mean, said by other rows. A test evaluates every typing on numbers of all sorts."""

_BY_OP: dict[str, list[Restated]] = {}
for _row in RESTATED:
    _BY_OP.setdefault(_row.op, []).append(_row)


def commutes(place: Place) -> bool:
    """Whether the operands differ and may be exchanged. At ties of floats, kinked ops give the
    sign of one zero or the other, and backends choose one side's gradient."""
    statement = place.statement
    row = OPS.get(statement.op)
    if row is None or not row.commutes or statement.operands[0] == statement.operands[1]:
        return False
    return row.smoothness != "kinked" or kind_of(statement.results[0]) != "float"


def commute(place: Place, source: Source) -> Program:
    statement = place.statement
    return place.instead([statement._replace(operands=statement.operands[::-1])])


def holds(row: Restated, operands: tuple[Type, ...], result: Type) -> bool:
    """Whether the row says an op of its name at a typing. Between the steps of an op bfloat16 is
    not rounded, but between ops it is."""
    first = scalar_of(operands[0])
    if first.kind not in row.kinds or (first == BF16 and scalar_of(result) == BF16):
        return False
    return fits(row.text, operands, result)


def _ways(statement: Statement) -> list[Restated]:
    if not is_row(statement) or not statement.operands:
        return []
    types = tuple([value.type for value in statement.operands])
    (result,) = statement.results
    return [row for row in _BY_OP.get(statement.op, ()) if holds(row, types, result.type)]


def restates(place: Place) -> bool:
    """Whether the op can be said by others."""
    return bool(_ways(place.statement))


def restate(place: Place, source: Source) -> Program:
    statement = place.statement
    ways = _ways(statement)
    text = ways[source.below(len(ways))].text
    result = statement.results[0]
    b = place.builder()
    made = emitted(b, lambda: emit(b, text, statement.operands, result.type))
    return place.instead([*made[:-1], bound(made[-1], (result,))])
