"""What of the language was used: ops, and pairs of an op and one that takes its result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from grammar.ops import OPS
from grammar.program import Program, Region, Statement

Pair = tuple[str, str]


@dataclass(slots=True)
class Coverage:
    """The ops and the pairs seen so far; structural ops count too."""

    ops: set[str] = field(default_factory=set[str])
    pairs: set[Pair] = field(default_factory=set[Pair])

    def add(self, pairs: frozenset[Pair]) -> None:
        """Note what one program uses; see `pairs`."""
        self.pairs |= pairs
        self.ops |= {user for _, user in pairs}


def pairs(program: Program) -> frozenset[Pair]:
    """The (op, user) pairs of a program; ("", op) stands for each op itself."""
    found = set[Pair]()
    for unit in program.units:
        made: dict[int, str] = {}
        for statement in _walk(unit.body):
            for value in statement.results:
                made[value.id] = statement.op
            found.add(("", statement.op))
            found |= {
                (made[value.id], statement.op) for value in statement.operands if value.id in made
            }
    return frozenset(found)


def _walk(region: Region) -> Iterator[Statement]:
    """Statements in the order in which values are made: what is inside one comes after it."""
    for statement in region.body:
        yield statement
        for inner in statement.regions:
            yield from _walk(inner)


@cache
def total() -> int:
    """How many ops the table has."""
    return len(OPS)
