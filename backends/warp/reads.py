"""What the adjoint of a function or a kernel reads, and which of it Warp does not have any more.

Warp runs the adjoint of a unit in two halves: the statements again, then their adjoints in reverse.
The first half leaves dynamic loops and stores out. So what a loop carried or made, and what a cell
held before it was overwritten, is not what it was. The pass finds the values whose first half must
be right because some adjoint reads them, and holds them against those that may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from backends.warp.loops import (
    ends,
    ends_at,
    ids,
    is_dynamic,
    is_float,
    leaves_or_skips,
    only_adds,
    returns,
    writes,
)
from grammar.ops import OPS
from grammar.ops.expression import Expression, parse
from grammar.program import Region, Statement, Unit, Value
from grammar.structural import ATOMICS
from grammar.types import SIZES

EXTREMES = frozenset(("atomic_min", "atomic_max"))

MISSING: Mapping[str, tuple[int, ...]] = {"fmod": (1,), "frac": (0,)}
"""The operands to which the adjoint of an op passes nothing, by op."""

REPLACING = frozenset(f"with_component{size}" for size in SIZES)
"""The ops that Warp does by assigning to a component."""

_READS_RESULT: Mapping[str, tuple[int, ...]] = {
    "div": (1,),
    "reciprocal": (0,),
    "sqrt": (0,),
    "rsqrt": (0,),
    "cbrt": (0,),
    "pow": (1,),
    "hypot": (0, 1),
    "exp": (0,),
    "exp2": (0,),
    "tanh": (0,),
    "erfinv": (0,),
    "sigmoid": (0,),
    "silu": (0,),
    "softsign": (0,),
    "length": (0,),
    "normalize": (0,),
    "distance": (0, 1),
    "component_div": (1,),
    "frobenius": (0,),
    "inverse": (0,),
}
"""The operands whose adjoint Warp computes from the result of an op, by op. Of other ops it
computes the adjoints from the operands."""


@cache
def _letters(op: str, operand: int) -> frozenset[int] | None:
    """The operands (-1 is the result) that the adjoint of an operand reads; None where nothing
    flows to it."""
    row = OPS[op]
    if row.partials is None or not (text := row.partials[operand]):
        return None
    names = set(_leaves(parse(text)))
    read = {"abcd".index(name) for name in names & set("abcd")}
    if operand in _READS_RESULT.get(op, ()):
        read.add(-1)
    elif "y" in names:
        read.update(range(row.arity))
    return frozenset(read)


def _leaves(tree: Expression) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case tuple():
            for part in tree[1:]:
                yield from _leaves(part)
        case _:
            pass


_TAME = frozenset(
    (
        *("add", "sub", "mul", "neg", "square", "cube", "midpoint", "squared_difference"),
        *("multiply_add", "lerp", "abs", "min", "max", "clamp", "select", "sign", "copysign"),
        *("lt", "gt", "le", "ge", "eq", "logical_and", "logical_or", "logical_not", "cast"),
        *("scale", "fill", "component", "dot", "cross", "basis"),
        *("floor", "ceil", "trunc", "round", "rint"),
    )
)
"""Ops that give numbers from any moderate ones."""


@cache
def _may_burst(op: str) -> bool:
    """Whether an op or its adjoint may give infinity from operands outside its domain. Warp
    multiplies it by the cotangent even where that is zero, which gives NaN."""
    names = {op}
    for text in OPS[op].partials or ():
        names.update(_names(parse(text)) if text else ())
    return not names <= _TAME


def _names(tree: Expression) -> Iterator[str]:
    if isinstance(tree, tuple):
        yield tree[0].partition("[")[0]
        for part in tree[1:]:
            yield from _names(part)


@dataclass(frozen=True, slots=True)
class Reads:
    """What the adjoint of a unit needs.

    - `found`: names of limitations that the unit shows by itself.
    - `parameters`: the positions of the parameters, and of the arrays whose content, it reads.
    - `extremes`: the positions of the float arrays that atomics take the least or largest of.
    - `written`: the positions of the arrays that the unit writes.
    """

    found: frozenset[str]
    parameters: frozenset[int]
    extremes: frozenset[int]
    written: frozenset[int]


def reads(unit: Unit, callees: Mapping[int, Reads]) -> Reads:
    """Analyse a function or a kernel; `callees` are the functions that it may call."""
    graph = _Graph(callees)
    graph.visit(unit)
    return graph.judged(unit)


@dataclass(slots=True)
class _Access:
    """A load, store or atomic: where it stands, and in which loops and branches."""

    statement: Statement
    place: int
    loops: tuple[int, ...]
    sides: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class _Graph:
    """The values of a unit: `known_by` are those that a value is computed from, `flows` those of
    which it carries a derivative.

    `stale` values are wrong in the reverse half wherever they are used; `taken_over` and `moved`
    ones only where an adjoint reads them itself: a loop changed their variable meanwhile. `rerun`
    are those that a loop starts from when it runs again. `exits` holds the loop that a branch may
    leave or go on with.
    """

    callees: Mapping[int, Reads]
    given: set[int] = field(default_factory=set[int])
    known_by: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    flows: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    roots: set[int] = field(default_factory=set[int])
    sinks: set[int] = field(default_factory=set[int])
    stale: dict[int, str] = field(default_factory=dict[int, str])
    taken_over: set[int] = field(default_factory=set[int])
    moved: set[int] = field(default_factory=set[int])
    rerun: set[int] = field(default_factory=set[int])
    accesses: list[_Access] = field(default_factory=list[_Access])
    statements: list[Statement] = field(default_factory=list[Statement])
    constants: dict[int, object] = field(default_factory=dict[int, object])
    open_loops: list[Statement] = field(default_factory=list[Statement])
    exits: dict[int, Statement] = field(default_factory=dict[int, Statement])
    found: set[str] = field(default_factory=set[str])

    # The graph

    def visit(self, unit: Unit) -> None:
        self.given = {v.id for v in unit.body.params}
        if unit.kind == "function":  # a kernel passes no gradient to its scalars
            self.roots = {v.id for v in unit.body.params if is_float(v.type)}
            self.sinks |= {v.id for v in unit.body.end.values if is_float(v.type)}
        self.region(unit.body, (), ())

    def link(self, value: Value, sources: Iterable[Value]) -> None:
        """The value may be any of the sources."""
        ids = [source.id for source in sources]
        self.known_by.setdefault(value.id, []).extend(ids)
        if is_float(value.type):
            self.flows.setdefault(value.id, []).extend(ids)

    def region(
        self, region: Region, loops: tuple[int, ...], sides: tuple[tuple[int, int], ...]
    ) -> None:
        for statement in region.body:
            self.statements.append(statement)
            match statement.op:
                case "const":
                    self.constants[statement.results[0].id] = statement.attribute
                case "load" | "store":
                    self.access(statement, loops, sides)
                case "if":
                    self.branch(statement, loops, sides)
                case "for" | "while":
                    self.loop(statement, region, loops, sides)
                case op if op in ATOMICS:
                    self.access(statement, loops, sides)
                case op:
                    self.pure(op, statement)
        if region.end.kind == "return":
            self.sinks |= {v.id for v in region.end.values if is_float(v.type)}

    def pure(self, op: str, statement: Statement) -> None:
        operands = [value.id for value in statement.operands]
        through = operands
        if op in OPS:
            through = [v for k, v in enumerate(operands) if _letters(op, k) is not None]
        for result in statement.results:
            self.known_by[result.id] = operands
            if is_float(result.type):
                self.flows[result.id] = through

    def access(
        self, statement: Statement, loops: tuple[int, ...], sides: tuple[tuple[int, int], ...]
    ) -> None:
        self.accesses.append(_Access(statement, len(self.accesses), loops, sides))
        if statement.op == "load":
            (result,) = statement.results
            self.known_by[result.id] = [value.id for value in statement.operands[1:]]
            if is_float(result.type):
                self.roots.add(result.id)
        elif is_float(statement.operands[-1].type):
            self.sinks.add(statement.operands[-1].id)

    def branch(
        self, statement: Statement, loops: tuple[int, ...], sides: tuple[tuple[int, int], ...]
    ) -> None:
        number = len(self.statements)
        for side, region in enumerate(statement.regions):
            self.region(region, loops, (*sides, (number, side)))
            if self.open_loops and any(end.kind != "yield" for end in ends(region)):
                self.exits[id(statement)] = self.open_loops[-1]
            if region.end.kind == "yield":
                for result, value in zip(statement.results, region.end.values, strict=True):
                    self.link(result, (value,))
        for result in statement.results:
            self.known_by.setdefault(result.id, []).append(statement.operands[0].id)

    def loop(
        self,
        statement: Statement,
        outer: Region,
        loops: tuple[int, ...],
        sides: tuple[tuple[int, int], ...],
    ) -> None:
        region = statement.regions[-1]
        inits = statement.operands[2:] if statement.op == "for" else statement.operands
        inside = (*loops, len(self.statements))
        self.open_loops.append(statement)
        for inner in statement.regions:
            self.region(inner, inside, sides)
        self.open_loops.pop()
        carried_out = [end.values for end in ends(region)]
        dynamic = is_dynamic(statement, self.constants)
        if statement.op == "for":
            self.known_by[region.params[0].id] = ids(statement.operands[:2])
        else:
            self.moved.update(ids(region.params))
        for k, (init, result) in enumerate(zip(inits, statement.results, strict=True)):
            params = [inner.params[k + 1] for inner in statement.regions]
            given = [values[k] for values in carried_out]
            for value in (*params, result):
                self.link(value, (init, *given))
            if dynamic and any(value.id != region.params[k + 1].id for value in given):
                self.unknown(result, "loop_result")
                if statement.op == "for":
                    self.unknown(params[0], "loop_value")
                if init.id not in self.given and ends_at(init, statement, outer):
                    self.taken_over.add(init.id)
            elif any(param.id in self.taken_over for param in params):
                self.taken_over |= {init.id, *[value.id for value in given]}

    def unknown(self, value: Value, name: str) -> None:
        """The value is not what it was, for a reason of that name."""
        self.stale[value.id] = name
        self.known_by[value.id] = []

    # The verdict

    def judged(self, unit: Unit) -> Reads:
        varied = _closure(_reversed(self.flows), self.roots)
        useful = _closure(self.flows, self.sinks)
        direct = set(self.direct(varied, useful))
        needed = _closure(self.known_by, direct | self.rerun)
        self.found |= {name for value, name in self.stale.items() if value in needed}
        if self.taken_over & direct:
            self.found.add("loop_start")
        if self.moved & direct:
            self.found.add("loop_value")
        content = set[int]()
        for load in self.accesses:
            if load.statement.op == "load" and load.statement.results[0].id in needed:
                array = load.statement.operands[0].id
                content.add(array)
                if any(_overwrites(other, load) for other in self.accesses):
                    self.found.add("overwritten_cell")
        return self.summary(unit, needed | content)

    def summary(self, unit: Unit, needed: set[int]) -> Reads:
        at = {value.id: k for k, value in enumerate(unit.parameters)}
        writes = [a.statement for a in self.accesses if a.statement.op != "load"]
        extremes = [s for s in writes if s.op in EXTREMES and is_float(s.operands[-1].type)]
        return Reads(
            frozenset(self.found),
            frozenset([k for value, k in at.items() if value in needed]),
            frozenset([at[s.operands[0].id] for s in extremes]),
            frozenset([at[s.operands[0].id] for s in writes]),
        )

    def direct(self, varied: set[int], useful: set[int]) -> Iterator[int]:
        """The values that some adjoint reads by itself; notes what is missing or out of order."""
        active = varied & useful
        for statement in self.statements:
            match statement.op:
                case "const":
                    pass
                case "load":
                    if statement.results[0].id in active:
                        yield from ids(statement.operands[1:])
                case "if":
                    if self.matters(statement, active):
                        yield statement.operands[0].id
                case "for" | "while":
                    if is_dynamic(statement, self.constants) and self.matters(statement, active):
                        self.backwards(statement, active)
                case "call":
                    if active & set(ids(statement.results)):
                        assert isinstance(statement.attribute, int)
                        callee = self.callees[statement.attribute].parameters
                        yield from [statement.operands[k].id for k in callee]
                case op if op in OPS:
                    yield from self.of_row(op, statement, varied, useful)
                case op:
                    yield from ids(statement.operands[1:-1])
                    if op in EXTREMES and statement.operands[-1].id in varied:
                        yield statement.operands[-1].id

    def of_row(
        self, op: str, statement: Statement, varied: set[int], useful: set[int]
    ) -> Iterator[int]:
        (result,) = statement.results
        active = result.id in useful
        if not active and not _may_burst(op):
            return
        for k, value in enumerate(statement.operands):
            if value.id in varied:
                if active and k == 0 and op in REPLACING:
                    self.found.add("overwritten_component")
                if active and k in MISSING.get(op, ()):
                    self.found.add(f"{op}_operand")
                for place in _letters(op, k) or ():
                    yield result.id if place < 0 else statement.operands[place].id

    def backwards(self, statement: Statement, active: set[int]) -> None:
        """Note what a dynamic loop starts from when it runs again in the reverse half."""
        region = statement.regions[-1]
        if returns(region) or leaves_or_skips(region):
            self.found.add("loop_exit")
        if statement.op == "for":
            self.rerun.update(ids(statement.operands[:2]))
        else:
            self.rerun.update(ids(statement.operands))
            if not only_adds(statement, active):
                self.found.add("while_loop")

    def matters(self, statement: Statement, active: set[int]) -> bool:
        """Whether derivatives flow through a structured statement, or end at what it writes."""
        if active & set(ids(statement.results)):
            return True
        if any(returns(region) or writes(region) for region in statement.regions):
            return True
        around = self.exits.get(id(statement))
        return around is not None and self.matters(around, active)


def _overwrites(other: _Access, load: _Access) -> bool:
    """Whether an access may write what a load read, after it."""
    if other.statement.op == "load" or other.statement.operands[0] != load.statement.operands[0]:
        return False
    if set(other.loops) & set(load.loops):
        return True
    sides = dict(load.sides)
    return other.place > load.place and all(
        sides.get(branch, side) == side for branch, side in other.sides
    )


def _closure(edges: Mapping[int, list[int]], start: Iterable[int]) -> set[int]:
    """All that can be reached along the edges."""
    found = set(start)
    waiting = list(found)
    while waiting:
        for following in edges.get(waiting.pop(), ()):
            if following not in found:
                found.add(following)
                waiting.append(following)
    return found


def _reversed(edges: Mapping[int, list[int]]) -> dict[int, list[int]]:
    out: dict[int, list[int]] = {}
    for value, sources in edges.items():
        for source in sources:
            out.setdefault(source, []).append(value)
    return out
