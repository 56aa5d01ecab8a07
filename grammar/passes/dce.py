"""Dead code elimination: statements, results, carried values and units that nothing needs.

Needs are marked from the effects and the results backwards, values of loops slot by slot, so that a
carried value used only by itself is not needed. One sweep then rebuilds what is marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from grammar.passes.uses import unit_uses
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.structural import STRUCTURAL, effect_of


def eliminate_dead_code(program: Program) -> Program:
    """Every unit without dead statements, then without units the entry does not reach. The entry's
    parameters stay. Idempotent; values keep their ids."""
    return drop_unused_units(Program(tuple([eliminate_dead(unit) for unit in program.units])))


def eliminate_dead(unit: Unit) -> Unit:
    """One unit without dead statements, results and carried values."""
    marker = _Marker(unit)
    marker.run()
    return replace(unit, body=_Sweeper(marker).region(unit.body, None))


def drop_unused_units(program: Program) -> Program:
    """Keep the units that the entry calls or launches, directly or not, and renumber them."""
    reached = [False] * len(program.units)
    reached[-1] = True
    for number in range(len(reached) - 1, -1, -1):
        if reached[number]:
            for target in _targets(program.units[number].body):
                reached[target] = True
    kept = [number for number, is_reached in enumerate(reached) if is_reached]
    if len(kept) == len(reached):
        return program
    numbers = {old: new for new, old in enumerate(kept)}
    return Program(
        tuple(
            [
                replace(u, body=_renumber(u.body, numbers))
                for u in map(program.units.__getitem__, kept)
            ]
        )
    )


def used_parameters(unit: Unit) -> tuple[int, ...]:
    """The positions of the parameters that the body uses."""
    used = unit_uses(unit)
    return tuple([at for at, value in enumerate(unit.parameters) if value.id in used])


def drop_unused_parameters(unit: Unit) -> Unit:
    """The unit with only the parameters of `used_parameters`; a kernel keeps its grid indices.
    Changes the signature, so it is for units that no other unit names."""
    kept = [unit.parameters[at] for at in used_parameters(unit)]
    params = (*unit.body.params[: len(unit.grid)], *kept)
    return replace(unit, body=replace(unit.body, params=params))


_TARGETED = ("call", "launch")


def _targets(region: Region) -> Iterable[int]:
    for statement in region.body:
        if statement.op in _TARGETED:
            assert isinstance(statement.attribute, int)
            yield statement.attribute
        for inner in statement.regions:
            yield from _targets(inner)


def _renumber(region: Region, numbers: dict[int, int]) -> Region:
    body: list[Statement] = []
    for statement in region.body:
        if statement.op in _TARGETED:
            assert isinstance(statement.attribute, int)
            statement = replace(statement, attribute=numbers[statement.attribute])
        elif statement.regions:
            regions = tuple([_renumber(inner, numbers) for inner in statement.regions])
            statement = replace(statement, regions=regions)
        body.append(statement)
    return replace(region, body=tuple(body))


@dataclass(slots=True, eq=False)
class _Node:
    """A statement, the one that holds it, and for a loop the breaks and continues that target it,
    each with the `if` it stands in. `slots` are the needed results or carried values."""

    statement: Statement
    parent: _Node | None
    exits: list[tuple[Terminator, _Node]] = field(default_factory=list[tuple[Terminator, "_Node"]])
    live: bool = False
    slots: set[int] = field(default_factory=set[int])

    @property
    def loop(self) -> bool:
        row = STRUCTURAL.get(self.statement.op)
        return row is not None and row.loop

    @property
    def inits(self) -> tuple[Value, ...]:
        return self.statement.operands[2 if self.statement.op == "for" else 0 :]


class _Marker:
    """Finds what is needed. `owner` maps an id to the node and the slot that define it."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.owner: dict[int, tuple[_Node, int]] = {}
        self.nodes: dict[int, _Node] = {}
        self.roots: list[_Node] = []
        self.pending: list[int] = []

    def run(self) -> None:
        self.need(self.unit.body.end.values)
        self.index(self.unit.body, None, None)
        for node in self.roots:
            self.mark(node)
        while self.pending:
            found = self.owner.get(self.pending.pop())
            if found is not None:
                self.slot(*found)

    def need(self, values: Iterable[Value]) -> None:
        self.pending.extend([value.id for value in values])

    def index(self, region: Region, parent: _Node | None, loop: _Node | None) -> None:
        for statement in region.body:
            node = _Node(statement, parent)
            self.nodes[id(statement)] = node
            for at, value in enumerate(statement.results):
                self.owner[value.id] = (node, at)
            if effect_of(statement.op) == "write":
                self.roots.append(node)
            is_loop = node.loop
            for inner in statement.regions:
                if is_loop:
                    for at, value in enumerate(inner.params[1:]):
                        self.owner[value.id] = (node, at)
                self.index(inner, node, node if is_loop else loop)
                if inner.end.kind == "return":
                    self.roots.append(node)
                    self.need(inner.end.values)
                elif inner.end.kind != "yield":
                    assert loop is not None
                    loop.exits.append((inner.end, node))

    def mark(self, node: _Node) -> None:
        """A statement is needed: its operands, what decides whether it runs, and what holds it."""
        if node.live:
            return
        node.live = True
        if node.parent is not None:
            self.mark(node.parent)
        statement = node.statement
        if not statement.regions:
            self.need(statement.operands)
        elif node.loop:
            self.need(statement.operands[: len(statement.operands) - len(node.inits)])
            for condition in statement.regions[:-1]:
                self.need(condition.end.values)
            for _, holder in node.exits:
                self.mark(holder)
        else:
            self.need(statement.operands)

    def slot(self, node: _Node, at: int) -> None:
        """A result or carried value is needed, and with it everything that may become it."""
        self.mark(node)
        if at in node.slots:
            return
        node.slots.add(at)
        statement = node.statement
        if node.loop:
            self.need((node.inits[at], statement.regions[-1].end.values[at]))
            self.need([end.values[at] for end, _ in node.exits])
        elif statement.regions:
            self.need([r.end.values[at] for r in statement.regions if r.end.kind == "yield"])


class _Sweeper:
    """Rebuilds what is marked."""

    def __init__(self, marker: _Marker) -> None:
        self.nodes = marker.nodes

    def region(self, region: Region, loop: _Node | None) -> Region:
        body: list[Statement] = []
        for statement in region.body:
            node = self.nodes[id(statement)]
            if node.live:
                body.append(self.statement(node, loop) if statement.regions else statement)
        return Region(region.params, tuple(body), region.end)

    def statement(self, node: _Node, loop: _Node | None) -> Statement:
        statement, slots = node.statement, sorted(node.slots)
        is_loop = node.loop
        inner_loop = node if is_loop else loop
        regions: list[Region] = []
        for at, region in enumerate(statement.regions):
            made = self.region(region, inner_loop)
            params, end = region.params, region.end
            if is_loop:
                params = (params[0], *[params[slot + 1] for slot in slots])
            if is_loop and at < len(statement.regions) - 1:
                kept = end.values
            elif end.kind == "yield":
                kept = tuple([end.values[slot] for slot in slots])
            elif end.kind == "return":
                kept = end.values
            else:
                assert loop is not None
                kept = tuple([end.values[slot] for slot in sorted(loop.slots)])
            regions.append(Region(params, made.body, Terminator(end.kind, kept)))
        control = statement.operands[: len(statement.operands) - len(node.inits)]
        operands = (*control, *[node.inits[at] for at in slots]) if is_loop else statement.operands
        results = tuple([statement.results[slot] for slot in slots])
        return Statement(statement.op, operands, results, statement.attribute, tuple(regions))
