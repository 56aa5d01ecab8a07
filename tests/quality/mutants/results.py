"""Faults of what comes back: an output or a gradient as a whole."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.program import Statement
from tests.quality.mutants.cases import Case, Group, Mutant, Results

FAULTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "zeroed": np.zeros_like,
    "doubled": lambda array: array + array,
    "negated": np.negative,
    "moved by one element": lambda array: np.roll(array, 1),
    "first element lost": lambda array: np.where(
        np.arange(array.size).reshape(array.shape), array, 0
    ),
    "last element twice as large": lambda array: (
        array
        * np.where(np.arange(array.size).reshape(array.shape) == array.size - 1, 2, 1).astype(
            array.dtype
        )
    ),
}


def groups() -> Iterator[Group]:
    """Faults of the first output, or gradient, that shows them."""
    made = [
        Mutant(f"{side} {kind}", "", _any, functools.partial(_perform, side, fault))
        for side in ("output", "gradient")
        for kind, fault in FAULTS.items()
    ]
    yield Group("", "", ("compound",), tuple(made))


def _any(statement: Statement) -> bool:
    return True


def _perform(
    side: str, fault: Callable[[NDArray[Any]], NDArray[Any]], case: Case
) -> Results | None:
    outputs, gradients = case.right
    arrays = list[Any](outputs if side == "output" else gradients)
    for at, array in enumerate(arrays):
        if array is not None and array.dtype != np.bool_:
            wrong = fault(array).astype(array.dtype)
            if not np.array_equal(wrong, array, equal_nan=True):
                arrays[at] = wrong
                changed = tuple(arrays)
                return (changed, gradients) if side == "output" else (outputs, changed)
    return None
