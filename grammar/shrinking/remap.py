"""The program with other types, extents and literals throughout, mended where ops do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grammar.passes.uses import highest_id
from grammar.program import Attribute, Program, Region, Statement, Terminator, Unit, Value
from grammar.shrinking.actions import NotApplicable
from grammar.structural import op_kind, op_table
from grammar.structural_checks import Place
from grammar.types import Scalar, Type, int_limits, scalar_of


def _same_literal(scalar: Scalar, literal: int) -> int:
    return literal


def _same_extent(extent: int) -> int:
    return extent


@dataclass(frozen=True, slots=True)
class Remap:
    """What types, extents of grids, and integer literals become."""

    type: Callable[[Type], Type]
    extent: Callable[[int], int] = _same_extent
    literal: Callable[[Scalar, int], int] = _same_literal


def remapped(program: Program, remap: Remap) -> Program:
    """The program after a remap; values keep their ids. Ops that do not have the new types give way
    to an operand, a product of two, or one. NotApplicable where there is none of these."""
    made: list[Unit] = []
    for unit in program.units:
        made.append(_Work(remap, unit, tuple(made), highest_id(unit) + 1).unit())
    return Program(tuple(made))


@dataclass(slots=True)
class _Work:
    remap: Remap
    old: Unit
    before: tuple[Unit, ...]
    next_id: int
    now: dict[int, Value] = field(default_factory=dict[int, Value])

    def unit(self) -> Unit:
        old = self.old
        grid = tuple([self.remap.extent(extent) for extent in old.grid])
        results = tuple([self.remap.type(type_) for type_ in old.results])
        return Unit(old.kind, self.region(old.body), results, grid)

    def new(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        made = tuple([Value(value.id, self.remap.type(value.type)) for value in values])
        self.now.update({value.id: value for value in made})
        return made

    def region(self, region: Region) -> Region:
        params = self.new(region.params)
        out: list[Statement] = []
        for statement in region.body:
            self.statement(statement, out)
        values = tuple([self.now[value.id] for value in region.end.values])
        return Region(params, tuple(out), Terminator(region.end.kind, values))

    def statement(self, old: Statement, out: list[Statement]) -> None:
        operands = tuple([self.now[value.id] for value in old.operands])
        attribute = old.attribute
        if old.op == "const":
            scalar = scalar_of(old.results[0].type)
            if type(attribute) is int and scalar.kind != "bool":
                attribute = self.remap.literal(scalar, attribute)
            attribute = _literal(self.remap.type(old.results[0].type), attribute)
        regions = tuple([self.region(region) for region in old.regions])
        results = self.new(old.results)
        made = Statement(old.op, operands, results, attribute, regions)
        if op_kind(old.op) == "structural":
            out.append(made)
            return
        same = len(operands) == 1 and operands[0].type == results[0].type
        if old.op == "cast" and same:
            self.now[results[0].id] = operands[0]
        elif self.fits(made):
            out.append(made)
        elif type(attribute) is int and self.fits(made._replace(attribute=0)):
            out.append(made._replace(attribute=0))
        else:
            self.mend(operands, results[0], out)

    def fits(self, statement: Statement) -> bool:
        table = op_table(statement.op)
        return table is not None and not table.check(statement, Place(self.old.kind, self.before))

    def mend(self, operands: tuple[Value, ...], result: Value, out: list[Statement]) -> None:
        fitting = [value for value in operands if value.type == result.type]
        product = Statement("mul", tuple(fitting[:2]), (result,))
        if len(fitting) > 1 and self.fits(product):
            out.append(product)
        elif fitting:
            self.now[result.id] = fitting[0]
        elif isinstance(result.type, Scalar):
            out.append(Statement("const", (), (result,), _literal(result.type, 1)))
        else:
            raise NotApplicable


def _literal(type_: Type, literal: Attribute) -> Attribute:
    """A literal of another type that is as near as can be."""
    assert isinstance(type_, Scalar)
    assert isinstance(literal, bool | int | float)
    match type_.kind:
        case "bool":
            return bool(literal)
        case "float":
            return float(literal)
        case _:
            low, high = int_limits(type_)
            return min(max(int(literal), low), high)
