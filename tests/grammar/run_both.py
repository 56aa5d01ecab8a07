"""Runs units over i32 by the interpreter and, lane by lane, by the evaluator of tests."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np

from grammar.domain import Domain
from grammar.guards import inputs as input_range
from grammar.interpret import run
from grammar.passes.effects import written
from grammar.plain import Plain, working
from grammar.program import Program, Unit, Value
from grammar.reference import shape_of
from grammar.types import Array, scalar_of
from tests.grammar import random_units
from tests.grammar.evaluate import Buffer, evaluate


def evaluated(program: Program, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a program over i32, as nested lists; a function takes lists of lanes."""
    unit = program.entry
    if unit.kind == "function":
        lanes = [evaluate(program, unit, list(lane)) for lane in zip(*inputs, strict=True)]
        return [list(column) for column in zip(*lanes, strict=True)]
    arguments = [
        _buffer(np.asarray(given)) if isinstance(value.type, Array) else int(given)
        for given, value in zip(inputs, unit.parameters, strict=True)
    ]
    results = evaluate(program, unit, arguments)
    found = [arguments[at] for at in sorted(written(unit))] if unit.kind == "kernel" else results
    return [_array(buffer).tolist() for buffer in found]


def _buffer(array: Any) -> Buffer:
    return Buffer(array.shape, {at: int(array[at]) for at in np.ndindex(array.shape)})


def _array(buffer: Any) -> Any:
    made = np.zeros(buffer.shape, np.int64)
    for at in np.ndindex(buffer.shape):
        made[at] = buffer.get(at)
    return made


def interpreted(program: Program, inputs: Sequence[Any], domain: Domain | None = None) -> list[Any]:
    """The same by the interpreter."""
    given = [np.asarray(one, np.int32) for one in inputs]
    domain = Plain() if domain is None else domain
    return [np.asarray(out).tolist() for out in run(program, given, domain)]


def integers(unit: Unit, random: Random, lanes: int = 5) -> list[Any]:
    """Small numbers for every parameter of a unit over i32, for lanes of a function."""
    shapes = [
        value.type.shape if isinstance(value.type, Array) else (lanes,) * (unit.kind == "function")
        for value in unit.parameters
    ]
    return [np.array([random.randrange(-4, 5) for _ in range(_size(s))]).reshape(s) for s in shapes]


def _size(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=int))


def drawn_inputs(unit: Unit, seed: int, lanes: int = 8) -> list[Any]:
    """One array per parameter, in the range the generator assumes of inputs."""
    random = np.random.default_rng(seed)
    found: list[Any] = []
    for value in unit.parameters:
        element = value.type.element if isinstance(value.type, Array) else value.type
        shape = (*(lanes,) * (unit.kind == "function"), *shape_of(value.type))
        low, high = input_range(element)[:2]
        if scalar_of(element).kind == "float":
            made = np.clip(random.normal(size=shape) * 1.5, -(2.0**high), 2.0**high)
        else:
            made = random.integers(low, high + 1, size=shape)
        found.append(working(np.asarray(made), scalar_of(element)))
    return found


class DynamicMaker(random_units.Maker):
    """As `random_units.Maker`, but half of the loops run between values, so that lanes differ."""

    def for_loop(self) -> None:
        if self.below(2):
            super().for_loop()
            return
        count, step, bound = self.below(3), 1 + self.below(2), 1 + self.below(4)
        start, stop = self.values(2)
        inits = self.values(count)
        body = self.body(count)
        results: tuple[Value, ...] = self.b.for_(start, stop, inits, body, step=step, bound=bound)
        self.pool = [*self.pool, *results]
