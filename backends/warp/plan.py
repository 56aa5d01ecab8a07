"""Planning a unit: which values become expressions, and which variables the others live in.

A value that is used once may be written where it is used. Every other value gets a variable; the
results of `if` and what loops carry live in variables that are assigned more than once. Values that
follow each other (a carried value, its update, the loop's result) share one such variable wherever
none of them is still needed when the next is assigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backends.style import Style
from grammar.program import Region, Statement, Terminator, Unit, Value
from grammar.structural import LOOPS

NESTING = (0, 1, 3, 6)
"""How deeply expressions nest, by the style's inlining."""

CONDITION_NESTING = 4
"""The same where a `while` tests: a condition that is one expression needs no other form."""

_FREE = frozenset(("load", "component", "row", "element"))
_WRITES = frozenset(("store", "atomic_add", "atomic_sub", "atomic_min", "atomic_max"))


@dataclass(slots=True, eq=False)
class Variable:
    """A name that is assigned more than once, and the values that live in it in turn."""

    values: list[int]
    name: str = ""
    carried: bool = False


@dataclass(slots=True)
class _Uses:
    """Of one region: where values are last needed, and which statement defines them.

    Places are indices into the body; its length stands for the terminator. A value that is written
    where it is used counts its operands there.
    """

    last: dict[int, int]
    defined: dict[int, int]


@dataclass(slots=True)
class Plan:
    """`body` is the unit's region with guards flattened; see `flatten`."""

    body: Region
    inlined: set[int] = field(default_factory=set[int])
    variables: dict[int, Variable] = field(default_factory=dict[int, Variable])
    counts: dict[int, int] = field(default_factory=dict[int, int])


def make_plan(unit: Unit, style: Style, site: int) -> Plan:
    """Plan a function or a kernel; `site` is added to the sites of its style choices."""
    body = flatten(unit.body, style, site) if _exits(unit.body) else unit.body
    plan = Plan(body)
    _count(body, plan.counts)
    planner = _Planner(plan, style, site)
    planner.measure(body, NESTING[style.inlining])
    planner.share(body, (), ())
    return plan


def _exits(region: Region) -> bool:
    return any(
        inner.end.kind != "yield" or _exits(inner)
        for statement in region.body
        for inner in statement.regions
    )


def flatten(region: Region, style: Style, site: int) -> Region:
    """Turn an `if` of which one branch exits into a guard: `if c: ... break`, and after it what the
    other branch holds. The style leaves some as they stand."""
    return _Flattener(style, site).region(region)


class _Flattener:
    def __init__(self, style: Style, site: int) -> None:
        self.style = style
        self.site = site
        self.renamed: dict[int, Value] = {}

    def values(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        renamed = self.renamed
        return tuple([renamed.get(value.id, value) for value in values]) if renamed else values

    def region(self, region: Region) -> Region:
        body: list[Statement] = []
        self.append(body, region.body)
        end = Terminator(region.end.kind, self.values(region.end.values))
        return Region(region.params, tuple(body), end)

    def append(self, body: list[Statement], statements: tuple[Statement, ...]) -> None:
        for number, s in enumerate(statements):
            if s.op == "if":
                exits = [region.end.kind != "yield" for region in s.regions]
                keep = self.style.choose(self.site + 16 * number + len(body), 4) == 3
                if any(exits) and not keep:
                    self.guard(body, s, exits[0])
                    continue
            regions = tuple([self.region(region) for region in s.regions]) if s.regions else ()
            body.append(Statement(s.op, self.values(s.operands), s.results, s.attribute, regions))

    def guard(self, body: list[Statement], s: Statement, first: bool) -> None:
        leaving, staying = s.regions if first else (s.regions[1], s.regions[0])
        nothing = Region((), (), Terminator("yield"))
        exit_ = self.region(leaving)
        regions = (exit_, nothing) if first else (nothing, exit_)
        body.append(Statement("if", self.values(s.operands), (), None, regions))
        self.append(body, staying.body)
        for result, value in zip(s.results, self.values(staying.end.values), strict=True):
            self.renamed[result.id] = value


def _count(region: Region, counts: dict[int, int]) -> None:
    for s in region.body:
        for value in s.operands:
            counts[value.id] = counts.get(value.id, 0) + 1
        for inner in s.regions:
            _count(inner, counts)
    for value in region.end.values:
        counts[value.id] = counts.get(value.id, 0) + 1


class _Planner:
    def __init__(self, plan: Plan, style: Style, site: int) -> None:
        self.inlined = plan.inlined
        self.variables = plan.variables
        self.counts = plan.counts
        self.style = style
        self.site = site
        self.uses: dict[int, _Uses] = {}

    def measure(self, region: Region, limit: int) -> tuple[set[int], set[int]]:
        """Decide what is inlined; the values the region mentions, and the arrays it writes."""
        body = region.body
        end = len(body)
        last = {value.id: end for value in region.end.values}
        place = list(range(end))  # where each statement's expression ends up
        depth = [0] * (end + 1)
        user = dict(last)
        defined: dict[int, int] = {}
        mentioned = set(last)
        written: set[int] = set()
        writes: list[tuple[int, set[int]]] = []
        for index in range(end - 1, -1, -1):
            s = body[index]
            nested: set[int] = set()
            if s.op in _WRITES:
                writes.append((index, {s.operands[0].id}))
            elif s.regions:
                changed: set[int] = set()
                for number, inner in enumerate(s.regions):
                    tested = s.op == "while" and number == 0
                    names, arrays = self.measure(inner, CONDITION_NESTING if tested else limit)
                    nested |= names
                    changed |= arrays
                if changed:
                    writes.append((index, changed))
            elif s.op != "const" and len(s.results) == 1:
                result = s.results[0].id
                by = user.get(result)
                if by is not None and self.counts[result] == 1:
                    height = depth[by] + (s.op not in _FREE)
                    if self._fits(s, height, limit) and not _overwritten(
                        s, place, by, index, writes
                    ):
                        self.inlined.add(result)
                        place[index] = by if by == end else place[by]
                        depth[index] = height
            for result in s.results:
                defined[result.id] = index
            where = place[index]
            for value in s.operands:
                user.setdefault(value.id, index)
                if last.get(value.id, -1) < where:
                    last[value.id] = where
                mentioned.add(value.id)
            for value in nested:
                if last.get(value, -1) < index:
                    last[value] = index
            mentioned |= nested
        for _, arrays in writes:
            written |= arrays
        self.uses[id(region)] = _Uses(last, defined)
        return mentioned, written

    def _fits(self, s: Statement, height: int, limit: int) -> bool:
        if height > limit or limit == 0:
            return False
        return self.style.choose(self.site + 8 * s.results[0].id + 1, 9) != 8

    # Sharing variables

    def share(
        self, region: Region, targets: Sequence[Variable | None], loop: Sequence[Variable]
    ) -> None:
        """Give variables to the values of a region. `targets` are those that its yield assigns,
        `loop` those of the nearest loop around it."""
        uses = self.uses[id(region)]
        if region.end.kind != "return":
            assigned = targets if region.end.kind == "yield" else loop
            for target, value in zip(assigned, region.end.values, strict=True):
                if target is not None:
                    self._join(target, value.id, region, uses)
        # All of this region first: what joins a variable here restricts the regions inside.
        inside: list[tuple[Region, Sequence[Variable | None], Sequence[Variable]]] = []
        for index, s in enumerate(region.body):
            if s.op == "if":
                held = [
                    self._result(s, number, index, region, uses) for number in range(len(s.results))
                ]
                inside += [(inner, held, loop) for inner in s.regions]
            elif s.op in LOOPS:
                carried = self._loop(s, index, region, uses)
                if s.op == "while":
                    inside.append((s.regions[0], (None,), carried))
                inside.append((s.regions[-1], carried, carried))
        for inner, held, nearest in inside:
            self.share(inner, held, nearest)

    def _join(self, target: Variable, value: int, region: Region, uses: _Uses) -> bool:
        """Let a value that a statement of the region defines live in `target`, if it can."""
        at = uses.defined.get(value)
        if at is None or value in self.variables or value in self.inlined:
            return False
        if region.body[at].op == "const":
            return False
        until = uses.last.get(value, at)
        for other in target.values:
            born = uses.defined.get(other, -1)
            if born == at:
                return False
            if born < at:
                before, after, meeting = other, value, at
                if uses.last.get(other, -1) > at:
                    return False
                touching = uses.last.get(other, -1) == at
            else:
                before, after, meeting = value, other, born
                if until > born:
                    return False
                touching = until == born
            if touching and not _hands_over(region.body[meeting], before, after):
                return False
        target.values.append(value)
        self.variables[value] = target
        return True

    def _result(
        self, s: Statement, number: int, index: int, region: Region, uses: _Uses
    ) -> Variable | None:
        """The variable of one result of an `if`: one it was given, that of a value it replaces, or
        a new one; None if nothing reads the result."""
        result = s.results[number].id
        if result in self.variables:
            target = self.variables[result]
            for inner in reversed(s.regions):
                if inner.end.kind == "yield":
                    self._join(target, inner.end.values[number].id, region, uses)
            return target
        if result not in self.counts:
            return None
        for inner in reversed(s.regions):
            if inner.end.kind == "yield" and self._replace(
                inner.end.values[number].id, result, index, region, uses
            ):
                return self.variables[result]
        self.variables[result] = Variable([result])
        return self.variables[result]

    def _replace(self, old: int, new: int, index: int, region: Region, uses: _Uses) -> bool:
        """Let `new`, defined at `index`, take over the variable of `old`, which ends there."""
        if uses.last.get(old) != index or old in self.inlined:
            return False
        here = old in uses.defined or any(old == value.id for value in region.params)
        if not here:
            return False
        target = self.variables.get(old)
        if target is None:
            if old not in uses.defined or region.body[uses.defined[old]].op == "const":
                return False
            if not _hands_over(region.body[index], old, new):
                return False
            target = Variable([old, new])
            self.variables[old] = self.variables[new] = target
            return True
        return self._join(target, new, region, uses)

    def _loop(self, s: Statement, index: int, region: Region, uses: _Uses) -> list[Variable]:
        """The variables that a loop carries, one per result."""
        inits = s.operands[2:] if s.op == "for" else s.operands
        held: list[Variable] = []
        for number, (init, result) in enumerate(zip(inits, s.results, strict=True)):
            if result.id not in self.variables and not self._replace(
                init.id, result.id, index, region, uses
            ):
                self.variables[result.id] = Variable([result.id])
            target = self.variables[result.id]
            target.carried = True
            held.append(target)
            for inner in s.regions:
                param = inner.params[number + 1].id
                self.variables[param] = target
                target.values.append(param)
        return held


def _hands_over(s: Statement, old: int, new: int) -> bool:
    """Whether a statement may read `old` and define `new` in the same variable.

    A loop assigns its inits before it runs; `old` may be one of them, or stand in an expression
    that is evaluated with them.
    """
    if s.op not in LOOPS:
        return True
    first = 2 if s.op == "for" else 0
    number = next(n for n, result in enumerate(s.results) if result.id == new)
    for place, value in enumerate(s.operands):
        if value.id == old and place != first + number:
            return False
    return not any(_mentions(inner, old) for inner in s.regions)


def _mentions(region: Region, value: int) -> bool:
    return any(v.id == value for v in region.end.values) or any(
        any(v.id == value for v in s.operands)
        or any(_mentions(inner, value) for inner in s.regions)
        for s in region.body
    )


def _overwritten(
    s: Statement, place: list[int], by: int, index: int, writes: list[tuple[int, set[int]]]
) -> bool:
    """Whether an array that a load reads is written between it and where it would be written."""
    if s.op != "load":
        return False
    until = place[by] if by < len(place) else len(place)
    array = s.operands[0].id
    return any(index < at < until and array in arrays for at, arrays in writes)
