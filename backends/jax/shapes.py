"""Shapes of values with lane axes: broadcasting what is uniform, conditions over vectors."""

from __future__ import annotations

from backends import surface as s
from backends.jax.frame import Body, Writer
from backends.jax.spell import TRUE, Operand, dtype, integer, jnp
from grammar.program import Unit, Value
from grammar.types import BOOL, Array, Type, element_shape

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
    lead = shapes[0] if len(shapes) == 1 else _joint_shape(writer, mask, tuple(shapes))
    last = trailing(type_)
    return s.Binary("+", lead, s.Tuple(tuple(map(integer, last)))) if last else lead


def _joint_shape(writer: Writer, mask: int, shapes: tuple[s.Expr, ...]) -> s.Name:
    """The name of a broadcast shape, made at the head of the function."""
    name = writer.shapes.get(mask)
    if name is None:
        name = s.Name("shape" if not writer.shapes else f"shape_{len(writer.shapes) + 1}")
        writer.shapes[mask] = name
        writer.head.append(s.Assign(name, s.Call(jnp("broadcast_shapes"), shapes)))
    return name


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
    """`jnp.where(condition, yes, no)`, or logic where a side is a literal; `lanes` where the
    condition may have lane axes."""
    axes = len(trailing(yes.type)) if lanes else 0
    left, right = body.operand(yes), body.operand(no)
    logical = yes.type == BOOL and (left.weak or right.weak)
    if isinstance(condition, Value):
        test = body.typed(condition) if axes or logical else body.raw(condition)
    else:
        test = condition
    if logical:
        return _logic(test, left, right)
    if axes:
        test = s.Subscript(test, (ELLIPSIS, *[NONE] * axes))
    first = body.typed(yes) if left.weak and right.weak else left.expr
    return s.Call(jnp("where"), (test, first, right.expr))


def _logic(test: s.Expr, yes: Operand, no: Operand) -> s.Expr:
    """A choice between truth values of which at least one is a literal."""
    if yes.weak and no.weak:
        if yes.expr == no.expr:
            return s.Binary("|" if yes.expr == TRUE else "&", test, yes.expr)
        return test if yes.expr == TRUE else s.Unary("~", test)
    if yes.expr == test and no.expr != TRUE:
        return test
    if yes.weak:
        return (
            s.Binary("|", test, no.expr)
            if yes.expr == TRUE
            else s.Binary("&", s.Unary("~", test), no.expr)
        )
    return (
        s.Binary("|", s.Unary("~", test), yes.expr)
        if no.expr == TRUE
        else s.Binary("&", test, yes.expr)
    )
