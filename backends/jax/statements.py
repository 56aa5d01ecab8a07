"""Statements without regions: constants, loads, calls, ops and what a kernel writes."""

from __future__ import annotations

from collections.abc import Sequence

from backends import surface as s
from backends.jax.frame import LINE, Body
from backends.jax.spell import element_scalar, fill, spellings
from grammar.program import Statement, Value
from grammar.types import Array, Element, Type


def emit_const(body: Body, statement: Statement) -> None:
    result = statement.results[0]
    literal = statement.attribute
    assert isinstance(literal, (bool, int, float))
    body.constant(result, literal)
    if type(literal) is int:
        body.writer.constants[result.id] = literal


def element_of(type_: Type) -> Element:
    """The element type of an array, or the type itself."""
    return type_.element if isinstance(type_, Array) else type_


def emit_op(body: Body, statement: Statement) -> None:
    """An op that has a row, in one of its spellings."""
    writer = body.writer
    result = statement.results[0]
    operands = statement.operands
    lane = writer.axes is None and writer.unit.kind != "program"
    choices = spellings(
        statement.op,
        tuple([element_of(value.type) for value in operands]),
        element_of(result.type),
        statement.attribute,
        lane,
        writer.sheet.avoided,
    )
    spelling = choices[writer.choose(result.id, 0, len(choices))]
    writer.sheet.modules.update(spelling.modules)
    for value, count in zip(operands, spelling.uses, strict=True):
        if count > 1:
            body.settle(value)
    strict = writer.choose(result.id, 4, 6) == 5

    def build() -> s.Expr:
        filled = [body.operand(value) for value in operands]
        return fill(spelling, filled, element_scalar(result.type), strict)

    body.define(result, body.settle_wide(operands, build, body.room), statement)


def emit_load(body: Body, statement: Statement) -> None:
    """One element of an array: the array itself where every lane reads its own."""
    writer = body.writer
    array, *indices = statement.operands
    result = statement.results[0]
    own = writer.own.get(array.id)
    grid = writer.unit.body.params[: len(writer.unit.grid)]
    if own is not None and [v.id for v in indices] == [v.id for v in grid]:
        writer.mapped.add(array.id)
        body.define(result, own)
        return

    def build() -> s.Expr:
        place = _partly_own(body, array, indices)
        return s.Subscript(body.raw(array), place or tuple(map(body.raw, indices)))

    body.define(result, body.settle_wide(indices, build, body.room), statement)


def _partly_own(body: Body, array: Value, indices: Sequence[Value]) -> tuple[s.Expr | s.Slice, ...]:
    """`[:, None]` for an array over one grid axis read along it; () where that is not the case."""
    writer = body.writer
    grid = writer.unit.grid
    if writer.spread is None or len(grid) < 2 or len(indices) != 1 or writer.unit.kind != "kernel":
        return ()
    axes = [v.id for v in writer.unit.body.params[: len(grid)]]
    assert isinstance(array.type, Array)
    index = indices[0].id
    if index not in axes or array.type.shape != (grid[axes.index(index)],):
        return ()
    if writer.choose(array.id, 5, 2):
        return ()
    return axis_index(axes.index(index), len(grid))


def axis_index(axis: int, rank: int) -> tuple[s.Expr | s.Slice, ...]:
    """Places an array along one of `rank` axes: `[:, None]`."""
    return tuple([s.Slice() if k == axis else s.Literal("None") for k in range(rank)])


def emit_call(body: Body, statement: Statement) -> None:
    """A call of another unit's function; its arguments carry their dtypes."""
    writer = body.writer
    number = statement.attribute
    assert isinstance(number, int)

    def build() -> s.Expr:
        return s.Call(
            s.Name(writer.sheet.called[number]), tuple(map(body.typed, statement.operands))
        )

    call = body.settle_wide(statement.operands, build, LINE - 4 * body.depth - 20)
    if len(statement.results) == 1:
        body.define(statement.results[0], call, statement)
    else:
        body.assign(s.Tuple(tuple(map(body.bind, statement.results))), call)


def emit_store(body: Body, statement: Statement) -> None:
    body.writer.results[statement.operands[0].id] = statement.operands[-1]


def emit_atomic(body: Body, statement: Statement) -> None:
    body.writer.atomics.append(statement)
