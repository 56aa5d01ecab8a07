"""Shapes of values with lane axes: broadcasting what is uniform, conditions over vectors."""

from __future__ import annotations

from collections.abc import Sequence

from backends import surface as s
from backends.jax.frame import Body, Writer
from backends.jax.spell import dtype, integer, jnp
from grammar.program import Unit, Value
from grammar.types import Array, Type, element_shape

ELLIPSIS = s.Literal("...")
NONE = s.Literal("None")


def trailing(type_: Type) -> tuple[int, ...]:
    """The axes of a vector or matrix, which stand last."""
    return element_shape(type_.element if isinstance(type_, Array) else type_)


def grid_shape(unit: Unit, mask: int, type_: Type) -> s.Expr:
    """The shape of a value of a kernel that varies along the axes of a mask."""
    lead = [extent if mask >> axis & 1 else 1 for axis, extent in enumerate(unit.grid)]
    return s.Tuple(tuple(map(integer, (*lead, *trailing(type_)))))


def parameter_shape(writer: Writer, mask: int, type_: Type) -> s.Expr:
    """The shape of a value of a function whose lane axes are those of the parameters in a mask."""
    shapes: list[s.Expr] = []
    for position, parameter in enumerate(writer.unit.body.params):
        if mask >> position & 1:
            shape: s.Expr = s.Attribute(writer.env[parameter.id], "shape")
            axes = len(trailing(parameter.type))
            if axes:
                shape = s.Subscript(shape, (s.Slice(upper=integer(-axes)),))
            shapes.append(shape)
    lead = shapes[0] if len(shapes) == 1 else s.Call(jnp("broadcast_shapes"), tuple(shapes))
    last = trailing(type_)
    return s.Binary("+", lead, s.Tuple(tuple(map(integer, last)))) if last else lead


def spread_out(body: Body, value: Value, mask: int) -> s.Expr:
    """A value with its dtype and the lane axes of a mask."""
    writer = body.writer
    if mask == writer.mask(value) or writer.spread is None:
        return body.typed(value)
    return _spread(body, value, mask)


def _spread(body: Body, value: Value, mask: int) -> s.Expr:
    writer = body.writer
    assert writer.spread is not None
    shape = writer.spread(mask, value.type)
    plain = body.raw(value)
    scalar = writer.weak.get(value.id)
    if scalar is None or isinstance(plain, s.Name):
        return s.Call(jnp("broadcast_to"), (body.typed(value), shape))
    if isinstance(shape, s.Tuple) and len(shape.items) == 1:
        shape = shape.items[0]
    kind = (("dtype", dtype(scalar)),)
    made = _FULL.get(plain.text) if isinstance(plain, s.Literal) else None
    if made is not None:
        return s.Call(jnp(made), (shape,), kind)
    return s.Call(jnp("full"), (shape, plain), kind)


_FULL = {"0": "zeros", "0.0": "zeros", "False": "zeros", "1": "ones", "1.0": "ones", "True": "ones"}


def choice(body: Body, condition: Value | s.Expr, lanes: bool, yes: Value, no: Value) -> s.Expr:
    """`jnp.where(condition, yes, no)`; `lanes` where the condition may have lane axes."""
    axes = len(trailing(yes.type)) if lanes else 0
    if isinstance(condition, Value):
        test = body.typed(condition) if axes else body.raw(condition)
    else:
        test = condition
    if axes:
        test = s.Subscript(test, (ELLIPSIS, *[NONE] * axes))
    left, right = body.operand(yes), body.operand(no)
    first = body.typed(yes) if left.weak and right.weak else left.expr
    return s.Call(jnp("where"), (test, first, right.expr))


def together(items: Sequence[s.Expr]) -> s.Expr:
    """One expression as it is, several as a tuple."""
    return items[0] if len(items) == 1 else s.Tuple(tuple(items))
