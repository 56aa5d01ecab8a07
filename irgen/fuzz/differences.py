"""Where an execution differs from what it may give, beyond all doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.base import Execution
from grammar.bounds.bounded import Bounded
from grammar.bounds.known import Known
from irgen.oracle import LOOSE, LOOSE_NORM, SMALLEST, Expected

FIRM = 2.0
"""Errors up to so many bounds may be a library that rounds otherwise on another machine."""

FIRM_LOOSE = 10.0
"""Likewise where a bound is so wide that little is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The worst element of an array that differs: of `lanes` elements `wrong` do."""

    role: str
    position: int
    index: tuple[int, ...]
    got: float | int | bool
    wanted: float | int | bool
    allowed: float
    wrong: int
    lanes: int

    def __str__(self) -> str:
        place = f"{self.role} {self.position} {list(self.index)}"
        bound = f" +- {self.allowed:.2g}" if self.allowed else ""
        share = f"{self.wrong} of {self.lanes} elements differ"
        return f"{place}: got {self.got:.9g}, not {self.wanted:.9g}{bound}; {share}"


def in_outputs(expected: Expected, got: Execution) -> list[Difference]:
    """The outputs that differ, by position."""
    return _all("output", expected.outputs, got.outputs or ())


def in_gradients(expected: Expected, got: Execution) -> list[Difference]:
    """The gradients that differ, by parameter."""
    return _all("gradient", expected.gradients, got.gradients or ())


def _all(role: str, expected: Sequence[Any], got: Sequence[Any]) -> list[Difference]:
    found = [
        _difference(role, at, wanted, np.asarray(array))
        for at, (wanted, array) in enumerate(zip(expected, got, strict=bool(got)))
        if wanted is not None and array is not None
    ]
    return [one for one in found if one is not None]


def _difference(role: str, position: int, wanted: Any, got: NDArray[Any]) -> Difference | None:
    value, bound, firm = firmly(wanted, got)
    if not firm.any():
        return None
    with np.errstate(all="ignore"):
        error = np.abs(got.astype(np.longdouble) - value.astype(np.longdouble))
        share = np.nan_to_num(error / np.maximum(bound, np.finfo(np.float64).tiny), nan=np.inf)
    worst = int(np.where(firm, share, -1).argmax())
    return Difference(
        role,
        position,
        tuple([int(i) for i in np.unravel_index(worst, got.shape)]),
        got.flat[worst].item(),
        _plain(value.flat[worst], wanted),
        float(bound.flat[worst]),
        int(firm.sum()),
        got.size,
    )


def _plain(value: Any, wanted: Any) -> float | int | bool:
    return float(value) if isinstance(wanted, Bounded) else value.item()


def firmly(wanted: Any, got: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Of every element, the value that it should have, by how much it may differ (infinite where
    nothing is known), and whether it differs beyond doubt."""
    if not isinstance(wanted, Bounded):
        known = isinstance(wanted, Known)
        value = _shaped(wanted.v if known else wanted, got)
        certain: NDArray[np.bool_] = _shaped(wanted.ok if known else np.True_, got)
        return value, np.where(certain, 0.0, np.inf), certain & (value != got)
    value, bound = _shaped(wanted.v, got), _shaped(wanted.bound, got)
    with np.errstate(all="ignore"):
        held = got.astype(value.dtype)
        error = np.where(held == value, 0, np.abs(held - value))
        size, finite = np.abs(value), np.isfinite(bound)
        norm = max(SMALLEST, float(np.max(size, where=finite, initial=0.0)))
        tight = bound <= np.maximum(LOOSE * size, LOOSE_NORM * norm)
        within = error <= np.where(tight, FIRM, FIRM_LOOSE) * bound  # false for NaN
    return value, bound, finite & ~within


def _shaped(array: Any, like: NDArray[Any]) -> NDArray[Any]:
    """An array in the shape of another, axes for single elements added."""
    same = np.size(array) == like.size
    return np.broadcast_to(np.reshape(array, like.shape) if same else array, like.shape)
