"""Rounds of a program's loop that may or may not take place.

Such a round becomes a loop of at most one round, which is the conditional of programs. On the way
back it is run again within another one, and swept there. Both carry buffers of their own, since
what a loop takes belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grammar.gradient.emitter import renamed
from grammar.gradient.varied import is_float
from grammar.passes.uses import used_ids
from grammar.program import Region, Statement, Terminator, Value, walk
from grammar.types import I32

if TYPE_CHECKING:
    from grammar.gradient.programs import Driver, Version


@dataclass(frozen=True, slots=True)
class _Round:
    """A round that was emitted: the buffers from outside that it writes, what was known before it,
    the bounds and attribute of its loop, and the versions it starts from and ends with."""

    region: Region
    outer: tuple[Value, ...]
    now: dict[int, Version]
    constants: dict[int, int]
    bounds: tuple[Value, Value]
    attribute: tuple[int, int]
    before: tuple[Version, ...]
    after: tuple[Version, ...]


def forward(
    driver: Driver, statement: Statement, offset: int, carried: tuple[Version, ...]
) -> tuple[Version, ...]:
    """Emit the round that starts `offset` above the loop's start; returns what is carried after."""
    emitter, buffers = driver.emitter, driver.buffers
    region = statement.regions[0]
    start, stop = [version.value for version in driver.versions(statement.operands[:2])]
    low = emitter.integer("add", start, offset) if offset else start
    attribute = statement.attribute
    assert isinstance(attribute, tuple)
    attribute = (attribute[0], 1)
    outer = _written(driver, region)
    before = (*carried, *driver.versions(outer))
    types = [version.value.type for version in before]
    seen = [driver.now[at] for at in used_ids(region.body) if at in driver.now]
    varied = any(version.varied for version in (*before, *seen))
    known, constants = dict(driver.now), dict(driver.constants)

    index = emitter.fresh(I32)
    params = tuple([emitter.fresh(type_) for type_ in types])
    inits = tuple([buffers.copied(version.value) for version in before])
    emitter.open()
    tape, driver.tape = driver.tape, []
    after = _run(driver, region, outer, index, _versions(params, varied))
    ends = buffers.owned([version.value for version in after], params)
    driver.tape = tape
    made = Region((index, *params), emitter.close(), Terminator("yield", ends))
    results = emitter.emit("for", (low, stop, *inits), types, attribute, (made,))
    versions = _versions(results, varied)
    driver.bind(outer, versions[len(carried) :])
    if varied:
        done = _Round(region, outer, known, constants, (low, stop), attribute, before, versions)
        driver.tape.append(lambda: _reverse(driver, done))
    return versions[: len(carried)]


def _versions(values: Sequence[Value], varied: bool) -> tuple[Version, ...]:
    from grammar.gradient.programs import Version

    return tuple([Version(value, varied and is_float(value.type)) for value in values])


def _run(
    driver: Driver,
    region: Region,
    outer: tuple[Value, ...],
    index: Value,
    inside: Sequence[Version],
) -> tuple[Version, ...]:
    """Emit a round forwards from the versions it starts from; returns those it ends with. What the
    driver knew of values from outside is as before."""
    known, constants = driver.now, driver.constants
    driver.now, driver.constants = dict(known), dict(constants)
    driver.constants.pop(region.params[0].id, None)
    count = len(region.params) - 1
    driver.bind(region.params, (*_versions((index,), False), *inside[:count]))
    driver.bind(outer, inside[count:])
    driver.body(region.body)
    after = (*driver.versions(region.end.values), *driver.versions(outer))
    driver.now, driver.constants = known, constants
    return after


def _reverse(driver: Driver, done: _Round) -> None:
    """The way back through one round."""
    emitter, buffers = driver.emitter, driver.buffers
    slots = [at for at, version in enumerate(done.after) if version.varied]
    found = {at: buffers.take(done.after[at].value) for at in slots}
    if all(value is None for value in found.values()):
        return
    types = [buffers.type_of(done.after[at].value) for at in slots]
    inits = [
        buffers.zeros(type_) if value is None else buffers.copied(value)
        for value, type_ in zip(found.values(), types, strict=True)
    ]
    # What the round reads from outside is added to in there, but made out here.
    written = {value.id for value in done.outer}
    for at in sorted(used_ids(done.region.body) - written):
        version = done.now.get(at)
        if version is not None and version.varied:
            buffers.ready(version.value)

    index = emitter.fresh(I32)
    params = tuple([emitter.fresh(type_) for type_ in types])
    buffers.writable.update([value.id for value in params])
    # What comes in gets names of its own, to tell its cotangent from that of the same outside.
    names = [emitter.fresh(version.value.type) for version in done.before]
    emitter.open()
    state = driver.tape, driver.now, driver.constants
    driver.tape, driver.now, driver.constants = [], done.now, done.constants
    after = _run(driver, done.region, done.outer, index, _versions(names, True))
    for at, param in zip(slots, params, strict=True):
        if after[at].varied:
            buffers.add(after[at].value, param)
    driver.backward()
    driver.tape, driver.now, driver.constants = state
    ends: list[Value] = []
    for at, type_ in zip(slots, types, strict=True):
        value = buffers.take(names[at])
        ends.append(buffers.zeros(type_) if value is None else value)
    yields = buffers.owned(ends, params)
    now = {name.id: version.value for name, version in zip(names, done.before, strict=True)}
    body = renamed(emitter.close(), now)
    region = Region((index, *params), body, Terminator("yield", yields))
    results = emitter.emit("for", (*done.bounds, *inits), types, done.attribute, (region,))
    buffers.writable.update([value.id for value in results])
    for at, value in zip(slots, results, strict=True):
        if done.before[at].varied:
            buffers.add(done.before[at].value, value)


def _written(driver: Driver, region: Region) -> tuple[Value, ...]:
    """The buffers from outside that a round writes, in the order it does."""
    made = {value.id for value in region.params}
    for statement in walk(region):
        made.update([value.id for value in statement.results])
        for inner in statement.regions:
            made.update([value.id for value in inner.params])
    out: dict[int, Value] = {}
    for statement in walk(region):
        if statement.op == "launch":
            number = statement.attribute
            assert isinstance(number, int)
            for at in driver.kernels.written(number):
                value = statement.operands[at]
                if value.id not in made:
                    out[value.id] = value
    return tuple(out.values())
