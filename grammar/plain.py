"""Plain values: NumPy arrays, in the program's own precision or one wider."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Combine, Mask, Rows, Value
from grammar.ops.base import Instance, Op
from grammar.special import round_bfloat16
from grammar.types import Scalar, scalar_of

_where: Callable[..., Value] = np.where
_UFUNCS: dict[Combine, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def array_dtype(scalar: Scalar) -> np.dtype[Any]:
    """The dtype that holds a scalar: its own, or float32 for bfloat16."""
    return np.dtype("float32" if scalar.dtype == "bfloat16" else scalar.dtype)


def working(array: Any, scalar: Scalar) -> NDArray[Any]:
    """The array in the working precision of a scalar, values that it can hold."""
    made = np.asarray(array).astype(array_dtype(scalar), copy=False)
    return round_bfloat16(made) if scalar.dtype == "bfloat16" else made


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """The domain of plain arrays. Integers wrap in their own dtype.

    Without `wide`, floats are rounded to their own precision after each op (bfloat16 is held as
    float32 arrays; what atomics sum up in it is rounded when it is lowered). With it, floats are of
    that dtype and rounded to nothing else.
    """

    wide: type[np.floating[Any]] | None = None

    def lift(self, array: NDArray[Any], scalar: Scalar) -> Value:
        made: Value = working(array, scalar)
        if self.wide is not None and scalar.kind == "float":
            return made.astype(self.wide)
        return made

    def lower(self, value: Value, scalar: Scalar) -> NDArray[Any]:
        return working(value, scalar)

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Value]:
        means = op.means(instance, attribute)
        scalar = scalar_of(instance.result)
        if scalar.kind == "bool":
            return means
        if scalar.kind != "float":
            return _typed(means, array_dtype(scalar))
        if self.wide is not None:
            dtype = np.dtype(self.wide)
            return _typed(np.asarray if op.name == "cast" else means, dtype)
        if scalar.dtype == "bfloat16":
            return _rounded(means)
        return _typed(means, array_dtype(scalar))

    def exact(self, value: Value) -> tuple[NDArray[Any], Mask | None]:
        return value, None

    def select(self, mask: Mask, a: Value, b: Value) -> Value:
        return _where(mask, a, b)

    def hull(self, mask: Mask, a: Value, b: Value) -> Value:
        return a

    def blind(self, mask: Mask, value: Value) -> Value:
        return value

    def zeros(self, scalar: Scalar, shape: tuple[int, ...]) -> Value:
        wide = self.wide is not None and scalar.kind == "float"
        return np.zeros(shape, self.wide if wide else array_dtype(scalar))

    def copy(self, value: Value) -> Value:
        return value.copy()

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        return value.reshape(shape)

    def broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        return np.broadcast_to(value, shape)

    def take(self, value: Value, rows: Rows) -> Value:
        return value[rows]

    def put(self, value: Value, rows: Rows, new: Value) -> None:
        value[rows] = new

    def combine(self, kind: Combine, value: Value, rows: Rows, new: Value) -> None:
        _UFUNCS[kind].at(value, rows, new)

    def repeat(self, value: Value, count: int) -> Value:
        return value.repeat(count, 0)

    def fold(self, kind: Combine, initial: Value, terms: Value, count: int) -> Value:
        ufunc = _UFUNCS[kind]
        rows = terms.reshape((initial.shape[0], count, *terms.shape[1:]))
        ordered = np.concatenate((initial[:, None], rows), 1)
        return ufunc.accumulate(ordered, 1, ordered.dtype)[:, -1]


def _typed(means: Callable[..., Value], dtype: np.dtype[Any]) -> Callable[..., Value]:
    """The meaning, with results that are Python numbers or of a wider type in the dtype."""

    def typed(*operands: Value) -> Value:
        result = means(*operands)
        return result if result.dtype is dtype else np.asarray(result, dtype)

    return typed


def _rounded(means: Callable[..., Value]) -> Callable[..., Value]:
    """The meaning, with results rounded to bfloat16."""

    def rounded(*operands: Value) -> Value:
        return round_bfloat16(means(*operands))

    return rounded
