"""Edits that store a value as it is, without what is done to it before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from grammar.program import Program, Region, Statement, Value, walk
from grammar.shrinking.edits import Edit, Edited
from grammar.structural import ATOMICS
from grammar.types import BOOL, Array

_WRITES = ("store", *ATOMICS)


def bypassed(program: Program) -> Iterator[Edit]:
    """For each array of the entry that one statement writes and none reads: what the stored value
    was made from in its place, the array having that type."""
    entry = program.entry
    if entry.kind != "kernel":
        return
    every = list(walk(entry.body))
    makers = {value.id: one for one in every for value in one.results}
    for array in entry.parameters:
        uses = [one for one in every if array.id in [value.id for value in one.operands]]
        if len(uses) == 1 and uses[0].op in _WRITES:
            maker = makers.get(uses[0].operands[-1].id)
            for value in dict.fromkeys(maker.operands if maker else ()):
                if not isinstance(value.type, Array) and value.type != BOOL:
                    yield Edit(f"store %{value.id}", change=_Bypass(array.id, value))


@dataclass(frozen=True, slots=True)
class _Bypass:
    """An array is given another value to hold, and its type."""

    array: int
    value: Value

    def __call__(self, program: Program) -> Edited | None:
        entry = program.entry
        old = next((one for one in entry.parameters if one.id == self.array), None)
        if old is None or not isinstance(old.type, Array) or isinstance(self.value.type, Array):
            return None
        new = Value(old.id, Array(self.value.type, old.type.shape))
        params = tuple([new if one.id == new.id else one for one in entry.body.params])
        body = self._storing(entry.body, new)._replace(params=params)
        return Edited(Program((*program.units[:-1], replace(entry, body=body))))

    def _storing(self, region: Region, array: Value) -> Region:
        body: list[Statement] = []
        for one in region.body:
            operands = one.operands
            if one.op in _WRITES and operands[0].id == array.id:
                operands = (array, *operands[1:-1], self.value)
            regions = tuple([self._storing(inner, array) for inner in one.regions])
            body.append(Statement(one.op, operands, one.results, one.attribute, regions))
        return Region(region.params, tuple(body), region.end)
