"""The reverse sweep over regions: each statement hands the cotangents of its results on.

A region is replayed first, so that the values of the primal are at hand, and then swept from its
end. The reverse of an `if` is an `if` that replays the side taken, and yields what that side gives
to values from outside; loops are the business of `grammar.gradient.loops`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from grammar.gradient import loops, tape
from grammar.gradient.emitter import Cotangent, Cotangents, Emitter, Replay, writes
from grammar.gradient.partial import pulls
from grammar.gradient.varied import element_of, row_attribute
from grammar.program import Region, Statement, Terminator, Value
from grammar.structural import ATOMICS, effect_of, op_kind
from grammar.types import Array


@dataclass(frozen=True, slots=True)
class AdjointFunction:
    """The adjoint of a function. `arguments` are positions among the function's arguments followed
    by the cotangents of its results, `gradients` those of the arguments that it has results for."""

    number: int
    arguments: tuple[int, ...]
    gradients: tuple[int, ...]


_IDEMPOTENT = ("min", "max", "component_min", "component_max")
"""Of one value twice they are that value, and no tie."""


class Functions(Protocol):
    """What gives the adjoints of functions."""

    def adjoint(
        self, number: int, active: tuple[bool, ...], seeded: tuple[bool, ...]
    ) -> AdjointFunction:
        """The adjoint of a function, by which arguments are active and which results have a
        cotangent."""
        ...


@dataclass(slots=True)
class Memory:
    """The arrays of an adjoint kernel, by the ids of the primal's: where to read the cotangent of a
    written array, and where to add the gradient of one that is read. `cells` are the ids of loads
    of the lane's own cell, whose cotangents are collected; `shares` tells what part of the
    cotangent the value of an atomic minimum or maximum gets."""

    cotangents: Mapping[int, Value] = field(default_factory=dict[int, Value])
    gradients: Mapping[int, Value] = field(default_factory=dict[int, Value])
    cells: frozenset[int] = frozenset()
    shares: Mapping[int, Callable[[Cotangent], Cotangent]] = field(
        default_factory=dict[int, Callable[[Cotangent], Cotangent]]
    )


class Reverse:
    """The adjoint of one unit. `varied` are the values that carry cotangents, `constants` the
    integer literals of the primal by id."""

    def __init__(
        self,
        emitter: Emitter,
        functions: Functions,
        varied: Mapping[int, Value],
        constants: Mapping[int, int],
        memory: Memory | None = None,
    ) -> None:
        self.emitter = emitter
        self.functions = functions
        self.varied = varied
        self.constants = constants
        self.memory = memory or Memory()
        self.replay = Replay(emitter)
        self.taped: dict[int, loops.Taped] = {}
        self.first = True

    def unit(self, body: tuple[Statement, ...], cotangents: Cotangents) -> None:
        """Replay and sweep the body of a unit; what its parameters receive is left behind."""
        self.forward(body)
        self.first = False
        self.sweep(body, cotangents)

    def forward(self, body: tuple[Statement, ...]) -> None:
        """Replay statements, with tapes for the loops among them."""
        for statement in body:
            if statement.op in ("for", "while"):
                loops.forward(self, statement)
            elif effect_of(statement.op) != "write":
                self.copy(statement)

    def copy(self, statement: Statement) -> None:
        """Replay one statement, as it is where the unit is replayed for the first time."""
        if self.first:
            self.replay.keep(statement)
        else:
            self.replay.statement(statement)

    def sweep(self, body: tuple[Statement, ...], cotangents: Cotangents) -> None:
        """Pull cotangents back through statements that were replayed in this region."""
        for statement in reversed(body):
            rule = _RULES.get(statement.op)
            if rule is not None:
                rule(self, statement, cotangents)
            elif op_kind(statement.op) == "row":
                self.row(statement, cotangents)

    def row(self, statement: Statement, cotangents: Cotangents) -> None:
        """An op with declared partials."""
        (result,) = statement.results
        cotangent = cotangents.take(self.emitter, result)
        if cotangent is None:
            return
        operands = statement.operands
        found = pulls(
            statement.op,
            tuple([element_of(value) for value in operands]),
            element_of(result),
            row_attribute(statement),
        )
        now = self.replay.values(operands)
        if statement.op in _IDEMPOTENT and now[0].id == now[1].id:
            if operands[0].id in self.varied:
                cotangents.add(operands[0], cotangent)
            return
        y = self.replay.value(result)
        for operand, pull in zip(operands, found, strict=True):
            if pull is not None and operand.id in self.varied:
                cotangents.add(operand, self.emitter.pull(pull, now, y, cotangent))

    def branches(self, statement: Statement, cotangents: Cotangents) -> None:
        """The reverse `if`."""
        emitter = self.emitter
        seeds = [cotangents.take(emitter, result) for result in statement.results]
        if not any(seeds) and not writes(statement):
            return
        outer: dict[int, Value] = {}
        sides: list[tuple[list[Statement], dict[int, Cotangent]]] = []
        for region in statement.regions:
            emitter.open()
            inner = Cotangents()
            self.forward(region.body)
            for value, seed in zip(region.end.values, seeds, strict=True):
                if seed is not None and value.id in self.varied:
                    tape.contribute(emitter, inner, value, seed)
            self.sweep(region.body, inner)
            given = {at: emitter.total(terms) for at, terms in inner.terms.items()}
            outer |= {at: self.varied[at] for at in given}
            sides.append((list(emitter.close()), given))
        if not outer and not any(body for body, _ in sides):
            return
        signs = {at: all(given[at].negative for _, given in sides if at in given) for at in outer}
        regions: list[Region] = []
        for body, given in sides:
            values: list[Value] = []
            for at, value in outer.items():
                found = given.get(at)
                if found is None:
                    values.append(tape.zero(emitter, value.type))
                elif found.negative == signs[at]:
                    values.append(found.value)
                else:
                    values.append(emitter.fresh(value.type))
                    body.append(Statement("neg", (found.value,), (values[-1],)))
            regions.append(Region((), tuple(body), Terminator("yield", tuple(values))))
        condition = self.replay.values(statement.operands)
        types = [value.type for value in outer.values()]
        made = emitter.emit("if", condition, types, None, regions)
        for value, new in zip(outer.values(), made, strict=True):
            tape.contribute(emitter, cotangents, value, Cotangent(new, signs[value.id]))

    def loop(self, statement: Statement, cotangents: Cotangents) -> None:
        """The reverse loop."""
        loops.reverse(self, statement, cotangents)

    def call(self, statement: Statement, cotangents: Cotangents) -> None:
        """A call of the function's adjoint."""
        emitter = self.emitter
        seeds = [cotangents.take(emitter, result) for result in statement.results]
        active = tuple([value.id in self.varied for value in statement.operands])
        given = [seed for seed in seeds if seed is not None]
        if not given or not any(active):
            return
        number = statement.attribute
        assert isinstance(number, int)
        made = self.functions.adjoint(number, active, tuple([seed is not None for seed in seeds]))
        negative = all(seed.negative for seed in given)
        passed = [seed.value if negative else emitter.plain(seed) for seed in given]
        arguments = (*self.replay.values(statement.operands), *passed)
        operands = tuple([arguments[at] for at in made.arguments])
        targets = [statement.operands[at] for at in made.gradients]
        types = [value.type for value in targets]
        for value, new in zip(
            targets, emitter.emit("call", operands, types, made.number), strict=True
        ):
            cotangents.add(value, Cotangent(new, negative))

    # Memory

    def load(self, statement: Statement, cotangents: Cotangents) -> None:
        """Add to the gradient of the array, unless it is the lane's own cell."""
        (result,) = statement.results
        if result.id in self.memory.cells:
            return
        cotangent = cotangents.take(self.emitter, result)
        array = self.memory.gradients.get(statement.operands[0].id)
        if cotangent is not None and array is not None:
            operands = (array, *self.replay.values(statement.operands[1:]), cotangent.value)
            self.emitter.act("atomic_sub" if cotangent.negative else "atomic_add", operands)

    def write(self, statement: Statement, cotangents: Cotangents) -> None:
        """The value of a store, or of an atomic, gets the cotangent of the element, or its part."""
        array, *indices, value = statement.operands
        source = self.memory.cotangents.get(array.id)
        share = self.memory.shares.get(id(statement))
        varied = value.id in self.varied
        if source is None or not (varied or share):
            return
        operands = (source, *self.replay.values(indices))
        assert isinstance(source.type, Array)
        loaded = self.emitter.op("load", operands, source.type.element, None)
        cotangent = Cotangent(loaded, statement.op == "atomic_sub")
        if share is not None:
            cotangent = share(cotangent)
        if varied:
            cotangents.add(value, cotangent)


def _get(reverse: Reverse, statement: Statement, cotangents: Cotangents) -> None:
    tape.reverse_get(reverse.emitter, reverse.replay, reverse.varied, statement, cotangents)


def _put(reverse: Reverse, statement: Statement, cotangents: Cotangents) -> None:
    tape.reverse_put(reverse.emitter, reverse.replay, reverse.varied, statement, cotangents)


_Rule = Callable[[Reverse, Statement, Cotangents], None]
_RULES: dict[str, _Rule] = {
    "if": Reverse.branches,
    "for": Reverse.loop,
    "while": Reverse.loop,
    "call": Reverse.call,
    "load": Reverse.load,
    "get": _get,
    "put": _put,
    **dict.fromkeys(("store", *ATOMICS), Reverse.write),
}
