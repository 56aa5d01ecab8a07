"""The structural ops: constants, memory, control flow, calls and buffers, one row each.

`STRUCTURAL` holds the ops that no `Op` row describes. `TABLES` lists every family of ops with the
functions that type them, so a further family joins all look-ups by one entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from grammar.ops import OPS, array
from grammar.ops.array import ARRAY_OPS
from grammar.program import Attribute, Statement, UnitKind
from grammar.structural_checks import (
    Check,
    Place,
    check_atomic,
    check_buffer,
    check_call,
    check_const,
    check_for,
    check_if,
    check_launch,
    check_load,
    check_local,
    check_put,
    check_store,
    check_while,
    listed,
)
from grammar.types import Array, Element, Type

Effect = Literal["none", "read", "allocate", "write"]
OpKind = Literal["row", "structural", "array"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Structural:
    """One structural op.

    - `form`: operands, attribute in braces, regions in parentheses, and results, in words.
    - `check`: why a statement is ill-typed, or "" where it is well-typed.
    - `effect`: "none" is pure; "read" sees memory; "allocate" makes a buffer of its own; "write"
      changes memory and is never dropped. All but "none" keep their order.
    - `units`: the unit kinds it may stand in.
    - `regions`: how many regions it has. Those of a `loop` have parameters and carry values.
    - `between`: the word before the second region in the text form.
    """

    name: str
    form: str
    doc: str
    check: Check
    effect: Effect = "none"
    units: tuple[UnitKind, ...] = ("function", "kernel")
    regions: int = 0
    loop: bool = False
    between: str = ""

    @property
    def ordered(self) -> bool:
        """Whether its place among the other ordered statements matters."""
        return self.effect != "none"


_EVERYWHERE: tuple[UnitKind, ...] = ("function", "kernel", "program")
_KERNEL: tuple[UnitKind, ...] = ("kernel",)
_PROGRAM: tuple[UnitKind, ...] = ("program",)


def _atomic_row(what: str) -> Structural:
    return Structural(
        name=f"atomic_{what}",
        form="array, index..., value",
        doc=f"Combine a value into an element by {what}, in one step whatever other lanes do.",
        check=check_atomic,
        effect="write",
        units=_KERNEL,
    )


STRUCTURAL: dict[str, Structural] = {
    row.name: row
    for row in (
        Structural(
            name="const",
            form="{literal} -> scalar",
            doc="A literal.",
            check=check_const,
            units=_EVERYWHERE,
        ),
        Structural(
            name="load",
            form="array, index... -> element",
            doc="Read one element of an array.",
            check=check_load,
            effect="read",
            units=_KERNEL,
        ),
        Structural(
            name="store",
            form="array, index..., value",
            doc="Write one element of an array.",
            check=check_store,
            effect="write",
            units=_KERNEL,
        ),
        *map(_atomic_row, ("add", "sub", "min", "max")),
        Structural(
            name="local",
            form="-> array",
            doc="An array of zeros that is a value of its own: the tape of an adjoint.",
            check=check_local,
        ),
        Structural(
            name="put",
            form="local array, index..., value -> local array",
            doc="A local array with one element replaced.",
            check=check_put,
        ),
        Structural(
            name="get",
            form="local array, index... -> element",
            doc="One element of a local array.",
            check=check_load,
        ),
        Structural(
            name="if",
            form="bool (then) (else) -> results...",
            doc="Run one of two regions, which yields the results.",
            check=check_if,
            regions=2,
            between="else",
        ),
        Structural(
            name="for",
            form="start, stop, init... {step, bound} (body: index, carried...) -> carried...",
            doc="Run the body for start, start + step, ... below stop, at most bound times.",
            check=check_for,
            units=_EVERYWHERE,
            regions=1,
            loop=True,
        ),
        Structural(
            name="while",
            form="init... {bound} (condition: iteration, carried...) (body: same) -> carried...",
            doc="Run the body while the condition yields true, at most bound times.",
            check=check_while,
            regions=2,
            loop=True,
            between="do",
        ),
        Structural(
            name="call",
            form="argument... {unit} -> results...",
            doc="Apply an earlier function.",
            check=check_call,
        ),
        Structural(
            name="launch",
            form="argument... {unit}",
            doc="Run an earlier kernel over its grid.",
            check=check_launch,
            effect="write",
            units=_PROGRAM,
        ),
        Structural(
            name="zeros",
            form="-> array",
            doc="A new array of zeros.",
            check=check_buffer,
            effect="allocate",
            units=_PROGRAM,
        ),
        Structural(
            name="copy",
            form="array -> array",
            doc="A new array with the contents of another.",
            check=check_buffer,
            effect="allocate",
            units=_PROGRAM,
        ),
    )
}

ATOMICS = ("atomic_add", "atomic_sub", "atomic_min", "atomic_max")
TAPE = ("local", "put", "get")
"""The ops that only gradients have: no renderer spells them."""
LOOPS = tuple(row.name for row in STRUCTURAL.values() if row.loop)


@cache
def _row_typings(name: str, operands: tuple[Element, ...]) -> dict[Element, int]:
    """The result types a row has for operand types, each with its number of attribute values."""
    row = OPS[name]
    return {i.result: row.attributes(i) for i in row.instances if i.operands == operands}


def _elements_of(
    operands: tuple[Type, ...],
) -> tuple[tuple[Element, ...], tuple[int, ...] | None] | str:
    """The element types of the operands, and the shape that all arrays among them share."""
    elements: list[Element] = []
    shape: tuple[int, ...] | None = None
    for type_ in operands:
        if not isinstance(type_, Array):
            elements.append(type_)
            continue
        if shape is not None and shape != type_.shape:
            return f"array operands of one elementwise op have equal shapes, not {listed(operands)}"
        shape = type_.shape
        elements.append(type_.element)
    return tuple(elements), shape


def _row_check(statement: Statement, place: Place) -> str:
    types = tuple([value.type for value in statement.operands])
    if len(statement.results) != 1:
        return f"{statement.op} has one result"
    result = statement.results[0].type
    lifted = _elements_of(types)
    if isinstance(lifted, str):
        return lifted
    elements, shape = lifted
    if shape is not None:
        if place.kind != "program":
            return f"{statement.op} takes arrays only in a program"
        if not isinstance(result, Array) or result.shape != shape:
            return f"{statement.op} has an array result of shape {list(shape)} here"
        result = result.element
    elif isinstance(result, Array):
        return f"{statement.op} has no array result here"
    count = _row_typings(statement.op, elements).get(result)
    if count is None:
        return f"{statement.op} has no typing {listed(elements)} -> {result}"
    attribute = statement.attribute
    if count == 0:
        return "" if attribute is None else f"{statement.op} has no attribute"
    if type(attribute) is not int or not 0 <= attribute < count:
        return f"the attribute of {statement.op} is an integer from 0 to {count - 1}"
    return ""


def _row_result(name: str, operands: tuple[Type, ...], attribute: Attribute) -> tuple[Type, ...]:
    lowered = _elements_of(operands)
    if isinstance(lowered, str):
        return ()
    elements, shape = lowered
    found = tuple(_row_typings(name, elements))
    return found if shape is None else tuple(Array(element, shape) for element in found)


def _structural_check(statement: Statement, place: Place) -> str:
    row = STRUCTURAL[statement.op]
    if place.kind not in row.units:
        return f"{statement.op} does not stand in a {place.kind}"
    if len(statement.regions) != row.regions:
        return f"{statement.op} has {row.regions} regions"
    return row.check(statement, place)


def _structural_result(
    name: str, operands: tuple[Type, ...], attribute: Attribute
) -> tuple[Type, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Table:
    """A family of ops: its names, how a statement is checked, and which single result types are
    possible for operand types (simplest first; none where the operands do not decide it)."""

    kind: OpKind
    rows: Mapping[str, object]
    check: Check
    results: Callable[[str, tuple[Type, ...], Attribute], tuple[Type, ...]]


TABLES: tuple[Table, ...] = (
    Table("structural", STRUCTURAL, _structural_check, _structural_result),
    Table("row", OPS, _row_check, _row_result),
    Table("array", ARRAY_OPS, lambda s, place: array.check(s, place.kind), array.results),
)

_TABLE_OF: dict[str, Table] = {name: table for table in TABLES[::-1] for name in table.rows}


def op_names() -> tuple[str, ...]:
    """Every op name of every table."""
    return tuple(_TABLE_OF)


def op_table(name: str) -> Table | None:
    """The table that declares an op, or None for an unknown name."""
    return _TABLE_OF.get(name)


def op_kind(name: str) -> OpKind | None:
    """The kind of the table that declares an op, or None for an unknown name."""
    table = _TABLE_OF.get(name)
    return None if table is None else table.kind


def effect_of(name: str) -> Effect:
    """The effect of an op; ops outside `STRUCTURAL` are pure."""
    row = STRUCTURAL.get(name)
    return "none" if row is None else row.effect
