"""What ops on matrices do to values, where that is more than an expression."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.numeric import select, stack, total
from grammar.ops.base import Instance, Meaning, number_type, size_of
from grammar.types import scalar_of


def rows(*parts: Any) -> Any:
    return stack(parts, -2)


def columns(*parts: Any) -> Any:
    return stack(parts)


def ddot(a: Any, b: Any) -> Any:
    """The sum of the products of elements."""
    return total(a * b, 2)


def identity(instance: Instance, attribute: int) -> Meaning:
    made = np.eye(size_of(instance), dtype=number_type(scalar_of(instance.result)))
    return lambda: made


def diagonal(instance: Instance, attribute: int) -> Meaning:
    diagonal = np.eye(size_of(instance), dtype=bool)
    return lambda a: select(diagonal, a[..., None], 0.0)


def get_diagonal(instance: Instance, attribute: int) -> Meaning:
    places = np.arange(size_of(instance))
    return lambda a: a[..., places, places]


def element(instance: Instance, attribute: int) -> Meaning:
    i, j = divmod(attribute, size_of(instance))
    return lambda a: a[..., i, j]


_SKEW = np.array([[0, 2, 1], [2, 0, 0], [1, 0, 0]])
_PLUS, _OFF = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], bool), ~np.eye(3, dtype=bool)


def skew(a: Any) -> Any:
    magnitudes = a[..., _SKEW]
    return select(_OFF, select(_PLUS, magnitudes, -magnitudes), 0.0)


def trace(instance: Instance, attribute: int) -> Meaning:
    places = np.arange(size_of(instance))
    return lambda a: total(a[..., places, places], 1)


def add_diagonal(instance: Instance, attribute: int) -> Meaning:
    diagonal = np.eye(size_of(instance), dtype=bool)
    return lambda a, b: a + select(diagonal, b[..., None, None], 0.0)
