"""Array ops that normalize: softmax and its relatives, layer norm, root mean square norm."""

from __future__ import annotations

from grammar.ops.array_base import (
    EPSILON,
    ArrayOp,
    Cell,
    Indices,
    Stage,
    axis_of,
    float_element,
    index,
    insert,
    largest,
    no_attribute,
    of_rank,
    place,
    same,
    total,
    with_extent,
    without,
)
from grammar.program import Attribute, Value
from grammar.types import Array, Scalar

Types = tuple[Array, ...]


def _along_axis(types: Types, attribute: Attribute) -> Array:
    (array,) = types
    float_element(array, bits=32)
    axis_of(array, attribute)
    return array


def shifted_exp(c: Cell, source: int, top: int, at: Indices, axis: int, k: Value) -> Value:
    """exp of an element less the largest along its axis, which stage `top` holds."""
    peak = c.load(top, *place(at, axis, index(c, 0)))
    return c.op("exp", c.op("sub", c.load(source, *place(at, axis, k)), peak))


def softmax_stages(source: int, made: int, array: Array, axis: int) -> tuple[Stage, ...]:
    """The largest element along an axis and the sum of exponentials, of operand or stage `source`;
    the first of them is the stage numbered `made`."""
    scalar = float_element(array)
    kept = Array(scalar, with_extent(array.shape, axis, 1))
    extent = array.shape[axis]

    def top(c: Cell, at: Indices) -> Value:
        return largest(c, extent, lambda k: c.load(source, *place(at, axis, k)))

    def weight(c: Cell, at: Indices) -> Value:
        return total(c, extent, scalar, lambda k: shifted_exp(c, source, made, at, axis, k))

    return (Stage(kept, top), Stage(kept, weight))


def _softmax_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array, axis = types[0], axis_of(types[0], attribute)

    def cell(c: Cell, at: Indices) -> Value:
        weight = c.load(2, *place(at, axis, index(c, 0)))
        return c.op("div", shifted_exp(c, 0, 1, at, axis, at[axis]), weight)

    return (*softmax_stages(0, 1, array, axis), Stage(array, cell))


def _log_softmax_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array, axis = types[0], axis_of(types[0], attribute)

    def cell(c: Cell, at: Indices) -> Value:
        first = place(at, axis, index(c, 0))
        shifted = c.op("sub", c.load(0, *at), c.load(1, *first))
        return c.op("sub", shifted, c.op("log", c.load(2, *first)))

    return (*softmax_stages(0, 1, array, axis), Stage(array, cell))


def _dropped(types: Types, attribute: Attribute) -> Array:
    array = _along_axis(types, attribute)
    of_rank(array, 2, 3, 4)
    return Array(array.element, without(array.shape, axis_of(array, attribute)))


def _logsumexp_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array, axis = types[0], axis_of(types[0], attribute)

    def cell(c: Cell, at: Indices) -> Value:
        first = insert(at, axis, index(c, 0))
        return c.op("add", c.op("log", c.load(2, *first)), c.load(1, *first))

    made = Array(array.element, without(array.shape, axis))
    return (*softmax_stages(0, 1, array, axis), Stage(made, cell))


def _normed(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    array, *parameters = types
    float_element(*types, bits=32)
    for parameter in parameters:
        same(of_rank(parameter, 1)[0], array.shape[-1], "the extents of the last axis")
    return array


def _mean_stage(types: Types, squares: bool, centred: bool) -> Stage:
    """The mean along the last axis of the elements or their squares, perhaps less stage mean."""
    array = types[0]
    scalar = float_element(array)
    extent = array.shape[-1]

    def cell(c: Cell, at: Indices) -> Value:
        def term(k: Value) -> Value:
            value = c.load(0, *at[:-1], k)
            if centred:
                value = c.op("sub", value, c.load(len(types), *at))
            return c.op("square", value) if squares else value

        return c.op("div", total(c, extent, scalar, term), c.const(scalar, float(extent)))

    return Stage(Array(scalar, (*array.shape[:-1], 1)), cell)


def _scale(c: Cell, squares: Value, scalar: Scalar) -> Value:
    return c.op("rsqrt", c.op("add", squares, c.const(scalar, EPSILON)))


def _layernorm_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array = types[0]
    scalar = float_element(array)

    def cell(c: Cell, at: Indices) -> Value:
        first = (*at[:-1], index(c, 0))
        centred = c.op("sub", c.load(0, *at), c.load(3, *first))
        scaled = c.op("mul", centred, _scale(c, c.load(4, *first), scalar))
        return c.op("add", c.op("mul", scaled, c.load(1, at[-1])), c.load(2, at[-1]))

    mean, variance = _mean_stage(types, False, False), _mean_stage(types, True, True)
    return (mean, variance, Stage(array, cell))


def _rmsnorm_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array = types[0]
    scalar = float_element(array)

    def cell(c: Cell, at: Indices) -> Value:
        squares = c.load(2, *at[:-1], index(c, 0))
        scaled = c.op("mul", c.load(0, *at), _scale(c, squares, scalar))
        return c.op("mul", scaled, c.load(1, at[-1]))

    return (_mean_stage(types, True, False), Stage(array, cell))


_CENTRED = "(a - jnp.mean(a, axis=-1, keepdims=True))"

NORM: tuple[ArrayOp, ...] = (
    ArrayOp(
        name="softmax",
        doc="Exponentials along an axis over their sum.",
        arity=1,
        attribute="axis",
        range="one",
        result=_along_axis,
        stages=_softmax_stages,
        spell={"jax": ("jax.nn.softmax(a, axis=i)",)},
    ),
    ArrayOp(
        name="log_softmax",
        doc="Logarithm of softmax along an axis.",
        arity=1,
        attribute="axis",
        range="logarithm",
        result=_along_axis,
        stages=_log_softmax_stages,
        spell={"jax": ("jax.nn.log_softmax(a, axis=i)",)},
    ),
    ArrayOp(
        name="logsumexp",
        doc="Logarithm of the sum of exponentials along an axis, which the result lacks.",
        arity=1,
        attribute="axis",
        range="logarithm",
        result=_dropped,
        stages=_logsumexp_stages,
        spell={
            "jax": ("jax.nn.logsumexp(a, axis=i)", "jax.scipy.special.logsumexp(a, axis=i)"),
        },
    ),
    ArrayOp(
        name="layernorm",
        doc="a less its mean over its deviation along the last axis, times b plus c.",
        arity=3,
        range="norm",
        result=_normed,
        stages=_layernorm_stages,
        spell={
            "jax": (
                f"{_CENTRED} * lax.rsqrt(jnp.var(a, axis=-1, keepdims=True) + T(1e-05)) * b + c",
                f"{_CENTRED} / jnp.sqrt(jnp.var(a, axis=-1, keepdims=True) + T(1e-05)) * b + c",
            )
        },
    ),
    ArrayOp(
        name="rmsnorm",
        doc="a over its root mean square along the last axis, times b.",
        arity=2,
        range="norm",
        result=_normed,
        stages=_rmsnorm_stages,
        spell={
            "jax": (
                "a * lax.rsqrt(jnp.mean(a * a, axis=-1, keepdims=True) + T(1e-05)) * b",
                "a / jnp.sqrt(jnp.mean(jnp.square(a), axis=-1, keepdims=True) + T(1e-05)) * b",
            )
        },
    ),
)
