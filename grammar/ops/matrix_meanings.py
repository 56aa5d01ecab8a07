"""What ops on matrices do to values, where that is more than an expression."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.numeric import select, stack, total
from grammar.ops.base import Instance, Meaning, number_type, size_of
from grammar.types import scalar_of


def rows(*parts: Any) -> Any:
    """A matrix of rows."""
    return stack(parts, -2)


def columns(*parts: Any) -> Any:
    """A matrix of columns."""
    return stack(parts)


def ddot(a: Any, b: Any) -> Any:
    """The sum of the products of elements."""
    return total(a * b, 2)


def identity(instance: Instance, attribute: int) -> Meaning:
    """The identity matrix, in the type of the result."""
    made = np.eye(size_of(instance), dtype=number_type(scalar_of(instance.result)))
    return lambda: made


def diagonal(instance: Instance, attribute: int) -> Meaning:
    """A vector on the diagonal, else 0."""
    chosen = np.eye(size_of(instance), dtype=bool)
    return lambda a: select(chosen, a[..., None], 0.0)


def get_diagonal(instance: Instance, attribute: int) -> Meaning:
    """The elements on the diagonal."""
    places = np.arange(size_of(instance))
    return lambda a: a[..., places, places]


def element(instance: Instance, attribute: int) -> Meaning:
    """One element, counted row by row."""
    i, j = divmod(attribute, size_of(instance))
    return lambda a: a[..., i, j]


_SKEW = np.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]])
_PLUS, _OFF = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], bool), ~np.eye(3, dtype=bool)


def skew(a: Any) -> Any:
    """The matrices of vector products."""
    magnitudes = a[..., _SKEW]
    return select(_OFF, select(_PLUS, magnitudes, -magnitudes), 0.0)


def trace(instance: Instance, attribute: int) -> Meaning:
    """The sum of the diagonal."""
    places = np.arange(size_of(instance))
    return lambda a: total(a[..., places, places], 1)


def add_diagonal(instance: Instance, attribute: int) -> Meaning:
    """A number added to the diagonal."""
    chosen = np.eye(size_of(instance), dtype=bool)
    return lambda a, b: a + select(chosen, b[..., None, None], 0.0)
