"""Whether a case stays on tame ground: each op where its row wants its operands, all floats finite.

Drawn programs do, by their guards. A case that shrinks must not find another symptom off it, such
as a gradient at a pole, in place of the one that it is to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Mask
from grammar.interpret import run
from grammar.interpret.frame import NOBODY, Context, Frame, Step, shape_of
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.ops.interval import TINY, ZERO, Range
from grammar.plain import Plain
from grammar.program import Statement, Value
from grammar.ranges import DOMAINS
from grammar.types import scalar_of
from irgen.fuzz.case import Case

_SMALLEST = 0.5
"""Inputs closer to zero are moved away from it where others fail: row domains end below this."""


def wild(case: Case) -> frozenset[str]:
    """The ops that in some lane get what their rows do not want, or give what is not finite."""
    watch = _Watch()
    run(case.program, case.inputs, Plain(), watch=watch)
    return frozenset(watch.found)


def gentler(case: Case) -> Iterator[Case]:
    """The case, then the same fed tamer values: away from zero, positive too, and ones."""
    yield case
    for change in (_away, _positive, np.ones_like):
        fed = [change(array) if array.dtype.kind == "f" else array for array in case.inputs]
        yield replace(case, inputs=tuple(fed))


def _away(array: NDArray[Any]) -> NDArray[Any]:
    moved = np.where(np.abs(array) < _SMALLEST, np.copysign(_SMALLEST, array), array)
    return moved.astype(array.dtype)


def _positive(array: NDArray[Any]) -> NDArray[Any]:
    return np.abs(_away(array))


class _Watch:
    """Looks at the operands and the result of every op, in the lanes in which it runs."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def __call__(
        self, context: Context, statement: Statement, step: Step, frame: Frame, mask: Mask | None
    ) -> Mask | None:
        if mask is NOBODY or (mask is not None and not mask.any()):
            return step(frame, mask)
        fits = _fits(statement, frame, mask)
        left = step(frame, mask)
        result = statement.results[0]
        if scalar_of(result.type).kind == "float":
            fits = fits and bool(np.isfinite(_active(frame, result, mask)).all())
        if not fits:
            self.found.add(statement.op)
        return left


def _fits(statement: Statement, frame: Frame, mask: Mask | None) -> bool:
    """Whether the float operands of an op are where its row wants them."""
    types: Any = tuple([value.type for value in statement.operands])
    result: Any = statement.results[0].type
    instance = Instance(types, result)
    for value, name in zip(statement.operands, OPS[statement.op].requires, strict=False):
        if name and scalar_of(value.type).kind == "float":
            known = _range(_active(frame, value, mask))
            if not DOMAINS[name].satisfied(known, value.type, instance):  # pyright: ignore
                return False
    return True


def _active(frame: Frame, value: Value, mask: Mask | None) -> NDArray[Any]:
    """A value in the lanes of the mask."""
    found = np.asarray(frame[value.id])
    if mask is not None and mask.ndim and found.ndim > len(shape_of(value.type)):
        found = np.broadcast_to(found, (mask.size, *found.shape[1:]))[mask]
    return found


def _range(values: NDArray[Any]) -> Range:
    least, most = float(np.abs(values).min()), float(np.abs(values).max())
    sign = int(not (values < 0).any())
    return frexp(least)[1] - 1 if least else ZERO, frexp(most)[1] if most else TINY, sign
