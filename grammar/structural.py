"""The structural ops: constants, memory, control flow, calls and buffers, one row each.

`STRUCTURAL` holds the ops that no `Op` row describes. `TABLES` lists every family of ops with the
functions that type them, so a further family joins all look-ups by one entry there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from grammar.ops import OPS
from grammar.program import Attribute, Region, Statement, Unit, UnitKind, Value
from grammar.types import BOOL, I32, Array, Element, Scalar, Type, int_limits, scalar_of

Effect = Literal["none", "read", "allocate", "write"]
OpKind = Literal["row", "structural"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands: the kind of its unit, and the units before it."""

    kind: UnitKind
    units: tuple[Unit, ...] = ()


Check = Callable[[Statement, Place], str]


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


def listed(types: list[Type] | tuple[Type, ...]) -> str:
    """Types as they read in a message: `(f32, i32)`."""
    return f"({', '.join(map(str, types))})"


def types_of(values: tuple[Value, ...]) -> tuple[Type, ...]:
    """The types of values, in order."""
    return tuple([value.type for value in values])


def _is_count(attribute: Attribute) -> bool:
    return type(attribute) is int and attribute >= 1


_LARGEST = {"f16": 65504.0, "bf16": 2.0**128 - 2.0**120, "f32": 2.0**128 - 2.0**104}


def literal_fits(type_: Scalar, literal: Attribute) -> bool:
    """Whether a `const` of this type may hold the literal: a bool for bool, an int in range for an
    integer type, and a float that does not overflow for a float type."""
    if type_.kind == "bool":
        return type(literal) is bool
    if type_.kind == "float":
        largest = _LARGEST.get(type_.name, math.inf)
        return type(literal) is float and not largest < abs(literal) < math.inf
    low, high = int_limits(type_)
    return type(literal) is int and low <= literal <= high


def _const(statement: Statement, place: Place) -> str:
    if statement.operands or len(statement.results) != 1:
        return "const takes no operands and has one result"
    type_ = statement.results[0].type
    if not isinstance(type_, Scalar):
        return f"const makes a scalar, not {type_}"
    fits = literal_fits(type_, statement.attribute)
    return "" if fits else f"literal {statement.attribute!r} does not fit {type_}"


def _access(statement: Statement, trailing: int) -> str:
    """Check `arr, i...` and then `trailing` more operands."""
    operands = statement.operands
    if statement.attribute is not None:
        return f"{statement.op} has no attribute"
    if not operands or not isinstance(operands[0].type, Array):
        return f"the first operand of {statement.op} is an array"
    rank = len(operands[0].type.shape)
    indices = operands[1 : len(operands) - trailing]
    if len(indices) != rank or any(index.type != I32 for index in indices):
        return f"{statement.op} on {operands[0].type} takes {rank} i32 indices"
    return ""


def _load(statement: Statement, place: Place) -> str:
    why = _access(statement, 0)
    if why:
        return why
    array = statement.operands[0].type
    assert isinstance(array, Array)
    if types_of(statement.results) != (array.element,):
        return f"load from {array} has one result of type {array.element}"
    return ""


def _store(statement: Statement, place: Place) -> str:
    why = _access(statement, 1)
    if why:
        return why
    array = statement.operands[0].type
    assert isinstance(array, Array)
    if statement.results:
        return f"{statement.op} has no results"
    if statement.operands[-1].type != array.element:
        return f"{statement.op} to {array} takes a value of type {array.element}"
    return ""


def _atomic(statement: Statement, place: Place) -> str:
    why = _store(statement, place)
    if why:
        return why
    element = statement.operands[-1].type
    if scalar_of(element) == BOOL:
        return f"{statement.op} needs a numeric element, not {element}"
    if statement.op in ("atomic_min", "atomic_max") and not isinstance(element, Scalar):
        return f"{statement.op} needs a scalar element, not {element}"
    return ""


def _ends(region: Region, types: tuple[Type, ...], what: str) -> str:
    if region.end.kind == "yield" and types_of(region.end.values) != types:
        return f"{what} yields {listed(types_of(region.end.values))}, not {listed(types)}"
    return ""


def _if(statement: Statement, place: Place) -> str:
    if statement.attribute is not None or types_of(statement.operands) != (BOOL,):
        return "if takes one bool operand and no attribute"
    if any(region.params for region in statement.regions):
        return "the regions of if have no parameters"
    types = types_of(statement.results)
    then, otherwise = statement.regions
    return _ends(then, types, "the first region") or _ends(otherwise, types, "the second region")


def _loop(statement: Statement, inits: tuple[Value, ...]) -> str:
    carried = types_of(inits)
    if types_of(statement.results) != carried:
        return (
            f"the results of {statement.op} have the types of its carried values {listed(carried)}"
        )
    for region in statement.regions:
        if types_of(region.params) != (I32, *carried):
            return f"a region of this {statement.op} has parameters {listed((I32, *carried))}"
    end = statement.regions[-1].end
    if end.kind != "yield":
        return f"the body of {statement.op} ends with yield, not {end.kind}"
    return _ends(statement.regions[-1], carried, "the body")


def _for(statement: Statement, place: Place) -> str:
    attribute = statement.attribute
    if not (
        isinstance(attribute, tuple) and len(attribute) == 2 and all(map(_is_count, attribute))
    ):
        return "the attribute of for is {step, bound}, both at least 1"
    if types_of(statement.operands[:2]) != (I32, I32):
        return "for takes an i32 start and an i32 stop first"
    return _loop(statement, statement.operands[2:])


def _while(statement: Statement, place: Place) -> str:
    if not _is_count(statement.attribute):
        return "the attribute of while is {bound}, at least 1"
    end = statement.regions[0].end
    if end.kind != "yield" or types_of(end.values) != (BOOL,):
        return "the condition of while yields one bool"
    return _loop(statement, statement.operands)


def _target(statement: Statement, place: Place, kind: UnitKind) -> Unit | str:
    number = statement.attribute
    if type(number) is not int or not 0 <= number < len(place.units):
        return f"the attribute of {statement.op} is the number of an earlier unit, not {number!r}"
    unit = place.units[number]
    return unit if unit.kind == kind else f"unit @{number} is a {unit.kind}, not a {kind}"


def _call(statement: Statement, place: Place) -> str:
    unit = _target(statement, place, "function")
    if isinstance(unit, str):
        return unit
    if types_of(statement.operands) != types_of(unit.parameters):
        return f"@{statement.attribute} takes {listed(types_of(unit.parameters))}"
    if types_of(statement.results) != unit.results:
        return f"@{statement.attribute} returns {listed(unit.results)}"
    return ""


def _launch(statement: Statement, place: Place) -> str:
    unit = _target(statement, place, "kernel")
    if isinstance(unit, str):
        return unit
    if types_of(statement.operands) != types_of(unit.parameters):
        return f"@{statement.attribute} takes {listed(types_of(unit.parameters))}"
    return "launch has no results" if statement.results else ""


def _buffer(statement: Statement, place: Place) -> str:
    wanted = 1 if statement.op == "copy" else 0
    if statement.attribute is not None or len(statement.operands) != wanted:
        return f"{statement.op} takes {wanted} operands and no attribute"
    if len(statement.results) != 1 or not isinstance(statement.results[0].type, Array):
        return f"{statement.op} has one array result"
    if wanted and statement.operands[0].type != statement.results[0].type:
        return "copy keeps the type of its operand"
    return ""


_EVERYWHERE: tuple[UnitKind, ...] = ("function", "kernel", "program")
_KERNEL: tuple[UnitKind, ...] = ("kernel",)
_PROGRAM: tuple[UnitKind, ...] = ("program",)


def _atomic_row(what: str) -> Structural:
    return Structural(
        name=f"atomic_{what}",
        form="array, index..., value",
        doc=f"Combine a value into an element by {what}, in one step whatever other lanes do.",
        check=_atomic,
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
            check=_const,
            units=_EVERYWHERE,
        ),
        Structural(
            name="load",
            form="array, index... -> element",
            doc="Read one element of an array.",
            check=_load,
            effect="read",
            units=_KERNEL,
        ),
        Structural(
            name="store",
            form="array, index..., value",
            doc="Write one element of an array.",
            check=_store,
            effect="write",
            units=_KERNEL,
        ),
        *map(_atomic_row, ("add", "sub", "min", "max")),
        Structural(
            name="if",
            form="bool (then) (else) -> results...",
            doc="Run one of two regions, which yields the results.",
            check=_if,
            regions=2,
            between="else",
        ),
        Structural(
            name="for",
            form="start, stop, init... {step, bound} (body: index, carried...) -> carried...",
            doc="Run the body for start, start + step, ... below stop, at most bound times.",
            check=_for,
            units=_EVERYWHERE,
            regions=1,
            loop=True,
        ),
        Structural(
            name="while",
            form="init... {bound} (condition: iteration, carried...) (body: same) -> carried...",
            doc="Run the body while the condition yields true, at most bound times.",
            check=_while,
            regions=2,
            loop=True,
            between="do",
        ),
        Structural(
            name="call",
            form="argument... {unit} -> results...",
            doc="Apply an earlier function.",
            check=_call,
        ),
        Structural(
            name="launch",
            form="argument... {unit}",
            doc="Run an earlier kernel over its grid.",
            check=_launch,
            effect="write",
            units=_PROGRAM,
        ),
        Structural(
            name="zeros",
            form="-> array",
            doc="A new array of zeros.",
            check=_buffer,
            effect="allocate",
            units=_PROGRAM,
        ),
        Structural(
            name="copy",
            form="array -> array",
            doc="A new array with the contents of another.",
            check=_buffer,
            effect="allocate",
            units=_PROGRAM,
        ),
    )
}

ATOMICS = ("atomic_add", "atomic_sub", "atomic_min", "atomic_max")
LOOPS = tuple(row.name for row in STRUCTURAL.values() if row.loop)


@cache
def _row_results(name: str, operands: tuple[Element, ...]) -> dict[Element, int]:
    """The result types a row has for operand types, each with its number of attribute values."""
    row = OPS[name]
    return {i.result: row.attributes(i) for i in row.instances if i.operands == operands}


def _lowered(
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
    operands = tuple([value.type for value in statement.operands])
    if len(statement.results) != 1:
        return f"{statement.op} has one result"
    result = statement.results[0].type
    if place.kind == "program":
        lowered = _lowered(operands)
        if isinstance(lowered, str):
            return lowered
        elements, shape = lowered
        if shape is not None:
            if not isinstance(result, Array) or result.shape != shape:
                return f"{statement.op} has an array result of shape {list(shape)}"
            result = result.element
    elif any(isinstance(type_, Array) for type_ in operands):
        return f"{statement.op} takes arrays only in a program"
    else:
        elements = operands
    if isinstance(result, Array):
        return f"{statement.op} has no array result here"
    count = _row_results(statement.op, elements).get(result)  # type: ignore[arg-type]
    if count is None:
        return f"{statement.op} has no typing {listed(operands)} -> {result}"
    attribute = statement.attribute
    if count == 0:
        return "" if attribute is None else f"{statement.op} has no attribute"
    if type(attribute) is not int or not 0 <= attribute < count:
        return f"the attribute of {statement.op} is an integer from 0 to {count - 1}"
    return ""


def _row_result(name: str, operands: tuple[Type, ...], attribute: Attribute) -> tuple[Type, ...]:
    lowered = _lowered(operands)
    if isinstance(lowered, str):
        return ()
    elements, shape = lowered
    found = tuple(_row_results(name, elements))
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
)

_TABLE_OF: dict[str, Table] = {name: table for table in TABLES for name in table.rows}


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
