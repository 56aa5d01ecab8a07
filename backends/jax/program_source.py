"""Programs over buffers as Python functions: arrays are values, a launch rebinds what it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from backends import surface as s
from backends.jax.frame import Body, Sheet, Writer, together
from backends.jax.loops import BODIES, CARRY, UNROLLED_ROUNDS, Rounds, counter_range, rebind
from backends.jax.shapes import NONE, trailing
from backends.jax.spell import I32_TYPE, array_spellings, dtype, element_scalar, fill, integer, jnp
from backends.jax.statements import emit_const, emit_op
from backends.jax.units import Made, parameter_role
from backends.jax.uses import count_uses
from backends.style import Names
from grammar.ops.array import ARRAY_OPS
from grammar.program import Region, Statement, Unit, Value, walk
from grammar.types import I32, Array


@dataclass(slots=True)
class Buffers:
    """The buffers of a program: `blank` are zeros that no source line has made yet, `owned` those
    whose name a loop may take over."""

    units: Mapping[int, Made]
    blank: dict[int, Value] = field(default_factory=dict[int, Value])
    owned: set[int] = field(default_factory=set[int])


def write_program(
    sheet: Sheet, number: int, unit: Unit, names: Names, units: Mapping[int, Made]
) -> Made:
    """A program as a function of its parameters that returns its result arrays."""
    buffers = Buffers(units)

    def region(body: Body, region: Region) -> tuple[Value, ...]:
        return _region(body, region, buffers)

    writer = Writer(sheet, number, unit, names, count_uses(unit), region)
    params = [names.fresh(parameter_role(value.type)) for value in unit.parameters]
    for value, name in zip(unit.parameters, params, strict=True):
        writer.env[value.id] = s.Name(name)
    body = Body(writer)
    values = region(body, unit.body)
    for value in values:
        _contents(body, buffers, value)
    lines = body.finish(body.closing(values))
    definition = s.FunctionDef(sheet.called[number], tuple(map(s.Param, params)), lines)
    return Made(definition, tuple(range(len(params))), ())


def _region(body: Body, region: Region, buffers: Buffers) -> tuple[Value, ...]:
    for statement in region.body:
        if body.writer.uses.dead(statement):
            continue
        special = _SPECIAL.get(statement.op)
        if special is not None:
            special(body, statement, buffers)
            continue
        for operand in statement.operands:
            _contents(body, buffers, operand)
        if statement.op in ARRAY_OPS:
            _array_op(body, statement)
        elif statement.op == "const":
            emit_const(body, statement)
        else:
            emit_op(body, statement)
    return region.end.values


def _contents(body: Body, buffers: Buffers, value: Value) -> s.Expr:
    """The name of a buffer, whose zeros are made here at the latest; any other value as it is."""
    blank = buffers.blank.pop(value.id, None)
    if blank is not None:
        body.assign(body.writer.env[value.id], _zeros(value))
    return body.writer.env[value.id]


def _zeros(value: Value) -> s.Expr:
    assert isinstance(value.type, Array)
    extents = (*value.type.shape, *trailing(value.type))
    shape = integer(extents[0]) if len(extents) == 1 else s.Tuple(tuple(map(integer, extents)))
    return s.Call(jnp("zeros"), (shape,), (("dtype", dtype(element_scalar(value.type))),))


def _emit_zeros(body: Body, statement: Statement, buffers: Buffers) -> None:
    result = statement.results[0]
    writer = body.writer
    writer.env[result.id] = s.Name(writer.names.fresh("output"))
    buffers.blank[result.id] = result
    buffers.owned.add(result.id)


def _emit_copy(body: Body, statement: Statement, buffers: Buffers) -> None:
    result = statement.results[0]
    writer = body.writer
    value = _contents(body, buffers, statement.operands[0])
    body.pending.pop(statement.operands[0].id, None)
    name = s.Name(writer.names.fresh("output"))
    body.assign(name, value)
    writer.env[result.id] = name
    buffers.owned.add(result.id)


def _settle_all(body: Body) -> None:
    """Name every pending expression, as names in it are about to be rebound."""
    for value in list(body.pending.values()):
        body.settle(value)


def _emit_launch(body: Body, statement: Statement, buffers: Buffers) -> None:
    number = statement.attribute
    assert isinstance(number, int)
    writer = body.writer
    made = buffers.units[number]
    given = [statement.operands[position] for position in made.takes]
    for value in given:
        _contents(body, buffers, value)
    _settle_all(body)
    arguments = tuple([body.typed(value) for value in given])
    written = [statement.operands[position] for position in made.gives]
    for value in written:
        buffers.blank.pop(value.id, None)
    call = s.Call(s.Name(writer.sheet.called[number]), arguments)
    if written:
        body.assign(together([writer.env[value.id] for value in written]), call)


def _array_op(body: Body, statement: Statement) -> None:
    """An op on whole arrays."""
    writer = body.writer
    result = statement.results[0]
    operands = statement.operands
    types = tuple([value.type for value in operands])
    choices = array_spellings(statement.op, types, statement.attribute, writer.sheet.avoided)
    spelling = choices[writer.choose(result.id, 0, len(choices))]
    writer.sheet.modules.update(spelling.modules)
    for value, count in zip(operands, spelling.uses, strict=True):
        if count > 1:
            body.settle(value)

    def build() -> s.Expr:
        filled = [body.operand(value) for value in operands]
        return fill(spelling, filled, element_scalar(result.type))

    body.define(result, body.settle_wide(operands, build, body.room), statement)


def _written_outside(region: Region, buffers: Buffers) -> list[Value]:
    """The buffers from outside a loop that its launches write."""
    inside = {value.id for value in region.params}
    for statement in walk(region):
        inside.update([value.id for value in statement.results])
        for inner in statement.regions:
            inside.update([value.id for value in inner.params])
    found: dict[int, Value] = {}
    for statement in walk(region):
        if statement.op == "launch" and isinstance(statement.attribute, int):
            for position in buffers.units[statement.attribute].gives:
                value = statement.operands[position]
                if value.id not in inside:
                    found[value.id] = value
    return list(found.values())


def _emit_for(body: Body, statement: Statement, buffers: Buffers) -> None:
    writer = body.writer
    start, stop, *inits = statement.operands
    assert isinstance(statement.attribute, tuple)
    step, bound = statement.attribute
    region = statement.regions[0]
    for value in [v for v in buffers.blank.values() if _mentions(statement, v)]:
        _contents(body, buffers, value)
    _settle_all(body)
    outside = _written_outside(region, buffers)
    names = [writer.env[value.id] for value in outside]
    starts = list(names)
    for init, param, result in zip(inits, region.params[1:], statement.results, strict=True):
        name = writer.env[init.id]
        if init.id not in buffers.owned:
            name = s.Name(writer.names.fresh("output"))
        starts.append(body.typed(init))
        names.append(name)
        writer.env[param.id] = writer.env[result.id] = name
        buffers.owned.update((param.id, result.id))
    if not names:
        return
    first, last = writer.constants.get(start.id), writer.constants.get(stop.id)
    known = first is not None and last is not None
    count = max(0, -((first - last) // step)) if first is not None and last is not None else bound
    rounds = Rounds(count, first, step)
    test = None if known else stop
    unrolls = known and count <= UNROLLED_ROUNDS and writer.sheet.idiom.loop == "unroll"
    write = _python_loop if unrolls else _lax_loop
    write(body, statement, rounds, names, starts, start, test)


def _mentions(statement: Statement, value: Value) -> bool:
    if any(operand.id == value.id for operand in statement.operands):
        return True
    return any(
        any(given.id == value.id for given in region.end.values)
        or any(_mentions(inner, value) for inner in region.body)
        for region in statement.regions
    )


def _yielded(body: Body, region: Region, names: Sequence[s.Expr]) -> list[s.Expr]:
    """Write a round; the expressions that `names` have in the next one."""
    values = body.writer.region(body, region)
    kept = list(names[: len(names) - len(values)])
    return [*kept, *[body.typed(value) for value in values]]


def _python_loop(
    body: Body,
    statement: Statement,
    rounds: Rounds,
    names: Sequence[s.Expr],
    starts: Sequence[s.Expr],
    start: Value,
    stop: Value | None,
) -> None:
    """Python unrolls the loop while it is traced."""
    writer = body.writer
    region = statement.regions[0]
    for name, value in zip(names, starts, strict=True):
        if name != value:
            body.assign(name, value)
    index = region.params[0]
    counted = bool(writer.uses.counts.get(index.id))
    counter = s.Name(writer.names.fresh("loop") if counted else "_")
    writer.env[index.id] = counter
    writer.weak[index.id] = I32
    inner = body.nested()
    found = _yielded(inner, region, names)
    rebind(inner, names, found)
    values = s.Call(s.Name("range"), counter_range(rounds.counts(True), rounds.count))
    body.add(s.For(counter, values, tuple(inner.lines) or (s.Pass(),)))


def _lax_loop(
    body: Body,
    statement: Statement,
    rounds: Rounds,
    names: Sequence[s.Expr],
    starts: Sequence[s.Expr],
    start: Value,
    stop: Value | None,
) -> None:
    """`lax.fori_loop` or `lax.scan`; with `stop`, rounds past it hand on what they got."""
    writer = body.writer
    sheet = writer.sheet
    region = statement.regions[0]
    index = region.params[0]
    scans = sheet.idiom.loop == "scan"
    counted = stop is not None or bool(writer.uses.counts.get(index.id))
    counter = s.Name(writer.names.fresh("loop") if counted else "_")
    carry = names[0] if len(names) == 1 else CARRY
    assert isinstance(carry, s.Name)
    counts = rounds.counts(scans)
    inner = body.nested()
    if counted and not scans and sheet.wide:
        inner.assign(counter, s.Call(s.Attribute(counter, "astype"), (I32_TYPE,)))
    writer.env[index.id] = counter
    if counted and counts is None:
        offset: s.Expr = (
            counter if rounds.step == 1 else s.Binary("*", counter, integer(rounds.step))
        )
        name = s.Name(writer.names.fresh("loop"))
        inner.assign(name, s.Binary("+", body.raw(start), offset))
        writer.env[index.id] = name
    block = inner if stop is None else inner.nested()
    if len(names) > 1:
        block.assign(s.Tuple(tuple(names)), CARRY)
    value: s.Expr = together(_yielded(block, region, names))
    if stop is not None:
        name = s.Name(writer.closure(BODIES, index.id))
        inner.add(s.FunctionDef(name.id, (s.Param(carry.id),), block.finish(value)))
        test = s.Binary("<", inner.raw(index), inner.raw(stop))
        same = s.Lambda(("same",), s.Name("same"))
        value = s.Call(sheet.lax("cond"), (test, name, same, carry))
    name = s.Name(writer.closure(BODIES, index.id))
    params = (carry, counter) if scans else (counter, carry)
    value = s.Tuple((value, NONE)) if scans else value
    body.add(s.FunctionDef(name.id, tuple([s.Param(p.id) for p in params]), inner.finish(value)))
    initial = together(starts)
    if not scans:
        low, high, _ = counts or (0, rounds.count, 1)
        call = s.Call(sheet.lax("fori_loop"), (integer(low), integer(high), name, initial))
        body.assign(together(names), call)
        return
    if counted:
        kind = (("dtype", I32_TYPE),)
        counters = s.Call(jnp("arange"), counter_range(counts, rounds.count), kind)
        call = s.Call(sheet.lax("scan"), (name, initial, counters))
    else:
        length = (("length", integer(rounds.count)),)
        call = s.Call(sheet.lax("scan"), (name, initial, NONE), length)
    body.assign(s.Tuple((together(names), s.Name("_"))), call)


_SPECIAL: dict[str, Callable[[Body, Statement, Buffers], None]] = {
    "zeros": _emit_zeros,
    "copy": _emit_copy,
    "launch": _emit_launch,
    "for": _emit_for,
}
