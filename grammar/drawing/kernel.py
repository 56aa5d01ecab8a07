"""Drawing a kernel over a grid, and the functions it calls."""

from __future__ import annotations

from dataclasses import replace

from grammar import guards, ranges
from grammar.drawing.body import Body, Library, Signature
from grammar.drawing.control import statements
from grammar.drawing.memory import (
    Memory,
    new_input,
    new_output,
    open_kernel,
    read,
    scalar_parameters,
    write_total,
    write_totals,
)
from grammar.drawing.operands import anchor, gathered
from grammar.drawing.tables import Tables
from grammar.passes.dce import eliminate_dead_code
from grammar.program import Program, Region, Terminator, Unit, Value
from grammar.source import Source
from grammar.types import BOOL, Array, Element, scalar_of


def single_kernel(source: Source, found: Tables) -> Program:
    """A kernel, and the functions it calls."""
    library = new_library(found)
    unit = source.span(kernel, found, library, draw_grid(source, found))
    return eliminate_dead_code(Program((*library.units, unit)), parameters=True)


def new_library(found: Tables) -> Library:
    """An empty library; functions are drawn when they are first called."""
    least, most = found.grammar.functions

    def define(source: Source, library: Library) -> Signature:
        signature = function(source, found, library)
        library.signatures.append(signature)
        return signature

    return Library(define, least, most, complete=most == 0)


def draw_grid(source: Source, found: Tables) -> tuple[int, ...]:
    """The extents of an index space; more axes get shorter."""
    rank = found.ranks.pick(source)
    extents = found.grammar.extents
    return tuple(
        max(2, extents[source.below(len(extents))] >> max(0, rank - 1 - (axis == 0)))
        for axis in range(rank)
    )


def function(source: Source, found: Tables, library: Library) -> Signature:
    """Draw a function of one to three small values into the library; returns how to call it."""
    body = Body(source, found, replace(library, complete=True))
    params: list[Value] = []
    for _ in range(1 + source.below(3)):
        element = found.elements.pick(source)
        params.append(body.enter(body.new(element, guards.inputs(element))))
    result = params[0].type
    assert not isinstance(result, Array)
    body.returns, body.returned, body.may_return = (result,), ([],), True
    body.left = 8
    statements(body, 1, 5)
    value = gathered(body, result)
    gives = body.ranges[value.id]
    for other in body.returned[0]:
        gives = ranges.join(gives, other)
    region = Region(tuple(params), tuple(body.statements), Terminator("return", (value,)))
    takes = tuple([body.ranges[param.id] for param in params])
    types = tuple([param.type for param in params if not isinstance(param.type, Array)])
    library.units.append(Unit("function", region, (result,)))
    return Signature(len(library.units) - 1, types, takes, result, gives)


def kernel(source: Source, found: Tables, library: Library, grid: tuple[int, ...]) -> Unit:
    """A kernel over a grid: reads arrays and scalars, computes, writes each lane's own cells."""
    grammar = found.grammar
    body, memory = open_kernel(source, found, library, grid)
    for _ in range(grammar.arrays[0] + source.below(2) * (grammar.arrays[1] > grammar.arrays[0])):
        read(body, new_input(body, found.elements.pick(source), grid))
    scalar_parameters(body)
    body.left = 2 * grammar.statements[1]
    statements(body, *grammar.statements)
    _final_stores(body, memory)
    params = (*memory.indices, *memory.inputs, *memory.scalars, *memory.outputs, *memory.sums)
    region = Region(params, tuple(body.statements), Terminator("yield"))
    return Unit("kernel", region, (), grid)


def _final_stores(body: Body, memory: Memory) -> None:
    """Write what the lane computed: fresh outputs, or in place over an input only it reads."""
    grammar = body.tables.grammar
    below = body.source.below
    wanted = grammar.outputs[0] + below(grammar.outputs[1] - grammar.outputs[0] + 1)
    for _ in range(max(wanted - len(memory.outputs), 0 if memory.sums else 1)):
        first = _result_type(body)
        value = gathered(body, first)
        own = [
            array
            for array in memory.inputs
            if array.type == Array(first, memory.grid) and array.id not in memory.shared
        ]
        if own and not grammar.differentiable and below(8) == 7:
            array = own[-1]
            memory.shared.add(array.id)
            memory.content[array.id] = body.ranges[array.id]
        else:
            array = new_output(body, first)
        write_total(body, array, value)
    write_totals(body)


def _result_type(body: Body) -> Element:
    """The type of what a body amounts to: that of its latest value that can be stored, or of the
    latest float, which has an adjoint."""
    types = [value.type for value in (anchor(body), *reversed(body.anchors))]
    stored = [type_ for type_ in types if not isinstance(type_, Array) and type_ != BOOL]
    if not stored:
        return body.tables.elements.pick(body.source)
    if scalar_of(stored[0]).kind != "float" and body.source.below(4):
        return next((type_ for type_ in stored if scalar_of(type_).kind == "float"), stored[0])
    return stored[0]
