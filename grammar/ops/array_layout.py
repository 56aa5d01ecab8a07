"""Array ops that move elements: transposes, shapes, slices, gathers."""

from __future__ import annotations

import math

from grammar.ops.array_base import (
    ZERO,
    ArrayOp,
    Cell,
    Indices,
    Stage,
    Stages,
    axis_of,
    clipped,
    index,
    insert,
    integers,
    no_attribute,
    of_rank,
    place,
    same,
    scalar_element,
    view_op,
    with_extent,
    without,
)
from grammar.program import Attribute, Value
from grammar.types import F32, I32, MAX_RANK, Array

Types = tuple[Array, ...]


def _transposed(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    order = integers(attribute, len(array.shape))
    if sorted(order) != list(range(len(order))):
        raise ValueError(f"{list(order)} is no order of the axes of {array}")
    return Array(scalar_element(array), tuple([array.shape[axis] for axis in order]))


def _transposed_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    order = integers(attribute)
    return tuple([at[order.index(axis)] for axis in range(len(order))])


def _shape(attribute: Attribute) -> tuple[int, ...]:
    shape = integers(attribute)
    if not 1 <= len(shape) <= MAX_RANK or min(shape) < 1:
        raise ValueError(f"{list(shape)} is no shape: one to four positive extents")
    return shape


def _broadcast(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    shape = _shape(attribute)
    kept = shape[len(shape) - len(array.shape) :]
    fits = len(array.shape) <= len(shape) and all(
        own in (1, wanted) for own, wanted in zip(array.shape, kept, strict=True)
    )
    if not fits:
        raise ValueError(f"{array} does not broadcast to {list(shape)}")
    return Array(scalar_element(array), shape)


def _broadcast_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    shape = types[0].shape
    kept = at[len(at) - len(shape) :]
    return tuple([i if n > 1 else index(c, 0) for i, n in zip(kept, shape, strict=True)])


def _reshaped(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    shape = _shape(attribute)
    same(math.prod(array.shape), math.prod(shape), "the numbers of elements")
    return Array(scalar_element(array), shape)


def _reshaped_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    """Through the number of the element in row-major order."""
    number = at[0]
    for i, extent in zip(at[1:], integers(attribute)[1:], strict=True):
        number = c.op("add", c.op("mul", number, index(c, extent)), i)
    found: list[Value] = []
    for extent in reversed(types[0].shape[1:]):
        found.append(c.op("rem", number, index(c, extent)))
        number = c.op("div_trunc", number, index(c, extent))
    return (number, *reversed(found))


def _expanded(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    rank = len(array.shape)
    if type(attribute) is not int or not 0 <= attribute <= rank < MAX_RANK:
        raise ValueError(f"there is no place {attribute!r} for a further axis of {array}")
    shape = (*array.shape[:attribute], 1, *array.shape[attribute:])
    return Array(scalar_element(array), shape)


def _expanded_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    assert isinstance(attribute, int)
    return without_index(at, attribute)


def without_index(at: Indices, axis: int) -> Indices:
    """The indices but the one of an axis."""
    return (*at[:axis], *at[axis + 1 :])


def _squeezed(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    axis = axis_of(array, attribute)
    if array.shape[axis] != 1 or len(array.shape) == 1:
        raise ValueError(f"axis {axis} of {array} cannot be dropped")
    return Array(scalar_element(array), without(array.shape, axis))


def _squeezed_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    assert isinstance(attribute, int)
    return insert(at, attribute, index(c, 0))


def _sliced(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    axis, start, stop = integers(attribute, 3)
    extent = array.shape[axis_of(array, axis)]
    if not 0 <= start < stop <= extent:
        raise ValueError(f"{start} to {stop} is no part of the {extent} along axis {axis}")
    return Array(scalar_element(array), with_extent(array.shape, axis, stop - start))


def _sliced_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    axis, start, _ = integers(attribute)
    return place(at, axis, c.op("add", at[axis], index(c, start))) if start else at


def _flipped(types: Types, attribute: Attribute) -> Array:
    axis_of(types[0], attribute)
    return Array(scalar_element(types[0]), types[0].shape)


def _flipped_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    axis = axis_of(types[0], attribute)
    return place(at, axis, c.op("sub", index(c, types[0].shape[axis] - 1), at[axis]))


def _rolled(types: Types, attribute: Attribute) -> Array:
    axis, shift = integers(attribute, 2)
    if not 0 < shift < types[0].shape[axis_of(types[0], axis)]:
        raise ValueError(f"a shift by {shift} along axis {axis} of {types[0]}")
    return Array(scalar_element(types[0]), types[0].shape)


def _rolled_from(types: Types, attribute: Attribute, c: Cell, at: Indices) -> Indices:
    axis, shift = integers(attribute)
    extent = types[0].shape[axis]
    moved = c.op("add", at[axis], index(c, extent - shift))
    return place(at, axis, c.op("rem", moved, index(c, extent)))


def _joined(types: Types, attribute: Attribute) -> Array:
    left, right = types
    axis = axis_of(left, attribute)
    if left.element != right.element or len(left.shape) != len(right.shape):
        raise ValueError(f"{left} and {right} do not join")
    for other, (n, m) in enumerate(zip(left.shape, right.shape, strict=True)):
        if other != axis:
            same(n, m, f"the extents of axis {other}")
    both = left.shape[axis] + right.shape[axis]
    return Array(scalar_element(left), with_extent(left.shape, axis, both))


def _joined_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    axis = axis_of(types[0], attribute)
    extent = types[0].shape[axis]

    def cell(c: Cell, at: Indices) -> Value:
        i = at[axis]
        first = c.op("min", i, index(c, extent - 1))
        second = c.op("max", c.op("sub", i, index(c, extent)), index(c, 0))
        left, right = c.load(0, *place(at, axis, first)), c.load(1, *place(at, axis, second))
        return c.op("select", c.op("lt", i, index(c, extent)), left, right)

    return (Stage(_joined(types, attribute), cell),)


def _triangle(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    of_rank(types[0], 2, 3)
    return Array(scalar_element(types[0]), types[0].shape)


def _triangle_stages(keep: str) -> Stages:
    def stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
        scalar = scalar_element(types[0])

        def cell(c: Cell, at: Indices) -> Value:
            inside = c.op(keep, at[-1], at[-2])
            return c.op("select", inside, c.load(0, *at), c.const(scalar, ZERO[scalar.kind]))

        return (Stage(types[0], cell),)

    return stages


def _taken(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    table, ids = types
    of_rank(table, 1, 2)
    of_rank(ids, 1)
    if ids.element != I32:
        raise ValueError(f"the second operand holds i32 indices, not {ids}")
    return Array(scalar_element(table), (ids.shape[0], *table.shape[1:]))


def _taken_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    def cell(c: Cell, at: Indices) -> Value:
        row = clipped(c, c.load(1, at[0]), types[0].shape[0])
        return c.load(0, row, *at[1:])

    return (Stage(_taken(types, attribute), cell),)


def _one_hot(types: Types, attribute: Attribute) -> Array:
    (ids,) = types
    if ids.element != I32 or len(ids.shape) == MAX_RANK:
        raise ValueError(f"the operand holds i32 indices, not {ids}")
    if type(attribute) is not int or attribute < 1:
        raise ValueError(f"the attribute is a number of classes, not {attribute!r}")
    return Array(F32, (*ids.shape, attribute))


def _one_hot_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    def cell(c: Cell, at: Indices) -> Value:
        hit = c.op("eq", c.load(0, *at[:-1]), at[-1])
        return c.op("select", hit, c.const(F32, 1.0), c.const(F32, 0.0))

    return (Stage(_one_hot(types, attribute), cell),)


LAYOUT: tuple[ArrayOp, ...] = (
    view_op(
        "transpose",
        "Axis k of the result is axis s[k] of a.",
        "permutation",
        _transposed,
        _transposed_from,
        jax=("jnp.transpose(a, s)", "a.transpose(s)", "lax.transpose(a, s)"),
        jax_rank2=("a.T", "jnp.transpose(a, s)", "jnp.swapaxes(a, 0, 1)"),
    ),
    view_op(
        "broadcast",
        "Repeats a along axes it lacks, or of which it has one element, to a shape; axes align at "
        "the end.",
        "shape",
        _broadcast,
        _broadcast_from,
        jax=("jnp.broadcast_to(a, s)",),
    ),
    view_op(
        "reshape",
        "The elements of a, row by row, in another shape.",
        "shape",
        _reshaped,
        _reshaped_from,
        jax=("a.reshape(s)", "jnp.reshape(a, s)", "lax.reshape(a, s)"),
    ),
    view_op(
        "expand_dims",
        "A new axis of one element.",
        "axis of the result",
        _expanded,
        _expanded_from,
        jax=("jnp.expand_dims(a, i)",),
    ),
    view_op(
        "squeeze",
        "Drops an axis of one element.",
        "axis",
        _squeezed,
        _squeezed_from,
        jax=("jnp.squeeze(a, i)", "a.squeeze(i)", "jnp.squeeze(a, axis=i)"),
    ),
    view_op(
        "slice",
        "The part from start to stop along an axis.",
        "axis, start, stop",
        _sliced,
        _sliced_from,
        jax=("lax.slice_in_dim(a, s1, s2, axis=s0)",),
    ),
    view_op(
        "flip",
        "Reverses an axis.",
        "axis",
        _flipped,
        _flipped_from,
        jax=("jnp.flip(a, i)", "jnp.flip(a, axis=i)"),
    ),
    view_op(
        "roll",
        "Moves elements along an axis towards its end; those that leave it come in at the start.",
        "axis, shift",
        _rolled,
        _rolled_from,
        jax=("jnp.roll(a, s1, axis=s0)",),
    ),
    ArrayOp(
        name="concat",
        doc="a and then b along an axis.",
        arity=2,
        attribute="axis",
        range="join",
        result=_joined,
        stages=_joined_stages,
        spell={
            "jax": (
                "jnp.concatenate((a, b), axis=i)",
                "jnp.concatenate([a, b], axis=i)",
                "lax.concatenate((a, b), i)",
            )
        },
    ),
    ArrayOp(
        name="tril",
        doc="a with zeros above the diagonal of the last two axes.",
        arity=1,
        range="with_zero",
        result=_triangle,
        stages=_triangle_stages("le"),
        spell={"jax": ("jnp.tril(a)",)},
    ),
    ArrayOp(
        name="triu",
        doc="a with zeros below the diagonal of the last two axes.",
        arity=1,
        range="with_zero",
        result=_triangle,
        stages=_triangle_stages("ge"),
        spell={"jax": ("jnp.triu(a)",)},
    ),
    ArrayOp(
        name="take",
        doc="The rows of a at the indices b, which are clipped to those there are.",
        arity=2,
        result=_taken,
        stages=_taken_stages,
        spell={
            "jax": (
                "jnp.take(a, jnp.clip(b, 0, a.shape[0] - 1), axis=0)",
                "a[jnp.clip(b, 0, a.shape[0] - 1)]",
            )
        },
    ),
    ArrayOp(
        name="one_hot",
        doc="A new last axis of classes: 1 at the index in a, else 0 (all 0 for no class).",
        arity=1,
        attribute="number of classes",
        range="one",
        result=_one_hot,
        stages=_one_hot_stages,
        spell={
            "jax": ("jax.nn.one_hot(a, i, dtype=S)", "(a[..., None] == jnp.arange(i)).astype(S)")
        },
    ),
)
