"""Edits that make grids and arrays smaller: in extent, and in rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from grammar.passes.effects import stored_arrays
from grammar.passes.uses import highest_id
from grammar.program import Program, Region, Statement, Value, statements
from grammar.shrinking.actions import NotApplicable
from grammar.shrinking.edits import Edit, Edited
from grammar.shrinking.remap import Remap, remapped
from grammar.structural import ATOMICS
from grammar.types import I32, Array, Scalar, Type

_ACCESSES = ("load", "store", *ATOMICS)
_FEW = (1, 2, 3)

_STARTS = 16
"""So many single elements are tried as the one that is left of arrays."""


def smaller(program: Program) -> Iterator[Edit]:
    """Every reduction of rank and of extents, those of all extents at once first."""
    entry = program.entry
    stored = stored_arrays(entry)
    read = [value for value in entry.parameters if value.id not in stored]
    if entry.kind == "kernel":
        for axis in range(len(entry.grid)):
            if len(entry.grid) > 1:
                yield Edit(f"no axis {axis} of the grid", change=_NoGridAxis(axis))
        for parameter in read:
            if isinstance(parameter.type, Array):
                for axis in range(len(parameter.type.shape)):
                    if len(parameter.type.shape) > 1:
                        change = _NoArrayAxis(parameter.id, axis)
                        yield Edit(f"no axis {axis} of %{parameter.id}", change=change)
    extents = _extents(program)
    for few in _FEW:
        every = tuple([(extent, min(extent, few)) for extent in extents])
        for start in range(min(max(extents, default=0), _STARTS) if few == 1 else 1):
            yield Edit(f"extents to {few}", change=_Extents(every, True, start))
        yield Edit(f"extents to {few}", change=_Extents(every, False))
    for extent in extents:
        for less in sorted({*_FEW, extent // 2}):
            if 0 < less < extent:
                for literals in (True, False):
                    change = _Extents(((extent, less),), literals)
                    yield Edit(f"extent {extent} to {less}", change=change)
    if entry.kind == "kernel":
        for parameter in read:
            if isinstance(parameter.type, Array):
                for axis, extent in enumerate(parameter.type.shape):
                    for less in _FEW:
                        if less < extent:
                            change = _ArrayExtent(parameter.id, axis, less)
                            yield Edit(f"axis {axis} of %{parameter.id} to {less}", change=change)


def _extents(program: Program) -> list[int]:
    """The extents above one, the largest first."""
    found: set[int] = set()
    for unit in program.units:
        found |= set(unit.grid)
        for value in unit.body.params:
            found |= set(value.type.shape) if isinstance(value.type, Array) else set()
    for statement in statements(program):
        for value in statement.results:
            found |= set(value.type.shape) if isinstance(value.type, Array) else set()
    return sorted(found - {1}, reverse=True)


@dataclass(frozen=True, slots=True)
class _Extents:
    """Some extents become others everywhere; with `literals`, so do i32 constants that are an
    extent, or the last index of one. Arrays keep the elements from `start` on."""

    pairs: tuple[tuple[int, int], ...]
    literals: bool
    start: int = 0

    def extent(self, extent: int) -> int:
        return dict(self.pairs).get(extent, extent)

    def type(self, type_: Type) -> Type:
        if not isinstance(type_, Array):
            return type_
        return Array(type_.element, tuple([self.extent(extent) for extent in type_.shape]))

    def literal(self, scalar: Scalar, literal: int) -> int:
        known = dict(self.pairs)
        if not self.literals or scalar != I32:
            return literal
        if literal in known:
            return known[literal]
        return known[literal + 1] - 1 if literal + 1 in known else literal

    def __call__(self, program: Program) -> Edited | None:
        made = remapped(program, Remap(self.type, self.extent, self.literal))
        return Edited(made, start=self.start)


@dataclass(frozen=True, slots=True)
class _ArrayExtent:
    """One extent of one array parameter of the entry becomes smaller."""

    parameter: int
    axis: int
    extent: int

    def __call__(self, program: Program) -> Edited | None:
        def shrunk(type_: Array) -> Array:
            shape = list(type_.shape)
            shape[self.axis] = min(self.extent, shape[self.axis])
            return Array(type_.element, tuple(shape))

        return Edited(_with_parameter(program, self.parameter, shrunk, None))


@dataclass(frozen=True, slots=True)
class _NoArrayAxis:
    """An array parameter of the entry loses an axis; accesses lose the index."""

    parameter: int
    axis: int

    def __call__(self, program: Program) -> Edited | None:
        return Edited(_without_axis(program, self.parameter, self.axis))


@dataclass(frozen=True, slots=True)
class _NoGridAxis:
    """The grid of the entry loses an axis, and so do the arrays that it stores to."""

    axis: int

    def __call__(self, program: Program) -> Edited | None:
        entry = program.entry
        if len(entry.grid) < 2:
            return None
        for array in stored_arrays(entry):
            program = _without_axis(program, array, self.axis)
        entry = program.entry
        index = entry.body.params[self.axis]
        zero = Value(highest_id(entry) + 1, I32)
        body = _replacing(entry.body, {index.id: zero})
        made = Region(
            (*body.params[: self.axis], *body.params[self.axis + 1 :]),
            (Statement("const", (), (zero,), 0), *body.body),
            body.end,
        )
        grid = (*entry.grid[: self.axis], *entry.grid[self.axis + 1 :])
        return Edited(Program((*program.units[:-1], replace(entry, body=made, grid=grid))))


def _without_axis(program: Program, parameter: int, axis: int) -> Program:
    def shorter(type_: Array) -> Array:
        if len(type_.shape) < 2:
            raise NotApplicable
        return Array(type_.element, (*type_.shape[:axis], *type_.shape[axis + 1 :]))

    return _with_parameter(program, parameter, shorter, axis)


def _with_parameter(
    program: Program, parameter: int, change: Callable[[Array], Array], axis: int | None
) -> Program:
    """The program whose entry has an array parameter of another type; accesses to it lose the index
    of `axis`."""
    entry = program.entry
    old = next((value for value in entry.parameters if value.id == parameter), None)
    if old is None or not isinstance(old.type, Array) or len(old.type.shape) <= (axis or 0):
        raise NotApplicable
    new = Value(old.id, change(old.type))
    params = tuple([new if value.id == parameter else value for value in entry.body.params])
    body = _accessing(entry.body, new, axis)._replace(params=params)
    return Program((*program.units[:-1], replace(entry, body=body)))


def _accessing(region: Region, array: Value, axis: int | None) -> Region:
    body: list[Statement] = []
    for one in region.body:
        operands = one.operands
        if one.op in _ACCESSES and operands[0].id == array.id:
            operands = (array, *operands[1:])
            if axis is not None:
                operands = (*operands[: 1 + axis], *operands[2 + axis :])
        regions = tuple([_accessing(inner, array, axis) for inner in one.regions])
        body.append(Statement(one.op, operands, one.results, one.attribute, regions))
    return Region(region.params, tuple(body), region.end)


def _replacing(region: Region, instead: dict[int, Value]) -> Region:
    def now(values: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple([instead.get(value.id, value) for value in values])

    body: list[Statement] = []
    for one in region.body:
        regions = tuple([_replacing(inner, instead) for inner in one.regions])
        body.append(Statement(one.op, now(one.operands), one.results, one.attribute, regions))
    return Region(region.params, tuple(body), region.end._replace(values=now(region.end.values)))
