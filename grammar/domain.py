"""What an interpreter computes with: a domain decides what a value is.

One loop (`grammar.interpret`) runs programs over any domain: working precision (`grammar.plain`),
or values with error bounds (`grammar.bounds`). A value holds one element per lane along its first
axis, element axes trailing, or no lane axis where it is the same in all lanes. Integers and truth
values are NumPy arrays in their own dtype wherever they are certain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grammar.ops.base import Instance, Op
from grammar.types import Scalar

Value: TypeAlias = Any
"""A value of the domain: an array, or what stands for one. It has `shape` and `ndim`."""

Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.int64]
Combine = Literal["add", "sub", "min", "max", "mul"]


class Domain(Protocol):
    """The primitives of an interpreter. Masks come with axes to broadcast against values."""

    def lift(self, array: NDArray[Any], scalar: Scalar) -> Value:
        """Exact values, of the same shape."""
        ...

    def lower(self, value: Value, scalar: Scalar) -> NDArray[Any]:
        """The values as an array of the scalar's dtype (bfloat16: float32 that it can hold)."""
        ...

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Value]:
        """What an op does to values. `adjoint` marks a step of a gradient, which backends may write
        in another form and where ties and kinks leave the choice open."""
        ...

    def exact(self, value: Value) -> tuple[NDArray[Any], Mask | None]:
        """An integer or truth value as an array, and where it is not certain (None: nowhere)."""
        ...

    def select(self, mask: Mask, a: Value, b: Value) -> Value:
        """`a` where the mask holds, else `b`."""
        ...

    def hull(self, mask: Mask, a: Value, b: Value) -> Value:
        """`a`, but where the mask holds, anything that covers both `a` and `b`."""
        ...

    def blind(self, mask: Mask, value: Value) -> Value:
        """The value, of which nothing is known where the mask holds."""
        ...

    def zeros(self, scalar: Scalar, shape: tuple[int, ...]) -> Value:
        """Exact zeros (false)."""
        ...

    def copy(self, value: Value) -> Value:
        """A copy that may be written."""
        ...

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value in another shape; a view where possible."""
        ...

    def broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The value broadcast to a shape, read-only."""
        ...

    def take(self, value: Value, rows: Rows) -> Value:
        """The elements at rows of the first axis."""
        ...

    def put(self, value: Value, rows: Rows, new: Value) -> None:
        """Overwrite elements at distinct rows of the first axis, in place."""
        ...

    def combine(self, kind: Combine, value: Value, rows: Rows, new: Value) -> None:
        """Combine into elements at rows of the first axis, in place; rows may repeat, in any
        order of the combinations."""
        ...

    def repeat(self, value: Value, count: int) -> Value:
        """Each lane `count` times in a row."""
        ...

    def fold(self, kind: Combine, initial: Value, terms: Value, count: int) -> Value:
        """Combine `count` consecutive terms of each lane, in any order, with the lane's initial
        value."""
        ...
