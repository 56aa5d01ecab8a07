"""Array ops that sum or compare along axes: reductions, products of matrices, running sums."""

from __future__ import annotations

from collections.abc import Callable

from grammar.ops.array_base import (
    ArrayOp,
    Cell,
    Indices,
    Result,
    Stage,
    Stages,
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
from grammar.types import I32, Array, Scalar

Types = tuple[Array, ...]
Reduce = Callable[[Cell, int, Scalar, Callable[[Value], Value]], Value]


def _sum(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    return total(c, extent, scalar, term)


def _max(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    return largest(c, extent, term)


def _min(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    return largest(c, extent, term, "min")


def _prod(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    return largest(c, extent, term, "mul")


def _mean(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    return c.op("div", total(c, extent, scalar, term), c.const(scalar, float(extent)))


def reduced_type(types: Types, attribute: Attribute, keep: bool) -> Array:
    """The type of a float array reduced along the axis in the attribute."""
    (array,) = types
    scalar = float_element(array)
    axis = axis_of(array, attribute)
    if keep:
        return Array(scalar, with_extent(array.shape, axis, 1))
    if len(array.shape) == 1:
        raise ValueError(f"{array} has only one axis, which is to be kept")
    return Array(scalar, without(array.shape, axis))


def _result(keep: bool) -> Result:
    return lambda types, attribute: reduced_type(types, attribute, keep)


def reduction_stage(types: Types, axis: int, keep: bool, reduce: Reduce) -> Stage:
    """The stage that reduces the first operand along an axis."""
    array = types[0]
    scalar = float_element(array)

    def cell(c: Cell, at: Indices) -> Value:
        moved = place if keep else insert
        return reduce(c, array.shape[axis], scalar, lambda k: c.load(0, *moved(at, axis, k)))

    return Stage(reduced_type((array,), axis, keep), cell)


def _stages(keep: bool, reduce: Reduce) -> Stages:
    def stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
        return (reduction_stage(types, axis_of(types[0], attribute), keep, reduce),)

    return stages


def _reductions() -> tuple[ArrayOp, ...]:
    rows: list[ArrayOp] = []
    for name, what, reduce, rule in (
        ("sum", "Sum", _sum, "sum"),
        ("mean", "Mean", _mean, "mean"),
        ("max", "Largest element", _max, "same"),
        ("min", "Smallest element", _min, "same"),
        ("prod", "Product", _prod, "product"),
    ):
        rows.append(
            ArrayOp(
                name=f"reduce_{name}",
                doc=f"{what} along an axis, which the result lacks.",
                arity=1,
                attribute="axis",
                range=rule,
                result=_result(False),
                stages=_stages(False, reduce),
                spell={"jax": (f"jnp.{name}(a, axis=i)", f"a.{name}(axis=i)", f"jnp.{name}(a, i)")},
            )
        )
        rows.append(
            ArrayOp(
                name=f"reduce_{name}_keep",
                doc=f"{what} along an axis, of which one element remains.",
                arity=1,
                attribute="axis",
                range=rule,
                result=_result(True),
                stages=_stages(True, reduce),
                spell={
                    "jax": (
                        f"jnp.{name}(a, axis=i, keepdims=True)",
                        f"a.{name}(axis=i, keepdims=True)",
                    )
                },
            )
        )
    return tuple(rows)


def _variance_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    axis = axis_of(types[0], attribute)
    scalar = float_element(types[0])

    def cell(c: Cell, at: Indices) -> Value:
        mean = c.load(1, *place(at, axis, index(c, 0)))

        def term(k: Value) -> Value:
            return c.op("square", c.op("sub", c.load(0, *place(at, axis, k)), mean))

        return _mean(c, types[0].shape[axis], scalar, term)

    kept = reduced_type(types, axis, True)
    return (reduction_stage(types, axis, True, _mean), Stage(kept, cell))


def _argmax(types: Types, attribute: Attribute) -> Array:
    return Array(I32, reduced_type(types, attribute, False).shape)


def _argmax_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    """The largest element, and then the first place that has it, counting down."""
    array = types[0]
    axis = axis_of(array, attribute)
    last = array.shape[axis] - 1

    def cell(c: Cell, at: Indices) -> Value:
        best = c.load(1, *at)

        def step(k: Value, found: Value) -> Value:
            j = c.op("sub", index(c, last), k)
            hit = c.op("ge", c.load(0, *insert(at, axis, j)), best)
            return c.op("select", hit, j, found)

        return c.fold(0, last + 1, index(c, 0), step)

    return (reduction_stage(types, axis, False, _max), Stage(_argmax(types, attribute), cell))


def _same_type(types: Types, attribute: Attribute) -> Array:
    float_element(types[0])
    axis_of(types[0], attribute)
    return types[0]


def _running_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    axis = axis_of(types[0], attribute)
    scalar = float_element(types[0])

    def cell(c: Cell, at: Indices) -> Value:
        def term(k: Value) -> Value:
            before = c.op("le", k, at[axis])
            return c.op("select", before, c.load(0, *place(at, axis, k)), c.const(scalar, 0.0))

        return total(c, types[0].shape[axis], scalar, term)

    return (Stage(types[0], cell),)


def _product(types: Types, attribute: Attribute) -> Array:
    """Matrix by vector, matrix by matrix, and stacks of matrices by a matrix or as many."""
    no_attribute(attribute)
    left, right = types
    scalar = float_element(left, right)
    of_rank(left, 2, 3)
    of_rank(right, 1, 2, 3)
    if len(right.shape) == 1:
        same(left.shape[-1], right.shape[0], "the contracted extents")
        return Array(scalar, left.shape[:-1])
    same(left.shape[-1], right.shape[-2], "the contracted extents")
    if len(right.shape) == 3:
        if len(left.shape) == 2:
            raise ValueError(f"{left} is no stack of matrices as {right} is")
        same(left.shape[0], right.shape[0], "the numbers of matrices")
    return Array(scalar, (*left.shape[:-1], right.shape[-1]))


def _product_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    left, right = types
    scalar = float_element(left)
    vector, stacked = len(right.shape) == 1, len(right.shape) == 3

    def cell(c: Cell, at: Indices) -> Value:
        row, column = (at, ()) if vector else (at[:-1], at[-1:])
        batch = at[:1] if stacked else ()

        def term(k: Value) -> Value:
            return c.op("mul", c.load(0, *row, k), c.load(1, *batch, k, *column))

        return total(c, left.shape[-1], scalar, term)

    return (Stage(_product(types, attribute), cell),)


def _outer(types: Types, attribute: Attribute) -> Array:
    no_attribute(attribute)
    left, right = types
    shape = (*of_rank(left, 1), *of_rank(right, 1))
    return Array(float_element(left, right), shape)


def _outer_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    def cell(c: Cell, at: Indices) -> Value:
        return c.op("mul", c.load(0, at[0]), c.load(1, at[1]))

    return (Stage(_outer(types, attribute), cell),)


def _segments(types: Types, attribute: Attribute) -> Array:
    values, ids = types
    of_rank(values, 1, 2)
    of_rank(ids, 1)
    if ids.element != I32:
        raise ValueError(f"the second operand holds i32 indices, not {ids}")
    same(values.shape[0], ids.shape[0], "the numbers of rows")
    if type(attribute) is not int or attribute < 1:
        raise ValueError(f"the attribute is a number of segments, not {attribute!r}")
    return Array(float_element(values), (attribute, *values.shape[1:]))


def _segments_stages(types: Types, attribute: Attribute) -> tuple[Stage, ...]:
    scalar = float_element(types[0])

    def cell(c: Cell, at: Indices) -> Value:
        def term(k: Value) -> Value:
            mine = c.op("eq", c.load(1, k), at[0])
            return c.op("select", mine, c.load(0, k, *at[1:]), c.const(scalar, 0.0))

        return total(c, types[0].shape[0], scalar, term)

    return (Stage(_segments(types, attribute), cell),)


REDUCE: tuple[ArrayOp, ...] = (
    ArrayOp(
        name="matmul",
        doc="Matrix product, also with a vector, and of stacks of matrices.",
        arity=2,
        range="matmul",
        result=_product,
        stages=_product_stages,
        spell={"jax": ("a @ b", "jnp.matmul(a, b)"), "jax_rank2": ("a @ b", "jnp.dot(a, b)")},
    ),
    *_reductions(),
    ArrayOp(
        name="reduce_var_keep",
        doc="Variance along an axis, of which one element remains.",
        arity=1,
        attribute="axis",
        range="variance",
        result=_result(True),
        stages=_variance_stages,
        spell={"jax": ("jnp.var(a, axis=i, keepdims=True)", "a.var(axis=i, keepdims=True)")},
    ),
    ArrayOp(
        name="reduce_argmax",
        doc="The first place of the largest element along an axis, which the result lacks.",
        arity=1,
        attribute="axis",
        range="place",
        result=_argmax,
        stages=_argmax_stages,
        spell={"jax": ("jnp.argmax(a, axis=i).astype(S)",)},
    ),
    ArrayOp(
        name="cumsum",
        doc="The sum of the elements up to each along an axis.",
        arity=1,
        attribute="axis",
        range="sum",
        result=_same_type,
        stages=_running_stages,
        spell={"jax": ("jnp.cumsum(a, axis=i)", "a.cumsum(axis=i)", "lax.cumsum(a, axis=i)")},
    ),
    ArrayOp(
        name="outer",
        doc="All products of an element of a and one of b.",
        arity=2,
        range="outer",
        result=_outer,
        stages=_outer_stages,
        spell={"jax": ("jnp.outer(a, b)", "a[:, None] * b[None, :]")},
    ),
    ArrayOp(
        name="segment_sum",
        doc="Row s of the result is the sum of the rows k of a where b[k] is s.",
        arity=2,
        attribute="number of segments",
        range="rows",
        result=_segments,
        stages=_segments_stages,
        spell={"jax": ("jax.ops.segment_sum(a, b, num_segments=i)",)},
    ),
)
