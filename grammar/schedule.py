"""Programs of several kernels and functions, with a driver that launches them over buffers.

The driver keeps the range of every buffer. A kernel is drawn for the buffers it will read, whatever
they may hold. What runs again on what it wrote, in a time-stepping loop, is drawn to keep all
that it writes in the range of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from grammar import guards, ranges
from grammar.body import Library
from grammar.draw import NEVER
from grammar.kernel import draw_grid, new_library
from grammar.passes.dce import drop_unused_parameters, eliminate_dead_code
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.ranges import Range
from grammar.schedule_kernels import Drawn, Slot, draw_kernel
from grammar.source import Source
from grammar.tables import Tables
from grammar.types import I32, Array, Scalar, Type

ROUNDS = 6
"""Most steps of a loop with a constant number of them."""

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


def draw_schedule(source: Source, tables: Tables) -> Program:
    """Draw kernels, the functions they call, and a driver over named buffers."""
    driver = Driver(source, tables, new_library(tables), draw_grid(source, tables))
    driver.input(Array(tables.elements.pick(source), driver.grid))
    least, most = tables.grammar.kernels
    source.span(_step, driver, 0)
    count = 1
    while count < most and source.span(_step, driver, NEVER if count < least else most - count + 1):
        count += 1
    last = [buffer for buffer in driver.buffers if buffer.owned][-1]
    others = [buffer for buffer in driver.unread() if buffer is not last]
    results = (last.value, *[buffer.value for buffer in others[-2:]])
    region = Region(tuple(driver.params), tuple(driver.statements), Terminator("return", results))
    unit = Unit("program", region, tuple([value.type for value in results]))
    return _assembled(driver, unit)


def _assembled(driver: Driver, unit: Unit) -> Program:
    """Functions, kernels and driver, with launches renumbered past the functions."""
    first = len(driver.library.units)
    unit = replace(unit, body=_shifted(unit.body, first))
    kernels = [drawn.unit for drawn in driver.kernels]
    program = eliminate_dead_code(Program((*driver.library.units, *kernels, unit)))
    return Program((*program.units[:-1], drop_unused_parameters(program.entry)))


def _shifted(region: Region, by: int) -> Region:
    body: list[Statement] = []
    for statement in region.body:
        if statement.op == "launch":
            assert isinstance(statement.attribute, int)
            statement = replace(statement, attribute=statement.attribute + by)
        regions = tuple([_shifted(inner, by) for inner in statement.regions])
        body.append(replace(statement, regions=regions))
    return replace(region, body=tuple(body))


# Steps of the driver, simplest first

Step = Callable[[Driver], None]


def _step(source: Source, driver: Driver, stop: int) -> bool:
    """One step, or (for `stop` above 0) the choice to stop, which is choice 0."""
    if stop and source.below(stop) == 0:
        return False
    _STEPS[source.below(len(_STEPS))](driver)
    return True


def _one_launch(driver: Driver) -> None:
    """A new kernel, launched once."""
    source = driver.source
    grid = driver.grid
    if source.below(6) == 5:
        grid = grid[:1] if len(grid) > 1 else draw_grid(source, driver.tables)
    given = _chosen(driver)
    drawn = draw_kernel(
        source, driver.tables, driver.library, grid, [(b.array, b.range) for b in given]
    )
    driver.kernels.append(drawn)
    _launch(driver, len(driver.kernels) - 1, given)


def _again(driver: Driver) -> None:
    """A kernel launched before, on other buffers where some fit."""
    if not driver.kernels:
        return _one_launch(driver)
    number = driver.source.below(len(driver.kernels))
    _launch(driver, number, [])
    return None


def _chosen(driver: Driver) -> list[Buffer]:
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


def _launch(driver: Driver, number: int, given: Sequence[Buffer]) -> None:
    """Launch a kernel: outputs are new, an input it writes is one the program owns."""
    operands: list[Value] = []
    for slot in driver.kernels[number].slots:
        if slot.output:
            assert isinstance(slot.type, Array)
            buffer = driver.made(driver.emit("zeros", (), slot.type), slot.gives)
        elif not isinstance(slot.type, Array):
            operands.append(_scalar(driver, slot))
            continue
        else:
            buffer = (
                given[slot.given] if given and slot.given is not None else _fitting(driver, slot)
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


def _fitting(driver: Driver, slot: Slot) -> Buffer:
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


def _scalar(driver: Driver, slot: Slot) -> Value:
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


# Time stepping


def _state(driver: Driver) -> Buffer:
    """A buffer over the grid whose content is in the range of inputs, to start from."""
    found = [
        buffer
        for buffer in driver.buffers
        if buffer.array.shape == driver.grid and buffer.range == guards.inputs(buffer.array.element)
    ]
    if found and driver.source.below(6) < 5:
        return found[-1 - driver.source.below(min(len(found), 3))]
    return driver.input(Array(driver.tables.elements.pick(driver.source), driver.grid))


def _owned(driver: Driver, buffer: Buffer) -> Value:
    """A buffer that a loop may take over: a copy."""
    buffer.read = True
    return driver.emit("copy", (buffer.value,), buffer.array)


@dataclass(slots=True)
class _Loop:
    """A loop being made: its index, and where its numbers come from."""

    start: Value
    stop: Value
    bound: int
    index: Value


def _loop(driver: Driver) -> _Loop:
    """Bounds: constants, or a parameter, which counts up to the largest integer input."""
    below = driver.source.below
    start = driver.constant(I32, 0)
    if below(100) >= 100 - driver.tables.grammar.dynamic:
        known = [value for value in driver.params if value.type == I32]
        stop = known[-1] if known else driver.param(I32)
        bound = guards.inputs(I32)[1]
    else:
        bound = 2 + below(ROUNDS - 1)
        stop = driver.constant(I32, bound)
    return _Loop(start, stop, bound, driver.fresh(I32))


def _stepper(
    driver: Driver, loop: _Loop, state: Buffer, in_place: bool = False
) -> tuple[int, list[Buffer]]:
    """A kernel for one step from a state, and the buffers it reads, the state first."""
    given = [state]
    if driver.source.below(3) == 2:
        given += [buffer for buffer in _chosen(driver) if buffer is not state][:1]
    drawn = draw_kernel(
        driver.source,
        driver.tables,
        driver.library,
        driver.grid,
        [(b.array, b.range) for b in given],
        keeps=state.array.element,
        in_place=in_place,
        rounds=loop.bound if driver.source.below(4) == 3 else 0,
    )
    driver.kernels.append(drawn)
    return len(driver.kernels) - 1, given


def _operands(
    driver: Driver, loop: _Loop, number: int, given: Sequence[Buffer], source: Value, target: Value
) -> tuple[Value, ...]:
    """What a step is launched on, from the source buffer to the target; emits what the loop needs
    before it."""
    operands: list[Value] = []
    first = True
    for slot in driver.kernels[number].slots:
        if slot.output or slot.written:
            assert isinstance(slot.type, Array)
            if first and slot.type == target.type:
                operands.append(target)
                first = False
            else:
                made = driver.made(driver.emit("zeros", (), slot.type), slot.gives)
                operands.append(made.value)
        elif not isinstance(slot.type, Array):
            operands.append(loop.index if slot.counter else _scalar(driver, slot))
        elif slot.given == 0:
            operands.append(source)
        else:
            buffer = _fitting(driver, slot) if slot.given is None else given[slot.given]
            buffer.read = True
            operands.append(buffer.value)
    return tuple(operands)


def _close(
    driver: Driver,
    loop: _Loop,
    inits: tuple[Value, ...],
    params: tuple[Value, ...],
    body: Sequence[Statement],
    yields: tuple[Value, ...],
) -> tuple[Value, ...]:
    """Append the loop; returns its results."""
    results = tuple([driver.fresh(value.type) for value in inits])
    region = Region((loop.index, *params), tuple(body), Terminator("yield", yields))
    operands = (loop.start, loop.stop, *inits)
    driver.statements.append(Statement("for", operands, results, (1, loop.bound), (region,)))
    return results


def _in_place(driver: Driver) -> None:
    """A buffer updated again and again, each cell from itself and from other buffers."""
    loop = _loop(driver)
    state = _state(driver)
    number, given = _stepper(driver, loop, state, in_place=True)
    value = _owned(driver, state)
    operands = _operands(driver, loop, number, given, value, value)
    launch = Statement("launch", operands, (), number)
    _close(driver, loop, (), (), [launch], ())
    driver.made(value, state.range)


def _fresh_each_step(driver: Driver) -> None:
    """A new buffer in every step, which the next one reads."""
    loop = _loop(driver)
    state = _state(driver)
    number, given = _stepper(driver, loop, state)
    init = _owned(driver, state)
    param, target = driver.fresh(init.type), driver.fresh(init.type)
    operands = _operands(driver, loop, number, given, param, target)
    body = [Statement("zeros", (), (target,)), Statement("launch", operands, (), number)]
    (result,) = _close(driver, loop, (init,), (param,), body, (target,))
    driver.made(result, state.range)


def _ping_pong(driver: Driver) -> None:
    """Two buffers that change places, by one kernel there and perhaps another back."""
    loop = _loop(driver)
    state = _state(driver)
    number, given = _stepper(driver, loop, state)
    back: tuple[int, list[Buffer]] | None = None
    if driver.source.below(3) == 2 and len(driver.kernels) < driver.tables.grammar.kernels[1]:
        back = _stepper(driver, loop, state)
    inits = (_owned(driver, state), driver.emit("zeros", (), state.array))
    first, second = driver.fresh(state.array), driver.fresh(state.array)
    there = _operands(driver, loop, number, given, first, second)
    body = [Statement("launch", there, (), number)]
    if back is not None:
        operands = _operands(driver, loop, back[0], back[1], second, first)
        body.append(Statement("launch", operands, (), back[0]))
    yields = (second, first) if back is None else (first, second)
    results = _close(driver, loop, inits, (first, second), body, yields)
    driver.made(results[1], state.range).read = True
    driver.made(results[0], state.range)


_STEPS: tuple[Step, ...] = (
    _one_launch,
    _one_launch,
    _one_launch,
    _one_launch,
    _again,
    _fresh_each_step,
    _ping_pong,
    _in_place,
)
