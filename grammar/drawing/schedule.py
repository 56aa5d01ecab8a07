"""Programs of several kernels and functions, with a driver that launches them over buffers.

The driver keeps the range of every buffer. A kernel is drawn for the buffers it will read, whatever
they may hold. What runs again on what it wrote, in a time-stepping loop, is drawn to keep all
that it writes in the range of inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from grammar.drawing.kernel import draw_grid, new_library
from grammar.drawing.operands import NEVER
from grammar.drawing.schedule_driver import Driver, chosen, launch
from grammar.drawing.schedule_kernels import draw_kernel
from grammar.drawing.schedule_loops import fresh_each_step, in_place, ping_pong
from grammar.drawing.tables import Tables
from grammar.passes.dce import drop_unused_parameters, eliminate_dead_code
from grammar.program import Program, Region, Statement, Terminator, Unit
from grammar.source import Source
from grammar.types import Array


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
            statement = statement._replace(attribute=statement.attribute + by)
        regions = tuple([_shifted(inner, by) for inner in statement.regions])
        body.append(statement._replace(regions=regions))
    return region._replace(body=tuple(body))


Step = Callable[[Driver], None]


def _step(source: Source, driver: Driver, stop: int) -> bool:
    """One step, or (for `stop` above 0) the choice to stop, which is choice 0."""
    if stop and source.below(stop) == 0:
        return False
    steps = _SAFE_STEPS if driver.tables.grammar.differentiable else _STEPS
    steps[source.below(len(steps))](driver)
    return True


def _one_launch(driver: Driver) -> None:
    """A new kernel, launched once."""
    source = driver.source
    grid = driver.grid
    if source.below(6) == 5:
        grid = grid[:1] if len(grid) > 1 else draw_grid(source, driver.tables)
    given = chosen(driver)
    drawn = draw_kernel(
        source, driver.tables, driver.library, grid, [(b.array, b.range) for b in given]
    )
    driver.kernels.append(drawn)
    launch(driver, len(driver.kernels) - 1, given)


def _again(driver: Driver) -> None:
    """A kernel launched before, on other buffers where some fit."""
    if not driver.kernels:
        return _one_launch(driver)
    number = driver.source.below(len(driver.kernels))
    launch(driver, number, [])
    return None


_STEPS: tuple[Step, ...] = (
    _one_launch,
    _one_launch,
    _one_launch,
    _one_launch,
    _again,
    fresh_each_step,
    ping_pong,
    in_place,
)

_SAFE_STEPS = (*_STEPS[:5], fresh_each_step)
"""Those that overwrite no buffer which was read."""
