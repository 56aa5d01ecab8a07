"""Launching what was compiled for the CPU: kernels and functions, by their addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backends.base import Job
from backends.warp.private_run import Compiled, launch_bounds
from backends.warp.values import (
    AnyArray,
    address,
    descriptor,
    packed,
    shown,
    stored,
    structure,
)
from grammar.passes.effects import written
from grammar.types import Array, Type, scalar_of

_FORWARD = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_BACKWARD = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came back; `reason` and `detail` say why the adjoint did not run, if that was wanted."""

    outputs: tuple[AnyArray, ...]
    gradients: tuple[AnyArray | None, ...] | None
    reason: str = ""
    detail: str = ""


def kernel(job: Job, kernels: Mapping[str, Compiled], backward: bool) -> Ran:
    """Launch a kernel on copies of the inputs, then its adjoint on the same arrays."""
    unit = job.program.entry
    compiled = kernels[job.rendered.entry]
    effects = written(unit)
    types = [value.type for value in unit.parameters]
    memory = [stored(v, scalar_of(t)) for v, t in zip(job.inputs, types, strict=True)]
    adjoints: list[AnyArray | None] = [
        np.zeros_like(array) if differentiable(type_) else None
        for array, type_ in zip(memory, types, strict=True)
    ]
    for at, cotangent in zip(sorted(effects), job.cotangents, strict=True):
        if adjoints[at] is not None and cotangent is not None:
            adjoints[at] = stored(cotangent, scalar_of(types[at]))
    arguments = packed(
        types,
        [
            descriptor(type_, array, adjoint) if isinstance(type_, Array) else array
            for type_, array, adjoint in zip(types, memory, adjoints, strict=True)
        ],
    )
    bounds = launch_bounds(unit.grid, compiled.rank)
    where = ctypes.addressof(bounds)
    _FORWARD(compiled.forward)(where, address(arguments))
    outputs = tuple([shown(memory[at], scalar_of(types[at])) for at in sorted(effects)])
    if not backward:
        return Ran(outputs, None)
    if not compiled.backward:
        return Ran(outputs, None, "adjoint_disabled")
    adjoint_arguments = packed(
        types,
        [
            descriptor(type_, adjoint) if isinstance(type_, Array) else None
            for type_, adjoint in zip(types, adjoints, strict=True)
        ],
    )
    _BACKWARD(compiled.backward)(where, address(arguments), address(adjoint_arguments))
    return Ran(
        outputs,
        tuple(
            [
                None if adjoint is None or effects.get(at) == "out" else shown(adjoint, scalar)
                for at, (adjoint, scalar) in enumerate(
                    zip(adjoints, map(scalar_of, types), strict=True)
                )
            ]
        ),
    )


def differentiable(type_: Type) -> bool:
    """Whether it is an array of floats, which has adjoints."""
    return isinstance(type_, Array) and scalar_of(type_).kind == "float"


def function(job: Job, kernels: Mapping[str, Compiled], backward: bool) -> Ran:
    """Call a function, then its adjoint."""
    unit = job.program.entry
    compiled = kernels[job.rendered.entry]
    parameters = [value.type for value in unit.parameters]
    scalars = [scalar_of(type_) for type_ in (*parameters, *unit.results)]
    count = len(parameters)
    call = np.zeros((), structure((*parameters, *unit.results)))
    for at, value in enumerate(job.inputs):
        call[f"f{at}"] = stored(value, scalars[at])
    _CALL(compiled.forward)(address(call))
    outputs = [shown(call[f"f{at}"], scalars[at]) for at in range(count, len(scalars))]
    if not backward:
        return Ran(tuple(outputs), None)
    adjoint = np.zeros_like(call)
    for at, cotangent in enumerate(job.cotangents, count):
        if cotangent is not None:
            adjoint[f"f{at}"] = stored(cotangent, scalars[at])
    _FORWARD(compiled.backward)(address(call), address(adjoint))
    gradients = [
        shown(adjoint[f"f{at}"], scalars[at]) if scalars[at].kind == "float" else None
        for at in range(count)
    ]
    return Ran(tuple(outputs), tuple(gradients))
