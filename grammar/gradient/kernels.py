"""The adjoint of a kernel: a kernel that replays the primal and adds to gradient arrays.

It takes what the primal reads, with the contents from before, the cotangents of the arrays that the
primal writes, and one gradient array for each parameter that carries one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from grammar.gradient import extremes
from grammar.gradient.adjoint import Functions, Memory, Reverse
from grammar.gradient.emitter import Cotangents, Emitter
from grammar.gradient.prepare import Prepared, writing_only
from grammar.gradient.varied import varied_values
from grammar.passes.dce import eliminate_dead
from grammar.passes.effects import constants
from grammar.passes.uses import highest_id, unit_uses
from grammar.program import Region, Terminator, Unit, Value
from grammar.types import I32, Array, Scalar

Role = Literal["primal", "cotangent", "rivals", "gradient"]


@dataclass(frozen=True, slots=True)
class AdjointKernel:
    """A kernel of the gradient. `operands` tells what it is launched on: a role, and the parameter
    of the primal that the role is about."""

    unit: Unit
    operands: tuple[tuple[Role, int], ...]
    replayed: frozenset[int]


def adjoint_kernel(
    prepared: Prepared, functions: Functions, seeded: tuple[int, ...], wanted: Mapping[int, bool]
) -> AdjointKernel:
    """The adjoint of a prepared kernel.

    `seeded` are the positions of written arrays that have a cotangent, `wanted` those of parameters
    whose gradient is computed, each with whether its gradient array may hold something already.
    """
    params = prepared.unit.parameters
    unit = writing_only(prepared.unit, {params[at].id for at in seeded})
    varied = varied_values(unit, {params[at].id for at in wanted})
    for value in params:
        if isinstance(value.type, Array):
            varied.pop(value.id, None)  # loads add to gradient arrays instead
    emitter = Emitter(highest_id(prepared.unit) + 1)
    cotangents = {at: emitter.fresh(params[at].type) for at in seeded}
    gradients = {at: emitter.fresh(_gradient_type(params[at])) for at in wanted}
    rivals = {
        at: emitter.fresh(extremes.rivals_type(unit, params[at]))
        for at in seeded
        if extremes.sites(unit, params[at].id)
    }
    memory = Memory(
        {params[at].id: value for at, value in cotangents.items()},
        {params[at].id: value for at, value in gradients.items()},
        frozenset([value.id for value in prepared.cells.values()]),
        extremes.shares(
            emitter,
            unit,
            {params[at].id: value for at, value in rivals.items()},
            {params[at].id: value for at, value in gradients.items()},
        ),
    )
    reverse = Reverse(emitter, functions, varied, constants(unit), memory)
    received = Cotangents()
    reverse.unit(unit.body.body, received)
    own = unit.body.params[: len(unit.grid)]
    for at, array in gradients.items():
        _finish(emitter, prepared, params[at], array, own, received, wanted[at])

    roles: dict[int, tuple[Role, int]] = {}
    for at, value in enumerate(params):
        roles[value.id] = ("primal", at)
    named: tuple[tuple[Role, dict[int, Value]], ...] = (
        ("cotangent", cotangents),
        ("rivals", rivals),
        ("gradient", gradients),
    )
    added: list[Value] = []
    for role, values in named:
        for at, value in values.items():
            roles[value.id] = (role, at)
            added.append(value)
    body = Region((*unit.body.params, *added), emitter.statements(), Terminator("yield"))
    return trimmed(Unit("kernel", body, (), unit.grid), roles, emitter.replayed)


def trimmed(unit: Unit, roles: Mapping[int, tuple[Role, int]], replayed: set[int]) -> AdjointKernel:
    """The kernel without dead code and without parameters that it does not use."""
    unit = eliminate_dead(unit)
    used = unit_uses(unit)
    rank = len(unit.grid)
    kept = [value for value in unit.parameters if value.id in used]
    body = unit.body._replace(params=(*unit.body.params[:rank], *kept))
    made = Unit("kernel", body, (), unit.grid)
    return AdjointKernel(made, tuple([roles[value.id] for value in kept]), frozenset(replayed))


def _gradient_type(param: Value) -> Array:
    """Arrays have a gradient of their own type, scalars an array of one."""
    if isinstance(param.type, Array):
        return param.type
    return Array(param.type, (1,))


def _finish(
    emitter: Emitter,
    prepared: Prepared,
    param: Value,
    array: Value,
    own: tuple[Value, ...],
    received: Cotangents,
    holds: bool,
) -> None:
    """Add what a scalar, or a lane's own cell, has received to its gradient."""
    if not isinstance(param.type, Array):
        found = received.take(emitter, param)
        if found is not None:
            op = "atomic_sub" if found.negative else "atomic_add"
            emitter.act(op, (array, emitter.const(I32, 0), found.value))
        return
    cell = prepared.cells.get(param.id)
    found = None if cell is None else received.take(emitter, cell)
    if found is None:
        return
    if param.id in prepared.shared:
        op = "atomic_sub" if found.negative else "atomic_add"
        emitter.act(op, (array, *own, found.value))
        return
    value = emitter.plain(found)
    if holds:
        element = param.type.element
        old = emitter.emit("load", (array, *own), (element,))[0]
        value = emitter.op("add", (old, value), element, None)
    emitter.act("store", (array, *own, value))


def one_lane(op: str, attribute: int | None, operands: tuple[Value, ...], result: Scalar) -> Unit:
    """A kernel of one lane that stores the result of an op on scalars."""
    emitter = Emitter(0)
    index, out = emitter.fresh(I32), emitter.fresh(Array(result, (1,)))
    params = tuple([emitter.fresh(value.type) for value in operands])
    value = emitter.op(op, params, result, attribute)
    emitter.act("store", (out, index, value))
    body = Region((index, *params, out), emitter.statements(), Terminator("yield"))
    return Unit("kernel", body, (), (1,))
