"""What a case is fed after an edit of its program: what it was fed before, as far as it fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.passes.effects import written
from grammar.plain import array_dtype, working
from grammar.program import Program
from grammar.reference import output_types, shape_of
from grammar.shrinking import Edited
from grammar.types import Array, Type, element_shape, int_limits, scalar_of
from irgen.fuzz.case import Case
from irgen.vectors import Arrays, Optionals


def follow(case: Case, edited: Edited) -> Case:
    """The case of an edited program.

    Parameters that stay keep their inputs, cut to their new shape and type; new ones get what the
    edit says, or one. Outputs that stay keep their cotangents; others get ones.
    """
    program = edited.program
    return replace(
        case,
        program=program,
        inputs=_inputs(case, edited),
        cotangents=_cotangents(case, edited),
    )


def _inputs(case: Case, edited: Edited) -> Arrays:
    if edited.inputs is not None:
        return edited.inputs
    entry = case.program.entry
    old = {
        value.id: (array, value.type)
        for array, value in zip(case.inputs, entry.parameters, strict=True)
    }
    made: list[NDArray[Any]] = []
    for value in edited.program.entry.parameters:
        if value.id in old:
            made.append(fitted(*old[value.id], value.type, edited.start))
        else:
            made.append(_full(value.type, edited.fresh.get(value.id, 1)))
    return tuple(made)


def _cotangents(case: Case, edited: Edited) -> Optionals:
    program = edited.program
    types = output_types(program.entry)
    before = dict(
        zip(
            _output_ids(case.program),
            zip(case.cotangents, output_types(case.program.entry), strict=True),
            strict=True,
        )
    )
    made: list[NDArray[Any] | None] = []
    for id_, type_ in zip(_output_ids(program), types, strict=True):
        array, old = before.get(id_, (None, type_))
        if scalar_of(type_).kind != "float":
            made.append(None)
        elif array is None:
            made.append(_full(type_, 1))
        else:
            made.append(fitted(array, old, type_, edited.start))
    return tuple(made)


def _output_ids(program: Program) -> list[tuple[str, int]]:
    """What tells the outputs of a program apart: the parameters that a kernel writes, or the
    values of results; the place among equal ones."""
    entry = program.entry
    if entry.kind == "kernel":
        return [("written", entry.parameters[at].id) for at in sorted(written(entry))]
    return [("result", at) for at in range(len(entry.results))]


def _full(type_: Type, literal: int) -> NDArray[Any]:
    return np.full(shape_of(type_), literal, array_dtype(scalar_of(type_)))


def fitted(array: NDArray[Any], old: Type, new: Type, start: int = 0) -> NDArray[Any]:
    """An array of one type as one of another that has no more axes and no larger extents: the
    elements from `start` on, as far as there are any, the first components, the nearest values."""
    if old == new:
        return array
    before, wanted = _element_axes(old), _element_axes(new)
    for _ in range(len(before) - len(wanted)):
        array = array[..., 0]
    outer, inner = _axes(old), _axes(new)
    while len(outer) > len(inner):
        axis = _lost(outer, inner)
        array = np.take(array, 0, axis)
        outer = (*outer[:axis], *outer[axis + 1 :])
    shape = shape_of(new)
    if len(shape) != array.ndim or any(a > b for a, b in zip(shape, array.shape, strict=True)):
        return _full(new, 1)
    for axis, extent in enumerate(shape):
        first = min(start, array.shape[axis] - extent) if axis < len(inner) else 0
        array = np.take(array, range(first, first + extent), axis)
    scalar = scalar_of(new)
    if scalar.kind in ("int", "uint"):
        low, high = int_limits(scalar)
        if array.dtype.kind == "f":
            array = array.astype(np.float64)  # half floats do not hold the ends
        array = np.clip(array, max(low, -(1 << 62)), min(high, (1 << 62)))
    return np.ascontiguousarray(working(array, scalar)).reshape(shape)


def _element_axes(type_: Type) -> tuple[int, ...]:
    return element_shape(type_.element if isinstance(type_, Array) else type_)


def _axes(type_: Type) -> tuple[int, ...]:
    return type_.shape if isinstance(type_, Array) else ()


def _lost(outer: tuple[int, ...], inner: tuple[int, ...]) -> int:
    """The axis that is gone: the first without which the others are as they are now."""
    for axis in range(len(outer)):
        if (*outer[:axis], *outer[axis + 1 :]) == inner:
            return axis
    return 0
