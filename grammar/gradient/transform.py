"""The gradient of a program is a program."""

from __future__ import annotations

from collections.abc import Collection

from grammar.gradient.emitter import Emitter
from grammar.gradient.programs import Driver, Version
from grammar.gradient.units import Gradient, Units
from grammar.gradient.varied import is_float
from grammar.passes.dce import eliminate_dead
from grammar.passes.effects import written
from grammar.passes.kernels import to_kernels
from grammar.passes.uses import highest_id
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.types import Type
from grammar.verify import written_parameters


def gradient(program: Program) -> Gradient:
    """The program that pulls cotangents of the outputs back to the parameters.

    Its entry takes the parameters of the program's entry, then one cotangent for each output of
    floats (a kernel's outputs are the arrays it writes, in the order of its parameters). It returns
    one gradient for each parameter of floats, in order, but for arrays that a kernel overwrites
    without looking. For a function it is a function, and all these are elements; otherwise it is a
    program, whose cotangents and gradients are arrays, those of scalars arrays of one.

    ValueError for a loop that reads a local array which it carries.
    """
    program = to_kernels(program)
    entry = program.entry
    if entry.kind == "function":
        return _function(program)
    if entry.kind == "kernel":
        return _kernel(program)
    units = Units(program.units[:-1])
    driver = Driver(Emitter(highest_id(entry) + 1), units)
    params = entry.body.params
    driver.bind(params, [Version(value, is_float(value.type)) for value in params])
    driver.body(entry.body.body)
    outputs = [v for v in driver.versions(entry.body.end.values) if is_float(v.value.type)]
    wanted = [value for value in params if is_float(value.type)]
    return _finish(driver, units, params, outputs, wanted)


def _function(program: Program) -> Gradient:
    entry = program.entry
    units = Units(program.units[:-1])
    wanted = [at for at, value in enumerate(entry.parameters) if is_float(value.type)]
    number = units.add(entry)
    seeded = tuple([is_float(type_) for type_ in entry.results])
    made, replayed = units.function(number, wanted, seeded)
    return units.finish(made, replayed)


def _kernel(program: Program) -> Gradient:
    entry = program.entry
    units = Units(program.units)
    writes = written(entry)
    params = entry.parameters
    driver = Driver(Emitter(highest_id(entry) + 1), units)
    driver.bind(params, [Version(value, is_float(value.type)) for value in params])
    driver.launch(len(program.units) - 1, params)
    outputs = [driver.now[params[at].id] for at in writes if is_float(params[at].type)]
    wanted = [
        value for at, value in enumerate(params) if is_float(value.type) and writes.get(at) != "out"
    ]
    return _finish(driver, units, params, outputs, wanted)


def _finish(
    driver: Driver,
    units: Units,
    params: tuple[Value, ...],
    outputs: list[Version],
    wanted: list[Value],
) -> Gradient:
    """The way back from the cotangents of the outputs, and the entry."""
    emitter, buffers = driver.emitter, driver.buffers
    seeds = [emitter.fresh(version.value.type) for version in outputs]
    for version, seed in zip(outputs, seeds, strict=True):
        if version.varied:
            buffers.add(version.value, seed)
    driver.backward()
    results: list[Value] = []
    given: set[int] = set()
    for value in wanted:
        found = buffers.take(value)
        if found is None:
            found = buffers.zeros(buffers.type_of(value))
        elif found.id not in buffers.writable or found.id in given:
            found = buffers.copied(found)
        given.add(found.id)
        results.append(found)
    body = _live(emitter.statements(), {value.id for value in results}, units)
    region = Region((*params, *seeds), body, Terminator("return", tuple(results)))
    types: tuple[Type, ...] = tuple([value.type for value in results])
    return units.finish(eliminate_dead(Unit("program", region, types)), emitter.replayed)


def _live(body: tuple[Statement, ...], needed: set[int], units: Units) -> tuple[Statement, ...]:
    """The statements that give something to the needed values; adds what these need."""
    kept: list[Statement] = []
    for statement in reversed(body):
        if statement.op == "launch":
            number = statement.attribute
            assert isinstance(number, int)
            writes = written_parameters(units.units[number])
            wanted: Collection[int] = [statement.operands[at].id for at in writes]
        else:
            wanted = [value.id for value in statement.results]
            wanted += [at for region in statement.regions for at in _written(region, units)]
        if needed.isdisjoint(wanted):
            continue
        if statement.regions:
            (region,) = statement.regions  # a loop of at most one round
            needed.update([value.id for value in region.end.values])
            region = region._replace(body=_live(region.body, needed, units))
            statement = statement._replace(regions=(region,))
        needed.update([value.id for value in statement.operands])
        kept.append(statement)
    return tuple(kept[::-1])


def _written(region: Region, units: Units) -> list[int]:
    """The ids of the buffers that the launches of a region write."""
    found: list[int] = []
    for statement in region.body:
        if statement.op == "launch":
            number = statement.attribute
            assert isinstance(number, int)
            writes = written_parameters(units.units[number])
            found += [statement.operands[at].id for at in writes]
        for inner in statement.regions:
            found += _written(inner, units)
    return found
