"""The reference: what a program computes, in the program's own precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.interpret import run
from grammar.passes.effects import written
from grammar.plain import Plain, array_dtype
from grammar.program import Program, Unit
from grammar.types import Array, Type, element_shape, scalar_of


def shape_of(type_: Type) -> tuple[int, ...]:
    """The shape of the NumPy array that holds a value of the type, element axes trailing."""
    if isinstance(type_, Array):
        return (*type_.shape, *element_shape(type_.element))
    return element_shape(type_)


def output_types(unit: Unit) -> tuple[Type, ...]:
    """The types of what a unit gives: its results, or the arrays that a kernel writes."""
    if unit.kind == "kernel":
        return tuple([unit.parameters[at].type for at in sorted(written(unit))])
    return unit.results


def check_inputs(unit: Unit, inputs: Sequence[NDArray[Any]]) -> None:
    """ValueError, in one line, unless there is one array per parameter of its shape and dtype.

    bfloat16 is held by float32 arrays. The inputs of a function may have one more leading axis,
    of the same extent wherever there is one.
    """
    if len(inputs) != len(unit.parameters):
        raise ValueError(f"{len(unit.parameters)} inputs are needed, not {len(inputs)}")
    lanes: set[int] = set()
    for at, (array, value) in enumerate(zip(inputs, unit.parameters, strict=True)):
        wanted = array_dtype(scalar_of(value.type))
        if array.dtype != wanted:
            raise ValueError(f"input {at} ({value.type}) has dtype {wanted}, not {array.dtype}")
        shape = array.shape
        if unit.kind == "function" and array.ndim == len(shape_of(value.type)) + 1:
            lanes.add(shape[0])
            shape = shape[1:]
        if shape != shape_of(value.type):
            raise ValueError(
                f"input {at} ({value.type}) has shape {shape_of(value.type)}, not {array.shape}"
            )
    if len(lanes) > 1:
        raise ValueError(f"the inputs have different numbers of lanes: {sorted(lanes)}")


def reference(program: Program, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """What a program computes, rounded to its own precision after each op.

    `inputs` are one array per parameter of the entry, element axes trailing (a scalar parameter has
    shape () or that of its element). Outputs are the arrays a kernel writes, in the order of its
    parameters, or the results of a program or function, in their dtypes; bfloat16 is held by
    float32 arrays. A function may take a leading axis of lanes on any input, and then has it on
    every output.

    ValueError for inputs of a wrong count, shape or dtype; `grammar.interpret.UndefinedBehaviour`
    for an index out of bounds or an integer divided by zero.
    """
    check_inputs(program.entry, inputs)
    domain = Plain()
    types = output_types(program.entry)
    return [
        np.asarray(domain.lower(value, scalar_of(type_)))
        for value, type_ in zip(run(program, inputs, domain), types, strict=True)
    ]
