"""Which values a piece of a program defines and uses."""

from __future__ import annotations

from collections.abc import Iterable

from grammar.program import Region, Statement, Unit
from grammar.structural import ATOMICS


def highest_id(unit: Unit) -> int:
    """The largest value id of a unit, -1 where there is none."""
    return max(_ids(unit.body), default=-1)


def _ids(region: Region) -> Iterable[int]:
    for value in region.params:
        yield value.id
    for statement in region.body:
        for value in statement.results:
            yield value.id
        for inner in statement.regions:
            yield from _ids(inner)


def used_ids(statements: Iterable[Statement]) -> set[int]:
    """The ids that statements and their regions use as operands or hand on."""
    found: set[int] = set()
    for statement in statements:
        found.update([value.id for value in statement.operands])
        for region in statement.regions:
            found |= used_ids(region.body)
            found.update([value.id for value in region.end.values])
    return found


def atomic_indices(statements: Iterable[Statement]) -> set[int]:
    """The ids that atomics among statements and in their regions use as indices."""
    found: set[int] = set()
    for statement in statements:
        if statement.op in ATOMICS:
            found.update([value.id for value in statement.operands[1:-1]])
        for region in statement.regions:
            found |= atomic_indices(region.body)
    return found


def unit_uses(unit: Unit) -> set[int]:
    """All ids a unit uses."""
    return used_ids(unit.body.body) | {value.id for value in unit.body.end.values}
