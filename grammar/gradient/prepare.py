"""A kernel made ready for its adjoint: all it reads is as it was before, all it writes is plain.

Exits become predicates and a lane's own cells become values, loaded once at the start and stored
once at the end. Atomic sums stay where they are; atomic minima and maxima come to the end, one for
each statement. Loads of a lane's own cell of an array stand once, at the top level.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from grammar.gradient.emitter import renamed
from grammar.passes.cells import promote_cells
from grammar.passes.dce import eliminate_dead
from grammar.passes.exits import remove_exits
from grammar.program import Region, Statement, Terminator, Unit, Value, walk
from grammar.structural import ATOMICS
from grammar.types import Array

EXTREMES = ("atomic_min", "atomic_max")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared kernel; `cells` has the load of the own cell of an array, by the array's id, and
    `shared` the ids of arrays that are loaded at other places."""

    unit: Unit
    cells: dict[int, Value]
    shared: frozenset[int]


def prepare(unit: Unit, merged: tuple[int, ...]) -> Prepared:
    """Prepare a kernel. `merged` names, for each parameter, the first one that is passed the same
    array; only arrays that are not written are."""
    unit = promote_cells(remove_exits(unit), EXTREMES)
    params = unit.parameters
    now = {params[at].id: params[first] for at, first in enumerate(merged) if at != first}
    if now:
        unit = replace(unit, body=unit.body._replace(body=renamed(unit.body.body, now)))
    loads = [s for s in walk(unit.body) if s.op == "load"]
    owned = [s for s in loads if _is_own(s, unit)]
    top = {id(s) for s in unit.body.body}
    arrays = {s.operands[0].id for s in owned}
    shared = frozenset([s.operands[0].id for s in loads if not _is_own(s, unit)])
    if len(arrays) < len(owned) or any(id(s) not in top for s in owned):
        unit, owned = _hoisted(unit, owned)
    unit = _once(unit)
    return Prepared(unit, {s.operands[0].id: s.results[0] for s in owned}, shared)


def _is_own(load: Statement, unit: Unit) -> bool:
    """Whether a load reads the lane's own cell, of an array that has one for each lane."""
    array, *indices = load.operands
    assert isinstance(array.type, Array)
    own = unit.body.params[: len(unit.grid)]
    return array.type.shape == unit.grid and tuple(indices) == own


def _hoisted(unit: Unit, owned: list[Statement]) -> tuple[Unit, list[Statement]]:
    """The unit with the loads of own cells in front, once for each array."""
    first: dict[int, Statement] = {}
    now: dict[int, Value] = {}
    for load in owned:
        kept = first.setdefault(load.operands[0].id, load)
        if kept is not load:
            now[load.results[0].id] = kept.results[0]
    moved = {id(load) for load in owned}
    kept = list(first.values())
    region = _without(unit.body, moved)
    end = Terminator("yield", ())
    body = renamed((*kept, *region.body), now)
    return replace(unit, body=Region(region.params, body, end)), kept


def _once(unit: Unit) -> Unit:
    """The unit without minima and maxima that repeat another: they would only make a tie."""
    seen: set[tuple[str, tuple[Value, ...]]] = set()
    repeated: set[int] = set()
    for statement in unit.body.body:
        if statement.op in EXTREMES:
            key = (statement.op, statement.operands)
            if key in seen:
                repeated.add(id(statement))
            seen.add(key)
    return replace(unit, body=_without(unit.body, repeated)) if repeated else unit


def _without(region: Region, moved: Collection[int]) -> Region:
    """A region without statements that are given by their id()."""
    body: list[Statement] = []
    for statement in region.body:
        if id(statement) in moved:
            continue
        if statement.regions:
            regions = tuple([_without(inner, moved) for inner in statement.regions])
            statement = statement._replace(regions=regions)
        body.append(statement)
    return region._replace(body=tuple(body))


def writing_only(unit: Unit, arrays: Collection[int]) -> Unit:
    """The kernel with its writes to other arrays dropped, and all that only they needed."""
    others = {
        id(s)
        for s in walk(unit.body)
        if (s.op == "store" or s.op in ATOMICS) and s.operands[0].id not in arrays
    }
    if not others:
        return unit
    return eliminate_dead(replace(unit, body=_without(unit.body, others)))
