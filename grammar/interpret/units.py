"""Compiles units to steps, once per program and domain, and runs programs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Domain, Mask, Value
from grammar.interpret import memory
from grammar.interpret.control import branch, leaving, merge, region_step
from grammar.interpret.frame import (
    NOBODY,
    Buffer,
    Context,
    DivisionByZero,
    Frame,
    Step,
    blinded,
    exact,
    grid_indices,
    shape_of,
    union,
    with_lanes,
)
from grammar.interpret.loops import for_loop, while_loop
from grammar.interpret.rounds import at_once
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.passes.kernels import to_kernels
from grammar.plain import working
from grammar.program import Program, Region, Statement, Unit, walk
from grammar.structural import ATOMICS
from grammar.types import Array, Scalar, Type, scalar_of
from grammar.verify import written_parameters

Watch = Callable[[Context, Statement, Step, Frame, Mask | None], Mask | None]
"""Sees a step, and the frame and mask it is to run with; runs it and returns what it does."""

_Made = TypeVar("_Made")
_Meanings = dict[tuple[object, ...], Callable[..., Value]]


def run(
    program: Program,
    inputs: Sequence[NDArray[Any]],
    domain: Domain,
    replayed: Sequence[frozenset[int]] | None = None,
    watch: Watch | None = None,
) -> list[Value]:
    """The outputs of a program as values of the domain.

    Inputs are one array per parameter of the entry, element axes trailing. Outputs are, of a
    kernel, the final contents of the arrays it writes, in the order of its parameters; of a program
    or function, its results. A function's inputs may have a leading axis for lanes, all of one
    extent; its outputs have one then.

    With `replayed`, one set per unit, the program is a gradient: the statements of a unit whose
    first result is not in its set are steps of the adjoint. With `watch`, that is called in place
    of every step that applies an op, and calls the step itself.

    OutOfBounds and DivisionByZero, both UndefinedBehaviour, for what programs must not do.
    """
    if watch is None:
        runner = _kept(
            _runners, (program, domain, replayed), lambda: _Runner(program, domain, replayed)
        )
    else:
        runner = _Runner(program, domain, replayed, watch)
    with np.errstate(all="ignore"):
        return runner.entry(inputs)


_runners: dict[tuple[int, ...], tuple[tuple[object, ...], _Runner]] = {}
_lowered: dict[tuple[int, ...], tuple[tuple[object, ...], Program]] = {}
_meanings: dict[tuple[int, ...], tuple[tuple[object, ...], _Meanings]] = {}
_KEPT = 64


def _kept(
    store: dict[tuple[int, ...], tuple[tuple[object, ...], _Made]],
    objects: tuple[object, ...],
    make: Callable[[], _Made],
) -> _Made:
    """What was made for these very objects before; the last few are kept."""
    key = tuple(map(id, objects))
    if key not in store:
        while len(store) >= _KEPT:
            del store[next(iter(store))]
        store[key] = (objects, make())
    return store[key][1]


class _Runner:
    """A program's units, compiled when first run."""

    def __init__(
        self,
        program: Program,
        domain: Domain,
        replayed: Sequence[frozenset[int]] | None,
        watch: Watch | None = None,
    ) -> None:
        self.program = _kept(_lowered, (program,), lambda: to_kernels(program))
        self.domain = domain
        self.watch = watch
        self.replayed: list[frozenset[int]] | None = None
        if replayed is not None:
            # Units that array ops became stand before the entry.
            added = len(self.program.units) - len(program.units)
            self.replayed = [*replayed[:-1], *[frozenset[int]()] * added, replayed[-1]]
        self.meanings = _kept(_meanings, (domain,), dict[tuple[object, ...], Callable[..., Value]])
        self.compiled: dict[int, tuple[Unit, Context, Step]] = {}

    # Compiling

    def unit(self, number: int) -> tuple[Unit, Context, Step]:
        if number not in self.compiled:
            unit = self.program.units[number]
            own = tuple([value.id for value in unit.body.params[: len(unit.grid)]])
            context = Context(
                domain=self.domain,
                unit=unit,
                constants=self.constants(unit),
                region=self.region,
                call=self.call,
                launch=self.launch,
                adjoint=self.adjoint(number),
                own=own,
                grid=unit.grid,
            )
            # The end of the body is the business of `function` and `program`.
            body = unit.body._replace(end=unit.body.end._replace(kind="yield"))
            self.compiled[number] = unit, context, self.region(context, body)
        return self.compiled[number]

    def adjoint(self, number: int) -> Callable[[int], bool]:
        if self.replayed is None:
            return lambda result: False
        replayed = self.replayed[number]
        return lambda result: result not in replayed

    def constants(self, unit: Unit) -> dict[int, Value]:
        lift = self.domain.lift
        found: dict[int, Value] = {}
        for statement in walk(unit.body):
            if statement.op == "const":
                (result,) = statement.results
                assert isinstance(result.type, Scalar)
                literal = working(np.asarray(statement.attribute), result.type)
                found[result.id] = lift(literal, result.type)
        return found

    def region(self, context: Context, region: Region) -> Step:
        steps = [
            (
                self.step(context, statement),
                bool(statement.regions) and bool(leaving(context, statement)),
            )
            for statement in region.body
            if statement.op != "const"
        ]
        return region_step(context, steps, region.end)

    def step(self, context: Context, statement: Statement) -> Step:
        make = _STRUCTURAL.get(statement.op)
        if make is not None:
            return make(context, statement)
        step = self.row(context, statement)
        return step if self.watch is None else partial(self.watch, context, statement, step)

    def row(self, context: Context, statement: Statement) -> Step:
        operands = statement.operands
        result = statement.results[0]
        adjoint = context.adjoint(result.id)
        types = tuple([value.type for value in operands])
        key = (statement.op, statement.attribute, adjoint, result.type, *types)
        meaning = self.meanings.get(key)
        if meaning is None:
            attribute = statement.attribute
            meaning = self.domain.meaning(
                OPS[statement.op],
                Instance(types, result.type),  # pyright: ignore
                attribute if isinstance(attribute, int) else 0,
                adjoint,
            )
            self.meanings[key] = meaning
        step = _applied(meaning, [value.id for value in operands], result.id)
        if statement.op in _DIVISIONS and scalar_of(result.type).kind != "float":
            return _checked(context, statement, step)
        return step

    # Running

    def call(
        self, number: int, arguments: Sequence[Value], caller: Frame, mask: Mask | None
    ) -> Sequence[Value]:
        excused = union(caller.excused, caller.doubtful())
        return self.function(number, arguments, caller.lanes, mask, excused)

    def function(
        self,
        number: int,
        arguments: Sequence[Value],
        lanes: int,
        mask: Mask | None,
        excused: Mask | None,
    ) -> list[Value]:
        unit, context, body = self.unit(number)
        frame = Frame(context.constants, lanes)
        frame.excused = excused
        for param, value in zip(unit.body.params, arguments, strict=True):
            frame[param.id] = value
        rest = body(frame, mask)
        ends = unit.body.end.values
        results = frame.results
        if rest is not NOBODY:
            given = [frame[value.id] for value in ends]
            results = given if results is None else merge(self.domain, rest, given, results, ends)
        assert results is not None
        if frame.lost is None:
            return results
        return [
            blinded(self.domain, frame.lost, result, shape_of(value.type), lanes)
            for value, result in zip(ends, results, strict=True)
        ]

    def launch(self, number: int, arguments: Sequence[Value]) -> None:
        unit, context, body = self.unit(number)
        frame = Frame(context.constants, math.prod(unit.grid))
        for param, value in zip(
            unit.body.params, (*grid_indices(unit.grid), *arguments), strict=True
        ):
            frame[param.id] = value
        body(frame, None)

    def lifted(self, array: NDArray[Any], type_: Type) -> Value:
        """An input as a value, an array as a buffer."""
        if not isinstance(type_, Array):
            return self.domain.lift(np.asarray(array), scalar_of(type_))
        flat = (math.prod(type_.shape), *shape_of(type_.element))
        return Buffer(self.domain.lift(np.asarray(array).reshape(flat), scalar_of(type_)))

    def given(self, value: Value, type_: Type) -> Value:
        """A result, an array in its shape."""
        if isinstance(value, Buffer):
            return self.domain.reshape(value.value, shape_of(type_))
        return value

    def entry(self, inputs: Sequence[NDArray[Any]]) -> list[Value]:
        last = len(self.program.units) - 1
        unit = self.program.units[last]
        arguments = [
            self.lifted(array, value.type)
            for array, value in zip(inputs, unit.parameters, strict=True)
        ]
        if unit.kind == "kernel":
            self.launch(last, arguments)
            return [
                self.given(arguments[at], unit.parameters[at].type)
                for at in sorted(written_parameters(unit))
            ]
        if unit.kind == "program":
            results = self.function(last, arguments, 1, None, None)
            return [self.given(v, type_) for v, type_ in zip(results, unit.results, strict=True)]
        return self.lanewise(last, unit, arguments)

    def lanewise(self, number: int, unit: Unit, arguments: Sequence[Value]) -> list[Value]:
        """A function over lanes, or without lanes where no argument has them."""
        lanes = 0
        for value, name in zip(arguments, unit.parameters, strict=True):
            if value.ndim > len(shape_of(name.type)):
                lanes = value.shape[0]
        results = self.function(number, arguments, lanes or 1, None, None)
        shaped: list[Value] = []
        for value, type_ in zip(results, unit.results, strict=True):
            shape = shape_of(type_)
            if lanes:
                value = with_lanes(self.domain, value, shape, lanes)
            elif value.ndim > len(shape):
                value = self.domain.reshape(value, shape)
            shaped.append(value)
        return shaped


def _applied(meaning: Callable[..., Value], ids: Sequence[int], result: int) -> Step:
    """A step that applies a meaning."""
    if len(ids) == 2:
        a, b = ids

        def two(frame: Frame, mask: Mask | None) -> None:
            frame[result] = meaning(frame[a], frame[b])

        return two
    if len(ids) == 1:
        (only,) = ids

        def one(frame: Frame, mask: Mask | None) -> None:
            frame[result] = meaning(frame[only])

        return one

    def many(frame: Frame, mask: Mask | None) -> None:
        frame[result] = meaning(*[frame[id_] for id_ in ids])

    return many


_DIVISIONS = frozenset(("div_trunc", "div_floor", "rem", "modulo"))


def _checked(context: Context, statement: Statement, step: Step) -> Step:
    """The step of a division, after a look at the divisor."""
    divisor = statement.operands[1].id
    domain = context.domain

    def checked(frame: Frame, mask: Mask | None) -> Mask | None:
        value, doubt = exact(domain, frame[divisor])
        if np.count_nonzero(value) != value.size:
            zero = np.broadcast_to(value == 0, frame.lanes)
            for gone in (doubt, frame.doubtful(), frame.excused):
                if gone is not None:
                    zero = zero & ~gone
            if mask is not None:
                zero = zero & mask
            if zero.any():
                raise DivisionByZero(statement, f"division by zero in lane {int(zero.argmax())}")
        return step(frame, mask)

    return checked


def _for(context: Context, statement: Statement) -> Step:
    """A `for`, at once where its rounds may be."""
    if context.unit.kind == "program":
        return for_loop(context, statement)
    made = at_once(context, statement, lambda: for_loop(context, statement))
    return for_loop(context, statement) if made is None else made


def _call(context: Context, statement: Statement) -> Step:
    """A function applied to values of all lanes."""
    number = statement.attribute
    assert isinstance(number, int)
    arguments = [value.id for value in statement.operands]
    results = [value.id for value in statement.results]
    call = context.call

    def step(frame: Frame, mask: Mask | None) -> None:
        given = call(number, [frame[id_] for id_ in arguments], frame, mask)
        for id_, value in zip(results, given, strict=True):
            frame[id_] = value

    return step


def _launch(context: Context, statement: Statement) -> Step:
    """A kernel run over its grid."""
    number = statement.attribute
    assert isinstance(number, int)
    arguments = [value.id for value in statement.operands]
    launch = context.launch

    def step(frame: Frame, mask: Mask | None) -> None:
        launch(number, [frame[id_] for id_ in arguments])

    return step


_STRUCTURAL: dict[str, Callable[[Context, Statement], Step]] = {
    "load": memory.load,
    "store": memory.store,
    **dict.fromkeys(ATOMICS, memory.atomic),
    "local": memory.local,
    "get": memory.get,
    "put": memory.put,
    "zeros": memory.zeros,
    "copy": memory.copy,
    "if": branch,
    "for": _for,
    "while": while_loop,
    "call": _call,
    "launch": _launch,
}
