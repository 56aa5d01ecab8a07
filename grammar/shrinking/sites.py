"""Where the statements of a program are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grammar.program import Program, Region, Statement
from grammar.shrinking.actions import Place
from grammar.shrinking.rewriter import inner_count


@dataclass(frozen=True, slots=True)
class Site:
    """A statement, its place, and the number of the last statement it holds, its own where it
    holds none."""

    place: Place
    statement: Statement
    last: int

    @property
    def is_const(self) -> bool:
        return self.statement.op == "const"


def sites(program: Program) -> list[Site]:
    """All statements, unit by unit, each before those that it holds."""
    return [
        site for number, unit in enumerate(program.units) for site in _sites(unit.body, number, 0)
    ]


def _sites(region: Region, unit: int, at: int) -> Iterator[Site]:
    for statement in region.body:
        last = at + inner_count(statement)
        yield Site(Place(unit, at), statement, last)
        at += 1
        for inner in statement.regions:
            found = list(_sites(inner, unit, at))
            yield from found
            at += len(found)
