"""Launches of a program: a kernel cut in two, two kernels in one, arguments copied."""

from __future__ import annotations

from grammar.build import Builder
from grammar.passes.dce import drop_unused_units
from grammar.passes.exits import has_exits
from grammar.passes.uses import highest_id, used_ids
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.rewrite.place import Place, copied, is_element, is_pure
from grammar.source import Source
from grammar.structural import ATOMICS
from grammar.types import BOOL, I32, Array, scalar_of
from grammar.verify import written_parameters

MOST_CROSSING = 4
"""A cut hands on no more values than this."""


def _launched(place: Place) -> Unit | None:
    number = place.statement.attribute
    if place.statement.op != "launch" or not isinstance(number, int):
        return None
    return place.program.units[number]


# Cutting


def _crossing(unit: Unit, cut: int) -> list[Value]:
    """The values computed before a cut, literals apart, and used after it."""
    before, after = unit.body.body[:cut], unit.body.body[cut:]
    used = used_ids(after)
    return [v for s in before if s.op != "const" for v in s.results if v.id in used]


def _cuts(unit: Unit) -> list[int]:
    """Where a kernel can be cut: something is done on both sides, and a few values cross."""
    found: list[int] = []
    if has_exits(unit):
        return found
    for cut in range(1, len(unit.body.body)):
        crossing = _crossing(unit, cut)
        if unit.body.body[cut - 1].op == "const" or not 1 <= len(crossing) <= MOST_CROSSING:
            continue
        if all(is_element(v) and scalar_of(v.type) != BOOL for v in crossing):
            found.append(cut)
    return found


def may_cut(place: Place) -> bool:
    """Whether the statement launches a kernel that can be cut in two."""
    unit = _launched(place)
    return unit is not None and bool(_cuts(unit))


def cut(place: Place, source: Source) -> Program:
    """Two launches, with a buffer for each value that the first hands on to the second."""
    unit = _launched(place)
    assert unit is not None
    cuts = _cuts(unit)
    at = cuts[source.below(len(cuts))]
    crossing = _crossing(unit, at)
    own = unit.body.params[: len(unit.grid)]
    fresh = Builder(first=highest_id(unit) + 1)
    arrays = tuple([fresh.fresh(_buffer(value, unit)) for value in crossing])
    stores = [
        Statement("store", (array, *own, value), ())
        for array, value in zip(arrays, crossing, strict=True)
    ]
    loads = [
        Statement("load", (array, *own), (value,))
        for array, value in zip(arrays, crossing, strict=True)
    ]
    body = unit.body.body
    literals = [s for s in body[:at] if s.op == "const"]
    first, passed_first = _part(unit, (*body[:at], *stores), arrays)
    second, passed_second = _part(unit, (*loads, *literals, *body[at:]), arrays)
    b = place.builder()
    buffers = tuple([b.fresh(array.type) for array in arrays])
    operands = place.statement.operands
    number = len(place.program.units) - 1
    made = [Statement("zeros", (), (buffer,)) for buffer in buffers]
    for offset, passed in enumerate((passed_first, passed_second)):
        arguments = (*[operands[k] for k in passed], *buffers)
        made.append(Statement("launch", arguments, (), number + offset))
    changed = place.instead(made)
    return drop_unused_units(Program((*changed.units[:-1], first, second, changed.units[-1])))


def _buffer(value: Value, unit: Unit) -> Array:
    assert not isinstance(value.type, Array)
    return Array(value.type, unit.grid)


def _part(
    unit: Unit, body: tuple[Statement, ...], arrays: tuple[Value, ...]
) -> tuple[Unit, list[int]]:
    """A kernel over the parameters that the body uses and some more arrays, and which they are."""
    used = used_ids(body)
    passed = [at for at, value in enumerate(unit.parameters) if value.id in used]
    own = unit.body.params[: len(unit.grid)]
    params = (*own, *[unit.parameters[at] for at in passed], *arrays)
    region = Region(params, body, Terminator("yield"))
    return Unit("kernel", region, (), unit.grid), passed


# Fusing


def _next_launch(place: Place) -> int | None:
    """Where the next launch of the region stands, if only buffers and numbers are made between."""
    body = place.region.body
    for at in range(place.index + 1, len(body)):
        if body[at].op == "launch":
            return at
        if body[at].op != "zeros" and not (is_pure(body[at]) and _is_scalar(body[at])):
            return None
    return None


def _is_scalar(statement: Statement) -> bool:
    return not statement.regions and all(map(is_element, (*statement.operands, *statement.results)))


def may_fuse(place: Place) -> bool:
    """Whether the statement and the next launch may be one: over one grid, and what one of them
    writes both touch at the lane's own index only."""
    first = _launched(place)
    at = _next_launch(place) if first is not None else None
    if first is None or at is None:
        return False
    following = place.region.body[at]
    assert isinstance(following.attribute, int)
    second = place.program.units[following.attribute]
    if first.grid != second.grid or has_exits(first):
        return False
    pairs = ((first, place.statement.operands), (second, following.operands))
    touched: list[set[int]] = []
    written: set[int] = set()
    for unit, operands in pairs:
        touched.append({value.id for value in operands if not is_element(value)})
        written |= {operands[k].id for k in written_parameters(unit)}
    shared = touched[0] & touched[1] & written
    return all(_own_only(unit, operands, shared) for unit, operands in pairs)


def _own_only(unit: Unit, operands: tuple[Value, ...], shared: set[int]) -> bool:
    """Whether a kernel loads and stores the shared arrays at its own index, and nothing else."""
    own = unit.body.params[: len(unit.grid)]
    inside = {p.id for p, v in zip(unit.parameters, operands, strict=True) if v.id in shared}
    for statement in walk(unit.body):
        if not statement.operands or statement.operands[0].id not in inside:
            continue
        if statement.op in ATOMICS:
            return False
        count = 1 + len(own)
        if statement.op in ("load", "store") and statement.operands[1:count] != own:
            return False
    shapes = [p.type.shape for p in unit.parameters if p.id in inside and isinstance(p.type, Array)]
    return all(shape == unit.grid for shape in shapes)


def fuse(place: Place, source: Source) -> Program:
    """One kernel that does what the two do, one after the other."""
    first = _launched(place)
    at = _next_launch(place)
    assert first is not None
    assert at is not None
    body = place.region.body
    following = body[at]
    assert isinstance(following.attribute, int)
    second = place.program.units[following.attribute]
    b = Builder()
    own = tuple([b.fresh(I32) for _ in first.grid])
    params: dict[int, Value] = {}
    made: list[Statement] = []
    for unit, operands in ((first, place.statement.operands), (second, following.operands)):
        known = {old.id: new for old, new in zip(unit.body.params, own, strict=False)}
        for param, value in zip(unit.parameters, operands, strict=True):
            if value.id not in params:
                params[value.id] = b.fresh(value.type)
            known[param.id] = params[value.id]
        made += copied(b, unit.body.body, known)
    region = Region((*own, *params.values()), tuple(made), Terminator("yield"))
    values = {v.id: v for v in (*place.statement.operands, *following.operands)}
    launch = Statement(
        "launch", tuple([values[id_] for id_ in params]), (), len(place.program.units) - 1
    )
    between = body[place.index + 1 : at]
    changed = place.with_body((*body[: place.index], *between, launch, *body[at + 1 :]))
    fused = Unit("kernel", region, (), first.grid)
    return drop_unused_units(Program((*changed.units[:-1], fused, changed.units[-1])))


# Copying


def _only_read(place: Place) -> list[int]:
    unit = _launched(place)
    if unit is None:
        return []
    writes = written_parameters(unit)
    return [
        at
        for at, value in enumerate(place.statement.operands)
        if not is_element(value) and at not in writes
    ]


def may_copy(place: Place) -> bool:
    """Whether a launch reads an array."""
    return bool(_only_read(place))


def copy_argument(place: Place, source: Source) -> Program:
    """The launch reads a copy of an array."""
    statement = place.statement
    found = _only_read(place)
    at = found[source.below(len(found))]
    old = statement.operands[at]
    made = place.builder().fresh(old.type)
    operands = tuple([made if k == at else v for k, v in enumerate(statement.operands)])
    return place.instead(
        [Statement("copy", (old,), (made,)), statement._replace(operands=operands)]
    )
