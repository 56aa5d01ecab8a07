"""A small scalar interpreter for tests: one lane at a time, plain Python numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grammar.program import Program, Region, Statement, Terminator, Unit
from grammar.types import Array, Scalar, Type, int_limits

Number = Any
OPERATIONS: dict[str, Callable[..., Number]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "abs": abs,
    "min": min,
    "max": max,
    "modulo": operator.mod,
    "div_floor": operator.floordiv,
    "bit_and": operator.and_,
    "bit_xor": operator.xor,
    "select": lambda c, a, b: a if c else b,
    "lt": operator.lt,
    "gt": operator.gt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "logical_and": lambda a, b: a and b,
    "logical_or": lambda a, b: a or b,
    "logical_not": operator.not_,
    "fill": lambda a: a,
}
ATOMIC: dict[str, Callable[[Number, Number], Number]] = {
    "atomic_add": operator.add,
    "atomic_sub": operator.sub,
    "atomic_min": min,
    "atomic_max": max,
}


class Exit(Exception):
    """A break, continue or return on its way to its target, with its values."""

    def __init__(self, kind: str, values: tuple[Number, ...]) -> None:
        self.kind = kind
        self.values = values


@dataclass
class Buffer:
    """An array as a dictionary from index tuples to elements; absent elements are zero."""

    shape: tuple[int, ...]
    cells: dict[tuple[int, ...], Number] = field(default_factory=dict)

    def get(self, index: tuple[int, ...]) -> Number:
        self.check(index)
        return self.cells.get(index, 0)

    def set(self, index: tuple[int, ...], value: Number) -> None:
        self.check(index)
        self.cells[index] = value

    def check(self, index: tuple[int, ...]) -> None:
        assert all(0 <= i < n for i, n in zip(index, self.shape, strict=True)), "out of range"


def wrap(type_: Type, value: Number) -> Number:
    """Integers wrap around; everything else is kept."""
    if isinstance(type_, Scalar) and type_.kind in ("int", "uint"):
        low, high = int_limits(type_)
        return (value - low) % (high - low + 1) + low
    return value


def evaluate(program: Program, unit: Unit, arguments: list[Number]) -> tuple[Number, ...]:
    """Run a unit. A kernel runs all its lanes and changes its buffers; others give results."""
    if unit.kind != "kernel":
        return _Lane(program).unit(unit, arguments)
    lanes: list[tuple[int, ...]] = [()]
    for extent in unit.grid:
        lanes = [(*lane, i) for lane in lanes for i in range(extent)]
    for lane in lanes:
        _Lane(program).unit(unit, [*lane, *arguments])
    return ()


class _Lane:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.env: dict[int, Number] = {}

    def unit(self, unit: Unit, arguments: list[Number]) -> tuple[Number, ...]:
        try:
            return self.region(unit.body, tuple(arguments), top=True)
        except Exit as exit_:
            return exit_.values  # the verifier lets only return come this far

    def values(self, end: Terminator) -> tuple[Number, ...]:
        return tuple(self.env[value.id] for value in end.values)

    def region(
        self, region: Region, arguments: tuple[Number, ...], top: bool = False
    ) -> tuple[Number, ...]:
        self.env |= {p.id: a for p, a in zip(region.params, arguments, strict=True)}
        for statement in region.body:
            results = self.statement(statement)
            for value, result in zip(statement.results, results, strict=True):
                self.env[value.id] = wrap(value.type, result)
        if region.end.kind != "yield" and not top:
            raise Exit(region.end.kind, self.values(region.end))
        return self.values(region.end)

    def statement(self, statement: Statement) -> tuple[Number, ...]:
        given = [self.env[value.id] for value in statement.operands]
        op = statement.op
        if op in OPERATIONS:
            return (OPERATIONS[op](*given),)
        if op in ATOMIC:
            buffer, *index, value = given
            old = buffer.get(tuple(index))
            element = statement.operands[-1].type
            buffer.set(tuple(index), wrap(element, ATOMIC[op](old, value)))
            return ()
        return getattr(self, f"op_{op}")(statement, *given)

    def op_const(self, statement: Statement) -> tuple[Number, ...]:
        return (statement.attribute,)

    def op_local(self, statement: Statement) -> tuple[Number, ...]:
        type_ = statement.results[0].type
        assert isinstance(type_, Array)
        return (Buffer(type_.shape),)

    def op_get(self, statement: Statement, array: Buffer, *index: int) -> tuple[Number, ...]:
        return (array.get(index),)

    def op_put(self, statement: Statement, array: Buffer, *rest: Number) -> tuple[Number, ...]:
        made = Buffer(array.shape, dict(array.cells))
        made.set(rest[:-1], rest[-1])
        return (made,)

    def op_load(self, statement: Statement, buffer: Buffer, *index: int) -> tuple[Number, ...]:
        return (buffer.get(index),)

    def op_store(self, statement: Statement, buffer: Buffer, *rest: Number) -> tuple[Number, ...]:
        buffer.set(rest[:-1], rest[-1])
        return ()

    def op_if(self, statement: Statement, condition: bool) -> tuple[Number, ...]:
        return self.region(statement.regions[0 if condition else 1], ())

    def round(self, region: Region, arguments: tuple[Number, ...]) -> tuple[bool, Any]:
        """Run a loop body; whether to go on, and the next carried values."""
        try:
            return True, self.region(region, arguments)
        except Exit as exit_:
            if exit_.kind == "return":
                raise
            return exit_.kind == "continue", exit_.values

    def op_for(
        self, statement: Statement, start: int, stop: int, *carried: Number
    ) -> tuple[Number, ...]:
        assert isinstance(statement.attribute, tuple)
        step, bound = statement.attribute
        for index in range(start, stop, step)[:bound]:
            more, carried = self.round(statement.regions[0], (index, *carried))
            if not more:
                break
        return carried

    def op_while(self, statement: Statement, *carried: Number) -> tuple[Number, ...]:
        bound = statement.attribute
        assert isinstance(bound, int)
        condition, body = statement.regions
        for iteration in range(bound):
            if not self.region(condition, (iteration, *carried))[0]:
                break
            more, carried = self.round(body, (iteration, *carried))
            if not more:
                break
        return carried

    def op_call(self, statement: Statement, *arguments: Number) -> tuple[Number, ...]:
        assert isinstance(statement.attribute, int)
        unit = self.program.units[statement.attribute]
        return evaluate(self.program, unit, list(arguments))

    def op_launch(self, statement: Statement, *arguments: Number) -> tuple[Number, ...]:
        assert isinstance(statement.attribute, int)
        unit = self.program.units[statement.attribute]
        return evaluate(self.program, unit, list(arguments))

    def op_zeros(self, statement: Statement) -> tuple[Number, ...]:
        type_ = statement.results[0].type
        assert isinstance(type_, Array)
        return (Buffer(type_.shape),)

    def op_copy(self, statement: Statement, buffer: Buffer) -> tuple[Number, ...]:
        return (Buffer(buffer.shape, dict(buffer.cells)),)
