"""Drawing memory access in a kernel: arrays read, cells written, and atomics.

Lanes never race: an array that a kernel writes is touched only at the lane's own cell, or only by
atomics of one kind, whose results nobody reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from grammar import guards, ranges
from grammar.config import Grammar
from grammar.drawing.body import Body, Library
from grammar.drawing.operands import anchor, bring, index_below, operand, reversed_, shifted, within
from grammar.drawing.tables import Tables, entry, wide_scalars
from grammar.program import Statement, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import BOOL, F32, F64, I32, MAX_RANK, Array, Element, Scalar

ATOMICS = ("atomic_add", "atomic_max", "atomic_min", "atomic_sub")
ATOMIC_KINDS = ("atomic", "wide_atomic")
_ATOMIC_TYPES = (F32, F64, I32)


@dataclass(slots=True)
class Memory:
    """The arrays of the kernel being drawn, in the order they became parameters.

    `shared` are arrays read at places other than the lane's own, which therefore stay read-only.
    `content` bounds what a written cell may hold; `sums` maps an atomics' array to its one op.

    In differentiable-safe grammars `totals` are what loops summed up, waiting to be added to what
    is stored: nothing else may use them. There are none where all that is stored is `kept` within
    a range.
    """

    grid: tuple[int, ...]
    indices: tuple[Value, ...]
    inputs: list[Value] = field(default_factory=list[Value])
    scalars: list[Value] = field(default_factory=list[Value])
    outputs: list[Value] = field(default_factory=list[Value])
    shared: set[int] = field(default_factory=set[int])
    content: dict[int, Range] = field(default_factory=dict[int, Range])
    sums: dict[Value, str] = field(default_factory=dict[Value, str])
    written: set[Value] = field(default_factory=set[Value])
    totals: list[Value] = field(default_factory=list[Value])
    kept: bool = False
    zero: Value | None = None


def memory_of(body: Body) -> Memory:
    assert body.memory is not None
    return body.memory


def has_atomics(grammar: Grammar) -> bool:
    """Whether kernels of a grammar may fold values into shared cells."""
    return any(grammar.control.get(kind, 0) for kind in ATOMIC_KINDS)


def open_kernel(
    source: Source, found: Tables, library: Library, grid: tuple[int, ...]
) -> tuple[Body, Memory]:
    """The body of a kernel over a grid, its indices in scope, and its memory, empty yet."""
    body = Body(source, found, library)
    indices = tuple([body.new(I32, (0, extent - 1)) for extent in grid])
    memory = body.memory = Memory(grid, indices)
    body.may_return = True
    for index in indices:
        body.enter(index)
    body.fresh.clear()
    if has_atomics(found.grammar):
        memory.zero = body.constant(I32, 0)
    return body, memory


def scalar_parameters(body: Body) -> None:
    """Draw the scalars a kernel takes, as many as the grammar says."""
    least, most = body.tables.grammar.scalars
    for _ in range(least + body.source.below(most - least + 1)):
        scalar = body.tables.scalars.pick(body.source)
        memory_of(body).scalars.append(body.enter(body.new(scalar, guards.inputs(scalar))))


def count_parameter(body: Body) -> Value | None:
    """An i32 parameter that bounds loops, one for all; a function has none."""
    if body.memory is None:
        return None
    for value in body.memory.scalars:
        if value.type == I32 and body.ranges[value.id] == guards.inputs(I32):
            return value
    value = body.new(I32, guards.inputs(I32))
    body.memory.scalars.append(value)
    return value


def new_input(body: Body, element: Element, shape: tuple[int, ...]) -> Value:
    """A new array parameter that the kernel reads."""
    array = body.new(Array(element, shape), guards.inputs(element))
    memory_of(body).inputs.append(array)
    return array


def _loaded(body: Body, array: Value, indices: tuple[Value, ...]) -> Value:
    """An element of an array, not yet in scope."""
    assert isinstance(array.type, Array)
    element = array.type.element
    known = memory_of(body).content.get(array.id, body.ranges[array.id])
    return body.emit("load", (array, *indices), element, known, None)


def emit_load(body: Body, array: Value, indices: tuple[Value, ...]) -> Value:
    return body.enter(_loaded(body, array, indices))


def load(body: Body) -> None:
    """Read an array: one there already or a new one, at a place drawn."""
    memory = memory_of(body)
    below = body.source.below
    grammar = body.tables.grammar
    inputs = memory.inputs
    if not inputs or (len(inputs) < grammar.arrays[1] and below(3) == 0):
        array = new_input(body, body.tables.elements.pick(body.source), _shape(body))
    else:
        array = inputs[-1 - below(len(inputs))]
    read(body, array)


def read(body: Body, array: Value) -> None:
    """Read an array at a place the grammar's accesses decide."""
    memory = memory_of(body)
    assert isinstance(array.type, Array)
    shape = array.type.shape
    how = body.tables.accesses.pick(body.source)
    indices: list[Value] = []
    for axis, extent in enumerate(shape):
        own = _own_index(memory, axis, extent)
        last = axis == len(shape) - 1
        if how == "free" or own is None:
            indices.append(index_below(body, extent))
        elif how == "own" or not last:
            indices.append(own)
        elif how == "shifted":
            indices.append(shifted(body, own, extent))
        elif how == "reversed":
            indices.append(reversed_(body, own, extent))
        else:
            indices.append(_gathered(body, own, extent))
    place = tuple(indices)
    if place != memory.indices:
        memory.shared.add(array.id)
    emit_load(body, array, place)


def _own_index(memory: Memory, axis: int, extent: int) -> Value | None:
    """The grid index that runs over an axis of this extent, the same axis first."""
    if axis < len(memory.grid) and memory.grid[axis] == extent:
        return memory.indices[axis]
    if extent in memory.grid:
        return memory.indices[memory.grid.index(extent)]
    return None


def _gathered(body: Body, own: Value, extent: int) -> Value:
    """An index read from an integer array, brought inside."""
    memory = memory_of(body)
    wanted = Array(I32, (extent,))
    found = next((array for array in memory.inputs if array.type == wanted), None)
    if found is None:
        found = new_input(body, I32, wanted.shape)
    memory.shared.add(found.id)
    return within(body, emit_load(body, found, (own,)), extent, body.source.below(2))


def _shape(body: Body) -> tuple[int, ...]:
    """The shape of a new array: the grid's, one of its axes, or the grid with an axis more."""
    memory = memory_of(body)
    below = body.source.below
    grid = memory.grid
    how = below(6)
    if how == 5 and len(grid) < MAX_RANK and body.tables.grammar.accesses.get("free", 0):
        return (*grid, 2 + below(4) * 2)
    if how == 4 and len(grid) > 1:
        return (grid[below(len(grid))],)
    return grid


def _writable(value: Value) -> bool:
    return not isinstance(value.type, Array) and value.type != BOOL


def new_output(body: Body, element: Element) -> Value:
    """A new array parameter that the kernel writes at the lane's own cell."""
    memory = memory_of(body)
    array = body.new(Array(element, memory.grid), guards.inputs(element))
    memory.outputs.append(array)
    memory.content[array.id] = guards.inputs(element)
    return array


def write(body: Body, array: Value, value: Value) -> None:
    """Store a value to the lane's own cell."""
    memory = memory_of(body)
    body.used[value.id] = True
    memory.written.add(array)
    known = body.ranges[value.id]
    memory.content[array.id] = ranges.join(memory.content[array.id], known)
    body.statements.append(Statement("store", (array, *memory.indices, value), ()))


def store(body: Body) -> None:
    """Write, or add to, the lane's cell of an output."""
    memory = memory_of(body)
    below = body.source.below
    value = anchor(body)
    if not _writable(value):
        value = operand(body, body.tables.elements.pick(body.source))
    assert not isinstance(value.type, Array)
    same = [a for a in memory.outputs if isinstance(a.type, Array) and a.type.element == value.type]
    if same and (len(memory.outputs) >= body.tables.grammar.outputs[1] or below(2)):
        array = same[-1 - below(len(same))]
    elif len(memory.outputs) < body.tables.grammar.outputs[1]:
        array = new_output(body, value.type)
    else:
        array = memory.outputs[-1 - below(len(memory.outputs))]
        assert isinstance(array.type, Array)
        value = operand(body, array.type.element)
    written = body.depth == 0 and array in memory.written  # overwriting it would leave it unread
    if written or (not body.loops and below(4) == 3):
        if body.tables.grammar.differentiable:
            value = _added_to_cell(body, array, value)
        else:
            old = emit_load(body, array, memory.indices)
            assert not isinstance(old.type, Array)
            value = body.apply(entry("add", (old.type, old.type)), [old, value])
    write(body, array, value)


def _added_to_cell(body: Body, array: Value, value: Value) -> Value:
    """The value plus what the lane's cell holds, where that fits; nothing else sees the cell, which
    is overwritten."""
    memory = memory_of(body)
    if memory.kept:
        return value
    mark = len(body.statements)
    old = _loaded(body, array, memory.indices)
    added = plain_sum(body, value, old)
    if added is None:
        del body.statements[mark:]
    return added or value


def plain_sum(body: Body, value: Value, other: Value) -> Value | None:
    """The sum of two values, of which only the first may be tamed for it; None where it may not
    fit even so."""
    assert not isinstance(value.type, Array)
    made = entry("add", (value.type, value.type))
    for _ in range(2):
        known = made.rule((body.ranges[value.id], body.ranges[other.id]), made.instance, 0)
        if ranges.inside(known, made.limit):
            return body.apply(made, [value, other])
        value = body.tame(value)
    return None


def write_total(body: Body, array: Value, value: Value) -> None:
    """Store a value to the lane's own cell, together with what loops summed up of its type."""
    memory = memory_of(body)
    waiting: list[Value] = []
    for total in memory.totals:
        added = plain_sum(body, value, total) if total.type == value.type else None
        if added is None:
            waiting.append(total)
        else:
            value = added
    memory.totals = waiting
    write(body, array, value)


def write_totals(body: Body) -> None:
    """Store what loops summed up and no other store took along."""
    memory = memory_of(body)
    totals, memory.totals = memory.totals, []
    for total in totals:
        assert not isinstance(total.type, Array)
        write(body, new_output(body, total.type), total)


def _fold(body: Body, scalar: Scalar) -> str:
    """How an array is updated; the least and the largest are no differentiable-safe folds."""
    how = ATOMICS[max(0, body.source.below(6) - 2)]
    if body.tables.grammar.differentiable and scalar.kind == "float":
        return "atomic_sub" if how == "atomic_sub" else "atomic_add"
    return how


def atomic(body: Body) -> None:
    """Fold a value into a shared cell."""
    value = anchor(body)
    _fold_in(body, value if value.type in _ATOMIC_TYPES else operand(body, F32))


def wide_atomic(body: Body) -> None:
    """Fold an integer that is of 64 bits or unsigned into a shared cell."""
    scalars = wide_scalars(body.tables.grammar)
    value = anchor(body)
    if value.type not in scalars:
        value = operand(body, scalars[body.source.below(len(scalars))])
    _fold_in(body, value)


def _addend(scalar: Scalar) -> Range:
    """The range of what one lane folds in. Unsigned cells wrap."""
    known = guards.addend(scalar)
    return (0, known[1]) if scalar.kind == "uint" else known


def _fold_in(body: Body, value: Value) -> None:
    """Fold a value into a shared cell; the order in which lanes arrive must not matter."""
    memory = memory_of(body)
    below = body.source.below
    assert memory.zero is not None
    scalar = value.type
    assert isinstance(scalar, Scalar)
    found = [array for array in memory.sums if array.type == Array(scalar, (1,))]
    slots = [array for array in memory.sums if array.type == Array(scalar, memory.grid[:1])]
    if found or slots:
        both = found + slots
        array = both[below(len(both))]
    elif len(memory.sums) < 2:
        array = body.new(
            Array(scalar, ((1,), memory.grid[:1])[below(3) == 2]), guards.inputs(scalar)
        )
        memory.sums[array] = _fold(body, scalar)
    else:
        array = next(iter(memory.sums))
        assert isinstance(array.type, Array)
        value = operand(body, array.type.element)
    assert isinstance(array.type, Array)
    assert isinstance(array.type.element, Scalar)
    value = bring(body, value, _addend(array.type.element))
    place = memory.zero if array.type.shape == (1,) else memory.indices[0]
    body.used[value.id] = True
    body.statements.append(Statement(memory.sums[array], (array, place, value), ()))
