"""The canonical form and the two hashes of a program.

The canonical form renumbers values in order of appearance; nothing is sorted or dropped. The
structure hash leaves out constants: literals, extents of arrays and grids, trip counts and bounds.
"""

from __future__ import annotations

from hashlib import blake2b

from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.structural import LOOPS
from grammar.types import Array, Type

_DIGEST = 16


def canonical(program: Program) -> Program:
    """The program with value ids 0, 1, ... in order of appearance in its text, per unit."""
    return Program(tuple([canonical_unit(unit) for unit in program.units]))


def canonical_unit(unit: Unit) -> Unit:
    """One unit with value ids in order of appearance."""
    return Unit(unit.kind, _region(unit.body, {}), unit.results, unit.grid)


def exact_hash(program: Program) -> str:
    """32 hexadecimal digits; equal for programs with equal canonical forms."""
    return _hash(program, _Exact())


def structure_hash(program: Program) -> str:
    """32 hexadecimal digits; equal for programs that differ in constants only."""
    return _hash(program, _Structure())


def _new(values: tuple[Value, ...], known: dict[int, Value]) -> tuple[Value, ...]:
    made = tuple([Value(number, v.type) for number, v in enumerate(values, len(known))])
    for old, new in zip(values, made, strict=True):
        known[old.id] = new
    return made


def _region(region: Region, known: dict[int, Value]) -> Region:
    params = _new(region.params, known)
    body: list[Statement] = []
    for statement in region.body:
        operands = tuple([known[operand.id] for operand in statement.operands])
        results = statement.results
        if len(results) == 1:
            (old,) = results
            new = known[old.id] = Value(len(known), old.type)
            results = (new,)
        else:
            results = _new(results, known)
        regions = statement.regions
        if regions:
            regions = tuple([_region(inner, known) for inner in regions])
        body.append(Statement(statement.op, operands, results, statement.attribute, regions))
    end = Terminator(region.end.kind, tuple([known[value.id] for value in region.end.values]))
    return Region(params, tuple(body), end)


class _Exact:
    """What the exact hash sees of types, attributes and grids."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def type(self, type_: Type) -> str:
        """The name of a type, looked up by object (types outlive the hashing)."""
        name = self._names.get(id(type_))
        if name is None:
            name = self._names[id(type_)] = self.name(type_)
        return name

    def name(self, type_: Type) -> str:
        return str(type_)

    def attribute(self, statement: Statement) -> str:
        return repr(statement.attribute)

    def grid(self, grid: tuple[int, ...]) -> str:
        return repr(grid)


class _Structure(_Exact):
    """The same without constants."""

    def name(self, type_: Type) -> str:
        if isinstance(type_, Array):
            return f"{type_.element}[{',' * (len(type_.shape) - 1)}]"
        return str(type_)

    def attribute(self, statement: Statement) -> str:
        if statement.op == "const" or statement.op in LOOPS:
            return ""
        return repr(statement.attribute)

    def grid(self, grid: tuple[int, ...]) -> str:
        return str(len(grid))


def _hash(program: Program, view: _Exact) -> str:
    parts: list[str] = []
    for unit in program.units:
        types = " ".join(map(view.type, unit.results))
        parts.append(f"unit {unit.kind} {view.grid(unit.grid)} {types}")
        _serialise(unit.body, {}, parts, view)
    return blake2b("\n".join(parts).encode(), digest_size=_DIGEST).hexdigest()


def _serialise(region: Region, known: dict[int, int], parts: list[str], view: _Exact) -> None:
    """One line per statement: op, attribute, operand numbers, result types."""
    type_ = view.type
    for value in region.params:
        known[value.id] = len(known)
    parts.append(f"({' '.join([type_(value.type) for value in region.params])})")
    for statement in region.body:
        numbers = " ".join([str(known[operand.id]) for operand in statement.operands])
        types = " ".join([type_(value.type) for value in statement.results])
        for value in statement.results:
            known[value.id] = len(known)
        attribute = "" if statement.attribute is None else view.attribute(statement)
        parts.append(f"{statement.op}|{attribute}|{numbers}|{types}")
        for inner in statement.regions:
            _serialise(inner, known, parts, view)
    parts.append(f"{region.end.kind} {' '.join([str(known[v.id]) for v in region.end.values])}")
