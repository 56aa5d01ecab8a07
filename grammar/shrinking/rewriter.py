"""Applies actions to statements: one walk over each unit that has any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from grammar.passes.exits import has_exits, remove_exits
from grammar.passes.uses import highest_id
from grammar.program import Attribute, Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.shrinking.actions import (
    Action,
    Drop,
    End,
    Inline,
    Mode,
    NotApplicable,
    Operand,
    Place,
    Set,
    Stay,
    Swap,
    Uncarry,
    Unwrap,
)
from grammar.structural import LOOPS
from grammar.types import I32, Array, Scalar, Type, scalar_of

_BUFFERS = ("zeros", "copy")
"""What makes arrays that are written later."""

FED = 2
"""What a new parameter is fed: enough for a loop to go round."""

_LITERALS: Mapping[str, tuple[Attribute, Attribute]] = {
    "bool": (False, True),
    "int": (0, 1),
    "uint": (0, 1),
    "float": (0.0, 1.0),
}


def rewritten(program: Program, actions: Mapping[Place, Action]) -> tuple[Program, dict[int, int]]:
    """The program after actions on statements, by unit and number, and what to feed the parameters
    that the entry gains, by id. Values that stay keep their ids. NotApplicable where one is."""
    units = list(program.units)
    fresh: dict[int, int] = {}
    for number in sorted({unit for unit, _ in actions}):
        own = {at: action for (unit, at), action in actions.items() if unit == number}
        work = _Rewriter(program, number, own)
        units[number] = work.unit()
        fresh |= work.fresh
    return Program(tuple(units)), fresh


def inner_count(statement: Statement) -> int:
    """The statements that a statement holds, nested ones included."""
    return sum(1 for region in statement.regions for _ in walk(region))


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loop around a region: the carried values it hands on no more."""

    dropped: frozenset[int] = frozenset()


class _Rewriter:
    """Walks a unit. `at` numbers statements, `scope` has what is in sight, `instead` what stands
    for a value that is gone, `literals` the constants."""

    def __init__(self, program: Program, number: int, actions: Mapping[int, Action]) -> None:
        self.program = program
        self.old = program.units[number]
        self.actions = actions
        self.is_entry = number == len(program.units) - 1
        self.next_id = highest_id(self.old) + 1
        self.at = 0
        self.scope: list[Value] = []
        self.instead: dict[int, Value] = {}
        self.literals: dict[int, Attribute] = {}
        self.loops: list[_Loop] = []
        self.added: list[Value] = []
        self.fresh: dict[int, int] = {}

    def unit(self) -> Unit:
        body = self.region(self.old.body)
        return replace(self.old, body=body._replace(params=(*body.params, *self.added)))

    def new(self, type_: Type) -> Value:
        self.next_id += 1
        return Value(self.next_id - 1, type_)

    def now(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        """What stands for values."""
        return tuple([self.instead.get(value.id, value) for value in values])

    def emit(self, statement: Statement, out: list[Statement]) -> None:
        out.append(statement)
        self.scope += statement.results
        if statement.op == "const":
            self.literals[statement.results[0].id] = statement.attribute

    def stand_in(
        self, type_: Type, mode: Mode, operands: tuple[Value, ...], out: list[Statement]
    ) -> Value:
        """A value of a type that is in sight. Never another array that may be written: that would
        make one of two that were apart, and bugs of its own."""
        if mode in ("first", "second"):
            fitting = [value for value in operands if value.type == type_]
            if len(fitting) > (mode == "second"):
                return fitting[mode == "second"]
            if mode == "second":
                raise NotApplicable
        if mode in ("first", "early", "late") and not self.is_buffer(type_):
            for value in reversed(self.scope) if mode == "late" else self.scope:
                if value.type == type_ and value.id not in self.literals:
                    return value
            if mode != "first":
                raise NotApplicable
        if mode == "param":
            return self.param(type_)
        if mode == "through":
            raise NotApplicable
        return self.literal(type_, mode == "one", out)

    def source(self, value: Value, out: list[Statement]) -> Value:
        """The first operand of the statement, of this region, that made a value."""
        for statement in out:
            if statement.operands and value in statement.results:
                return statement.operands[0]
        raise NotApplicable

    def is_buffer(self, type_: Type) -> bool:
        return isinstance(type_, Array) and self.old.kind != "program"

    def param(self, type_: Type) -> Value:
        if not (self.is_entry and isinstance(type_, Scalar) and type_.kind in ("int", "uint")):
            raise NotApplicable
        made = self.new(type_)
        self.added.append(made)
        self.fresh[made.id] = FED
        return made

    def literal(self, type_: Type, one: bool, out: list[Statement]) -> Value:
        if isinstance(type_, Array):
            if self.old.kind != "program" or one:
                raise NotApplicable
            made = self.new(type_)
            self.emit(Statement("zeros", (), (made,)), out)
            return made
        scalar = scalar_of(type_)
        number = self.const(scalar, _LITERALS[scalar.kind][one], out)
        if isinstance(type_, Scalar):
            return number
        made = self.new(type_)
        self.emit(Statement("fill", (number,), (made,)), out)
        return made

    def const(self, scalar: Scalar, literal: Attribute, out: list[Statement]) -> Value:
        for value in self.scope:
            known = self.literals.get(value.id)
            if value.type == scalar and known == literal and type(known) is type(literal):
                return value
        made = self.new(scalar)
        self.emit(Statement("const", (), (made,), literal), out)
        return made

    def region(
        self,
        region: Region,
        loop: _Loop | None = None,
        end: End | None = None,
        stay: tuple[Stay, tuple[Value, ...]] | None = None,
        params: tuple[Value, ...] | None = None,
    ) -> Region:
        """A region after the actions within it; `end` and `stay` are those on its own end."""
        before = len(self.scope)
        params = region.params if params is None else params
        self.scope += params
        if loop is not None:
            self.loops.append(loop)
        out: list[Statement] = []
        for statement in region.body:
            self.statement(statement, out)
        kind, values = region.end.kind, self.now(region.end.values)
        if kind in ("break", "continue") or (loop is not None and kind == "yield"):
            dropped = self.loops[-1].dropped if self.loops else frozenset[int]()
            values = tuple([value for at, value in enumerate(values) if at not in dropped])
        if end is not None:
            values = self.ended(end, region, values, loop is not None, out)
        if stay is not None:
            if kind == "yield":
                raise NotApplicable
            kind = "yield"
            mode = stay[0].mode
            values = tuple([self.stand_in(one.type, mode, (), out) for one in stay[1]])
        if loop is not None:
            self.loops.pop()
        del self.scope[before:]
        return Region(params, tuple(out), Terminator(kind, values))

    def ended(
        self,
        end: End,
        region: Region,
        values: tuple[Value, ...],
        carries: bool,
        out: list[Statement],
    ) -> tuple[Value, ...]:
        if end.position >= len(values):
            raise NotApplicable
        old = values[end.position]
        if carries and end.mode == "first":
            new = region.params[1 + end.position]
        else:
            new = self.stand_in(old.type, end.mode, (), out)
        if new == old:
            raise NotApplicable
        return (*values[: end.position], new, *values[end.position + 1 :])

    def statement(self, statement: Statement, out: list[Statement]) -> None:
        number = self.at
        self.at += 1
        action = self.actions.get(number)
        operands = self.now(statement.operands)
        match action:
            case None:
                self.keep(statement, operands, statement.attribute, out)
            case Drop(mode):
                self.drop(statement, operands, mode, out)
            case Unwrap(region):
                self.unwrap(statement, operands, region, out)
            case Swap(op, chosen, attribute):
                if statement.regions or max(chosen, default=0) >= len(operands):
                    raise NotApplicable
                made = tuple([operands[at] for at in chosen])
                self.emit(Statement(op, made, statement.results, attribute), out)
            case Set(attribute):
                self.keep(statement, operands, attribute, out)
            case Operand(position, mode):
                if position >= len(operands) or _is_written(statement, position):
                    raise NotApplicable
                old = operands[position]
                if mode == "through":
                    new = self.source(old, out)
                else:
                    new = self.stand_in(old.type, mode, (), out)
                if new == old:
                    raise NotApplicable
                changed = (*operands[:position], new, *operands[position + 1 :])
                self.keep(statement, changed, statement.attribute, out)
            case End():
                self.keep(statement, operands, statement.attribute, out, end=action)
            case Stay():
                self.keep(statement, operands, statement.attribute, out, stay=action)
            case Uncarry(position):
                self.uncarry(statement, operands, position, out)
            case Inline():
                self.inline(statement, operands, out)

    def keep(
        self,
        statement: Statement,
        operands: tuple[Value, ...],
        attribute: Attribute,
        out: list[Statement],
        end: End | None = None,
        stay: Stay | None = None,
    ) -> None:
        if not statement.regions:
            if end or stay:
                raise NotApplicable
            self.emit(Statement(statement.op, operands, statement.results, attribute), out)
            return
        loop = _Loop() if statement.op in LOOPS else None
        if (loop or statement.op != "if") and stay:
            raise NotApplicable
        last = len(statement.regions) - 1
        regions = tuple(
            [
                self.region(
                    region,
                    loop if at == last else None,
                    end if end and end.region == at else None,
                    (stay, statement.results) if stay and stay.region == at else None,
                )
                for at, region in enumerate(statement.regions)
            ]
        )
        self.emit(Statement(statement.op, operands, statement.results, attribute, regions), out)

    def drop(
        self,
        statement: Statement,
        operands: tuple[Value, ...],
        mode: Mode,
        out: list[Statement],
    ) -> None:
        if statement.op in _BUFFERS and mode in ("first", "second", "early", "late"):
            raise NotApplicable
        self.at += inner_count(statement)
        inits = _inits(statement, operands)
        for at, result in enumerate(statement.results):
            given = (inits[at],) if inits and mode == "first" else operands
            self.instead[result.id] = self.stand_in(result.type, mode, given, out)

    def unwrap(
        self,
        statement: Statement,
        operands: tuple[Value, ...],
        chosen: int,
        out: list[Statement],
    ) -> None:
        if chosen >= len(statement.regions):
            raise NotApplicable
        region = statement.regions[chosen]
        if region.end.kind != "yield" or len(region.end.values) != len(statement.results):
            raise NotApplicable
        for at, other in enumerate(statement.regions):
            if at != chosen:
                self.at += sum(1 for _ in walk(other))
                continue
            if region.params:
                start = operands[0] if statement.op == "for" else self.const(I32, 0, out)
                inits = _inits(statement, operands)
                for param, value in zip(region.params, (start, *inits), strict=True):
                    self.instead[param.id] = value
            for inner in region.body:
                self.statement(inner, out)
        for result, value in zip(statement.results, self.now(region.end.values), strict=True):
            self.instead[result.id] = value

    def uncarry(
        self,
        statement: Statement,
        operands: tuple[Value, ...],
        position: int,
        out: list[Statement],
    ) -> None:
        inits = _inits(statement, operands)
        if position >= len(inits):
            raise NotApplicable
        init = inits[position]
        for region in statement.regions:
            self.instead[region.params[1 + position].id] = init
        self.instead[statement.results[position].id] = init
        loop = _Loop(frozenset((position,)))
        last = len(statement.regions) - 1
        regions = tuple(
            [
                self.region(
                    region,
                    loop if at == last else None,
                    params=_without(region.params, 1 + position),
                )
                for at, region in enumerate(statement.regions)
            ]
        )
        first = len(operands) - len(inits)
        kept = _without(operands, first + position)
        results = _without(statement.results, position)
        self.emit(Statement(statement.op, kept, results, statement.attribute, regions), out)

    def inline(
        self, statement: Statement, operands: tuple[Value, ...], out: list[Statement]
    ) -> None:
        if statement.op != "call":
            raise NotApplicable
        assert isinstance(statement.attribute, int)
        target = self.program.units[statement.attribute]
        if has_exits(target):
            target = remove_exits(target)
        known = dict(zip([value.id for value in target.parameters], operands, strict=True))
        for inner in target.body.body:
            self.emit(self.copied(inner, known), out)
        for result, value in zip(statement.results, target.body.end.values, strict=True):
            self.instead[result.id] = known[value.id]

    def copied(self, statement: Statement, known: dict[int, Value]) -> Statement:
        """A statement of another unit with new ids; `known` has what its values are here."""
        operands = tuple([known[value.id] for value in statement.operands])
        regions: list[Region] = []
        for region in statement.regions:
            params = self.renamed(region.params, known)
            body = tuple([self.copied(inner, known) for inner in region.body])
            values = tuple([known[value.id] for value in region.end.values])
            regions.append(Region(params, body, Terminator(region.end.kind, values)))
        results = self.renamed(statement.results, known)
        return Statement(statement.op, operands, results, statement.attribute, tuple(regions))

    def renamed(self, values: tuple[Value, ...], known: dict[int, Value]) -> tuple[Value, ...]:
        made = tuple([self.new(value.type) for value in values])
        known.update({old.id: new for old, new in zip(values, made, strict=True)})
        return made


def _is_written(statement: Statement, position: int) -> bool:
    """Whether an operand is an array that the statement may write, or the index of a store."""
    if statement.op == "store":
        return position < len(statement.operands) - 1
    return statement.op == "launch" and isinstance(statement.operands[position].type, Array)


def _inits(statement: Statement, operands: tuple[Value, ...]) -> tuple[Value, ...]:
    """What a loop starts from; none for other statements."""
    if statement.op not in LOOPS:
        return ()
    return operands[len(operands) - len(statement.results) :]


def _without(values: tuple[Value, ...], at: int) -> tuple[Value, ...]:
    return (*values[:at], *values[at + 1 :])
