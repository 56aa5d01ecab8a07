"""Programs: frozen, typed, structured SSA. A program knows no backend, no names and no style.

A `Statement` applies an op to operands; structured ops carry regions. A region is a list of
statements closed by a terminator that carries values: `yield` ends it normally, `break` and
`continue` act on the nearest enclosing loop, `return` on the whole unit. Value ids are unique
within a unit. Loads, stores and atomics are ordered statements; all others are pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from grammar.types import Type

Attribute = None | bool | int | float | tuple[int, ...]
UnitKind = Literal["function", "kernel", "program"]


class Value(NamedTuple):
    """The result of a statement, or a parameter of a region.

    What a program has by the hundred are named tuples, made twice as fast as frozen dataclasses.
    """

    id: int
    type: Type


class Terminator(NamedTuple):
    """`kind` is yield, break, continue or return; `values` go to the construct it ends."""

    kind: Literal["yield", "break", "continue", "return"]
    values: tuple[Value, ...] = ()


class Region(NamedTuple):
    params: tuple[Value, ...]
    body: tuple[Statement, ...]
    end: Terminator


class Statement(NamedTuple):
    """One op application. The attribute's meaning is the op's; see `STRUCTURAL` in `grammar.ops`.

    Structured ops, by regions and operands:

    - `if cond`: two regions without parameters, yielding the results.
    - `for start stop inits...`, attribute (step, bound): one region with parameters (index,
      carried...), which yields the next carried values. It runs at most `bound` times.
    - `while inits...`, attribute bound: a condition region and a body region, both with parameters
      (iteration, carried...). It stops when the condition yields false or after `bound` rounds.
    - `call args...`, attribute unit: applies an earlier function.
    - `launch args...`, attribute unit: runs an earlier kernel over its grid (programs only).
    """

    op: str
    operands: tuple[Value, ...]
    results: tuple[Value, ...]
    attribute: Attribute = None
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A function, a kernel, or a program over buffers.

    A kernel's `grid` holds the extents of its index space, and the first region parameters are the
    i32 indices into it; its other parameters are arrays and scalars. A function and a program
    return values of the types in `results`; a program's parameters are arrays it only reads, and
    scalars.
    """

    kind: UnitKind
    body: Region
    results: tuple[Type, ...] = ()
    grid: tuple[int, ...] = ()

    @property
    def parameters(self) -> tuple[Value, ...]:
        """The parameters a caller passes: all but a kernel's grid indices."""
        return self.body.params[len(self.grid) :]


@dataclass(frozen=True, slots=True)
class Program:
    """Units, callees before callers; the last is the entry."""

    units: tuple[Unit, ...]

    def __str__(self) -> str:
        from grammar.text import print_program

        return print_program(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis and IPython show: the text form."""
        printer.text(str(self))

    @property
    def entry(self) -> Unit:
        return self.units[-1]


def walk(region: Region) -> Iterator[Statement]:
    """All statements of a region, nested ones after the statement that holds them."""
    for statement in region.body:
        yield statement
        for inner in statement.regions:
            yield from walk(inner)


def statements(program: Program) -> Iterator[Statement]:
    """All statements of all units, in order."""
    for unit in program.units:
        yield from walk(unit.body)


def size(program: Program) -> int:
    """The number of statements, constants not counted."""
    return sum(statement.op != "const" for statement in statements(program))
