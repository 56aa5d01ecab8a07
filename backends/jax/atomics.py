"""Atomics: all lanes' contributions scattered into an array, or reduced into one element."""

from __future__ import annotations

from collections.abc import Sequence

from backends import surface as s
from backends.jax.frame import Body
from backends.jax.shapes import spread_out
from backends.jax.spell import dtype, element_scalar, jnp
from grammar.program import Statement, Value
from grammar.types import Scalar

_METHODS = {"atomic_add": "add", "atomic_sub": "add", "atomic_min": "min", "atomic_max": "max"}
_REDUCTIONS = {"add": "sum", "min": "min", "max": "max"}


def scatter(statement: Statement, array: s.Expr, places: Sequence[s.Expr], value: s.Expr) -> s.Expr:
    """`array.at[places].add(value)` and the like."""
    if statement.op == "atomic_sub":
        value = s.Unary("-", value)
    at = s.Subscript(s.Attribute(array, "at"), tuple(places))
    return s.Call(s.Attribute(at, _METHODS[statement.op]), (value,))


def reducible(value: Value) -> bool:
    """Whether contributions to one element may be reduced first. Narrow floats are left to the
    scatter, which rounds after each addition."""
    type_ = value.type
    return isinstance(type_, Scalar) and not (type_.kind == "float" and type_.bits == 16)


def reduced(statement: Statement, values: s.Expr) -> s.Expr:
    """One contribution for those of all lanes."""
    name = _REDUCTIONS[_METHODS[statement.op]]
    scalar = element_scalar(statement.operands[-1].type)
    widens = name == "sum" and scalar.kind != "float"
    return s.Call(jnp(name), (values,), (("dtype", dtype(scalar)),) if widens else ())


def scatter_all(body: Body, array: s.Expr, statement: Statement, every: int) -> s.Expr:
    """The array after an atomic of all lanes at once; `every` is the mask of all lane axes."""
    writer = body.writer
    _, *places, value = statement.operands
    spots = list(map(body.raw, places))
    joint = 0
    for place in places:
        joint |= writer.mask(place)
    if not joint and writer.mask(value) == every and reducible(value):
        return scatter(statement, array, spots, reduced(statement, body.typed(value)))
    if joint != every:
        spots[0] = spread_out(body, places[0], every)
    varies = writer.mask(value) != 0
    given = spread_out(body, value, every) if varies else body.typed(value)
    return scatter(statement, array, spots, given)
