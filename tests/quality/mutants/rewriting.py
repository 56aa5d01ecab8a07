"""Programs with one construct changed wherever it stands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from grammar.gradient import Gradient
from grammar.passes.uses import highest_id
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.structural import TAPE
from grammar.types import BOOL, Array, Scalar, Type, scalar_of


class Fresh:
    """Makes values that a unit does not have yet. `nested` says whether they stand in a region of a
    statement."""

    def __init__(self, unit: Unit) -> None:
        self.nested = False
        self.ids: Iterator[int] = itertools.count(highest_id(unit) + 1)

    def __call__(self, type_: Type) -> Value:
        return Value(next(self.ids), type_)

    def const(self, type_: Scalar, literal: bool | int | float) -> Statement:
        """A literal."""
        return Statement("const", (), (self(type_),), literal)


Change = Callable[[Statement, Fresh], "list[Statement] | None"]
"""The statements in place of one; None where it cannot show the fault."""


def rewritten(program: Program, op: str, change: Change) -> Program | None:
    """The program with every statement of an op changed; None where none can be."""
    units = [_changed(unit, op, change, lambda statement: True) for unit in program.units]
    if all(now is unit for now, unit in zip(units, program.units, strict=True)):
        return None
    return Program(tuple(units))


def adjoint_rewritten(back: Gradient, op: str, change: Change) -> Gradient | None:
    """The gradient with every statement of an op changed that is a step of the adjoint, or
    reads or writes the tape."""
    units: list[Unit] = []
    for unit, replayed in zip(back.program.units, back.replayed, strict=True):
        own = {value.id for s in walk(unit.body) if s.op != "const" for value in s.results}
        adjoint = unit is back.program.entry or not replayed.issuperset(own)

        def wanted(statement: Statement, replayed: frozenset[int] = replayed) -> bool:
            step = not statement.results or statement.results[0].id not in replayed
            return step or statement.op in TAPE

        units.append(_changed(unit, op, change, wanted) if adjoint else unit)
    if all(now is unit for now, unit in zip(units, back.program.units, strict=True)):
        return None
    return Gradient(Program(tuple(units)), back.replayed)


def _changed(unit: Unit, op: str, change: Change, wanted: Callable[[Statement], bool]) -> Unit:
    fresh = Fresh(unit)
    found = False

    def region(source: Region) -> Region:
        nonlocal found
        body: list[Statement] = []
        for statement in source.body:
            if statement.regions:
                outer, fresh.nested = fresh.nested, True
                statement = statement._replace(regions=tuple(map(region, statement.regions)))
                fresh.nested = outer
            made = change(statement, fresh) if statement.op == op and wanted(statement) else None
            found = found or made is not None
            body += [statement] if made is None else made
        return source._replace(body=tuple(body))

    body = region(unit.body)
    return replace(unit, body=body) if found else unit


# Changes


def off_by_one(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """The last index one more, the last element followed by the first. Indices of atomic minima
    and maxima must stand outside of all branches."""
    if fresh.nested and statement.op in ("atomic_min", "atomic_max"):
        return None
    type_ = statement.operands[0].type
    assert isinstance(type_, Array)
    at = len(type_.shape)
    array, *indices = statement.operands[: at + 1]
    extent = type_.shape[-1]
    if extent == 1:
        return None
    scalar = scalar_of(indices[-1].type)
    one, size = fresh.const(scalar, 1), fresh.const(scalar, extent)
    moved = Statement("add", (indices[-1], one.results[0]), (fresh(scalar),))
    wrapped = Statement("modulo", (moved.results[0], size.results[0]), (fresh(scalar),))
    operands = (array, *indices[:-1], wrapped.results[0], *statement.operands[at + 1 :])
    return [one, size, moved, wrapped, statement._replace(operands=operands)]


def inverted(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """The regions of an `if` exchanged."""
    return [statement._replace(regions=statement.regions[::-1])]


def always(side: int) -> Change:
    """The same region of an `if` whatever the condition."""

    def change(statement: Statement, fresh: Fresh) -> list[Statement] | None:
        truth = fresh.const(BOOL, side == 0)
        return [truth, statement._replace(operands=(truth.results[0],))]

    return change


def lost(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A write that never happens; it stays in the text, so that what a kernel writes is known."""
    never = fresh.const(BOOL, False)
    end = Terminator("yield")
    regions = (Region((), (statement,), end), Region((), (), end))
    return [never, Statement("if", (never.results[0],), (), None, regions)]


def dropped(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """No statement at all."""
    return []


def twice(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """The statement two times in a row."""
    return [statement, statement]


def renamed(name: str) -> Change:
    """Another op on the same operands."""
    return lambda statement, fresh: [statement._replace(op=name)]


def shorter(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A `for` that stops a round early."""
    return _moved(statement, fresh, 1, "sub")


def later(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A `for` that starts a round late."""
    return _moved(statement, fresh, 0, "add")


def _moved(statement: Statement, fresh: Fresh, at: int, op: str) -> list[Statement]:
    assert isinstance(statement.attribute, tuple)
    end = statement.operands[at]
    step = fresh.const(scalar_of(end.type), statement.attribute[0])
    moved = Statement(op, (end, step.results[0]), (fresh(end.type),))
    operands = (*statement.operands[:at], moved.results[0], *statement.operands[at + 1 :])
    return [step, moved, statement._replace(operands=operands)]


def bounded(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A `while` of one round."""
    return None if statement.attribute == 1 else [statement._replace(attribute=1)]


def sparse(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A `for` that leaves out every second round."""
    assert isinstance(statement.attribute, tuple)
    step, bound = statement.attribute
    return [statement._replace(attribute=(2 * step, bound))]


def exchanged(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """The first two operands of one type exchanged that stand next to each other."""
    operands = statement.operands
    for at in range(len(operands) - 1):
        if operands[at].type == operands[at + 1].type and operands[at] != operands[at + 1]:
            now = (*operands[:at], operands[at + 1], operands[at], *operands[at + 2 :])
            return [statement._replace(operands=now)]
    return None


def carried_exchanged(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A loop that hands on two carried values of one type in the wrong order."""
    region = statement.regions[-1]
    values = region.end.values
    for at in range(len(values) - 1):
        if values[at].type == values[at + 1].type and values[at] != values[at + 1]:
            now = (*values[:at], values[at + 1], values[at], *values[at + 2 :])
            end = region.end._replace(values=now)
            regions = (*statement.regions[:-1], region._replace(end=end))
            return [statement._replace(regions=regions)]
    return None


def narrower(scalar: str, dtype: type[np.floating]) -> Change:
    """A literal of a float type as a narrower one holds it."""

    def change(statement: Statement, fresh: Fresh) -> list[Statement] | None:
        literal = statement.attribute
        if scalar_of(statement.results[0].type).name != scalar or not isinstance(literal, float):
            return None
        with np.errstate(over="ignore"):
            now = float(dtype(literal))
        usual = float(np.float32(literal)) if scalar == "f32" else literal
        same = now == usual or not np.isfinite(now)
        return None if same else [statement._replace(attribute=now)]

    return change


def opposite(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """A float literal of the other sign."""
    literal = statement.attribute
    if not isinstance(literal, float) or literal == 0:
        return None
    return [statement._replace(attribute=-literal)]


def one_less(statement: Statement, fresh: Fresh) -> list[Statement] | None:
    """An integer literal one less."""
    literal = statement.attribute
    if type(literal) is not int or literal < 1:
        return None
    return [statement._replace(attribute=literal - 1)]


def after(op: str) -> Change:
    """The result of an op on arrays with another op applied to it."""

    def change(statement: Statement, fresh: Fresh) -> list[Statement] | None:
        (result,) = statement.results
        if scalar_of(result.type).kind == "bool":
            return None
        right = fresh(result.type)
        operands = (right, right) if op in ("add", "sub") else (right,)
        return [statement._replace(results=(right,)), Statement(op, operands, (result,))]

    return change
