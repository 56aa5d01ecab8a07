"""What a kernel does to the arrays it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grammar.passes.exits import remove_exits
from grammar.program import Region, Statement, Unit, walk
from grammar.structural import ATOMICS

Written = Literal["out", "inout", "atomic"]


def written(unit: Unit) -> dict[int, Written]:
    """How a kernel writes its arrays, by position among the parameters a caller passes.

    "out": every lane overwrites its cell and never sees the old content. "inout": the old content
    may be seen or may remain. "atomic": written by atomics. Arrays only read are not listed.
    """
    cells, sums = stored_arrays(unit), _atomic_arrays(unit)
    seen = observed_cells(remove_exits(unit)) if cells else frozenset[int]()
    out: dict[int, Written] = {}
    for at, value in enumerate(unit.parameters):
        if value.id in sums:
            out[at] = "atomic"
        elif value.id in cells:
            out[at] = "inout" if value.id in seen else "out"
    return out


def stored_arrays(unit: Unit) -> tuple[int, ...]:
    """The ids of the arrays a kernel stores to, in the order of its parameters."""
    found = {s.operands[0].id for s in walk(unit.body) if s.op == "store"}
    return tuple([value.id for value in unit.parameters if value.id in found])


def _atomic_arrays(unit: Unit) -> frozenset[int]:
    return frozenset([s.operands[0].id for s in walk(unit.body) if s.op in ATOMICS])


def observed_cells(unit: Unit) -> frozenset[int]:
    """Of the arrays a kernel without exits stores to, the ids of those whose old content may be
    loaded, or may remain at the end."""
    flow = Flow(frozenset(stored_arrays(unit)), constants(unit), set())
    assigned = flow.region(unit.body, frozenset())
    return frozenset(flow.seen | (flow.cells - assigned))


def constants(unit: Unit) -> dict[int, int]:
    """The integer literals of a unit, by the id of their value."""
    return {
        s.results[0].id: s.attribute
        for s in walk(unit.body)
        if s.op == "const" and type(s.attribute) is int
    }


def runs_at_least_once(statement: Statement, known: dict[int, int]) -> bool:
    """Whether a loop's body surely runs: a `for` between constants that are in order."""
    if statement.op != "for":
        return False
    start, stop = (known.get(value.id) for value in statement.operands[:2])
    return start is not None and stop is not None and start < stop


@dataclass(frozen=True, slots=True)
class Flow:
    """Forward analysis of definite assignment; `seen` collects cells loaded before."""

    cells: frozenset[int]
    known: dict[int, int]
    seen: set[int]

    def region(self, region: Region, assigned: frozenset[int]) -> frozenset[int]:
        """The cells assigned at the end of a region, given those assigned at its start."""
        for statement in region.body:
            if statement.op == "store":
                assigned |= {statement.operands[0].id}
            elif statement.op == "load":
                if statement.operands[0].id in self.cells - assigned:
                    self.seen.add(statement.operands[0].id)
            elif statement.op == "if":
                then, otherwise = [self.region(inner, assigned) for inner in statement.regions]
                assigned = then & otherwise
            elif statement.regions:
                # What one round assigns is only known to hold where a round surely runs; a later
                # round starts with at least what the first one starts with.
                ends = [self.region(inner, assigned) for inner in statement.regions]
                if runs_at_least_once(statement, self.known):
                    assigned = ends[-1]
        return assigned
