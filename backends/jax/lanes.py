"""A kernel lane by lane: a nested function of one lane, mapped over the grid."""

from __future__ import annotations

from collections.abc import Sequence

from backends import surface as s
from backends.cst import width
from backends.jax.atomics import reduced, reducible, scatter
from backends.jax.frame import Body, Writer, role_of, together
from backends.jax.regions import emit_region
from backends.jax.shapes import NONE
from backends.jax.spell import I32_TYPE, integer, jnp
from grammar.program import Statement, Value
from grammar.types import I32, Array

LANES = ("lane", "per_item", "per_lane", "item_fn", "cell_fn")


def map_lanes(writer: Writer, arrays: Sequence[Value]) -> tuple[s.Stmt, ...]:
    """The body of a kernel that maps a function of one lane; it returns the arrays written."""
    unit = writer.unit
    grid = unit.grid
    maps = writer.sheet.idiom.mapping == "map" and len(grid) == 1
    if not maps and writer.choose(0, 8, 2):
        for value in unit.parameters:
            array = writer.env.get(value.id)
            if array is not None and isinstance(value.type, Array) and value.type.shape == grid:
                writer.own[value.id] = s.Name(writer.names.fresh(role_of(value.type.element)))
    body = Body(writer, depth=2)
    emit_region(body, unit.body)
    stored = [array for array in arrays if array.id in writer.results]
    sent = [writer.results[array.id] for array in stored]
    for statement in writer.atomics:
        sent += [*_mapped_places(writer, statement), statement.operands[-1]]
    value = body.closing(sent)
    passed = [value for value in unit.parameters if value.id in writer.mapped]
    axes = [
        axis
        for axis, index in enumerate(unit.body.params[: len(grid)])
        if not passed or index.id in writer.touched
    ]
    name = writer.closure(LANES, 0)
    params = [writer.env[unit.body.params[axis].id] for axis in axes]
    params += [writer.own[value.id] for value in passed]
    lines = body.finish(value)
    lane = s.FunctionDef(
        name, tuple([s.Param(p.id) for p in params if isinstance(p, s.Name)]), lines
    )
    ranges: list[s.Expr] = [
        s.Call(jnp("arange"), (integer(grid[axis]),), (("dtype", I32_TYPE),)) for axis in axes
    ]
    outer = Body(writer)
    outer.add(lane)
    taken = 14 * len(sent) + sum(width(writer.env[value.id]) + 2 for value in passed)
    if maps:
        arguments = outer.fitting(ranges, [I32] * len(ranges), outer.left(taken + 16))
        call = s.Call(writer.sheet.lax("map"), (s.Name(name), *arguments))
    else:
        function = _vmapped(outer, s.Name(name), axes, len(passed), len(sent) > 1)
        arguments = outer.fitting(ranges, [I32] * len(ranges), outer.left(taken + width(function)))
        call = s.Call(function, (*arguments, *[writer.env[value.id] for value in passed]))
    if len(sent) == 1 and stored:
        return outer.finish(call)
    return _combined(outer, arrays, stored, sent, call)


def _mapped_places(writer: Writer, statement: Statement) -> list[Value]:
    """The indices of an atomic that lanes hand out: not constants, unless all are and the value
    cannot be reduced."""
    *places, value = statement.operands[1:]
    varying = [place for place in places if place.id not in writer.weak]
    return varying if varying or reducible(value) else places


def _vmapped(body: Body, lane: s.Name, axes: Sequence[int], passed: int, named: bool) -> s.Expr:
    """`jax.vmap` of the lane's function over each axis of the grid, the last one innermost;
    `named` where what takes all axes gets a name too."""
    writer = body.writer
    rank = len(writer.unit.grid)
    function: s.Expr = lane
    for level in reversed(range(rank)):
        mapped = [0 if axis == level else None for axis in axes] + [0] * passed
        keywords: tuple[tuple[str, s.Expr], ...] = ()
        if None in mapped:
            places = [NONE if place is None else integer(place) for place in mapped]
            keywords = (("in_axes", s.Tuple(tuple(places))),)
        function = s.Call(writer.sheet.jax("vmap"), (function,), keywords)
        if keywords and (level or named):
            function = body.name(function, "closure")
    return function


def _combined(
    body: Body,
    arrays: Sequence[Value],
    stored: Sequence[Value],
    sent: Sequence[Value],
    call: s.Expr,
) -> tuple[s.Stmt, ...]:
    """Take the mapped results apart, apply the atomics, and return the arrays."""
    writer = body.writer
    fresh = writer.names.fresh
    if not sent:
        return body.finish(s.Tuple(()))
    roles = ["output" if at < len(stored) else role_of(v.type) for at, v in enumerate(sent)]
    names: list[s.Expr] = [s.Name(fresh(role)) for role in roles]
    body.assign(together(names), call)
    new = {array.id: name for array, name in zip(stored, names, strict=False)}
    rest = iter(names[len(stored) :])
    for statement in writer.atomics:
        array, *places, _ = statement.operands
        varying = {place.id for place in _mapped_places(writer, statement)}
        spots = [next(rest) if place.id in varying else writer.env[place.id] for place in places]
        given = next(rest) if varying else reduced(statement, next(rest))
        old = new.get(array.id, writer.env[array.id])
        if isinstance(old, s.Call):
            old = body.name(old, "output")
        new[array.id] = scatter(statement, old, spots, given)
    items = [new[array.id] for array in arrays]
    return body.finish(together(body.fitting(items, [a.type for a in arrays], body.left(8))))
