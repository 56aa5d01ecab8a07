"""The order in which programs are less than others.

A cost is a tuple of so many natural numbers, compared from the left. Every program has one, so no
list of programs, each less than the one before, goes on for ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from grammar.program import Attribute, Program, Region, Unit, Value, size, statements
from grammar.structural import LOOPS, op_names
from grammar.types import Array, Element, Matrix, Scalar, Type, Vector

Cost = tuple[int, ...]

_SIMPLEST = (
    "add",
    "mul",
    "sub",
    "neg",
    "square",
    "cast",
    "lt",
    "gt",
    "logical_and",
    "bit_and",
    "min",
)
_RANK = {name: at for at, name in enumerate(dict.fromkeys((*_SIMPLEST, *op_names())))}
_RANK["const"] = 0

_FRACTION = 1 << 24
"""Literals that are no small integers cost more than these."""


def cost(program: Program) -> Cost:
    """Statements that are no constants; units; values handed from region to region; how far
    operands reach; constants; types; ops; extents; rounds; literals."""
    every = list(statements(program))
    consts = [one for one in every if one.op == "const"]
    return (
        size(program),
        len(program.units),
        sum(_handed(unit) for unit in program.units),
        sum(map(_reach, program.units)),
        len(consts),
        sum(_type_cost(value.type) for unit in program.units for value in _values(unit)),
        sum(_RANK[one.op] for one in every),
        sum(map(_extents, program.units)),
        sum(_rounds(one.attribute) for one in every if one.op in LOOPS),
        sum(literal_cost(one.attribute) for one in consts),
        sum(one.attribute for one in every if _is_plain(one.op) and type(one.attribute) is int),
    )


def op_rank(name: str) -> int:
    """How simple an op is, 0 for the simplest."""
    return _RANK[name]


def literal_cost(literal: Attribute) -> int:
    """How simple a literal is: small integers, positive ones first, then short fractions."""
    if literal is None or isinstance(literal, tuple):
        return 0
    number = float(literal)
    if math.isfinite(number) and number.is_integer() and abs(number) < _FRACTION // 2:
        return 2 * int(abs(number)) + (math.copysign(1.0, number) < 0)
    return _FRACTION * len(repr(abs(literal))) + (number < 0)


def _is_plain(op: str) -> bool:
    return op not in ("const", "call", "launch") and op not in LOOPS


def _reach(unit: Unit) -> int:
    """The operands, each by its place among the values of the unit: grid indices, then constants,
    which have no place of their own, then all others."""
    every = list(statements(Program((unit,))))
    consts = {one.results[0].id for one in every if one.op == "const"}
    made = [value.id for value in _values(unit) if value.id not in consts]
    places = {id_: at for at, id_ in enumerate(made)}
    used = [value.id for one in every for value in one.operands]
    used += [value.id for region in _regions(unit) for value in region.end.values]
    return sum(places.get(id_, len(unit.grid)) for id_ in used)


def _regions(unit: Unit) -> Iterator[Region]:
    yield unit.body
    for one in statements(Program((unit,))):
        yield from one.regions


def _handed(unit: Unit) -> int:
    """Parameters, results, and what regions give back; of a kernel's axes, each counts twice."""
    inner = sum(
        len(region.end.values) + (region.end.kind != "yield")
        for one in statements(Program((unit,)))
        for region in one.regions
    )
    return len(unit.body.params) + len(unit.grid) + len(unit.results) + inner


def _values(unit: Unit) -> Iterator[Value]:
    yield from unit.body.params
    for one in statements(Program((unit,))):
        yield from one.results
        for region in one.regions:
            yield from region.params


_SCALARS = {"f32": 0, "i32": 0, "bool": 0, "f64": 1}


def _element_cost(type_: Element) -> int:
    match type_:
        case Scalar():
            return _SCALARS.get(type_.name, 2)
        case Vector():
            return 4 * type_.size + _element_cost(type_.scalar)
        case Matrix():
            return 32 * type_.rows + _element_cost(type_.scalar)


def _type_cost(type_: Type) -> int:
    """How simple a type is: 0 for f32, i32 and bool, the rank more for arrays."""
    if isinstance(type_, Array):
        return 8 * len(type_.shape) + _element_cost(type_.element)
    return _element_cost(type_)


def _extents(unit: Unit) -> int:
    shapes = [value.type.shape for value in _values(unit) if isinstance(value.type, Array)]
    return sum(unit.grid) + sum(sum(shape) for shape in shapes)


def _rounds(attribute: Attribute) -> int:
    return sum(attribute) if isinstance(attribute, tuple) else int(attribute or 0)
