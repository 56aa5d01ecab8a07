"""Functions and kernels as Python functions; a kernel over all lanes at once, or lane by lane.

A kernel becomes a function of the arrays and scalars that it reads. It returns the arrays it
writes, in the order of its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backends import surface as s
from backends.jax.atomics import scatter_all
from backends.jax.axes import Summary, function_axes, kernel_axes, summary
from backends.jax.frame import Body, Sheet, Writer, together
from backends.jax.lanes import map_lanes
from backends.jax.regions import emit_region
from backends.jax.shapes import grid_shape, parameter_shape, spread_out
from backends.jax.spell import I32_TYPE, integer, jnp
from backends.jax.statements import axis_index
from backends.jax.uses import count_uses
from backends.style import Names
from grammar.passes.cells import promote_cells
from grammar.passes.dce import eliminate_dead
from grammar.passes.effects import Written, written
from grammar.passes.exits import remove_exits
from grammar.program import Unit, Value
from grammar.types import Array, Scalar, Type, Vector

INDEX_ROLES = ("index", "index2", "index3", "index4")


@dataclass(frozen=True, slots=True)
class Made:
    """A unit's definition. `takes` and `gives` are positions among the unit's parameters: of the
    arguments of the Python function, and of the arrays that it returns."""

    definition: s.FunctionDef
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    summary: Summary = ()


def parameter_role(type_: Type, how: Written | None = None) -> str:
    """The role, in `style.WORDS`, of a parameter."""
    match type_:
        case Array():
            return "output" if how else "array"
        case Scalar(kind="int" | "uint"):
            return "count"
        case Scalar(kind="bool"):
            return "flag"
        case Scalar():
            return "scalar"
        case Vector():
            return "vector"
        case _:
            return "matrix"


def straightened(unit: Unit) -> Unit:
    """The unit without exits, its writes at the end."""
    plain = promote_cells(remove_exits(unit)) if unit.kind == "kernel" else remove_exits(unit)
    return unit if plain is unit else eliminate_dead(plain)


def write_function(
    sheet: Sheet, number: int, unit: Unit, names: Names, summaries: Mapping[int, Summary]
) -> Made:
    """A function of elements; under lanes at once, of arrays of them."""
    unit = straightened(unit)
    writer = Writer(sheet, number, unit, names, count_uses(unit), emit_region)
    if sheet.idiom.whole:
        writer.axes = function_axes(unit, summaries)
        writer.spread = lambda mask, type_: parameter_shape(writer, mask, type_)
    params = [names.fresh(parameter_role(value.type)) for value in unit.body.params]
    for value, name in zip(unit.body.params, params, strict=True):
        writer.env[value.id] = s.Name(name)
    body = Body(writer)
    values = emit_region(body, unit.body)
    lines = body.finish(body.closing(values))
    definition = s.FunctionDef(
        sheet.called[number], tuple(map(s.Param, params)), (*writer.head, *lines)
    )
    masks = () if writer.axes is None else summary(unit, writer.axes)
    return Made(definition, tuple(range(len(params))), (), masks)


def write_kernel(
    sheet: Sheet, number: int, unit: Unit, names: Names, summaries: Mapping[int, Summary]
) -> Made:
    """A kernel over its grid."""
    how = written(unit)
    unit = straightened(unit)
    parameters = unit.parameters
    writer = Writer(sheet, number, unit, names, count_uses(unit), emit_region)
    takes: list[int] = []
    params: list[s.Param] = []
    for position, value in enumerate(parameters):
        if how.get(position) == "out":
            continue
        name = names.fresh(parameter_role(value.type, how.get(position)))
        writer.env[value.id] = s.Name(name)
        takes.append(position)
        params.append(s.Param(name))
    roles = INDEX_ROLES[: len(unit.grid)]
    indices = [s.Name(names.fresh(role)) for role in roles]
    for value, name in zip(unit.body.params, indices, strict=False):
        writer.env[value.id] = name
    gives = tuple(sorted(how))
    if sheet.idiom.whole:
        writer.axes = kernel_axes(unit, summaries)
        lines = _whole(writer, [parameters[position] for position in gives])
    else:
        lines = map_lanes(writer, [parameters[position] for position in gives])
    definition = s.FunctionDef(sheet.called[number], tuple(params), lines)
    return Made(definition, tuple(takes), gives)


def _whole(writer: Writer, arrays: list[Value]) -> tuple[s.Stmt, ...]:
    """All lanes at once: values that differ between lanes are arrays over the grid."""
    unit = writer.unit
    every = (1 << len(unit.grid)) - 1
    writer.spread = lambda mask, type_: grid_shape(unit, mask, type_)
    for value in unit.parameters:
        if (
            isinstance(value.type, Array)
            and value.type.shape == unit.grid
            and value.id in writer.env
        ):
            writer.own[value.id] = writer.env[value.id]
    body = Body(writer)
    emit_region(body, unit.body)
    new: dict[int, s.Expr] = {}
    for array, value in writer.results.items():
        new[array] = spread_out(body, value, every)
    for statement in writer.atomics:
        array = statement.operands[0]
        given = new.get(array.id, writer.env[array.id])
        if isinstance(given, s.Call):
            given = body.name(given, "output")
        new[array.id] = scatter_all(body, given, statement, every)
    items = [new[array.id] for array in arrays]
    returned = together(body.fitting(items, [array.type for array in arrays], body.left(8)))
    head = [
        s.Assign(writer.env[index.id], _lane_indices(axis, unit.grid))
        for axis, index in enumerate(unit.body.params[: len(unit.grid)])
        if index.id in writer.touched
    ]
    return (*head, *body.finish(returned))


def _lane_indices(axis: int, grid: tuple[int, ...]) -> s.Expr:
    """The indices of all lanes along an axis, an array along that axis of the grid."""
    line = s.Call(jnp("arange"), (integer(grid[axis]),), (("dtype", I32_TYPE),))
    return line if len(grid) == 1 else s.Subscript(line, axis_index(axis, len(grid)))
