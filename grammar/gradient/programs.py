"""The gradient of a program over buffers.

Every launch of the gradient writes into buffers of its own, so each content a buffer once had (a
version) stays at hand for the way back, and a copy is but another name. Loops are unrolled, those
without constant bounds by `grammar.gradient.rounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grammar.gradient import rounds
from grammar.gradient.accumulate import Buffers
from grammar.gradient.emitter import Emitter
from grammar.gradient.launches import Kernels
from grammar.gradient.units import Units
from grammar.gradient.varied import element_of, is_float, row_attribute
from grammar.program import Region, Statement, Value
from grammar.types import I32, Scalar


@dataclass(frozen=True, slots=True)
class Version:
    """A content: the value that holds it, whether it depends on what is differentiated, and whether
    it is a buffer of zeros that nobody wrote."""

    value: Value
    varied: bool
    blank: bool = False


class Driver:
    """Emits a program forwards, and leaves in `tape` what is to be emitted on the way back, last
    things last. `now` has the version that each value of the primal is, `constants` the integers
    that are known."""

    def __init__(self, emitter: Emitter, units: Units) -> None:
        self.emitter = emitter
        self.kernels = Kernels(units)
        self.buffers = Buffers(emitter, units)
        self.now: dict[int, Version] = {}
        self.constants: dict[int, int] = {}
        self.tape: list[Callable[[], None]] = []

    def versions(self, values: Sequence[Value]) -> tuple[Version, ...]:
        """The versions that values of the primal are now."""
        return tuple([self.now[value.id] for value in values])

    def bind(self, values: Sequence[Value], versions: Sequence[Version]) -> None:
        """Make values of the primal be these versions."""
        for value, version in zip(values, versions, strict=True):
            self.now[value.id] = version

    def backward(self) -> None:
        """Emit the way back."""
        while self.tape:
            self.tape.pop()()

    def body(self, body: tuple[Statement, ...]) -> None:
        """Emit statements forwards."""
        for statement in body:
            match statement.op:
                case "zeros":
                    made = self.buffers.zeros(statement.results[0].type)
                    self.bind(statement.results, [Version(made, False, blank=True)])
                case "copy":
                    self.bind(statement.results, self.versions(statement.operands))
                case "launch":
                    number = statement.attribute
                    assert isinstance(number, int)
                    self.launch(number, statement.operands)
                case "for":
                    self.loop(statement)
                case "const":
                    self.const(statement)
                case _:
                    self.scalar(statement)

    def const(self, statement: Statement) -> None:
        """A constant."""
        (result,) = statement.results
        type_, literal = result.type, statement.attribute
        assert isinstance(type_, Scalar)
        assert isinstance(literal, (bool, int, float))
        if type(literal) is int:
            self.constants[result.id] = literal
        self.bind(statement.results, [Version(self.emitter.const(type_, literal), False)])

    def scalar(self, statement: Statement) -> None:
        """An op on scalars; on the way back it is a kernel of one lane."""
        emitter = self.emitter
        (result,) = statement.results
        type_ = element_of(result)
        assert isinstance(type_, Scalar)
        given = self.versions(statement.operands)
        values = tuple([version.value for version in given])
        attribute = row_attribute(statement)
        made = emitter.op(statement.op, values, type_, attribute)
        emitter.replayed.add(made.id)
        flags = [version.varied for version in given]
        varied = is_float(type_) and any(flags)
        self.bind(statement.results, [Version(made, varied)])

        def reverse() -> None:
            found = self.buffers.take(made)
            if found is not None:
                number = self.kernels.one_lane(statement.op, attribute, values, type_)
                seeds = {len(values): found}
                self.kernels.launch_adjoint(
                    emitter, self.buffers, number, (*values, found), seeds, (*flags, False)
                )

        if varied:
            self.tape.append(reverse)

    def launch(self, number: int, operands: tuple[Value, ...]) -> None:
        """Run a kernel on fresh buffers for what it writes."""
        emitter, buffers = self.emitter, self.buffers
        writes = self.kernels.written(number)
        for at in writes:
            self.separate(operands, at)
        given = self.versions(operands)
        before = tuple([version.value for version in given])
        values = list(before)
        flags = tuple([version.varied for version in given])
        made: dict[int, Value] = {}
        for at, how in writes.items():
            fresh = how == "out" or given[at].blank
            made[at] = buffers.zeros(values[at].type) if fresh else buffers.copied(values[at])
            values[at] = made[at]
        emitter.act("launch", tuple(values), number)
        reads = any(flag for at, flag in enumerate(flags) if writes.get(at) != "out")
        for at, value in made.items():
            self.now[operands[at].id] = Version(value, reads and is_float(value.type))

        def reverse() -> None:
            seeds: dict[int, Value] = {}
            for at, value in made.items():
                found = buffers.take(value)
                if found is not None:
                    seeds[at] = found
            if seeds:
                self.kernels.launch_adjoint(emitter, buffers, number, before, seeds, flags)

        if reads:
            self.tape.append(reverse)

    def separate(self, operands: tuple[Value, ...], at: int) -> None:
        """Give a buffer that is written a version of its own, where the launch also reads the same
        content under another name."""
        version = self.now[operands[at].id]
        same = [self.now[value.id].value.id for value in operands].count(version.value.id)
        if same == 1:
            return
        buffers = self.buffers
        made = buffers.copied(version.value)
        self.now[operands[at].id] = Version(made, version.varied)

        def reverse() -> None:
            found = buffers.take(made)
            if found is not None:
                buffers.add(version.value, found)

        if version.varied:
            self.tape.append(reverse)

    def loop(self, statement: Statement) -> None:
        """Unroll a loop."""
        attribute = statement.attribute
        assert isinstance(attribute, tuple)
        step, bound = attribute
        first, last = [self.constants.get(value.id) for value in statement.operands[:2]]
        region = statement.regions[0]
        carried = self.versions(statement.operands[2:])
        if first is not None and last is not None:
            for index in range(first, last, step)[:bound]:
                carried = self.round(region, index, carried)
        else:
            for number in range(bound):
                carried = rounds.forward(self, statement, number * step, carried)
        self.bind(statement.results, carried)

    def round(self, region: Region, index: int, carried: Sequence[Version]) -> tuple[Version, ...]:
        """One round of a loop whose index is known; returns what it carries afterwards."""
        param = region.params[0]
        self.constants[param.id] = index
        self.bind(region.params, (Version(self.emitter.const(I32, index), False), *carried))
        self.body(region.body)
        return self.versions(region.end.values)
