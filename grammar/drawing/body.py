"""Drawing one body: values in scope, operands, guards, and pure statements.

The scope keeps every value's range, so that each op is applied where it is defined and its result
stays representable: an operand outside an op's domain is guarded, an operand that would let the
result grow too large is tamed. Nothing is ever drawn twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from grammar import ranges
from grammar.drawing.tables import Entry, Tables, entry
from grammar.ops.expression import Apply, Literal, Operand, Typed, elaborate, parse
from grammar.program import Attribute, Statement, Unit, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import Array, Element, Scalar, Type

if TYPE_CHECKING:
    from grammar.drawing.memory import Memory


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that a body may call; arguments are brought into `takes` first."""

    unit: int
    params: tuple[Element, ...]
    takes: tuple[Range, ...]
    result: Element
    gives: Range


@dataclass(slots=True)
class Library:
    """The functions of the program being drawn. `define` draws one more, from those before it."""

    define: Callable[[Source, Library], Signature]
    least: int
    most: int
    units: list[Unit] = field(default_factory=list[Unit])
    signatures: list[Signature] = field(default_factory=list[Signature])
    complete: bool = False


@dataclass(slots=True)
class Loop:
    """The loop being drawn: what its carried values are, the ranges they keep, and how often a
    compiler that unrolls it copies its body. A body cannot leave or skip rounds of a `sum`."""

    carried: tuple[Value, ...]
    keeps: tuple[Range, ...]
    copies: int = 1
    sum: bool = False


@dataclass(slots=True)
class Body:
    """The state of one unit while it is drawn."""

    source: Source
    tables: Tables
    library: Library
    ranges: list[Range] = field(default_factory=list[Range])
    used: list[bool] = field(default_factory=list[bool])
    pools: dict[Type, list[Value]] = field(default_factory=dict[Type, list[Value]])
    log: list[list[Value]] = field(default_factory=list[list[Value]])
    anchors: list[Value] = field(default_factory=list[Value])
    fresh: list[Value] = field(default_factory=list[Value])
    statements: list[Statement] = field(default_factory=list[Statement])
    loops: list[Loop] = field(default_factory=list[Loop])
    depth: int = 0
    left: int = 0
    memory: Memory | None = None
    may_return: bool = False
    returns: tuple[Element, ...] = ()
    returned: tuple[list[Range], ...] = ()

    def new(self, type_: Type, range_: Range) -> Value:
        """A value with a new id, not yet in scope."""
        value = Value(len(self.ranges), type_)
        self.ranges.append(range_)
        self.used.append(False)
        return value

    def enter(self, value: Value) -> Value:
        """Bring a value into scope, as an operand to choose."""
        pool = self.pools.get(value.type)
        if pool is None:
            pool = self.pools[value.type] = []
        pool.append(value)
        self.log.append(pool)
        if value.type in self.tables.by_anchor:
            self.anchors.append(value)
            self.fresh.append(value)
        return value

    def constant(self, type_: Scalar, literal: bool | int | float) -> Value:
        """A constant statement; constants are not chosen as operands later."""
        value = self.new(type_, ranges.constant(type_, literal))
        self.statements.append(Statement("const", (), (value,), literal))
        return value

    def emit(
        self, op: str, operands: tuple[Value, ...], type_: Type, range_: Range, attribute: Attribute
    ) -> Value:
        """Append a statement with one result; the result is not yet in scope."""
        used = self.used
        for operand in operands:
            used[operand.id] = True
        value = self.new(type_, range_)
        self.statements.append(Statement(op, operands, (value,), attribute))
        return value

    def apply(self, made: Entry, operands: list[Value], attribute: Attribute = None) -> Value:
        """Apply an op, its operands guarded into its domain and tamed until the result fits."""
        known = self.ranges
        instance = made.instance
        for k, domain in made.domains:
            if not domain.satisfied(known[operands[k].id], instance.operands[k], instance):
                operands[k] = self.guard(domain.guards, operands[k])
        index = attribute if isinstance(attribute, int) else 0
        result = made.rule(tuple([known[v.id] for v in operands]), instance, index)
        if not ranges.inside(result, made.limit):
            for k, operand in enumerate(operands):
                operands[k] = self.tame(operand)
            for k, domain in made.domains:
                if not domain.satisfied(known[operands[k].id], instance.operands[k], instance):
                    operands[k] = self.guard(domain.guards, operands[k])
            result = made.rule(tuple([known[v.id] for v in operands]), instance, index)
        return self.emit(made.op.name, tuple(operands), instance.result, result, attribute)

    def guard(self, guards: tuple[str, ...], value: Value) -> Value:
        """One of the guards, expressions over `a`, applied to a value."""
        assert not isinstance(value.type, Array)
        text = guards[self.source.below(len(guards))]
        return self.typed(_elaborated(text, value.type), value)

    def tame(self, value: Value) -> Value:
        """The value brought into the small range in which every op's result fits."""
        assert not isinstance(value.type, Array)
        if ranges.is_tame(value.type, self.ranges[value.id]):
            return value
        return self.guard(ranges.tame(value.type), value)

    def typed(self, tree: Typed, a: Value) -> Value:
        """Emit a typed expression over the operand `a`."""
        match tree:
            case Operand():
                return a
            case Literal(value, type_):
                return self.constant(type_, value)
            case Apply(name, attribute, arguments):
                operands = [self.typed(argument, a) for argument in arguments]
                types = tuple([argument.type for argument in arguments])
                return self.apply(entry(name, types, tree.type), operands, attribute)


@lru_cache(maxsize=4096)
def _elaborated(text: str, type_: Element) -> Typed:
    return elaborate(parse(text), {"a": type_}, type_)
