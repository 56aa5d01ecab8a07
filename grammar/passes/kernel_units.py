"""The kernels that array ops become: one for a stage, one for a chain of elementwise ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from grammar.build import Builder
from grammar.ops.array import ARRAY_OPS
from grammar.ops.array_base import Indices, Stage, View
from grammar.program import Attribute, Statement, Unit, Value
from grammar.types import I32, Array, Element, Scalar, Type


@dataclass(frozen=True, slots=True)
class Access:
    """How a kernel reads an array: through views, the one nearest to the reader first."""

    root: Value
    views: tuple[Statement, ...] = ()


def view_of(statement: Statement) -> View | None:
    """Where the elements of a statement's result come from, for one that only moves elements."""
    op = ARRAY_OPS.get(statement.op)
    return None if op is None else op.view


def stage_kernel(
    stage: Stage, operands: Sequence[Access], earlier: Sequence[Value]
) -> tuple[Unit, tuple[Value, ...]]:
    """The kernel of a stage over operands and the results of earlier stages, and the arrays to
    launch it on, to which the result is to be appended."""
    writer = _Writer([*operands, *map(Access, earlier)])

    def body() -> None:
        at = writer.grid(stage.type.shape)
        writer.output(stage.type, at, stage.cell(writer, at))

    return writer.finish(body, stage.type.shape), writer.arrays()


def fused_kernel(
    shape: tuple[int, ...],
    chain: Sequence[Statement],
    outputs: Sequence[Value],
    access: Callable[[Value], Access | Statement | None],
) -> tuple[Unit, tuple[Value, ...]]:
    """One kernel for a chain of elementwise ops over arrays of a shape, which stores `outputs`.

    `access` tells how a value from before the chain is read: as an array, as the scalar that a
    statement computes, or (None) as a scalar parameter. Also returned are the values to launch the
    kernel on, to which the outputs are to be appended.
    """
    writer = _Writer([])
    known: dict[int, Value] = {}

    def body() -> None:
        at = writer.grid(shape)

        def number(statement: Statement) -> Value:
            type_, literal = statement.results[0].type, statement.attribute
            if statement.op == "const":
                assert isinstance(type_, Scalar)
                assert isinstance(literal, (bool, int, float))
                return writer.const(type_, literal)
            operands = tuple([read(value) for value in statement.operands])
            return writer.op(statement.op, *operands, attribute=literal, result=type_)

        def read(value: Value) -> Value:
            if value.id not in known:
                found = access(value)
                if isinstance(found, Statement):
                    known[value.id] = number(found)
                elif found is None:
                    known[value.id] = writer.parameter(("scalar", value.id), value, value.type)
                else:
                    known[value.id] = writer.read(("array", found.root.id), found, at)
            return known[value.id]

        for statement in chain:
            operands = tuple([read(value) for value in statement.operands])
            result = statement.results[0]
            known[result.id] = writer.op(
                statement.op,
                *operands,
                attribute=statement.attribute,
                result=_element(result.type),
            )
        for output in outputs:
            assert isinstance(output.type, Array)
            writer.output(output.type, at, known[output.id])

    return writer.finish(body, shape), writer.arrays()


def _element(type_: Type) -> Element:
    return type_.element if isinstance(type_, Array) else type_


@dataclass(slots=True)
class _Writer:
    """Emits one kernel; `grammar.ops.array_base.Cell` says what most methods do. Parameters are
    made when first read; `passed` has what the program passes for each."""

    sources: Sequence[Access]
    builder: Builder = field(default_factory=Builder)
    indices: tuple[Value, ...] = ()
    params: dict[tuple[str, int], Value] = field(default_factory=dict[tuple[str, int], Value])
    passed: list[Value] = field(default_factory=list[Value])
    outputs: list[Value] = field(default_factory=list[Value])

    def grid(self, shape: tuple[int, ...]) -> Indices:
        self.indices = tuple([self.builder.fresh(I32) for _ in shape])
        return self.indices

    def parameter(self, key: tuple[str, int], passed: Value, type_: Type) -> Value:
        if key not in self.params:
            self.params[key] = self.builder.fresh(type_)
            self.passed.append(passed)
        return self.params[key]

    def read(self, key: tuple[str, int], access: Access, at: Indices) -> Value:
        """An element of an array as its views show it."""
        for statement in access.views:
            view = view_of(statement)
            assert view is not None
            at = view(_arrays_of(statement), statement.attribute, self, at)
        return self.builder.load(self.parameter(key, access.root, access.root.type), *at)

    def load(self, source: int, *indices: Value) -> Value:
        return self.read(("source", source), self.sources[source], indices)

    def const(self, scalar: Scalar, literal: bool | int | float) -> Value:
        return self.builder.const(scalar, literal)

    def op(
        self,
        name: str,
        *operands: Value,
        result: Type | None = None,
        attribute: Attribute = None,
    ) -> Value:
        return self.builder.op(name, *operands, result=result, attribute=attribute)

    def fold(
        self, start: int, stop: int, init: Value, step: Callable[[Value, Value], Value]
    ) -> Value:
        if stop <= start:
            return init
        return self.builder.for_(start, stop, [init], step)[0]

    def output(self, type_: Array, at: Indices, value: Value) -> None:
        """Store the lane's element of a new output."""
        array = self.builder.fresh(type_)
        self.outputs.append(array)
        self.builder.store(array, *at, value)

    def finish(self, body: Callable[[], None], shape: tuple[int, ...]) -> Unit:
        region = self.builder.region((), body)
        params = (*self.indices, *self.params.values(), *self.outputs)
        return Unit("kernel", region._replace(params=params), (), shape)

    def arrays(self) -> tuple[Value, ...]:
        return tuple(self.passed)


def _arrays_of(statement: Statement) -> tuple[Array, ...]:
    return tuple([v.type for v in statement.operands if isinstance(v.type, Array)])
