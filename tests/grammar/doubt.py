"""A domain for tests that only knows whether each value is certain, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from grammar.domain import Combine, Mask, Rows
from grammar.ops.base import Instance, Op
from grammar.plain import Plain
from grammar.types import Scalar

UNKNOWN = 99
"""The input that stands for a number nobody knows."""
PLAIN = Plain()


@dataclass(eq=False)
class Maybe:
    """Values, and where they are certain; both of one shape."""

    value: Any
    ok: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim


def maybe(value: Any, ok: Any) -> Maybe:
    value = np.asarray(value)
    return Maybe(value, np.array(np.broadcast_to(ok, value.shape)))


def known(value: Any) -> Maybe:
    """Loop indices and the grid's are plain arrays: certain everywhere."""
    return value if isinstance(value, Maybe) else maybe(value, True)


@dataclass(frozen=True, eq=False)
class Doubting:
    """Scalars that are certain or not. `guess` replaces inputs that are UNKNOWN."""

    guess: int

    def lift(self, array: Any, scalar: Scalar) -> Maybe:
        ok = array != UNKNOWN
        return maybe(np.where(ok, array, self.guess).astype(array.dtype), ok)

    def lower(self, value: Any, scalar: Scalar) -> Any:
        return known(value).value

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Maybe]:
        means = PLAIN.meaning(op, instance, attribute, adjoint)

        def run(*operands: Any) -> Maybe:
            given = [known(operand) for operand in operands]
            ok = np.True_
            for operand in given:
                ok = ok & operand.ok
            return maybe(means(*[operand.value for operand in given]), ok)

        return run

    def exact(self, value: Maybe) -> tuple[Any, Mask | None]:
        return value.value, None if value.ok.all() else ~value.ok

    def select(self, mask: Mask, a: Any, b: Any) -> Maybe:
        a, b = known(a), known(b)
        return maybe(np.where(mask, a.value, b.value), np.where(mask, a.ok, b.ok))

    def hull(self, mask: Mask, a: Any, b: Any) -> Maybe:
        a, b = known(a), known(b)
        both = a.ok & b.ok & (a.value == b.value)
        value = np.broadcast_to(a.value, np.broadcast_shapes(a.shape, b.shape, mask.shape))
        return maybe(value, np.where(mask, both, a.ok))

    def blind(self, mask: Mask, value: Any) -> Maybe:
        value = known(value)
        shape = np.broadcast_shapes(mask.shape, value.shape)
        return maybe(np.broadcast_to(value.value, shape), value.ok & ~mask)

    def zeros(self, scalar: Scalar, shape: tuple[int, ...]) -> Maybe:
        return maybe(PLAIN.zeros(scalar, shape), True)

    def copy(self, value: Any) -> Maybe:
        value = known(value)
        return Maybe(value.value.copy(), value.ok.copy())

    def reshape(self, value: Any, shape: tuple[int, ...]) -> Maybe:
        value = known(value)
        return Maybe(value.value.reshape(shape), value.ok.reshape(shape))

    def broadcast(self, value: Any, shape: tuple[int, ...]) -> Maybe:
        value = known(value)
        return maybe(np.broadcast_to(value.value, shape), value.ok)

    def take(self, value: Any, rows: Rows) -> Maybe:
        value = known(value)
        return maybe(value.value[rows], value.ok[rows])

    def put(self, value: Maybe, rows: Rows, new: Any) -> None:
        new = known(new)
        value.value[rows] = new.value
        value.ok[rows] = new.ok

    def combine(self, kind: Combine, value: Maybe, rows: Rows, new: Any) -> None:
        new = known(new)
        PLAIN.combine(kind, value.value, rows, new.value)
        np.logical_and.at(value.ok, rows, new.ok)

    def repeat(self, value: Any, count: int) -> Maybe:
        value = known(value)
        return Maybe(value.value.repeat(count, 0), value.ok.repeat(count, 0))

    def fold(self, kind: Combine, initial: Any, terms: Any, count: int) -> Maybe:
        initial, terms = known(initial), known(terms)
        ok = terms.ok.reshape(initial.shape[0], count).all(1)
        value = PLAIN.fold(kind, initial.value, terms.value, count)
        return maybe(value, initial.ok & ok)
