"""Shaken runs: a program in working precision, each result off by more than compilers round.

An element that comes out the same in many of them does not depend on how rounding decides, also
where bounds, which assume the worst, say nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Combine, Rows, Value
from grammar.interpret import run
from grammar.ops.base import Instance, Op
from grammar.plain import Plain
from grammar.program import Program
from grammar.types import Scalar, scalar_of

RUNS = 24
"""A decision that is open falls the same way in all of them once in 2**23 times."""

SHAKE = 256.0
"""Units in the last place by which every float result moves, up or down: what a compiler moves it
by is little beside it."""


def shaken(program: Program, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The outputs of a program in so many shaken runs, which are the first axis."""
    runs = [
        run(program, inputs, _Shaken(random=np.random.default_rng(seed))) for seed in range(RUNS)
    ]
    return [np.stack([np.asarray(value) for value in values]) for values in zip(*runs, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Shaken(Plain):
    """Plain values that move, and may be flushed to zero where they are subnormal or nearly so."""

    random: np.random.Generator = field(default_factory=np.random.default_rng)

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Value]:
        means = Plain.meaning(self, op, instance, attribute, adjoint)
        scalar = scalar_of(instance.result)
        if scalar.kind != "float":
            return means

        def moved(*operands: Value) -> Value:
            return self.moved(means(*operands), scalar)

        return moved

    def moved(self, value: Value, scalar: Scalar) -> Value:
        noise = self.random.uniform(-1.0, 1.0, np.shape(value)) * (SHAKE * 2.0**-scalar.digits)
        tiny = 2.0 * float(np.finfo(value.dtype).tiny)
        gone = (np.abs(value) < tiny) & (self.random.random(np.shape(value)) < 0.5)
        return np.where(gone, 0.0, value * (1.0 + noise)).astype(value.dtype)

    def combine(self, kind: Combine, value: Value, rows: Rows, new: Value) -> None:
        Plain.combine(self, kind, value, rows, self._term(new))

    def fold(self, kind: Combine, initial: Value, terms: Value, count: int) -> Value:
        return Plain.fold(self, kind, initial, self._term(terms), count)

    def _term(self, value: Value) -> Value:
        """What is added up, moved, for the sum of it is rounded at every step."""
        if value.dtype.kind != "f":
            return value
        noise = self.random.uniform(-1.0, 1.0, np.shape(value)) * SHAKE
        return (value * (1.0 + noise * np.finfo(value.dtype).eps)).astype(value.dtype)
