"""A function as the entry of a program becomes a kernel, which backends can launch."""

from __future__ import annotations

from grammar.build import Builder, ProgramBuilder
from grammar.program import Program, Value
from grammar.types import Array, Type


def as_kernel(program: Program, lanes: int) -> Program:
    """The program with a kernel over `lanes` lanes as its entry, which applies what was the entry
    to an element of one array per parameter, and stores each result in an array of its own; these
    follow the parameters. A program whose entry is no function comes back as it is."""
    function = program.entry
    if function.kind != "function":
        return program
    given = [value.type for value in function.parameters]
    arrays = [_array(type_, lanes) for type_ in (*given, *function.results)]
    units = ProgramBuilder()
    units.units.extend(program.units)

    def body(b: Builder, lane: Value, *params: Value) -> None:
        arguments = [b.load(array, lane) for array in params[: len(given)]]
        results = b.call(len(program.units) - 1, *arguments)
        for array, result in zip(params[len(given) :], results, strict=True):
            b.store(array, lane, result)

    units.kernel((lanes,), arrays, body)
    return units.finish()


def _array(type_: Type, lanes: int) -> Array:
    assert not isinstance(type_, Array)
    return Array(type_, (lanes,))
