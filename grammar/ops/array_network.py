"""Array ops of neural networks: attention, convolution, losses."""

from __future__ import annotations

import math

from grammar.ops.array_base import (
    ArrayOp,
    Cell,
    Indices,
    Stage,
    Stages,
    clipped,
    float_element,
    index,
    no_attribute,
    of_rank,
    same,
    total,
)
from grammar.ops.array_norm import shifted_exp, softmax_stages
from grammar.program import Attribute, Value
from grammar.types import I32, Array

Types = tuple[Array, ...]

_HIDDEN = -1e9
"""The score of what attention must not see; its exponential is 0."""


def _attended(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    scalar = float_element(*types, bits=32)
    queries, keys, values = [of_rank(type_, len(types[0].shape)) for type_ in types]
    of_rank(types[0], 2, 3)
    same(queries[-1], keys[-1], "the widths of queries and keys")
    same(keys[-2], values[-2], "the numbers of keys and values")
    if len(queries) == 3:
        same(queries[0], keys[0], "the numbers of heads")
        same(keys[0], values[0], "the numbers of heads")
    return Array(scalar, (*queries[:-1], values[-1]))


def _attention_stages(causal: bool) -> Stages:
    """Scores, their softmax in three steps, and the weighted sum of the values."""

    def stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
        queries, keys, _ = types
        scalar = float_element(queries)
        width, count = keys.shape[-1], keys.shape[-2]
        scores = Array(scalar, (*queries.shape[:-1], count))
        last = len(scores.shape) - 1

        def score(c: Cell, at: Indices) -> Value:
            *batch, query, key = at

            def term(k: Value) -> Value:
                return c.op("mul", c.load(0, *batch, query, k), c.load(1, *batch, key, k))

            found = total(c, width, scalar, term)
            found = c.op("mul", found, c.const(scalar, 1.0 / math.sqrt(width)))
            if not causal:
                return found
            return c.op("select", c.op("le", key, query), found, c.const(scalar, _HIDDEN))

        def weight(c: Cell, at: Indices) -> Value:
            whole = c.load(5, *at[:-1], index(c, 0))
            return c.op("div", shifted_exp(c, 3, 4, at, last, at[-1]), whole)

        def out(c: Cell, at: Indices) -> Value:
            *batch, query, column = at

            def term(k: Value) -> Value:
                return c.op("mul", c.load(6, *batch, query, k), c.load(2, *batch, k, column))

            return total(c, count, scalar, term)

        return (
            Stage(scores, score),
            *softmax_stages(3, 4, scores, last),
            Stage(scores, weight),
            Stage(_attended(types, attribute), out),
        )

    return stages


def _convolved(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    signal, filters = types
    scalar = float_element(signal, filters, bits=32)
    of_rank(signal, 2, 3)
    of_rank(filters, 3)
    same(signal.shape[-1], filters.shape[1], "the numbers of channels")
    return Array(scalar, (*signal.shape[:-1], filters.shape[-1]))


def _convolution_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    signal, filters = types
    scalar = float_element(signal)
    length = signal.shape[-2]
    width, channels, _ = filters.shape

    def cell(c: Cell, at: Indices) -> Value:
        *batch, time, channel = at
        found = c.const(scalar, 0.0)
        for tap in range(width):
            shift = tap - (width - 1) // 2
            where = time if shift == 0 else c.op("add", time, index(c, shift))
            inside = clipped(c, where, length)

            def term(k: Value, inside: Value = inside, tap: int = tap) -> Value:
                x = c.load(0, *batch, inside, k)
                return c.op("mul", x, c.load(1, index(c, tap), k, channel))

            part = total(c, channels, scalar, term)
            if shift:
                edge = c.op("eq", inside, where)
                part = c.op("select", edge, part, c.const(scalar, 0.0))
            found = c.op("add", found, part) if tap else part
        return found

    return (Stage(_convolved(types, attribute), cell),)


def _cross_entropy(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    logits, labels = types
    scalar = float_element(logits, bits=32)
    of_rank(logits, 2)
    of_rank(labels, 1)
    if labels.element != I32:
        raise ValueError(f"the second operand holds i32 labels, not {labels}")
    same(logits.shape[0], labels.shape[0], "the numbers of rows")
    return Array(scalar, labels.shape)


def _cross_entropy_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    logits, labels = types

    def cell(c: Cell, at: Indices) -> Value:
        first = (at[0], index(c, 0))
        whole = c.op("add", c.op("log", c.load(3, *first)), c.load(2, *first))
        label = clipped(c, c.load(1, at[0]), logits.shape[1])
        return c.op("sub", whole, c.load(0, at[0], label))

    made = Array(logits.element, labels.shape)
    return (*softmax_stages(0, 2, logits, 1), Stage(made, cell))


def _squared_error(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    left, right = types
    scalar = float_element(left, right)
    of_rank(left, 2, 3, 4)
    if left != right:
        raise ValueError(f"{left} and {right} have different shapes")
    return Array(scalar, left.shape[:-1])


def _squared_error_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    array = types[0]
    scalar = float_element(array)
    extent = array.shape[-1]

    def cell(c: Cell, at: Indices) -> Value:
        def term(k: Value) -> Value:
            return c.op("square", c.op("sub", c.load(0, *at, k), c.load(1, *at, k)))

        return c.op("div", total(c, extent, scalar, term), c.const(scalar, float(extent)))

    return (Stage(_squared_error(types, attribute), cell),)


_SCORES = "a @ jnp.swapaxes(b, -1, -2) / a.shape[-1] ** 0.5"
_MASK = "jnp.tri(a.shape[-2], b.shape[-2], dtype=bool)"
_LABELS = "jnp.clip(b, 0, a.shape[-1] - 1)[:, None]"

NETWORK: tuple[ArrayOp, ...] = (
    ArrayOp(
        name="attention",
        doc="Softmax of the scaled products of queries a and keys b, times the values c.",
        arity=3,
        range="mixture",
        result=_attended,
        stages=_attention_stages(False),
        spell={
            "jax": (
                f"jax.nn.softmax({_SCORES}, axis=-1) @ c",
                f"jnp.matmul(jax.nn.softmax({_SCORES}, axis=-1), c)",
            )
        },
    ),
    ArrayOp(
        name="causal_attention",
        doc="Attention where query i sees the keys up to i only.",
        arity=3,
        range="mixture",
        result=_attended,
        stages=_attention_stages(True),
        spell={
            "jax": (
                f"jax.nn.softmax(jnp.where({_MASK}, {_SCORES}, T(-1e9)), axis=-1) @ c",
                f"jax.nn.softmax(jnp.where({_MASK}, {_SCORES}, -jnp.inf), axis=-1) @ c",
            )
        },
    ),
    ArrayOp(
        name="conv1d",
        doc="a, time by channels, convolved along time with filters b (width by channels in by "
        "channels out); zeros beyond the ends keep the length.",
        arity=2,
        range="convolution",
        result=_convolved,
        stages=_convolution_stages,
        spell={
            "jax": (
                'lax.conv_general_dilated(a, b, (1,), "SAME", '
                'dimension_numbers=("NWC", "WIO", "NWC"))',
            ),
            "jax_rank2": (
                'lax.conv_general_dilated(a[None], b, (1,), "SAME", '
                'dimension_numbers=("NWC", "WIO", "NWC"))[0]',
            ),
        },
    ),
    ArrayOp(
        name="cross_entropy",
        doc="Per row of logits a, minus the log probability of its label in b, clipped to those "
        "there are.",
        arity=2,
        range="logarithm",
        result=_cross_entropy,
        stages=_cross_entropy_stages,
        spell={
            "jax": (
                f"jax.nn.logsumexp(a, axis=-1) - jnp.take_along_axis(a, {_LABELS}, axis=-1)[:, 0]",
                f"-jnp.take_along_axis(jax.nn.log_softmax(a, axis=-1), {_LABELS}, axis=-1)[:, 0]",
            )
        },
    ),
    ArrayOp(
        name="squared_error",
        doc="Mean of the squared differences along the last axis, which the result lacks.",
        arity=2,
        range="difference",
        result=_squared_error,
        stages=_squared_error_stages,
        spell={
            "jax": (
                "jnp.mean(jnp.square(a - b), axis=-1)",
                "jnp.mean((a - b) ** 2, axis=-1)",
            )
        },
    ),
)
