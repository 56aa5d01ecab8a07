"""Functions that op meanings use where NumPy has no ufunc.

Each takes plain arrays, whose dtype it keeps (float16 too), or values with error bounds, which
have rules of their own. Element axes trail; leading axes are lanes and broadcast. Python numbers
among the operands are weak: they take the type of the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from grammar import minors, special
from grammar.bounds import matrices, rules, structure
from grammar.bounds.bounded import Bounded
from grammar.bounds.uncertain import Uncertain
from grammar.types import Scalar

Numeric: TypeAlias = Any
"""A plain array, a number, or a value with an error bound."""


def select(condition: Numeric, a: Numeric, b: Numeric) -> Numeric:
    """`a` where the condition holds, else `b`. The condition broadcasts against both as it is:
    give it trailing axes (`c[..., None]`) to choose between vectors. Between two Python numbers
    the result is float64 (or of a weak type), which a domain turns into the type of the result."""
    if isinstance(condition, Uncertain) or isinstance(a, Uncertain) or isinstance(b, Uncertain):
        return structure.select(condition, a, b)
    where: Any = np.where
    return where(condition, a, b)


def total(a: Numeric, axes: int = 1) -> Numeric:
    """The sum over so many trailing axes, added in any order."""
    if isinstance(a, Bounded):
        return structure.total(a, axes)
    return np.add.reduce(a, axis=-1 if axes == 1 else tuple(range(-axes, 0)), dtype=a.dtype)


def stack(parts: Sequence[Numeric], axis: int = -1) -> Numeric:
    """The parts along a new axis: -1 makes vectors of scalars and matrices of columns, -2 matrices
    of rows."""
    if any(isinstance(part, Uncertain) for part in parts):
        return structure.stack(parts, axis)
    return special.stack_arrays(tuple(parts), axis)


def matmul(a: Numeric, b: Numeric) -> Numeric:
    """The product of trailing matrices, each element summed in any order. Vectors take an axis:
    `matmul(a, b[..., None])[..., 0]`."""
    if isinstance(a, Bounded) or isinstance(b, Bounded):
        return structure.matmul(a, b)
    return np.matmul(a, b)


def extreme(a: Numeric, largest: bool) -> Numeric:
    """The largest, or smallest, along the last axis."""
    if isinstance(a, Bounded):
        return structure.extreme(a, largest)
    return (np.maximum if largest else np.minimum).reduce(a, axis=-1)


def arg_extreme(a: Numeric, largest: bool) -> Numeric:
    """The first place of the largest, or smallest, along the last axis, as int32."""
    if isinstance(a, Bounded):
        return structure.arg_extreme(a, largest)
    return (np.argmax if largest else np.argmin)(a, axis=-1).astype(np.int32)


def transpose(a: Numeric) -> Numeric:
    """The last two axes exchanged."""
    return structure.transpose(a) if isinstance(a, Bounded) else np.swapaxes(a, -1, -2)


def fill(a: Numeric, shape: tuple[int, ...]) -> Numeric:
    """Elements of this shape whose components all are `a`; a read-only view."""
    if isinstance(a, Bounded):
        return structure.fill(a, shape)
    return np.broadcast_to(a[(..., *(None,) * len(shape))], (*a.shape, *shape))


def cast(a: Numeric, scalar: Scalar) -> Numeric:
    """Another scalar type: floats to integers by truncation, integers wrap, all to bool by != 0.
    bfloat16 is float32 rounded to it. Plain arrays only: a domain of other values casts itself."""
    if scalar.kind == "bool":
        return a != 0
    if scalar.name == "bf16":
        return special.round_bfloat16(a)
    return a.astype(scalar.dtype)


def truncate_divide(a: Numeric, b: Numeric) -> Numeric:
    """The quotient of integers, rounded towards zero."""
    return (a - np.fmod(a, b)) // b


def round_half_away(a: Numeric) -> Numeric:
    """The nearest whole number, halves away from zero."""
    if isinstance(a, Bounded):
        return rules.NAMED["round_half_away"](a)
    return special.round_half_away(a)


def erf(a: Numeric) -> Numeric:
    """The error function."""
    return rules.NAMED["erf"](a) if isinstance(a, Bounded) else special.erf(a)


def erfc(a: Numeric) -> Numeric:
    """1 - erf(a)."""
    return rules.NAMED["erfc"](a) if isinstance(a, Bounded) else special.erfc(a)


def erfinv(a: Numeric) -> Numeric:
    """The inverse of the error function."""
    return rules.NAMED["erfinv"](a) if isinstance(a, Bounded) else special.erfinv(a)


def determinant(a: Numeric) -> Numeric:
    """The determinant of matrices of two to four rows."""
    if isinstance(a, Bounded):
        return matrices.bounded_determinant(a)
    return minors.determinant(a)


def inverse(a: Numeric) -> Numeric:
    """The inverse of matrices of two to four rows."""
    if isinstance(a, Bounded):
        return matrices.bounded_inverse(a)
    return minors.adjugate(a, -1.0) / minors.determinant(a)[..., None, None]
