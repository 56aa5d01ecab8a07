"""The driver of a program while it is drawn: its buffers with their ranges, and launches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from grammar import guards, ranges
from grammar.drawing.body import Library
from grammar.drawing.schedule_kernels import Drawn, Slot
from grammar.drawing.tables import Tables
from grammar.program import Statement, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import I32, Array, Scalar, Type

_NUMBERS: dict[str, tuple[float | int, ...]] = {
    "float": (0.5, 0.1, 0.25, 1.0, 2.0, 0.01, 1.5, 3.0),
    "int": (1, 2, 3, 4, 0, 5, 8, 7),
    "uint": (1, 2, 3, 4, 0, 5, 8, 7),
}
"""Numbers that a driver passes; all lie in the range of inputs."""


@dataclass(slots=True, eq=False)
class Buffer:
    """An array of the program. `owned` ones may be written; `read` tells whether something used
    what it holds now."""

    value: Value
    range: Range
    owned: bool
    read: bool = False

    @property
    def array(self) -> Array:
        assert isinstance(self.value.type, Array)
        return self.value.type


@dataclass(slots=True)
class Driver:
    """The state of a program while it is drawn."""

    source: Source
    tables: Tables
    library: Library
    grid: tuple[int, ...]
    kernels: list[Drawn] = field(default_factory=list[Drawn])
    params: list[Value] = field(default_factory=list[Value])
    buffers: list[Buffer] = field(default_factory=list[Buffer])
    statements: list[Statement] = field(default_factory=list[Statement])
    ids: int = 0

    def fresh(self, type_: Type) -> Value:
        self.ids += 1
        return Value(self.ids - 1, type_)

    def emit(self, op: str, operands: tuple[Value, ...], type_: Type) -> Value:
        value = self.fresh(type_)
        self.statements.append(Statement(op, operands, (value,)))
        return value

    def constant(self, scalar: Scalar, literal: bool | int | float) -> Value:
        value = self.fresh(scalar)
        self.statements.append(Statement("const", (), (value,), literal))
        return value

    def param(self, type_: Type) -> Value:
        value = self.fresh(type_)
        self.params.append(value)
        return value

    def input(self, type_: Array) -> Buffer:
        """A new array parameter."""
        buffer = Buffer(self.param(type_), guards.inputs(type_.element), owned=False)
        self.buffers.append(buffer)
        return buffer

    def made(self, value: Value, range_: Range) -> Buffer:
        """A new buffer that the program may write."""
        buffer = Buffer(value, range_, owned=True)
        self.buffers.append(buffer)
        return buffer

    def unread(self) -> list[Buffer]:
        """The buffers of whose content nothing is made yet."""
        return [buffer for buffer in self.buffers if buffer.owned and not buffer.read]


def chosen(driver: Driver) -> list[Buffer]:
    """The buffers for a new kernel to read: what is new first, sometimes inputs."""
    below = driver.source.below
    least, most = driver.tables.grammar.arrays
    found: list[Buffer] = []
    for _ in range(max(1, least + below(most - least + 1))):
        how = below(6)
        left = [buffer for buffer in driver.unread() if buffer not in found]
        if how < 4 and left:
            found.append(left[0 if how == 3 else -1])
            continue
        others = [buffer for buffer in driver.buffers if buffer not in found]
        if how == 5 or not others:
            others = [driver.input(Array(driver.tables.elements.pick(driver.source), driver.grid))]
        found.append(others[below(len(others))])
    return found


def launch(driver: Driver, number: int, given: Sequence[Buffer]) -> None:
    """Launch a kernel: outputs are new, an input it writes is one the program owns."""
    operands: list[Value] = []
    for slot in driver.kernels[number].slots:
        if slot.output:
            assert isinstance(slot.type, Array)
            buffer = driver.made(driver.emit("zeros", (), slot.type), slot.gives)
        elif not isinstance(slot.type, Array):
            operands.append(scalar_for(driver, slot))
            continue
        else:
            buffer = (
                given[slot.given] if given and slot.given is not None else fitting(driver, slot)
            )
            buffer.read = True
            if slot.written:
                buffer = _writable(driver, buffer)
                buffer.range, buffer.read = slot.gives, False
        operands.append(buffer.value)
    written = [operands[k] for k, slot in enumerate(driver.kernels[number].slots) if slot.written]
    operands = _apart(driver, operands, written, number)
    driver.statements.append(Statement("launch", tuple(operands), (), number))


def _apart(driver: Driver, operands: list[Value], written: list[Value], number: int) -> list[Value]:
    """The operands, with copies where a buffer that is written is also passed to be read."""
    out: list[Value] = []
    for value, slot in zip(operands, driver.kernels[number].slots, strict=True):
        if value in written and not slot.written:
            value = driver.emit("copy", (value,), value.type)
        out.append(value)
    return out


def fitting(driver: Driver, slot: Slot) -> Buffer:
    """A buffer that a parameter may be given: one there is, else a new input."""
    found = [
        buffer
        for buffer in driver.buffers
        if buffer.array == slot.type and ranges.inside(buffer.range, slot.takes)
    ]
    if found and driver.source.below(8) < 7:
        return found[-1 - driver.source.below(min(len(found), 3))]
    assert isinstance(slot.type, Array)
    made = driver.input(slot.type)
    assert ranges.inside(made.range, slot.takes)
    return made


def _writable(driver: Driver, buffer: Buffer) -> Buffer:
    """The buffer itself where the program owns it and may lose what it holds, else a copy."""
    if buffer.owned and driver.source.below(2) == 0:
        return buffer
    return driver.made(driver.emit("copy", (buffer.value,), buffer.array), buffer.range)


def scalar_for(driver: Driver, slot: Slot) -> Value:
    """A number to pass: a parameter or a constant."""
    type_ = slot.type
    assert isinstance(type_, Scalar)
    if slot.counter:
        return driver.constant(I32, driver.source.below(slot.takes[1] + 1))
    known = [value for value in driver.params if value.type == type_]
    how = driver.source.below(3)
    if how == 2 and type_.kind in _NUMBERS:
        numbers = _NUMBERS[type_.kind]
        return driver.constant(type_, numbers[driver.source.below(len(numbers))])
    return known[-1] if known and how == 1 else driver.param(type_)
