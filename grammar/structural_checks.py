"""The typing of structural ops, one check for each.

A check says why a statement is ill-typed, or "" where it is well-typed. What depends on more than
the statement and the units before it is the business of `grammar.verify`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from grammar.program import Attribute, Region, Statement, Unit, UnitKind, Value
from grammar.types import BOOL, I32, Array, Scalar, Type, int_limits, scalar_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands: the kind of its unit, and the units before it."""

    kind: UnitKind
    units: tuple[Unit, ...] = ()


Check = Callable[[Statement, Place], str]


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


def check_const(statement: Statement, place: Place) -> str:
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


def check_load(statement: Statement, place: Place) -> str:
    why = _access(statement, 0)
    if why:
        return why
    array = statement.operands[0].type
    assert isinstance(array, Array)
    if types_of(statement.results) != (array.element,):
        return f"{statement.op} from {array} has one result of type {array.element}"
    return ""


def check_local(statement: Statement, place: Place) -> str:
    if statement.attribute is not None or statement.operands:
        return "local takes no operands and no attribute"
    if len(statement.results) != 1 or not isinstance(statement.results[0].type, Array):
        return "local has one array result"
    return ""


def check_put(statement: Statement, place: Place) -> str:
    why = _access(statement, 1)
    if why:
        return why
    array = statement.operands[0].type
    assert isinstance(array, Array)
    if types_of(statement.results) != (array,):
        return f"put to {array} has one result of type {array}"
    if statement.operands[-1].type != array.element:
        return f"put to {array} takes a value of type {array.element}"
    return ""


def check_store(statement: Statement, place: Place) -> str:
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


def check_atomic(statement: Statement, place: Place) -> str:
    why = check_store(statement, place)
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


def check_if(statement: Statement, place: Place) -> str:
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


def check_for(statement: Statement, place: Place) -> str:
    attribute = statement.attribute
    if not (
        isinstance(attribute, tuple) and len(attribute) == 2 and all(map(_is_count, attribute))
    ):
        return "the attribute of for is {step, bound}, both at least 1"
    if types_of(statement.operands[:2]) != (I32, I32):
        return "for takes an i32 start and an i32 stop first"
    return _loop(statement, statement.operands[2:])


def check_while(statement: Statement, place: Place) -> str:
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


def check_call(statement: Statement, place: Place) -> str:
    unit = _target(statement, place, "function")
    if isinstance(unit, str):
        return unit
    if types_of(statement.operands) != types_of(unit.parameters):
        return f"@{statement.attribute} takes {listed(types_of(unit.parameters))}"
    if types_of(statement.results) != unit.results:
        return f"@{statement.attribute} returns {listed(unit.results)}"
    return ""


def check_launch(statement: Statement, place: Place) -> str:
    unit = _target(statement, place, "kernel")
    if isinstance(unit, str):
        return unit
    if types_of(statement.operands) != types_of(unit.parameters):
        return f"@{statement.attribute} takes {listed(types_of(unit.parameters))}"
    return "launch has no results" if statement.results else ""


def check_buffer(statement: Statement, place: Place) -> str:
    wanted = 1 if statement.op == "copy" else 0
    if statement.attribute is not None or len(statement.operands) != wanted:
        return f"{statement.op} takes {wanted} operands and no attribute"
    if len(statement.results) != 1 or not isinstance(statement.results[0].type, Array):
        return f"{statement.op} has one array result"
    if wanted and statement.operands[0].type != statement.results[0].type:
        return "copy keeps the type of its operand"
    return ""
