"""Time stepping: loops of a driver in which a kernel runs again on what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grammar import guards
from grammar.drawing.schedule_driver import Buffer, Driver, chosen, fitting, scalar_for
from grammar.drawing.schedule_kernels import draw_kernel
from grammar.program import Region, Statement, Terminator, Value
from grammar.types import I32, Array

ROUNDS = 6
"""Most steps of a loop with a constant number of them."""


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
        given += [buffer for buffer in chosen(driver) if buffer is not state][:1]
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
            operands.append(loop.index if slot.counter else scalar_for(driver, slot))
        elif slot.given == 0:
            operands.append(source)
        else:
            buffer = fitting(driver, slot) if slot.given is None else given[slot.given]
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


def in_place(driver: Driver) -> None:
    """A buffer updated again and again, each cell from itself and from other buffers."""
    loop = _loop(driver)
    state = _state(driver)
    number, given = _stepper(driver, loop, state, in_place=True)
    value = _owned(driver, state)
    operands = _operands(driver, loop, number, given, value, value)
    launch = Statement("launch", operands, (), number)
    _close(driver, loop, (), (), [launch], ())
    driver.made(value, state.range)


def fresh_each_step(driver: Driver) -> None:
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


def ping_pong(driver: Driver) -> None:
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
