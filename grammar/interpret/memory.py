"""Steps that read and write memory: buffers, and arrays of a lane's own."""

from __future__ import annotations

import math

import numpy as np

from grammar.domain import Combine, Domain, Mask, Rows
from grammar.interpret.frame import (
    Buffer,
    Context,
    Frame,
    OutOfBounds,
    Step,
    axes,
    blinded,
    indices_of,
    shape_of,
    with_lanes,
    within,
    zero,
)
from grammar.passes.effects import constants
from grammar.program import Statement, Unit
from grammar.types import Array, scalar_of

_COMBINE: dict[str, Combine] = {
    "atomic_add": "add",
    "atomic_sub": "sub",
    "atomic_min": "min",
    "atomic_max": "max",
}


def _array_type(statement: Statement) -> Array:
    type_ = statement.operands[0].type
    assert isinstance(type_, Array)
    return type_


def rows_of(
    domain: Domain,
    frame: Frame,
    mask: Mask | None,
    statement: Statement,
    ids: tuple[int, ...],
    shape: tuple[int, ...],
) -> tuple[Rows, Mask | None]:
    """The rows of a flattened array that the lanes touch, without an axis where all touch the same
    one, and where they are not certain. OutOfBounds for active lanes that are outside; indices of
    other lanes are clipped."""
    indices, doubt = indices_of(domain, frame, ids)
    try:
        return np.ravel_multi_index(tuple(indices), shape), doubt
    except ValueError:
        outside = np.zeros(frame.lanes, np.bool_)
        for index, extent in zip(indices, shape, strict=True):
            outside |= (index < 0) | (index >= extent)
        excused = (doubt, frame.doubtful(), frame.excused)
        for gone in excused:
            if gone is not None:
                outside &= ~gone
        if mask is not None:
            outside &= mask
        if outside.any():
            lane = int(outside.argmax())
            found = [int(np.broadcast_to(index, frame.lanes)[lane]) for index in indices]
            why = f"index {found} of lane {lane} is outside {list(shape)}"
            raise OutOfBounds(statement, why) from None
        clipped = [
            np.clip(index, 0, extent - 1).astype(np.int32)
            for index, extent in zip(indices, shape, strict=True)
        ]
        return np.ravel_multi_index(tuple(clipped), shape), doubt


def load(context: Context, statement: Statement) -> Step:
    """The elements of a buffer. The lanes' own cells are the whole of it."""
    domain = context.domain
    type_ = _array_type(statement)
    array, *indices = [value.id for value in statement.operands]
    ids, shape, result = tuple(indices), type_.shape, statement.results[0].id
    element = shape_of(type_.element)

    def own(frame: Frame, mask: Mask | None) -> None:
        buffer: Buffer = frame[array]
        buffer.owned = False
        frame[result] = buffer.value

    def any_cell(frame: Frame, mask: Mask | None) -> None:
        rows, doubt = rows_of(domain, frame, mask, statement, ids, shape)
        value = domain.take(frame[array].value, rows)
        frame[result] = blinded(domain, doubt, value, element, frame.lanes)

    return own if ids == context.own and shape == context.grid else any_cell


def store(context: Context, statement: Statement) -> Step:
    """Overwrite elements of a buffer, each by one lane."""
    domain = context.domain
    type_ = _array_type(statement)
    array, *indices, new_id = [value.id for value in statement.operands]
    ids, shape, element = tuple(indices), type_.shape, shape_of(type_.element)
    rank = len(element)
    own_cells = ids == context.own and shape == context.grid

    def step(frame: Frame, mask: Mask | None) -> None:
        buffer: Buffer = frame[array]
        doubt = within(frame.doubtful(), mask)
        new = with_lanes(domain, frame[new_id], element, frame.lanes)
        new = blinded(domain, doubt, new, element, frame.lanes)
        if own_cells:
            if mask is not None:
                new = domain.select(axes(mask, rank), new, buffer.value)
            buffer.value = new
            buffer.owned = False
            return
        rows, unsure = rows_of(domain, frame, mask, statement, ids, shape)
        if within(unsure, mask) is not None:
            _forget(domain, buffer, rank)
            return
        rows = np.broadcast_to(rows, frame.lanes)
        if mask is not None:
            chosen = np.flatnonzero(mask)
            rows, new = rows[chosen], domain.take(new, chosen)
        domain.put(buffer.writable(domain), rows, new)

    return step


def _forget(domain: Domain, buffer: Buffer, rank: int) -> None:
    """Nothing is known of the whole buffer any more."""
    everywhere = np.ones(buffer.value.shape[0], np.bool_)
    buffer.value = domain.blind(axes(everywhere, rank), buffer.value)
    buffer.owned = False


def atomic(context: Context, statement: Statement) -> Step:
    """Combine into elements of a buffer, in any order of the lanes."""
    domain, kind = context.domain, _COMBINE[statement.op]
    type_ = _array_type(statement)
    array, *indices, new_id = [value.id for value in statement.operands]
    ids, shape, element = tuple(indices), type_.shape, shape_of(type_.element)
    unit = context.unit

    def step(frame: Frame, mask: Mask | None) -> None:
        buffer: Buffer = frame[array]
        new = with_lanes(domain, frame[new_id], element, frame.lanes)
        rows, unsure = rows_of(domain, frame, mask, statement, ids, shape)
        new = blinded(domain, within(frame.doubtful(), mask), new, element, frame.lanes)
        misplaced = within(unsure, mask) is not None
        if misplaced or (
            within(frame.lost, mask) is not None and not _stable(unit).issuperset(ids)
        ):
            _forget(domain, buffer, len(element))
            return
        rows = rows if rows.ndim else np.broadcast_to(rows, frame.lanes)
        if mask is not None:
            chosen = np.flatnonzero(mask)
            rows, new = rows[chosen], domain.take(new, chosen)
        domain.combine(kind, buffer.writable(domain), rows, new)

    return step


def _stable(unit: Unit) -> frozenset[int]:
    """The ids of values at the top of a unit that control flow has no part in."""
    found = {value.id for value in unit.body.params} | constants(unit).keys()
    for statement in unit.body.body:
        plain = not statement.regions and statement.op != "call"
        if plain and found.issuperset([value.id for value in statement.operands]):
            found.update([value.id for value in statement.results])
    return frozenset(found)


# Arrays of a lane's own: values with the lanes' axis, then the array's, then the element's


def local(context: Context, statement: Statement) -> Step:
    """An array of zeros."""
    result = statement.results[0]
    zeros = zero(context.domain, result.type)

    def step(frame: Frame, mask: Mask | None) -> None:
        frame[result.id] = zeros

    return step


def get(context: Context, statement: Statement) -> Step:
    """An element of a lane's own array."""
    domain = context.domain
    type_ = _array_type(statement)
    array, *indices = [value.id for value in statement.operands]
    ids, shape, result = tuple(indices), type_.shape, statement.results[0].id
    size, whole, element = math.prod(shape), shape_of(type_), shape_of(type_.element)

    def step(frame: Frame, mask: Mask | None) -> None:
        rows, doubt = rows_of(domain, frame, mask, statement, ids, shape)
        value, lanes = frame[array], frame.lanes
        if value.ndim > len(whole):
            value = domain.reshape(value, (lanes * size, *element))
            rows = rows + _first_rows(lanes, size)
        else:
            value = domain.reshape(value, (size, *element))
        value = domain.take(value, rows)
        frame[result] = blinded(domain, doubt, value, element, lanes)

    return step


def put(context: Context, statement: Statement) -> Step:
    """A lane's own array with one element replaced."""
    domain = context.domain
    type_ = _array_type(statement)
    array, *indices, new_id = [value.id for value in statement.operands]
    ids, shape, result = tuple(indices), type_.shape, statement.results[0].id
    size, whole, element = math.prod(shape), shape_of(type_), shape_of(type_.element)

    def step(frame: Frame, mask: Mask | None) -> None:
        rows, doubt = rows_of(domain, frame, mask, statement, ids, shape)
        lanes = frame.lanes
        new = with_lanes(domain, frame[new_id], element, lanes)
        value = domain.copy(with_lanes(domain, frame[array], whole, lanes))
        value = domain.reshape(value, (lanes * size, *element))
        domain.put(value, rows + _first_rows(lanes, size), new)
        value = domain.reshape(value, (lanes, *whole))
        frame[result] = blinded(domain, doubt, value, whole, lanes)

    return step


def _first_rows(lanes: int, size: int) -> Rows:
    return np.arange(0, lanes * size, size)


# Buffers of programs


def zeros(context: Context, statement: Statement) -> Step:
    """A new buffer of zeros."""
    domain = context.domain
    result = statement.results[0]
    assert isinstance(result.type, Array)
    scalar = scalar_of(result.type)
    flat = (math.prod(result.type.shape), *shape_of(result.type.element))

    def step(frame: Frame, mask: Mask | None) -> None:
        frame[result.id] = Buffer(domain.zeros(scalar, flat), True)

    return step


def copy(context: Context, statement: Statement) -> Step:
    """A new buffer with the contents of another."""
    source, result = statement.operands[0].id, statement.results[0].id

    def step(frame: Frame, mask: Mask | None) -> None:
        buffer: Buffer = frame[source]
        buffer.owned = False
        frame[result] = Buffer(buffer.value)

    return step
