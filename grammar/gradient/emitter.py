"""Emitting a gradient: replayed statements, and adjoint steps that are made once per scope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from grammar.gradient.partial import LETTERS, Pull
from grammar.program import Attribute, Region, Statement, Terminator, Value, walk
from grammar.structural import effect_of
from grammar.types import I32, Element, Scalar, Type, scalar_of


class Cotangent(NamedTuple):
    """A cotangent, or its negative: signs are kept apart until they must be computed."""

    value: Value
    negative: bool = False


class Emitter:
    """Emits into the innermost open region. Pure adjoint steps and constants that are visible
    already are used again; `replayed` collects the ids of values of the primal."""

    def __init__(self, first: int) -> None:
        self.next_id = first
        self.replayed: set[int] = set()
        self._open: list[list[Statement]] = [[]]
        self._known: list[dict[tuple[object, ...], Value]] = [{}]

    # Regions

    def open(self) -> None:
        """Start a region."""
        self._open.append([])
        self._known.append({})

    def close(self) -> tuple[Statement, ...]:
        """The statements of the region that ends here."""
        self._known.pop()
        return tuple(self._open.pop())

    def allocated(self) -> set[int]:
        """The ids of the buffers that the innermost open region has made so far."""
        return {
            value.id
            for statement in self._open[-1]
            if statement.op in ("zeros", "copy", "for")
            for value in statement.results
        }

    def statements(self) -> tuple[Statement, ...]:
        """What was emitted outside of all regions."""
        return tuple(self._open[0])

    def fresh(self, type_: Type) -> Value:
        """A new value."""
        self.next_id += 1
        return Value(self.next_id - 1, type_)

    # Statements

    def append(self, statement: Statement) -> None:
        """Add a statement as it is."""
        self._open[-1].append(statement)

    def emit(
        self,
        op: str,
        operands: tuple[Value, ...],
        results: Sequence[Type],
        attribute: Attribute = None,
        regions: Sequence[Region] = (),
    ) -> tuple[Value, ...]:
        """A statement with new results."""
        made = tuple([self.fresh(type_) for type_ in results])
        self.append(Statement(op, operands, made, attribute, tuple(regions)))
        return made

    def act(self, op: str, operands: tuple[Value, ...], attribute: Attribute = None) -> None:
        """A statement without results."""
        self.append(Statement(op, operands, (), attribute))

    def op(self, op: str, operands: tuple[Value, ...], type_: Type, attribute: Attribute) -> Value:
        """A pure op with one result, which is not computed again where it is known already."""
        key = (op, attribute, type_, *[value.id for value in operands])
        for known in reversed(self._known):
            found = known.get(key)
            if found is not None:
                return found
        made = self.fresh(type_)
        self._open[-1].append(Statement(op, operands, (made,), attribute))
        self._known[-1][key] = made
        return made

    def const(self, type_: Scalar, literal: bool | int | float) -> Value:
        """A literal."""
        key = ("const", repr(literal), type_)  # by its text, since -0.0 == 0.0
        for known in reversed(self._known):
            found = known.get(key)
            if found is not None:
                return found
        made = self.fresh(type_)
        self.keep_const(Statement("const", (), (made,), literal))
        return made

    def keep_const(self, statement: Statement) -> None:
        """Add a constant as it is, for others to use as well."""
        (made,) = statement.results
        literal = statement.attribute
        self._open[-1].append(statement)
        self._known[-1]["const", repr(literal), made.type] = made

    def integer(self, op: str, a: Value, b: Value | int) -> Value:
        """An op on two i32 numbers."""
        return self.op(op, (a, self.const(I32, b) if isinstance(b, int) else b), I32, None)

    def zero(self, type_: Element) -> Value:
        """Zero of a float element type."""
        number = self.const(scalar_of(type_), 0.0)
        return number if isinstance(type_, Scalar) else self.op("fill", (number,), type_, None)

    # Cotangents

    def pull(
        self, pull: Pull, operands: Sequence[Value], result: Value, cotangent: Cotangent
    ) -> Cotangent:
        """What a cotangent of a result gives for one operand."""
        named: dict[str, Value] = dict(zip(LETTERS, operands, strict=False))
        named["y"], named["g"] = result, cotangent.value
        made: list[Value] = []
        for step in pull.steps:
            if step.op == "const":
                assert isinstance(step.type, Scalar)
                assert step.attribute is not None
                made.append(self.const(step.type, step.attribute))
                continue
            found = tuple([named[at] if isinstance(at, str) else made[at] for at in step.operands])
            made.append(self.op(step.op, found, step.type, step.attribute))
        at = pull.result
        value = named[at] if isinstance(at, str) else made[at]
        return Cotangent(value, cotangent.negative != pull.negative)

    def total(self, terms: Sequence[Cotangent]) -> Cotangent:
        """The sum of cotangents, of which there is at least one."""
        if len(terms) == 1:
            return terms[0]
        added = [term.value for term in terms if not term.negative]
        taken = [term.value for term in terms if term.negative]
        first, *rest = added or taken
        for value in rest:
            first = self.op("add", (first, value), first.type, None)
        if not added:
            return Cotangent(first, True)
        for value in taken:
            first = self.op("sub", (first, value), first.type, None)
        return Cotangent(first)

    def plain(self, cotangent: Cotangent) -> Value:
        """The value itself, with its sign."""
        value = cotangent.value
        return self.op("neg", (value,), value.type, None) if cotangent.negative else value


class Cotangents:
    """What values of the primal have received so far, by id."""

    def __init__(self) -> None:
        self.terms: dict[int, list[Cotangent]] = {}

    def add(self, value: Value, cotangent: Cotangent) -> None:
        """One more contribution."""
        self.terms.setdefault(value.id, []).append(cotangent)

    def take(self, emitter: Emitter, value: Value) -> Cotangent | None:
        """The sum of all contributions, removed; None where there is none."""
        terms = self.terms.pop(value.id, None)
        return None if terms is None else emitter.total(terms)


class Replay:
    """Copies statements of the primal. `now` maps ids of the primal to values of the gradient; what
    is not in it has kept its id."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.now: dict[int, Value] = {}

    def value(self, value: Value) -> Value:
        """What a value of the primal is here."""
        return self.now.get(value.id, value)

    def values(self, values: Iterable[Value]) -> tuple[Value, ...]:
        """What values of the primal are here."""
        now = self.now
        return tuple([now.get(value.id, value) for value in values])

    def again(self, values: Iterable[Value]) -> tuple[Value, ...]:
        """New values for values of the primal."""
        out: list[Value] = []
        for value in values:
            made = self.now[value.id] = self.emitter.fresh(value.type)
            out.append(made)
        return tuple(out)

    def keep(self, statement: Statement) -> None:
        """Add a statement of the primal as it is, but without what it writes."""
        emitter = self.emitter
        if statement.op == "const":
            emitter.keep_const(statement)
            return
        if statement.regions:
            statement = without_writes(statement)
            for inner in statement.regions:
                emitter.replayed.update([v.id for s in walk(inner) for v in s.results])
        emitter.replayed.update([value.id for value in statement.results])
        emitter.append(statement)

    def statement(self, statement: Statement) -> None:
        """Copy a statement that is pure, or reads; constants in scope are not made again."""
        emitter = self.emitter
        if statement.op == "const":
            literal = statement.attribute
            assert isinstance(literal, (bool, int, float))
            (result,) = statement.results
            assert isinstance(result.type, Scalar)
            self.now[result.id] = emitter.const(result.type, literal)
            return
        regions = tuple([self.region(region) for region in statement.regions])
        operands = self.values(statement.operands)
        results = self.again(statement.results)
        emitter.replayed.update([value.id for value in results])
        emitter.append(Statement(statement.op, operands, results, statement.attribute, regions))

    def region(self, region: Region) -> Region:
        """Copy a region without what it writes."""
        params = self.again(region.params)
        self.emitter.open()
        for statement in region.body:
            if effect_of(statement.op) != "write":
                self.statement(statement)
        values = self.values(region.end.values)
        return Region(params, self.emitter.close(), Terminator(region.end.kind, values))


def writes(statement: Statement) -> bool:
    """Whether a structured statement writes memory."""
    return any(effect_of(s.op) == "write" for region in statement.regions for s in walk(region))


def without_writes(statement: Statement) -> Statement:
    """A structured statement without the writes in its regions."""
    if not writes(statement):
        return statement
    regions: list[Region] = []
    for region in statement.regions:
        body = [
            without_writes(inner) if inner.regions else inner
            for inner in region.body
            if effect_of(inner.op) != "write"
        ]
        regions.append(region._replace(body=tuple(body)))
    return statement._replace(regions=tuple(regions))


def renamed(body: tuple[Statement, ...], now: Mapping[int, Value]) -> tuple[Statement, ...]:
    """Statements with some values replaced."""
    out: list[Statement] = []
    for op, operands, results, attribute, regions in body:
        if regions:
            regions = tuple(
                [
                    Region(
                        region.params,
                        renamed(region.body, now),
                        Terminator(
                            region.end.kind,
                            tuple([now.get(value.id, value) for value in region.end.values]),
                        ),
                    )
                    for region in regions
                ]
            )
        operands = tuple([now.get(value.id, value) for value in operands])
        out.append(Statement(op, operands, results, attribute, regions))
    return tuple(out)
