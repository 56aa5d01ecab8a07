"""Exits become predicates: afterwards only `yield` ends a region, and `return` a function.

What follows a certain exit of an `if` moves into the other branch. Where the exit stands deeper,
the `if` also yields flags, and what follows is guarded by them. A loop that may be left carries a
flag that turns its remaining rounds into nothing. Flags, in the order they are yielded: `left` (the
rest of this region is skipped), `stopped` (the nearest loop runs no further round) and `returned`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from grammar.build import Builder
from grammar.passes.uses import atomic_indices, highest_id, used_ids
from grammar.program import Region, Statement, Terminator, Unit, Value, walk
from grammar.types import BOOL, Type

_NONE: frozenset[str] = frozenset()


def remove_exits(unit: Unit) -> Unit:
    """The unit without break, continue and nested return. A unit without exits is returned as it
    is. Values keep their ids; what is added gets new ones."""
    leaving: dict[int, frozenset[str]] = {}
    kinds = _find_exits(unit.body, leaving)
    if not any(leaving.values()) and not kinds - {"return"}:
        return unit
    return _Lowering(unit, leaving).unit()


def has_exits(unit: Unit) -> bool:
    """Whether a nested region ends with break, continue or return."""
    return any(r.end.kind != "yield" for s in walk(unit.body) for r in s.regions)


def _find_exits(region: Region, leaving: dict[int, frozenset[str]]) -> frozenset[str]:
    """Record, by the id() of each structured statement, the exits inside it that leave its
    regions (for a loop: its own break and continue included)."""
    found = _NONE if region.end.kind == "yield" else frozenset((region.end.kind,))
    for statement in region.body:
        if statement.regions:
            inner = _NONE.union(*[_find_exits(r, leaving) for r in statement.regions])
            leaving[id(statement)] = inner
            found |= inner if statement.op == "if" else inner & {"return"}
    return found


@dataclass(frozen=True, slots=True)
class _State:
    """What is known after code that may have exited. `carried` are the next values of the nearest
    loop and `given` the results of the function, each meaningful where the flags say so."""

    left: Value
    stopped: Value
    returned: Value
    carried: tuple[Value, ...]
    given: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The nearest loop, or the unit: which exits leave to it or through it, and stand-ins for the
    values of exits that were not taken."""

    kinds: frozenset[str]
    carried: tuple[Value, ...]
    given: tuple[Value, ...]

    @property
    def stops(self) -> bool:
        return bool(self.kinds & {"break", "return"})

    @property
    def separate_return(self) -> bool:
        return self.kinds >= {"break", "return"}

    def pack(self, state: _State) -> tuple[Value, ...]:
        """The values an `if` must yield to pass the state on."""
        kinds = self.kinds
        return (
            *((state.left,) if kinds else ()),
            *((state.stopped,) if "continue" in kinds and self.stops else ()),
            *((state.returned,) if self.separate_return else ()),
            *(state.carried if kinds & {"break", "continue"} else ()),
            *(state.given if "return" in kinds else ()),
        )

    def unpack(self, slots: Sequence[Value]) -> _State:
        """The inverse of `pack`; flags that coincide are shared."""
        kinds = self.kinds
        rest = list(slots)
        left = rest.pop(0)
        stopped = rest.pop(0) if "continue" in kinds and self.stops else left
        returned = rest.pop(0) if self.separate_return else stopped
        count = len(self.carried) if kinds & {"break", "continue"} else 0
        carried = tuple(rest[:count]) if count else self.carried
        given = tuple(rest[count:]) if "return" in kinds else self.given
        return _State(left, stopped, returned, carried, given)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a sequence ends. A `branch` yields values of `types` and the state, a loop `body` the
    next carried values and the loop's flags, a `unit` its results."""

    kind: Literal["branch", "body", "unit"]
    scope: _Scope
    types: tuple[Type, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bind:
    """Stands in a sequence where an `if` was unwrapped: its results are now these values."""

    results: tuple[Value, ...]
    values: tuple[Value, ...]


_Item = Statement | _Bind


class _Lowering:
    def __init__(self, unit: Unit, leaving: dict[int, frozenset[str]]) -> None:
        self.source = unit
        self.leaving = leaving
        self.b = Builder(first=highest_id(unit) + 1)
        self.true, self.false = self.b.fresh(BOOL), self.b.fresh(BOOL)
        self.bound: dict[int, Value] = {}
        self.indices = atomic_indices(unit.body.body)

    def unit(self) -> Unit:
        unit = self.source

        def body() -> Terminator:
            self.b.append(Statement("const", (), (self.true,), True))
            self.b.append(Statement("const", (), (self.false,), False))
            given = tuple([self.b.zero(type_) for type_ in unit.results])
            scope = _Scope(frozenset(("return",)), (), given)
            values = self.sequence(unit.body.body, unit.body.end, _Frame("unit", scope))
            return Terminator(unit.body.end.kind, values)

        return replace(unit, body=self.b.region(unit.body.params, body))

    # Values ---------------------------------------------------------------------------------

    def now(self, values: Iterable[Value]) -> tuple[Value, ...]:
        return tuple([self.bound.get(value.id, value) for value in values])

    def zeros(self, types: tuple[Type, ...]) -> tuple[Value, ...]:
        return tuple([self.b.zero(type_) for type_ in types])

    def choose(
        self,
        condition: Value,
        then: Callable[[], tuple[Value, ...]],
        otherwise: Callable[[], tuple[Value, ...]],
        known: tuple[Value, ...] = (),
    ) -> tuple[Value, ...]:
        """An `if`; its first results are the `known` values, the others are new."""
        regions = (self.b.region((), then), self.b.region((), otherwise))
        types = [value.type for value in regions[0].end.values[len(known) :]]
        results = (*known, *map(self.b.fresh, types))
        self.b.append(Statement("if", (condition,), results, None, regions))
        return results

    # Ends -----------------------------------------------------------------------------------

    def state(self, scope: _Scope, kind: str, values: tuple[Value, ...]) -> _State:
        """The state right after an exit of a kind, or after none ("yield")."""
        yes, no = self.true, self.false
        match kind:
            case "yield":
                return _State(no, no, no, scope.carried, scope.given)
            case "continue":
                return _State(yes, no, no, values, scope.given)
            case "break":
                return _State(yes, yes, no, values, scope.given)
            case _:
                return _State(yes, yes, yes, scope.carried, values)

    def close(self, frame: _Frame, end: Terminator) -> tuple[Value, ...]:
        """What a sequence that ends here hands on."""
        values, scope = self.now(end.values), frame.scope
        if frame.kind == "branch":
            state = self.state(scope, end.kind, values)
            first = values if end.kind == "yield" else self.zeros(frame.types)
            return (*first, *scope.pack(state))
        if frame.kind == "unit":
            return values
        kind = "continue" if end.kind == "yield" else end.kind
        return self.exited(frame, self.state(scope, kind, values))

    def exited(self, frame: _Frame, state: _State) -> tuple[Value, ...]:
        """What a sequence hands on when a statement in it has exited already."""
        scope = frame.scope
        if frame.kind == "branch":
            return (*self.zeros(frame.types), *scope.pack(state))
        if frame.kind == "unit":
            return state.given
        return (
            *state.carried,
            *((state.stopped,) if scope.stops else ()),
            *((state.returned,) if scope.separate_return else ()),
            *(state.given if "return" in scope.kinds else ()),
        )

    # Sequences ------------------------------------------------------------------------------

    def sequence(self, items: Sequence[_Item], end: Terminator, frame: _Frame) -> tuple[Value, ...]:
        """Emit items into the open region; returns what the region hands on."""
        for at, item in enumerate(items):
            if isinstance(item, _Bind):
                for result, value in zip(item.results, self.now(item.values), strict=True):
                    self.bound[result.id] = value
                continue
            if not item.regions:
                self.b.append(item._replace(operands=self.now(item.operands)))
                continue
            leaving = self.leaving[id(item)]
            rest = items[at + 1 :]
            if item.op != "if":
                state = self.loop(item, frame.scope)
                leaving &= {"return"}
            elif self.certain(item) and not self.index_cut(items[at:], frame):
                return self.unwrap(item, rest, end, frame)
            else:
                state = self.branch(item, frame.scope if leaving else _Scope(_NONE, (), ()))
            if leaving:
                assert state is not None
                return self.guarded(state, rest, end, frame)
        return self.close(frame, end)

    @staticmethod
    def certain(statement: Statement) -> bool:
        return any(region.end.kind != "yield" for region in statement.regions)

    def unwrap(
        self, statement: Statement, rest: Sequence[_Item], end: Terminator, frame: _Frame
    ) -> tuple[Value, ...]:
        """One branch exits for certain, so the rest moves into the other."""

        def side(region: Region) -> Callable[[], tuple[Value, ...]]:
            if region.end.kind != "yield":
                return lambda: self.sequence(region.body, region.end, frame)
            bind = _Bind(statement.results, region.end.values)
            return lambda: self.sequence((*region.body, bind, *rest), end, frame)

        then, otherwise = statement.regions
        return self.choose(self.now(statement.operands)[0], side(then), side(otherwise))

    def branch(self, statement: Statement, scope: _Scope) -> _State | None:
        """An `if` that may or may not exit: it yields the state after its results."""
        frame = _Frame("branch", scope, tuple([value.type for value in statement.results]))

        def side(region: Region) -> Callable[[], tuple[Value, ...]]:
            return lambda: self.sequence(region.body, region.end, frame)

        then, otherwise = map(side, statement.regions)
        condition = self.now(statement.operands)[0]
        values = self.choose(condition, then, otherwise, statement.results)
        return scope.unpack(values[len(statement.results) :]) if scope.kinds else None

    def guarded(
        self, state: _State, rest: Sequence[_Item], end: Terminator, frame: _Frame
    ) -> tuple[Value, ...]:
        """The rest of a sequence, run unless the state says that it was left."""
        while cut := self.index_cut(rest, frame):
            state = self.piece(state, rest[:cut], rest[cut:], frame.scope)
            rest = rest[cut:]
        if not rest and frame.kind == "unit" and not end.values:
            return ()
        return self.choose(
            state.left,
            lambda: self.exited(frame, state),
            lambda: self.sequence(rest, end, frame),
        )

    def index_cut(self, rest: Sequence[_Item], frame: _Frame) -> int:
        """How much of a kernel's rest must come first, so that indices of atomics, which are
        defined at the top level, stay there for the atomics that use them."""
        if not self.indices or frame.kind != "unit":
            return 0
        cut, made = 0, set[int]()
        for at, item in enumerate(rest):
            if made and isinstance(item, Statement) and made & atomic_indices((item,)):
                break
            found = [value.id for value in item.results if value.id in self.indices]
            if found:
                cut = at + 1
                made.update(found)
        return cut

    def piece(
        self, state: _State, piece: Sequence[_Item], later: Sequence[_Item], scope: _Scope
    ) -> _State:
        """Guard a first piece of a kernel's rest; what is used later comes out, or zero (an index
        that is always in range). Constants need no guard."""
        items: list[_Item] = []
        for item in piece:
            if isinstance(item, Statement) and item.op == "const":
                self.b.append(item)
            else:
                items.append(item)
        if not items:
            return state
        wanted = used_ids([item for item in later if isinstance(item, Statement)])
        wanted |= {v.id for item in later if isinstance(item, _Bind) for v in item.values}
        values = tuple([v for item in items for v in item.results if v.id in wanted])
        frame = _Frame("branch", scope, tuple([value.type for value in values]))
        out = self.choose(
            state.left,
            lambda: self.exited(frame, state),
            lambda: self.sequence(items, Terminator("yield", values), frame),
        )
        for value, new in zip(values, out, strict=False):
            self.bound[value.id] = new
        return scope.unpack(out[len(values) :])

    # Loops ----------------------------------------------------------------------------------

    def loop(self, statement: Statement, outer: _Scope) -> _State | None:
        """A loop that carries the flags and results its exits need."""
        kinds = self.leaving[id(statement)]
        plain = _Scope(kinds, (), ())
        types = [BOOL] * (plain.stops + plain.separate_return)
        given = outer.given if "return" in kinds else ()
        inits = (*[self.false] * len(types), *given)
        *conditions, body = statement.regions
        regions = [self.condition(region, inits, plain) for region in conditions]
        regions.append(self.body(statement.op, body, len(types), inits, kinds))
        added = tuple([self.b.fresh(init.type) for init in inits])
        operands = (*self.now(statement.operands), *inits)
        results = (*statement.results, *added)
        self.b.append(
            statement._replace(operands=operands, results=results, regions=tuple(regions))
        )
        if "return" not in kinds:
            return None
        returned = added[len(types) - 1]
        return _State(returned, returned, returned, outer.carried, added[len(types) :])

    def condition(self, region: Region, inits: tuple[Value, ...], scope: _Scope) -> Region:
        """The condition of a `while`, false once the loop is stopped."""
        added = [self.b.fresh(init.type) for init in inits]
        frame = _Frame("branch", _Scope(_NONE, (), ()), (BOOL,))

        def test() -> tuple[Value, ...]:
            return self.sequence(region.body, region.end, frame)

        def body() -> tuple[Value, ...]:
            if not scope.stops:
                return test()
            return self.choose(added[0], lambda: (self.false,), test)

        return self.b.region((*region.params, *added), body)

    def body(
        self,
        op: str,
        region: Region,
        flags: int,
        inits: tuple[Value, ...],
        kinds: frozenset[str],
    ) -> Region:
        """The body of a loop; that of a `for` does nothing once the loop is stopped."""
        added = tuple([self.b.fresh(init.type) for init in inits])
        scope = _Scope(kinds, region.params[1:], added[flags:])
        frame = _Frame("body", scope)

        def run() -> tuple[Value, ...]:
            return self.sequence(region.body, region.end, frame)

        def body() -> tuple[Value, ...]:
            if op == "while" or not scope.stops:
                return run()
            return self.choose(added[0], lambda: (*scope.carried, *added), run)

        return self.b.region((*region.params, *added), body)
