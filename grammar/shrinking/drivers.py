"""Edits of a driver: what it gives back, and which kernels it launches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from grammar.program import Program, Region, Statement, Terminator, Value, walk
from grammar.shrinking.edits import Edit, Edited
from grammar.types import Type


def driven(program: Program) -> Iterator[Edit]:
    """For each result, an earlier buffer of its type in its place; for each kernel, an earlier one
    that takes the same in its place."""
    entry = program.entry
    if entry.kind != "program":
        return
    buffers = [value for one in entry.body.body for value in one.results]
    for at, value in enumerate(entry.body.end.values):
        for other in buffers:
            if other.id < value.id and other.type == value.type:
                yield Edit(f"return %{other.id}", change=_Returned(at, other))
    launched = {one.attribute for one in walk(entry.body) if one.op == "launch"}
    for later in sorted(unit for unit in launched if isinstance(unit, int)):
        for earlier in range(later):
            if _taken(program, earlier) == _taken(program, later):
                yield Edit(f"launch @{earlier} for @{later}", change=_Instead(later, earlier))


def _taken(program: Program, number: int) -> tuple[str, tuple[int, ...], list[Type]]:
    """What tells which kernels may stand for each other."""
    unit = program.units[number]
    return unit.kind, unit.grid, [value.type for value in unit.parameters]


@dataclass(frozen=True, slots=True)
class _Returned:
    """A result is another buffer."""

    at: int
    value: Value

    def __call__(self, program: Program) -> Edited | None:
        entry = program.entry
        values = entry.body.end.values
        if self.at >= len(values):
            return None
        end = Terminator("return", (*values[: self.at], self.value, *values[self.at + 1 :]))
        body = entry.body._replace(end=end)
        return Edited(Program((*program.units[:-1], replace(entry, body=body))))


@dataclass(frozen=True, slots=True)
class _Instead:
    """One kernel is launched wherever another was."""

    old: int
    new: int

    def __call__(self, program: Program) -> Edited | None:
        entry = program.entry
        body = self._launching(entry.body)
        return Edited(Program((*program.units[:-1], replace(entry, body=body))))

    def _launching(self, region: Region) -> Region:
        body: list[Statement] = []
        for one in region.body:
            attribute = (
                self.new if (one.op, one.attribute) == ("launch", self.old) else one.attribute
            )
            regions = tuple([self._launching(inner) for inner in one.regions])
            body.append(one._replace(attribute=attribute, regions=regions))
        return region._replace(body=tuple(body))
