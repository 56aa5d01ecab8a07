"""Minors of small matrices by expansion along rows: determinants, adjugates, permanents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = tuple[int, ...]


def minor(
    a: NDArray[Any],
    rows: Places,
    columns: Places,
    sign: float,
    known: dict[tuple[Places, Places], NDArray[Any]],
) -> NDArray[Any]:
    """The determinant (`sign` -1) or permanent (1) of the submatrix at rows and columns of the
    last two axes; `known` keeps those of two and more rows."""
    if len(rows) == 1:
        return a[..., rows[0], columns[0]]
    found = known.get((rows, columns))
    if found is not None:
        return found
    out: Any = None
    for k, column in enumerate(columns):
        rest = minor(a, rows[1:], columns[:k] + columns[k + 1 :], sign, known)
        term = a[..., rows[0], column] * rest
        out = term if out is None else out + term if sign > 0 or k % 2 == 0 else out - term
    known[rows, columns] = out
    return out


def adjugate(a: NDArray[Any], sign: float) -> NDArray[Any]:
    """The transposed matrix of cofactors (`sign` -1), or of permanents of minors (1)."""
    size = a.shape[-1]
    every = tuple(range(size))
    known: dict[tuple[Places, Places], NDArray[Any]] = {}
    out = np.empty_like(a)
    for i in every:
        for j in every:
            value = minor(a, every[:i] + every[i + 1 :], every[:j] + every[j + 1 :], sign, known)
            out[..., j, i] = value if sign > 0 or (i + j) % 2 == 0 else -value
    return out


def determinant(a: NDArray[Any], sign: float = -1.0) -> NDArray[Any]:
    """The determinant, or (`sign` 1) the permanent."""
    every = tuple(range(a.shape[-1]))
    return minor(a, every, every, sign, {})
