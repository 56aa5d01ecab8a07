"""Memory becomes values: a lane's own cells and its atomic contributions are threaded through
control flow as results and carried values, and one store or atomic at the end remains of each.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from grammar.build import Builder
from grammar.passes.effects import observed_cells, stored_arrays
from grammar.passes.exits import has_exits
from grammar.passes.uses import highest_id
from grammar.program import Region, Statement, Terminator, Unit, Value, walk
from grammar.structural import ATOMICS
from grammar.types import Array, Element, int_limits, scalar_of

_COMBINE = {"atomic_add": "add", "atomic_sub": "add", "atomic_min": "min", "atomic_max": "max"}


def promote_cells(unit: Unit, atomics: Collection[str] = ATOMICS) -> Unit:
    """The kernel with all stores and atomics at the end of its body, at most one store per array
    and one atomic per atomic statement it had; an array whose old content matters is loaded once
    at the start. A unit that writes nothing is returned as it is. Atomics of other kinds than
    `atomics` stay where they are.

    ValueError for a unit with exits, for `remove_exits` comes first, and for an atomic that would
    leave the region in which its index is defined.
    """
    if has_exits(unit):
        raise ValueError("promote_cells: the unit has exits; apply remove_exits first")
    sites = tuple([s for s in walk(unit.body) if s.op in atomics])
    stored = stored_arrays(unit)
    _indices_at_the_top(unit, sites)
    return _Promotion(unit, stored, sites).unit() if sites or stored else unit


def _indices_at_the_top(unit: Unit, sites: tuple[Statement, ...]) -> None:
    top = {value.id for value in unit.body.params}
    top.update([value.id for s in unit.body.body for value in s.results])
    for site in sites:
        for index in site.operands[1:-1]:
            if index.id not in top:
                raise ValueError(
                    f"promote_cells: index %{index.id} of {site.op} is not defined at the top level"
                )


class _Promotion:
    """`state` holds the current value of each variable: a cell (key: the array's id) or the sum of
    a site (key: -1, -2, ... in order). None: a cell not assigned yet, or a sum of nothing."""

    def __init__(self, unit: Unit, stored: tuple[int, ...], sites: tuple[Statement, ...]) -> None:
        self.source = unit
        self.b = Builder(first=highest_id(unit) + 1)
        self.arrays = {value.id: value for value in unit.parameters}
        self.stored = stored
        self.sites = {-1 - at: site for at, site in enumerate(sites)}
        self.key_of = {id(site): key for key, site in self.sites.items()}
        self.state: dict[int, Value | None] = dict.fromkeys((*stored, *self.sites))
        self.bound: dict[int, Value] = {}
        self.written: dict[int, tuple[int, ...]] = {}
        self.find_written(unit.body)

    def find_written(self, region: Region) -> set[int]:
        """Record, by the id() of each structured statement, the variables set inside it."""
        found: set[int] = set()
        for statement in region.body:
            if statement.op == "store":
                found.add(statement.operands[0].id)
            elif id(statement) in self.key_of:
                found.add(self.key_of[id(statement)])
            elif statement.regions:
                inner = set[int]().union(*[self.find_written(r) for r in statement.regions])
                self.written[id(statement)] = tuple([key for key in self.state if key in inner])
                found |= inner
        return found

    def unit(self) -> Unit:
        unit = self.source
        own = unit.body.params[: len(unit.grid)]
        observed = observed_cells(unit)

        def body() -> Terminator:
            for array in self.stored:
                if array in observed:
                    self.state[array] = self.b.load(self.arrays[array], *own)
            self.statements(unit.body)
            for array in self.stored:
                self.b.store(self.arrays[array], *own, self.current(array))
            for key, site in self.sites.items():
                operands = (*self.now(site.operands[:-1]), self.current(key))
                self.b.append(site._replace(operands=operands))
            return Terminator("yield")

        return replace(unit, body=self.b.region(unit.body.params, body))

    def now(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple([self.bound.get(value.id, value) for value in values])

    # Variables ------------------------------------------------------------------------------

    def element(self, key: int) -> Element:
        array = self.arrays[key] if key >= 0 else self.sites[key].operands[0]
        assert isinstance(array.type, Array)
        return array.type.element

    def current(self, key: int) -> Value:
        """The value of a variable; where it has none yet, what leaves an element as it is."""
        value = self.state[key]
        if value is not None:
            return value
        return self.b.zero(self.element(key)) if key >= 0 else self.nothing(key)

    def nothing(self, key: int) -> Value:
        """The contribution that changes nothing. Adding -0.0 keeps the sign of a zero."""
        op, element = self.sites[key].op, self.element(key)
        scalar = scalar_of(element)
        if op == "atomic_add" and scalar.kind == "float":
            return self.b.fill(element, -0.0)
        if op not in ("atomic_min", "atomic_max"):
            return self.b.zero(element)
        low, high = (-math.inf, math.inf) if scalar.kind == "float" else int_limits(scalar)
        return self.b.const(scalar, high if op == "atomic_min" else low)

    def write(self, key: int, value: Value) -> None:
        old = self.state[key]
        if key < 0 and old is not None:
            value = self.b.op(_COMBINE[self.sites[key].op], old, value)
        self.state[key] = value

    # Statements -----------------------------------------------------------------------------

    def statements(self, region: Region) -> None:
        for statement in region.body:
            if statement.op == "store":
                self.write(statement.operands[0].id, self.now(statement.operands[-1:])[0])
            elif id(statement) in self.key_of:
                key = self.key_of[id(statement)]
                self.write(key, self.now(statement.operands[-1:])[0])
            elif statement.op == "load" and statement.operands[0].id in self.state:
                cell = self.current(statement.operands[0].id)
                self.bound[statement.results[0].id] = cell
            elif statement.op == "if":
                self.branches(statement)
            elif statement.regions:
                self.loop(statement)
            else:
                self.b.append(statement._replace(operands=self.now(statement.operands)))

    def branches(self, statement: Statement) -> None:
        """An `if` also yields what either side wrote, unless a side leaves a cell unassigned (then
        nothing observes the cell before it is assigned again)."""
        keys = self.written[id(statement)]
        before = dict(self.state)
        ends: list[dict[int, Value | None]] = []
        bodies: list[tuple[Statement, ...]] = []
        for region in statement.regions:
            self.state = dict(before)

            def run(region: Region = region) -> None:
                self.statements(region)

            bodies.append(self.b.region((), run).body)
            ends.append(self.state)
        kept = [key for key in keys if key < 0 or all(end[key] is not None for end in ends)]
        regions: list[Region] = []
        for region, body, end in zip(statement.regions, bodies, ends, strict=True):
            self.state = end
            regions.append(self.closed(region, (), body, kept))
        self.state = before
        self.finish(statement, self.now(statement.operands), regions, kept)

    def closed(
        self, region: Region, added: tuple[Value, ...], body: tuple[Statement, ...], kept: list[int]
    ) -> Region:
        """A region of emitted statements that also yields the kept variables."""

        def finish() -> tuple[Value, ...]:
            for statement in body:
                self.b.append(statement)
            return (*self.now(region.end.values), *[self.current(key) for key in kept])

        return self.b.region((*region.params, *added), finish)

    def loop(self, statement: Statement) -> None:
        """A loop also carries what it writes; its condition sees the carried cells."""
        keys = list(self.written[id(statement)])
        inits = [self.current(key) for key in keys]
        before = dict(self.state)
        regions: list[Region] = []
        for at, region in enumerate(statement.regions):
            added = tuple([self.b.fresh(init.type) for init in inits])
            self.state = before | dict(zip(keys, added, strict=True))

            def run(region: Region = region) -> None:
                self.statements(region)

            body = self.b.region((), run).body
            is_body = at == len(statement.regions) - 1
            regions.append(self.closed(region, added, body, keys if is_body else []))
        self.state = before
        self.finish(statement, (*self.now(statement.operands), *inits), regions, keys)

    def finish(
        self,
        statement: Statement,
        operands: tuple[Value, ...],
        regions: list[Region],
        kept: list[int],
    ) -> None:
        added = [self.b.fresh(self.element(key)) for key in kept]
        results = (*statement.results, *added)
        self.b.append(
            Statement(statement.op, operands, results, statement.attribute, tuple(regions))
        )
        self.state |= dict(zip(kept, added, strict=True))
