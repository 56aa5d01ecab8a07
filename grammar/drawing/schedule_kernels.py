"""Drawing a kernel over buffers that are there, and what a driver must know to launch it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from grammar import guards, ranges
from grammar.config import Grammar
from grammar.drawing.body import Body, Library
from grammar.drawing.control import statements
from grammar.drawing.memory import (
    ATOMIC_KINDS,
    emit_load,
    has_atomics,
    new_output,
    open_kernel,
    read,
    scalar_parameters,
    write,
    write_total,
    write_totals,
)
from grammar.drawing.operands import anchor, bring, gathered
from grammar.drawing.tables import Tables, tables
from grammar.passes.dce import drop_unused_parameters, eliminate_dead, used_parameters
from grammar.program import Region, Statement, Terminator, Unit, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import BOOL, I32, Array, Element, Type

Given = tuple[Array, Range]
"""A buffer to read: its type, and the range of its elements."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter of a drawn kernel.

    `given` is the position of the buffer that it stands for, None where it is a new one. An output
    is written wholly or in part, over zeros or over what its buffer held; an input that is also
    `written` is updated in place. `takes` is the range that it may hold before a launch, `gives`
    the one it has afterwards. A `counter` is the number of the step.
    """

    type: Type
    takes: Range
    gives: Range
    given: int | None = None
    output: bool = False
    written: bool = False
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """A kernel and its parameters."""

    unit: Unit
    slots: tuple[Slot, ...]


@lru_cache(maxsize=64)
def _without_atomics(grammar: Grammar) -> Tables:
    control = {kind: w for kind, w in grammar.control.items() if kind not in ATOMIC_KINDS}
    return tables(replace(grammar, control=control))


def draw_kernel(
    source: Source,
    found: Tables,
    library: Library,
    grid: tuple[int, ...],
    given: Sequence[Given],
    *,
    keeps: Element | None = None,
    in_place: bool = False,
    rounds: int = 0,
) -> Drawn:
    """Draw a kernel that reads the given buffers, and perhaps new ones.

    With `keeps`, it is one step of a loop: its first output has this element type, and all it
    writes stays in the range of inputs, so that it may run again on what it wrote. `in_place` makes
    the first given buffer that output; its lanes then see only their own cell of it. `rounds` above
    0 adds an i32 parameter below it, the number of the step.
    """
    if keeps is not None and has_atomics(found.grammar):
        found = _without_atomics(found.grammar)
    grammar = found.grammar
    body, memory = open_kernel(source, found, library, grid)
    memory.kept = keeps is not None
    arrays = [body.new(*buffer) for buffer in given]
    if in_place:
        state = arrays[0]
        memory.outputs.append(state)
        memory.content[state.id] = body.ranges[state.id]
        emit_load(body, state, memory.indices)
    for array in arrays[int(in_place) :]:
        memory.inputs.append(array)
        read(body, array)
    counter = body.enter(body.new(I32, (0, rounds - 1))) if rounds else None
    if counter is not None:
        memory.scalars.append(counter)
    scalar_parameters(body)
    body.left = 2 * grammar.statements[1]
    statements(body, *grammar.statements)
    _finish(body, keeps, arrays[0] if in_place else None)
    made = tuple(body.statements)
    if keeps is not None:
        for array in memory.outputs:
            assert isinstance(array.type, Array)
            made = _brought(body, made, array, guards.inputs(array.type.element))
            memory.content[array.id] = guards.inputs(array.type.element)
    return _drawn(body, made, arrays, counter)


def _finish(body: Body, keeps: Element | None, state: Value | None) -> None:
    """Write what the lane computed: the state first, then as many outputs as are wanted."""
    memory = body.memory
    assert memory is not None
    least, most = body.tables.grammar.outputs
    wanted = max(1, least + body.source.below(most - least + 1))
    if keeps is not None:
        value = gathered(body, keeps)
        if state is None:
            state = new_output(body, keeps)
            memory.outputs.remove(state)
            memory.outputs.insert(0, state)
        write(body, state, value)
    while len(memory.outputs) < wanted:
        first = anchor(body).type
        if isinstance(first, Array) or first == BOOL:
            first = body.tables.elements.pick(body.source)
        value = gathered(body, first)
        write_total(body, new_output(body, first), value)
    write_totals(body)


def _brought(
    body: Body, made: tuple[Statement, ...], array: Value, into: Range
) -> tuple[Statement, ...]:
    """The statements, with every value stored to an array brought into a range."""
    out: list[Statement] = []
    for statement in made:
        if statement.op == "store" and statement.operands[0] == array:
            body.statements = out
            value = bring(body, statement.operands[-1], into)
            statement = statement._replace(operands=(*statement.operands[:-1], value))
        elif statement.regions:
            regions = tuple(
                [r._replace(body=_brought(body, r.body, array, into)) for r in statement.regions]
            )
            statement = statement._replace(regions=regions)
        out.append(statement)
    return tuple(out)


def _drawn(
    body: Body,
    made: tuple[Statement, ...],
    arrays: list[Value],
    counter: Value | None,
) -> Drawn:
    """The kernel without dead code and unused parameters, and the slots of those that stay."""
    memory = body.memory
    assert memory is not None
    outputs = [array for array in memory.outputs if array not in arrays]
    params = (*arrays, *[a for a in memory.inputs if a not in arrays], *memory.scalars)
    slots: list[Slot] = []
    for value in params:
        known = body.ranges[value.id]
        place = arrays.index(value) if value in arrays else None
        content = memory.content.get(value.id)
        slots.append(
            Slot(
                value.type,
                known,
                content or known,
                place,
                written=content is not None,
                counter=value is counter,
            )
        )
    for value in (*outputs, *memory.sums):
        known = memory.content.get(value.id, ranges.full(value.type))
        slots.append(Slot(value.type, known, known, output=True, written=True))
    region = Region((*memory.indices, *params, *outputs, *memory.sums), made, Terminator("yield"))
    unit = eliminate_dead(Unit("kernel", region, (), memory.grid))
    kept = used_parameters(unit)
    return Drawn(drop_unused_parameters(unit), tuple([slots[at] for at in kept]))
