"""Activity: which float values of a unit depend on what is differentiated."""

from __future__ import annotations

from collections.abc import Collection

from grammar.gradient.partial import pulls
from grammar.program import Region, Statement, Unit, Value
from grammar.structural import op_kind
from grammar.types import Array, Element, Type, scalar_of


def is_float(type_: Type) -> bool:
    """Whether a type is made of floats."""
    return scalar_of(type_).kind == "float"


def varied_values(unit: Unit, active: Collection[int]) -> dict[int, Value]:
    """The float values that depend smoothly on the active parameters, given by id, among them
    these parameters themselves."""
    flow = _Flow({value.id: value for value in unit.body.params if value.id in active})
    flow.region(unit.body)
    return flow.found


class _Flow:
    """Forward analysis. It only ever adds, so a loop is done when a sweep adds nothing."""

    def __init__(self, found: dict[int, Value]) -> None:
        self.found = found

    def mark(self, value: Value) -> None:
        if is_float(value.type):
            self.found[value.id] = value

    def region(self, region: Region) -> None:
        found = self.found
        for statement in region.body:
            if statement.op == "if":
                self.branches(statement)
            elif statement.regions:
                self.loop(statement)
            elif statement.results and any(v.id in found for v in statement.operands):
                self.plain(statement)

    def plain(self, statement: Statement) -> None:
        found = self.found
        if op_kind(statement.op) != "row":
            for value in statement.results:
                self.mark(value)
            return
        (result,) = statement.results
        types = tuple([element_of(value) for value in statement.operands])
        made = pulls(statement.op, types, element_of(result), row_attribute(statement))
        for value, pull in zip(statement.operands, made, strict=True):
            if pull is not None and value.id in found:
                found[result.id] = result
                return

    def branches(self, statement: Statement) -> None:
        for region in statement.regions:
            self.region(region)
            for value, result in zip(region.end.values, statement.results, strict=False):
                if value.id in self.found:
                    self.mark(result)

    def loop(self, statement: Statement) -> None:
        """Carried values vary where what they start with or what a round yields does."""
        found = self.found
        carried = len(statement.results)
        inits = statement.operands[len(statement.operands) - carried :]
        varied = [value.id in found for value in inits]
        while True:
            for at in range(carried):
                if varied[at]:
                    for region in statement.regions:
                        self.mark(region.params[at + 1])
            for region in statement.regions:
                self.region(region)
            ends = statement.regions[-1].end.values
            now = [old or value.id in found for old, value in zip(varied, ends, strict=True)]
            if now == varied:
                break
            varied = now
        for at in range(carried):
            if varied[at]:
                self.mark(statement.results[at])


def element_of(value: Value) -> Element:
    """The type of a value that is no array."""
    assert not isinstance(value.type, Array)
    return value.type


def row_attribute(statement: Statement) -> int | None:
    """The attribute of an op row."""
    assert statement.attribute is None or isinstance(statement.attribute, int)
    return statement.attribute
